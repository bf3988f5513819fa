#include "core/registry.h"

#include <map>
#include <mutex>

#include "backends/table.h"
#include "core/reaper.h"

namespace edge {
namespace {

struct Registry {
  std::mutex mutex;  // guards the map; each entry has its own, so that one slow SDK does not hold up another
  struct Entry {
    std::mutex mutex;
    OpenBackend open;
  };
  std::map<std::string, std::unique_ptr<Entry>> entries;
};

// Leaked on purpose: SDK objects must not be destroyed while the process exits.
Registry& registry() {
  static auto* instance = new Registry;
  return *instance;
}

// Backends of several SDKs get one path a line.
std::string in_words(std::string libraries) {
  while (!libraries.empty() && libraries.back() == '\n') libraries.pop_back();
  for (size_t at = 0; (at = libraries.find('\n', at)) != std::string::npos;) libraries.replace(at, 1, " with ");
  return libraries;
}

}  // namespace

std::vector<std::string> backend_names(bool all) {
  std::vector<std::string> names;
  for (const BackendEntry& entry : backend_table()) {
    if (all || entry.listed) names.emplace_back(entry.name);
  }
  return names;
}

OpenBackend open_backend(const std::string& name, const std::string& library) {
  const BackendEntry* found = nullptr;
  for (const BackendEntry& entry : backend_table()) {
    if (name == entry.name) found = &entry;
  }
  if (found == nullptr) {
    throw Error(ErrorCode::kUnavailable, "There is no backend named '" + name + "' in this build.",
                "Choose one of those that `edge-infer devices` lists.");
  }
  Registry::Entry* entry;
  {
    std::lock_guard<std::mutex> lock(registry().mutex);
    auto& place = registry().entries[name];
    if (!place) place = std::make_unique<Registry::Entry>();
    entry = place.get();
  }
  std::lock_guard<std::mutex> lock(entry->mutex);
  start_reaper();
  if (!entry->open.backend) {
    entry->open = {found->open(library), library};
  } else if (!library.empty() && library != entry->open.library) {
    throw Error(ErrorCode::kUnavailable,
                "This process already runs '" + name + "' from " + in_words(entry->open.library) + ", not from " +
                    in_words(library) + ".",
                "Use one version of an SDK in a process: name the same library for every model.", name);
  }
  return entry->open;
}

}  // namespace edge
