// Whether a run is made on the calling thread: decided by what runs and wake-ups cost on this machine.
#pragma once

#include <cstdint>

namespace edge {

// An inline run blocks the JS thread, so it must cost less than handing the run to a thread would. A chain of inline
// runs settles its promises in microtasks: after half a millisecond of them one run takes a lane, so that timers and
// I/O get their turn. Times are nanoseconds. Guarded by its owner's lock.
class InlinePolicy {
 public:
  bool allows(int64_t wake_up_ns) const {
    return samples_ >= kEnoughSamples && mean_ns_ < static_cast<double>(wake_up_ns) && since_lane_ns_ < kBudgetNs;
  }

  // A run has ended well.
  void note(int64_t compute_ns, bool inlined, int64_t wake_up_ns) {
    const auto compute = static_cast<double>(compute_ns);
    mean_ns_ = samples_ == 0 ? compute : mean_ns_ + (compute - mean_ns_) / 8;
    if (samples_ < kEnoughSamples) ++samples_;
    if (!inlined) {
      since_lane_ns_ = 0;
      return;
    }
    since_lane_ns_ += compute_ns;
    if (compute_ns > 4 * wake_up_ns && ++slow_ >= 2) {
      slow_ = 0;
      samples_ = kEnoughSamples - kPenalty;
    }
  }

  static constexpr int kEnoughSamples = 16;
  static constexpr int kPenalty = 1000;  // runs on a lane, after two slow ones
  static constexpr int64_t kBudgetNs = 500'000;

 private:
  double mean_ns_ = 0;
  int samples_ = 0, slow_ = 0;
  int64_t since_lane_ns_ = 0;
};

}  // namespace edge
