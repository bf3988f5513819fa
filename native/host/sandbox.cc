#include "host/sandbox.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <thread>

#include "host/file_descriptor.h"

namespace edge::host {
namespace {

// Landlock's numbers, declared here because many systems have a kernel that knows more than their headers.
// Source: the kernel's documentation, userspace-api/landlock.
constexpr long kCreateRuleset = 444, kAddRule = 445, kRestrictSelf = 446;
constexpr int kRulePathBeneath = 1;
constexpr uint64_t kWriteFile = 1 << 1;
constexpr uint64_t kRemoveAndMake = 0x1ff0;  // REMOVE_DIR, REMOVE_FILE and all MAKE_*: bits 4 to 12
constexpr uint64_t kRefer = 1 << 13, kTruncate = 1 << 14;
constexpr uint64_t kTcp = 3;             // bind and connect, from version 4
constexpr uint64_t kOtherProcesses = 3;  // abstract sockets and signals beyond the sandbox, from version 6

struct RulesetAttributes {
  uint64_t files, network, scoped;
};

struct __attribute__((packed)) PathBeneath {
  uint64_t allowed;
  int32_t parent;
};

// True where Landlock denies from here on. `version` is 0 where the kernel has none.
bool restrict_files(const std::vector<std::string>& writable, long* version) {
  *version = std::max(0L, syscall(kCreateRuleset, nullptr, 0, 1));
  if (*version < 1) return false;
  RulesetAttributes attributes{kWriteFile | kRemoveAndMake, 0, 0};
  if (*version >= 2) attributes.files |= kRefer;
  if (*version >= 3) attributes.files |= kTruncate;
  if (*version >= 4) attributes.network = kTcp;
  if (*version >= 6) attributes.scoped = kOtherProcesses;
  const size_t size = *version >= 6 ? 24 : *version >= 4 ? 16 : 8;
  const FileDescriptor ruleset(static_cast<int>(syscall(kCreateRuleset, &attributes, size, 0)));
  if (!ruleset) return false;
  std::vector<std::string> folders = writable;
  folders.emplace_back("/dev");  // device nodes are written to; what may be opened there the file modes decide
  for (const std::string& folder : folders) {
    const FileDescriptor parent(open(folder.c_str(), O_PATH | O_CLOEXEC));
    if (!parent) continue;
    const PathBeneath rule{attributes.files, parent.get()};
    syscall(kAddRule, ruleset.get(), kRulePathBeneath, &rule, 0);
  }
  return syscall(kRestrictSelf, ruleset.get(), 0) == 0;
}

}  // namespace

std::string enter_sandbox(const SandboxOptions& options) {
  std::string in_force;
  const auto add = [&](const std::string& text) { in_force += (in_force.empty() ? "" : ", ") + text; };
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0) add("no new privileges");
  const rlimit no_core{0, 0};
  if (setrlimit(RLIMIT_CORE, &no_core) == 0) add("no core dumps");
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)  // whose shadow memory is beyond any limit
  if (options.max_memory > 0) {
    // The watch below is exact but late; this stops one that takes everything at once. Half a gigabyte on top, because
    // thread stacks count here though they are hardly used.
    const rlimit data{options.max_memory + (size_t{1} << 29), options.max_memory + (size_t{1} << 29)};
    if (setrlimit(RLIMIT_DATA, &data) == 0) add("memory limit " + std::to_string(options.max_memory >> 20) + " MB");
  }
#endif
  if (options.strict) {
    long version = 0;
    if (restrict_files(options.writable, &version)) {
      add("Landlock " + std::to_string(version) + ": files read-only" + (version >= 4 ? ", no TCP" : ""));
    } else {
      add(version == 0 ? "no Landlock in this kernel" : "Landlock refused");
    }
  }
  return in_force;
}

void watch_memory(size_t bytes, void (*end)(size_t held)) {
  std::thread([bytes, end] {
    const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    for (;;) {
      // Resident and not shared: request buffers belong to the parent, code to everybody.
      std::ifstream statm("/proc/self/statm");
      size_t total = 0, resident = 0, shared = 0;
      if (statm >> total >> resident >> shared && (resident - shared) * page > bytes) end((resident - shared) * page);
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }).detach();
}

}  // namespace edge::host
