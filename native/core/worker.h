// A thread that does one piece of work after the other, for ever.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace edge {

// Must be leaked: the thread is detached and uses it until the process ends.
class Worker {
 public:
  Worker();
  // Any thread; does not block. `work` must not throw. It is taken whole: what it captured dies on the worker's thread.
  void add(std::function<void()>&& work);
  // Waits until all that was added is done, also what that work added, but not longer than `limit`, and not at all on
  // the worker's own thread. Returns how many pieces it has done since it was made.
  uint64_t finish(std::chrono::milliseconds limit);

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable wake_, idle_;
  std::deque<std::function<void()>> work_;
  bool working_ = false;
  uint64_t done_ = 0;
  std::thread::id thread_;  // never changed once there is work
};

}  // namespace edge
