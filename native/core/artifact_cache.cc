#include "core/artifact_cache.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "core/entry_lock.h"
#include "core/error.h"
#include "core/log.h"
#include "core/private_files.h"
#include "core/seal.h"

namespace edge {
namespace {

constexpr const char* kScratchPrefix = ".new-";  // then the key, and six letters
constexpr const char* kLockPrefix = ".lock-";    // then the key
constexpr const char* kData = "data";
constexpr const char* kFacts = "facts";
constexpr uint64_t kLeastFree = 1 << 20;  // less than this after writing: what an SDK wrote may be cut off

// One key's place in the cache of one backend.
struct Place {
  CachePlace cache;
  std::string folder;
  std::string key;
  Secret secret = {};

  std::string entry() const { return folder + "/" + key; }
  std::string name() const { return cache.backend + " " + key; }  // as it is sealed
  void warn(const std::string& message) const { log(LogLevel::kWarning, cache.backend, "cache: " + message); }
};

// False where nothing can be kept; the log says why.
bool open_place(Place& place) {
  place.folder = place.cache.directory + "/" + place.cache.backend;
  rlimit file_size{};
  if (::getrlimit(RLIMIT_FSIZE, &file_size) != 0 || file_size.rlim_cur != RLIM_INFINITY) {
    place.warn("not used: files are limited in size.");  // beyond its limit a write ends the process
    return false;
  }
  if (!make_folders(place.folder) || !is_private_folder(place.folder)) {
    place.warn(place.folder + " cannot be used: it has to be a folder of this user that nobody else may enter.");
    return false;
  }
  if (!read_secret(place.folder, place.secret)) {
    place.warn(place.folder + " cannot be used: its key can be neither read nor made.");
    return false;
  }
  return true;
}

void mark_used(const Place& place) { ::utimensat(AT_FDCWD, place.entry().c_str(), nullptr, 0); }

std::string facts_text(const Facts& facts) {
  std::string text;
  for (const auto& [name, value] : facts) {
    std::string line = name + " " + value;
    for (char& c : line) c = static_cast<unsigned char>(c) < ' ' || c == '\x7f' ? ' ' : c;
    text += line + "\n";
  }
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  char date[32] = {};
  if (::gmtime_r(&now, &utc) != nullptr) std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text + "made " + date + "\n";
}

uint64_t free_bytes(const std::string& folder) {
  struct statvfs status{};
  if (::statvfs(folder.c_str(), &status) != 0) return 0;
  return static_cast<uint64_t>(status.f_bavail) * status.f_frsize;
}

// Keeps what was written beside the finished entries, in one step. Under the entry's lock.
void publish(const Place& place, const Facts& facts, const std::string& scratch) {
  if (names_in(scratch).empty()) return;  // the device does not export its models
  const std::string text = facts_text(facts);
  bool written = write_private(scratch + "/" + kFacts, text.data(), text.size());
  for (const std::string& name : names_in(scratch)) {
    const std::string path = scratch + "/" + name;
    written = ::chmod(path.c_str(), 0600) == 0 && flush(path) && written;  // whatever the umask
  }
  if (free_bytes(scratch) < kLeastFree) return place.warn("the disk is full; the compiled model is not kept.");
  if (size_of(scratch) > place.cache.limit)
    return place.warn("the compiled model is larger than the cache may be; it is not kept.");
  if (!written || !write_seal(scratch, place.name(), place.secret) || !flush(scratch))
    return place.warn("the compiled model could not be written whole; it is not kept.");
  if (::rename(scratch.c_str(), place.entry().c_str()) != 0)
    return place.warn(place.entry() + " cannot be written: " + std::strerror(errno) + ".");
  mark_used(place);
  flush(place.folder);
}

// What processes left unfinished that ended meanwhile: nobody has the lock that it was made under, or we have it now.
void remove_abandoned(const Place& place) {
  for (const std::string& name : names_in(place.folder)) {
    const bool is_scratch = name.rfind(kScratchPrefix, 0) == 0;
    if (!is_scratch && name.rfind(kLockPrefix, 0) != 0) continue;
    const size_t start = std::strlen(is_scratch ? kScratchPrefix : kLockPrefix);
    const std::string key = is_scratch ? name.substr(start, name.rfind('-') - start) : name.substr(start);
    EntryLock lock;  // letting go of it removes its file
    const bool is_ours = key == place.key || lock.try_take(place.folder + "/" + kLockPrefix + key);
    if (is_ours && is_scratch) remove_tree(place.folder + "/" + name);
  }
}

// The oldest entries beyond the limit.
void evict(const Place& place) {
  struct Entry {
    timespec used;
    uint64_t size;
    std::string path;
  };
  std::vector<Entry> entries;
  uint64_t total = 0;
  for (const std::string& name : names_in(place.folder)) {
    if (name[0] == '.') continue;
    const std::string path = place.folder + "/" + name;
    struct stat status{};
    if (::lstat(path.c_str(), &status) != 0) continue;
    const uint64_t size = size_of(path);
    total += size;
    if (path != place.entry()) entries.push_back({status.st_mtim, size, path});
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return a.used.tv_sec != b.used.tv_sec ? a.used.tv_sec < b.used.tv_sec : a.used.tv_nsec < b.used.tv_nsec;
  });
  for (const Entry& oldest : entries) {
    if (total <= place.cache.limit) return;
    remove_tree(oldest.path);
    total -= oldest.size;
  }
}

// A folder to be filled, which is gone with this unless it was published.
class Scratch {
 public:
  explicit Scratch(const Place& place) : path_(place.folder + "/" + kScratchPrefix + place.key + "-XXXXXX") {
    made_ = ::mkdtemp(path_.data()) != nullptr;
  }
  ~Scratch() {
    if (made_) remove_tree(path_);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  explicit operator bool() const { return made_; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  bool made_ = false;
};

// What came of looking for an entry. `kRefused`: it is what was kept, and yet the SDK made nothing of it.
enum class Found { kServed, kRefused, kNone };

// `find` looks for the entry; where that did not serve, `fill` gets a folder for a new one and returns whether that
// did.
bool find_or_fill(const CachePlace& cache, const std::string& key, const Facts& facts,
                  const std::function<Found(const Place&)>& find,
                  const std::function<bool(const Place&, const std::string& folder)>& fill,
                  const std::atomic<bool>* cancelled) {
  Place place{cache, {}, key};
  if (!open_place(place)) return false;
  Found found = find(place);
  EntryLock lock;
  if (found != Found::kServed && !lock.take(place.folder + "/" + kLockPrefix + key, cancelled)) {
    place.warn(place.folder + " cannot be written to: " + std::strerror(errno) + ".");
    return false;
  }
  if (found == Found::kNone) found = find(place);  // somebody else may have made it meanwhile
  if (found == Found::kServed) {
    mark_used(place);
    return true;
  }
  struct stat status{};
  if (::lstat(place.entry().c_str(), &status) == 0) {
    if (found == Found::kNone) place.warn(place.entry() + " is not what was kept there; it is made anew.");
    remove_tree(place.entry());
  }
  remove_abandoned(place);
  const Scratch scratch(place);
  if (!scratch) {
    place.warn(place.folder + " cannot be written to: " + std::strerror(errno) + ".");
    return false;
  }
  if (!fill(place, scratch.path())) return false;
  publish(place, facts, scratch.path());
  evict(place);
  return true;
}

}  // namespace

std::vector<uint8_t> kept_bytes(const CachePlace& place, const std::string& key, const Facts& facts,
                                const std::function<std::vector<uint8_t>()>& make, const std::atomic<bool>* cancelled,
                                bool& from_cache, const Takes& takes) {
  from_cache = false;
  std::vector<uint8_t> bytes;
  // The very bytes that are checked are the ones that are used.
  const auto find = [&](const Place& at) {
    if (!is_sealed(at.entry(), at.name(), at.secret, kData, &bytes)) return Found::kNone;
    from_cache = !takes || takes(bytes);
    return from_cache ? Found::kServed : Found::kRefused;
  };
  const auto fill = [&](const Place& at, const std::string& folder) {
    bytes = make();
    if (!write_private(folder + "/" + kData, bytes.data(), bytes.size())) {
      at.warn(std::string("the compiled model cannot be written: ") + std::strerror(errno) + ".");
      remove_tree(folder + "/" + kData);
    }
    return true;
  };
  if (!find_or_fill(place, key, facts, find, fill, cancelled)) bytes = make();
  return bytes;
}

bool kept_folder(const CachePlace& place, const std::string& key, const Facts& facts, const FolderUse& use,
                 const FolderUse& fill, const std::atomic<bool>* cancelled) {
  const auto find = [&](const Place& at) {
    if (!is_sealed(at.entry(), at.name(), at.secret)) return Found::kNone;
    return use(at.entry()) ? Found::kServed : Found::kRefused;
  };
  return find_or_fill(
      place, key, facts, find, [&](const Place&, const std::string& folder) { return fill(folder); }, cancelled);
}

}  // namespace edge
