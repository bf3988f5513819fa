#include "core/entry_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "core/error.h"

namespace edge {
namespace {

// Beside what is waited for, seconds of compiling, this is nothing.
constexpr auto kLookAgain = std::chrono::milliseconds(20);

// Whether the open file still has its name: the last holder took that away, and others may lock its successor.
bool is_named(int file, const std::string& path) {
  struct stat open{}, named{};
  return ::fstat(file, &open) == 0 && ::lstat(path.c_str(), &named) == 0 && open.st_dev == named.st_dev &&
         open.st_ino == named.st_ino;
}

}  // namespace

EntryLock::~EntryLock() {
  if (file_ < 0) return;
  ::unlink(path_.c_str());  // before the lock goes: nobody else can have it now
  ::close(file_);
}

EntryLock::Outcome EntryLock::attempt(const std::string& path) {
  for (;;) {
    const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (file < 0) return Outcome::kFailed;
    const bool locked = ::flock(file, LOCK_EX | LOCK_NB) == 0;
    const int error = errno;
    if (locked && is_named(file, path)) {
      file_ = file;
      path_ = path;
      return Outcome::kTaken;
    }
    ::close(file);
    errno = error;
    if (!locked && error != EINTR) return error == EWOULDBLOCK ? Outcome::kHeld : Outcome::kFailed;
  }
}

bool EntryLock::take(const std::string& path, const std::atomic<bool>* cancelled) {
  for (;;) {
    const Outcome outcome = attempt(path);
    if (outcome != Outcome::kHeld) return outcome == Outcome::kTaken;
    if (cancelled != nullptr && *cancelled) throw Error(ErrorCode::kAborted, "The load was cancelled.");
    std::this_thread::sleep_for(kLookAgain);
  }
}

bool EntryLock::try_take(const std::string& path) { return attempt(path) == Outcome::kTaken; }

}  // namespace edge
