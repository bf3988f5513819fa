// When a lost device may serve again: the waits between probes, and hysteresis, so that a flapping device is left
// alone.
#pragma once

#include <cstdint>

namespace edge {

struct HealthOptions {
  int64_t probe_ns = 250'000'000;  // from a loss to the first probe; doubles with every failure, up to 40 times this
  int64_t healthy_ns = 2'000'000'000;  // for how long, at least, all probes must succeed
};

// Plain arithmetic over times that the caller gives (now_ns()); no thread, no lock.
class Health {
 public:
  enum class State { kHealthy, kRecovering, kLost };

  explicit Health(HealthOptions options)
      : options_(options), needed_ns_(options.healthy_ns), wait_ns_(options.probe_ns) {}

  State state() const { return state_; }
  uint64_t failed_probes() const { return failed_; }  // since the loss

  // Each returns the time until the next probe.
  int64_t lost(int64_t now);
  int64_t probe_failed();
  // 0: it is healthy again, and no further probe is needed.
  int64_t probe_succeeded(int64_t now);

 private:
  HealthOptions options_;
  State state_ = State::kHealthy;
  int64_t needed_ns_;  // doubles with every loss soon after a return, up to 32 times healthy_ns
  int64_t wait_ns_;
  int64_t recovering_since_ = 0, healthy_since_ = 0;
  int succeeded_ = 0;
  uint64_t failed_ = 0;
};

const char* health_name(Health::State state);

}  // namespace edge
