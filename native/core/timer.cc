#include "core/timer.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "core/clock.h"

namespace edge {
namespace {

constexpr int64_t kLongestWait = 3'600'000'000'000;

class Timer {
 public:
  Timer() {
    std::thread([this] { run(); }).detach();
  }

  TimerEntry add(int64_t when, std::function<void()> work) {
    TimerEntry entry;
    bool earliest;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      entry = {when, ++last_id_};
      auto place = entries_.emplace(std::make_pair(when, entry.id), std::move(work)).first;
      earliest = place == entries_.begin();
    }
    if (earliest) wake_.notify_one();
    return entry;
  }

  void remove(const TimerEntry& entry) {
    std::function<void()> dead;  // dies outside the lock: it may own a session
    std::lock_guard<std::mutex> lock(mutex_);
    auto place = entries_.find({entry.when, entry.id});
    if (place == entries_.end()) return;
    dead = std::move(place->second);
    entries_.erase(place);
  }

 private:
  void run() {
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      if (entries_.empty()) {
        wake_.wait(lock);
        continue;
      }
      const int64_t when = entries_.begin()->first.first, now = now_ns();
      const int64_t wait = when > now ? when - now : 0;
      if (wait > 0) {
        // At most an hour at once: a far time must not overflow the clock.
        wake_.wait_for(lock, std::chrono::nanoseconds(std::min(wait, kLongestWait)));
        continue;
      }
      std::function<void()> work = std::move(entries_.begin()->second);
      entries_.erase(entries_.begin());
      lock.unlock();
      work();
      work = nullptr;
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::map<std::pair<int64_t, uint64_t>, std::function<void()>> entries_;
  uint64_t last_id_ = 0;
};

Timer& timer() {
  static auto* instance = new Timer;  // leaked: its thread never ends
  return *instance;
}

}  // namespace

TimerEntry timer_add(int64_t when, std::function<void()> work) { return timer().add(when, std::move(work)); }

void timer_remove(const TimerEntry& entry) noexcept {
  if (entry.id != 0) timer().remove(entry);
}

}  // namespace edge
