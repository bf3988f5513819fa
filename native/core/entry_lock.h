// Keeps the making of a cache entry to one thread of one process: an advisory lock on a file beside the entry, which is
// let go of when its process ends, however it ends.
#pragma once

#include <atomic>
#include <string>

namespace edge {

class EntryLock {
 public:
  EntryLock() = default;
  // Removes the file: it is there for as long as somebody holds the lock, or until somebody looks after a crash.
  ~EntryLock();
  EntryLock(const EntryLock&) = delete;
  EntryLock& operator=(const EntryLock&) = delete;

  // Waits for whoever has it. False, with errno, where the file cannot be made or locked. Throws kAborted when
  // `cancelled`, which may be null, becomes true meanwhile.
  bool take(const std::string& path, const std::atomic<bool>* cancelled);
  // False also where somebody has it.
  bool try_take(const std::string& path);

 private:
  enum class Outcome { kTaken, kHeld, kFailed };
  Outcome attempt(const std::string& path);

  std::string path_;
  int file_ = -1;
};

}  // namespace edge
