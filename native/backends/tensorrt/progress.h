// How far a build has come, which TensorRT tells from 9.1 on, and how it is given up.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/backend.h"

namespace edge::tensorrt {

// Hears of the phases of one build, which lie in each other, on whichever threads TensorRT likes.
class BuildProgress {
 public:
  // Both may be empty.
  BuildProgress(OnProgress tell, std::shared_ptr<const std::atomic<bool>> cancelled);
  // An IProgressMonitor of TensorRT 10 and newer, which lives as long as this.
  void* interface() const { return interface_.get(); }

  bool is_given_up() const { return cancelled_ && cancelled_->load(); }

  // What TensorRT tells.
  void start(const char* phase, const char* parent, int32_t steps) noexcept;
  // False: the build is given up.
  bool step(const char* phase, int32_t step) noexcept;
  void finish(const char* phase) noexcept;

 private:
  struct Phase {
    std::string name;
    int32_t steps, done;
  };
  void tell();

  const OnProgress tell_;
  const std::shared_ptr<const std::atomic<bool>> cancelled_;
  std::mutex mutex_;           // guards what follows
  std::vector<Phase> phases_;  // from the outermost to the innermost
  int64_t next_ns_ = 0;        // not told again before
  const std::shared_ptr<void> interface_;
};

}  // namespace edge::tensorrt
