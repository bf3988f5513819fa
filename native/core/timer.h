// Deadlines: one thread for the process that calls back when a time has come.
#pragma once

#include <cstdint>
#include <functional>

namespace edge {

// Names one entry of the timer; value 0 = none.
struct TimerEntry {
  int64_t when = 0;
  uint64_t id = 0;
};

// Calls `work` on the timer's thread at `when` (now_ns() time), unless removed first. `work` must be short.
TimerEntry timer_add(int64_t when, std::function<void()> work);
// Removes an entry; one that is being called just now may still be running when this returns.
void timer_remove(const TimerEntry& entry) noexcept;

}  // namespace edge
