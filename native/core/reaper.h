// A thread on which SDK objects are destroyed: never on their own completion thread, never on the JS thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

namespace edge {

// Makes the thread, unless it is there: whoever makes what will be reaped calls this first, since destructors cannot
// report that the system gives no thread. Throws then.
void start_reaper();

// Runs `work` on the reaper's thread, in order, and lets go of it there. Any thread; does not block.
void reap(std::function<void()>&& work);

// Waits for all that the reaper has to do, but not longer than `limit`, and not on its own thread. Returns a number
// that is greater with every piece of work that it has done.
uint64_t await_reaper(std::chrono::milliseconds limit);

// Lets a reference go there, in case it is the last one.
template <typename T>
void let_go(std::shared_ptr<T> last) {
  if (last) reap([held = std::move(last)]() mutable { held.reset(); });
}

}  // namespace edge
