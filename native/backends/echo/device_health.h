// Whether an echo device is there: it can be lost, with everything that runs on it, and come back.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "core/clock.h"
#include "core/error.h"

namespace edge::echo {

class DeviceHealth {
 public:
  explicit DeviceHealth(std::string id) : id_(std::move(id)) {}

  // For so many milliseconds; nothing: until restore().
  void lose(std::optional<int64_t> ms) {
    lost_until_ = ms ? now_ns() + *ms * 1'000'000 : INT64_MAX;
    ++losses_;
  }
  void restore() { lost_until_ = 0; }
  uint64_t losses() const { return losses_; }
  // Throws kDeviceLost while the device is lost, and where it has been lost since `losses` were counted.
  void check(uint64_t losses) const {
    if (now_ns() >= lost_until_ && losses_ == losses) return;
    throw Error(ErrorCode::kDeviceLost, "The echo device '" + id_ + "' is lost, as it was told to be.",
                "Wait until it is back.", "echo");
  }

 private:
  const std::string id_;
  std::atomic<int64_t> lost_until_{0};  // now_ns() time
  std::atomic<uint64_t> losses_{0};
};

}  // namespace edge::echo
