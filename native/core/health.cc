#include "core/health.h"

#include <algorithm>

namespace edge {
namespace {

constexpr int kEnoughProbes = 3;
constexpr int64_t kLongestWait = 40;     // times probe_ns
constexpr int64_t kMostPatience = 32;    // times healthy_ns
constexpr int64_t kSoonAfterReturn = 8;  // times what its return took

}  // namespace

int64_t Health::lost(int64_t now) {
  const bool returned = healthy_since_ != 0;
  if (state_ == State::kHealthy && returned) {
    const bool soon = now - healthy_since_ < kSoonAfterReturn * needed_ns_;
    needed_ns_ = soon ? std::min(2 * needed_ns_, kMostPatience * options_.healthy_ns) : options_.healthy_ns;
  }
  state_ = State::kLost;
  failed_ = 0;
  return wait_ns_ = options_.probe_ns;
}

int64_t Health::probe_failed() {
  state_ = State::kLost;
  ++failed_;
  return wait_ns_ = std::min(2 * wait_ns_, kLongestWait * options_.probe_ns);
}

int64_t Health::probe_succeeded(int64_t now) {
  if (state_ != State::kRecovering) {
    state_ = State::kRecovering;
    recovering_since_ = now;
    succeeded_ = 0;
  }
  if (++succeeded_ >= kEnoughProbes && now - recovering_since_ >= needed_ns_) {
    state_ = State::kHealthy;
    healthy_since_ = now;
    return 0;
  }
  return std::max<int64_t>(needed_ns_ / (kEnoughProbes - 1), 1);
}

const char* health_name(Health::State state) {
  switch (state) {
    case Health::State::kRecovering:
      return "recovering";
    case Health::State::kLost:
      return "lost";
    case Health::State::kHealthy:
      break;
  }
  return "healthy";
}

}  // namespace edge
