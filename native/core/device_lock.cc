#include "core/device_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "core/error.h"
#include "core/log.h"

namespace edge {
namespace {

class FileLock final : public DeviceLock {
 public:
  explicit FileLock(int descriptor) : descriptor_(descriptor) {}
  ~FileLock() override {
    // The file stays: removing it would let two processes lock two files of one name.
    if (taken_ && ftruncate(descriptor_, 0) != 0) errno = 0;
    close(descriptor_);
  }
  void taken() { taken_ = true; }

 private:
  const int descriptor_;
  bool taken_ = false;  // until then the file is its owner's
};

struct Locks {
  std::mutex mutex;
  std::map<std::string, std::weak_ptr<DeviceLock>> held;
};

// Never destroyed: devices may be let go of while the process exits.
Locks& locks() {
  static auto* instance = new Locks;
  return *instance;
}

std::string file_name(const std::string& device) {
  std::string name = "edge-infer-" + device + ".lock";
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '.' && c != '-') c = '-';
  }
  return name;
}

// Where every process looks, sandboxed ones too: what is below /dev they may write.
std::vector<std::string> folders() {
  const char* given = std::getenv("EDGE_INFER_LOCKS");
  if (given != nullptr && *given != 0) return {given};
  return {"/dev/shm", "/run/lock", "/tmp"};
}

// The lock's file, or -1 where it cannot be made here. Never another folder's because this one's cannot be opened: two
// processes would then lock two files. No link of somebody else's is followed.
int open_file(const std::string& path) {
  for (int tries = 0; tries < 100; ++tries) {
    // Without O_CREAT where it exists: in folders that all may write to, systems refuse that for another user's file.
    // Who may only read it can lock it all the same.
    for (const int mode : {O_RDWR, O_RDONLY}) {
      const int descriptor = open(path.c_str(), mode | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
      if (descriptor >= 0) return descriptor;
    }
    if (errno != ENOENT && errno != ENOTDIR) {
      throw Error(ErrorCode::kPermission, "The lock " + path + " cannot be opened: " + std::strerror(errno) + ".",
                  "Remove that file, or make it readable for this user.");
    }
    const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (descriptor >= 0) {
      if (fchmod(descriptor, 0666) != 0) errno = 0;  // against the umask: every user shall see it
      return descriptor;
    }
    if (errno != EEXIST) return -1;  // no such folder, or not to be written to
  }
  return -1;
}

int open_file_of(const std::string& device) {
  for (const std::string& folder : folders()) {
    const int descriptor = open_file(folder + "/" + file_name(device));
    if (descriptor >= 0) return descriptor;
  }
  return -1;
}

// "1234 (node)", with who started it where that is a host process of ours.
std::string process_text(long pid) {
  const std::string folder = "/proc/" + std::to_string(pid);
  std::string name;
  std::getline(std::ifstream(folder + "/comm"), name);
  std::string text = std::to_string(pid) + (name.empty() ? "" : " (" + name + ")");
  if (name.rfind("edge_infer", 0) != 0) return text;
  std::ifstream status(folder + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("PPid:", 0) == 0) return text + ", started by " + process_text(std::atol(line.c_str() + 5));
  }
  return text;
}

// 0: it does not say.
long owner_of(int descriptor) {
  char text[32] = {};
  const ssize_t size = pread(descriptor, text, sizeof text - 1, 0);
  return size > 0 ? std::atol(text) : 0;
}

// Takes the lock; false where another process has it. Where it is this one, the last holder is just letting go of it,
// on another thread.
bool take(int descriptor) {
  for (int tries = 0; tries < 2000; ++tries) {
    if (flock(descriptor, LOCK_EX | LOCK_NB) == 0) return true;
    const long owner = owner_of(descriptor);
    if (owner != 0 && owner != getpid()) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

}  // namespace

std::shared_ptr<DeviceLock> lock_device(const std::string& device) {
  std::lock_guard<std::mutex> guard(locks().mutex);
  std::weak_ptr<DeviceLock>& place = locks().held[device];
  if (auto held = place.lock()) return held;
  const int descriptor = open_file_of(device);
  if (descriptor < 0) {
    log(LogLevel::kWarning, "", "No file can be written to lock " + device + ": another process may use it too.");
    return nullptr;
  }
  auto held = std::make_shared<FileLock>(descriptor);
  if (!take(descriptor)) {
    const long pid = owner_of(descriptor);
    const std::string owner = pid > 0 ? "process " + process_text(pid) : "another process";
    throw Error(
        ErrorCode::kDeviceBusy, "The device " + device + " is in use by " + owner + ".",
        "The device serves one process at a time: dispose of its models there, or end that process. Models that "
        "share it in one application need the same `isolate` options.");
  }
  held->taken();
  const std::string pid = std::to_string(getpid());
  if (ftruncate(descriptor, 0) != 0 || pwrite(descriptor, pid.data(), pid.size(), 0) < 0) {
    errno = 0;  // a full disk: the lock holds all the same, only the owner's pid is missing
  }
  place = held;
  return held;
}

}  // namespace edge
