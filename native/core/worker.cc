#include "core/worker.h"

#include <utility>

#include "core/exit_guard.h"

namespace edge {

Worker::Worker() {
  std::thread thread([this] { run(); });
  thread_ = thread.get_id();
  thread.detach();
}

void Worker::add(std::function<void()>&& work) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    // Swapped: libc++ leaves a copy of small functions in what is moved from, and the caller would let go of it last.
    work_.emplace_back().swap(work);
  }
  wake_.notify_one();
}

uint64_t Worker::finish(std::chrono::milliseconds limit) {
  std::unique_lock<std::mutex> lock(mutex_);
  if (std::this_thread::get_id() != thread_) idle_.wait_for(lock, limit, [this] { return !working_ && work_.empty(); });
  return done_;
}

void Worker::run() {
  for (;;) {
    std::function<void()> work;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      if (std::exchange(working_, false)) ++done_;
      if (work_.empty()) idle_.notify_all();
      wake_.wait(lock, [this] { return !work_.empty(); });
      work = std::move(work_.front());
      work_.pop_front();
      working_ = true;
    }
    SdkCall inside;
    work();
    work = nullptr;  // what it captured dies here too
  }
}

}  // namespace edge
