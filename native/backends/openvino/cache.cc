#include "backends/openvino/cache.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <memory>
#include <sstream>

#include "core/log.h"
#include "core/sha256.h"

namespace edge::openvino {
namespace {

constexpr const char* kSealName = "seal";
constexpr const char* kScratchPrefix = ".new-";
constexpr uint64_t kMostBytes = uint64_t{4} << 30;
constexpr uint64_t kLeastFree = 1 << 20;  // less than this after writing: what was written may be cut off

void warn(const std::string& message) { log(LogLevel::kWarning, "openvino", "cache: " + message); }

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  if (DIR* open = ::opendir(folder.c_str())) {
    while (const dirent* entry = ::readdir(open)) {
      const std::string name = entry->d_name;
      if (name != "." && name != "..") names.push_back(name);
    }
    ::closedir(open);
  }
  std::sort(names.begin(), names.end());
  return names;
}

// Never follows a link out of the folder.
void remove_tree(const std::string& path) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) return;
  if (S_ISDIR(status.st_mode)) {
    for (const std::string& name : names_in(path)) remove_tree(path + "/" + name);
    ::rmdir(path.c_str());
  } else {
    ::unlink(path.c_str());
  }
}

// Ours alone: a folder, or a file without another name, that nobody else may touch.
bool is_private(const std::string& path, mode_t kind) {
  struct stat status{};
  return ::lstat(path.c_str(), &status) == 0 && (status.st_mode & S_IFMT) == kind && status.st_uid == ::geteuid() &&
         (status.st_mode & 022) == 0 && (kind == S_IFDIR ? (status.st_mode & 077) == 0 : status.st_nlink == 1);
}

bool make_folders(const std::string& path) {
  for (size_t at = 1; at != std::string::npos;) {
    at = path.find('/', at);
    const std::string part = path.substr(0, at);
    if (::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) return false;
    if (at != std::string::npos) ++at;
  }
  return true;
}

uint64_t free_bytes(const std::string& folder) {
  struct statvfs status{};
  if (::statvfs(folder.c_str(), &status) != 0) return 0;
  return static_cast<uint64_t>(status.f_bavail) * status.f_frsize;
}

uint64_t size_of(const std::string& path) {
  struct stat status{};
  return ::lstat(path.c_str(), &status) == 0 ? static_cast<uint64_t>(status.st_size) : 0;
}

// One line a file: its checksum, a blank, its name.
std::string seal_text(const std::string& folder) {
  std::string text = "edge-infer cache 1\n";
  for (const std::string& name : names_in(folder)) {
    if (name == kSealName) continue;
    const std::string path = folder + "/" + name;
    const std::string sum = is_private(path, S_IFREG) && size_of(path) > 0 ? sha256_of_file(path) : std::string();
    if (sum.empty() || name.find('\n') != std::string::npos) return {};
    text += sum + " " + name + "\n";
  }
  return text;
}

bool write_file(const std::string& path, const std::string& text) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) return false;
  const bool whole = ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fsync(file) == 0;
  return ::close(file) == 0 && whole;
}

std::string read_file(const std::string& path) {
  constexpr size_t kLongest = 1 << 16;
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (file < 0) return {};
  std::string text(kLongest, '\0');
  const ssize_t count = ::read(file, text.data(), text.size());
  ::close(file);
  text.resize(count > 0 ? static_cast<size_t>(count) : 0);
  return text;
}

// Whether an entry is private and just as it was sealed.
bool is_whole(const std::string& entry) {
  if (!is_private(entry, S_IFDIR) || !is_private(entry + "/" + kSealName, S_IFREG)) return false;
  const std::string sealed = read_file(entry + "/" + kSealName);
  // What a device added later is not sealed: OpenVINO shall not see it.
  for (const std::string& name : names_in(entry)) {
    if (name != kSealName && sealed.find(" " + name + "\n") == std::string::npos) remove_tree(entry + "/" + name);
  }
  return !sealed.empty() && sealed == seal_text(entry);
}

// Keeps what was written beside the finished entries, in one step. Another process may do the same at the same time:
// whoever comes first wins.
void publish(const std::string& scratch, const std::string& entry) {
  for (const std::string& name : names_in(scratch))
    ::chmod((scratch + "/" + name).c_str(), 0600);  // whatever the umask
  const std::string text = seal_text(scratch);
  const bool something = text.find(' ', text.find('\n')) != std::string::npos;
  if (!something) return;  // the device does not export its models
  if (free_bytes(scratch) < kLeastFree) return warn("the disk is full; the compiled model is not kept.");
  if (!write_file(scratch + "/" + kSealName, text)) return warn("the compiled model could not be written whole.");
  ::rename(scratch.c_str(), entry.c_str());
}

// The oldest entries beyond the limit, and what ended processes left unfinished.
void tidy(const std::string& folder, const std::string& keep) {
  struct Entry {
    time_t used;
    uint64_t size;
    std::string path;
  };
  std::vector<Entry> entries;
  uint64_t total = 0;
  for (const std::string& name : names_in(folder)) {
    const std::string path = folder + "/" + name;
    struct stat status{};
    if (::lstat(path.c_str(), &status) != 0) continue;
    if (name.rfind(kScratchPrefix, 0) == 0) {
      constexpr time_t kAbandoned = 24 * 3600;  // no compilation takes this long
      if (status.st_mtime + kAbandoned < std::time(nullptr)) remove_tree(path);
      continue;
    }
    uint64_t size = 0;
    for (const std::string& file : names_in(path)) size += size_of(path + "/" + file);
    total += size;
    if (path != keep) entries.push_back({status.st_mtime, size, path});
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.used < b.used; });
  for (const Entry& oldest : entries) {
    if (total <= kMostBytes) return;
    remove_tree(oldest.path);
    total -= oldest.size;
  }
}

bool compile_from(const std::string& folder, const std::function<bool(const std::string&)>& compile, bool& from_cache) {
  try {
    from_cache = compile(folder);
    return true;
  } catch (const Error& error) {
    // Not the model's fault as long as it compiles without a cache; else the caller hears it from that attempt.
    warn(std::string("compiling with it failed: ") + (error.cause().empty() ? error.message() : error.cause()));
    return false;
  }
}

}  // namespace

std::string cache_key(const Runtime& runtime, const std::string& device, const DeviceInfo& info,
                      const ModelSource& source, const std::vector<std::string>& files, const LoadOptions& options,
                      const Properties& properties) {
  Sha256 hash;
  bool whole = true;
  const auto add_file = [&](const std::string& path) {
    const std::string sum = sha256_of_file(path);
    whole = whole && !sum.empty();
    hash.add_text(sum);
  };
  const auto add_bytes = [&](const Bytes& bytes) {
    hash.add_text(std::to_string(bytes.size)), hash.add(bytes.data, bytes.size);
  };
  source.path.empty() ? add_bytes(source.bytes) : add_file(source.path);
  // The weights of IR lie beside it under its own name where no other one is given.
  const std::string& path = source.path;
  const bool is_ir = path.size() > 4 && path.compare(path.size() - 4, 4, ".xml") == 0;
  const std::string beside = is_ir ? path.substr(0, path.size() - 4) + ".bin" : std::string();
  if (!source.weights_path.empty())
    add_file(source.weights_path);
  else if (!beside.empty() && ::access(beside.c_str(), F_OK) == 0)
    add_file(beside);
  add_bytes(source.weights);
  for (const std::string& file : files) add_file(file);
  for (const std::string& text : {runtime.version, device, info.name, options.precision}) hash.add_text(text);
  for (const char* key :
       {"DRIVER_VERSION", "NPU_DRIVER_VERSION", "GPU_DEVICE_ID", "DEVICE_ARCHITECTURE", "DEVICE_UUID"}) {
    char* value = nullptr;
    const Status status = runtime.api.ov_core_get_property(runtime.core, device.c_str(), key, &value);
    hash.add_text(status == kOk ? take_string(runtime.api, value) : std::string());
  }
  for (const auto& [key, value] : properties) hash.add_text(key), hash.add_text(value);
  for (const auto& [name, shape] : options.shapes) hash.add_text(name), hash.add_text(shape_text(shape));
  hash.add_text(options.allow_partial ? "partial" : "whole");
  return whole ? hash.hex() : std::string();
}

void compile_cached(const std::string& key, const std::string& directory,
                    const std::function<bool(const std::string& folder)>& compile) {
  const std::string folder = directory + "/openvino";
  bool from_cache = false;
  rlimit file_size{};
  const bool unlimited = ::getrlimit(RLIMIT_FSIZE, &file_size) == 0 && file_size.rlim_cur == RLIM_INFINITY;
  if (key.empty() || !unlimited) {  // beyond its limit a write ends the process
    warn("not used: the model cannot be read again, or files are limited in size.");
  } else if (!make_folders(folder) || !is_private(folder, S_IFDIR)) {
    warn(folder + " cannot be used: it has to be a folder of this user that nobody else may enter.");
  } else {
    const std::string entry = folder + "/" + key;
    if (is_whole(entry)) {
      if (compile_from(entry, compile, from_cache) && from_cache) {
        ::utimensat(AT_FDCWD, entry.c_str(), nullptr, 0);  // used just now
        return;
      }
    }
    remove_tree(entry);
    std::string scratch = folder + "/" + kScratchPrefix + "XXXXXX";
    if (::mkdtemp(scratch.data()) == nullptr) {
      warn(folder + " cannot be written to: " + std::strerror(errno));
    } else {
      const bool compiled = compile_from(scratch, compile, from_cache);
      if (compiled) publish(scratch, entry);
      remove_tree(scratch);
      tidy(folder, entry);
      if (compiled) return;
    }
  }
  compile({});
}

}  // namespace edge::openvino
