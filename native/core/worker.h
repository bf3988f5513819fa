// A thread that does one piece of work after the other, for ever.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>

namespace edge {

// Must be leaked: the thread is detached and uses it until the process ends.
class Worker {
 public:
  Worker();
  // Any thread; does not block. `work` must not throw. It is taken whole: what it captured dies on the worker's thread.
  void add(std::function<void()>&& work);

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> work_;
};

}  // namespace edge
