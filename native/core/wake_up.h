// What it costs on this machine to wake a sleeping thread.
#pragma once

#include <cstddef>
#include <cstdint>

namespace edge {

// Nanoseconds of `rounds` ping-pongs between two threads (two wake-ups each). Blocks. Throws where there is no thread.
void ping_pong(int64_t* nanoseconds, size_t rounds);

// Median of one wake-up in nanoseconds, measured once per process on first use (a few milliseconds). Blocks, and may
// throw, then.
int64_t wake_up_ns();
// The same without measuring: 0 if it has not been measured yet.
int64_t known_wake_up_ns() noexcept;

}  // namespace edge
