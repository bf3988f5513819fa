#include "core/worker.h"

#include <thread>
#include <utility>

#include "core/exit_guard.h"

namespace edge {

Worker::Worker() {
  std::thread([this] { run(); }).detach();
}

void Worker::add(std::function<void()>&& work) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    // Swapped: libc++ leaves a copy of small functions in what is moved from, and the caller would let go of it last.
    work_.emplace_back().swap(work);
  }
  wake_.notify_one();
}

void Worker::run() {
  for (;;) {
    std::function<void()> work;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [this] { return !work_.empty(); });
      work = std::move(work_.front());
      work_.pop_front();
    }
    SdkCall inside;
    work();
    work = nullptr;  // what it captured dies here too
  }
}

}  // namespace edge
