#include "backends/tensorrt/progress.h"

#include <algorithm>
#include <utility>

#include "backends/tensorrt/infer.h"
#include "core/clock.h"

namespace edge::tensorrt {
namespace {

// Often enough for a bar: a phase may have thousands of steps.
constexpr int64_t kPauseNs = 50'000'000;

// Stands where TensorRT expects its own: the order of its virtual functions is that of TensorRT's table.
class Monitor {  // IProgressMonitor from 10 on
 public:
  explicit Monitor(BuildProgress& owner) : owner_(owner) {}
  virtual int32_t language() const noexcept { return 0; }  // C++
  virtual InterfaceInfo interface_info() const noexcept { return {"IProgressMonitor", 1, 0}; }
  virtual ~Monitor() = default;
  virtual void start(const char* phase, const char* parent, int32_t steps) noexcept {
    owner_.start(phase, parent, steps);
  }
  virtual bool step(const char* phase, int32_t step) noexcept { return owner_.step(phase, step); }
  virtual void finish(const char* phase) noexcept { owner_.finish(phase); }

 private:
  BuildProgress& owner_;
};

}  // namespace

BuildProgress::BuildProgress(OnProgress tell, std::shared_ptr<const std::atomic<bool>> cancelled)
    : tell_(std::move(tell)), cancelled_(std::move(cancelled)), interface_(std::make_shared<Monitor>(*this)) {}

void BuildProgress::start(const char* phase, const char* parent, int32_t steps) noexcept {
  try {
    std::lock_guard<std::mutex> lock(mutex_);
    if (phase == nullptr || steps < 1) return;
    // What is not in another phase that is known begins anew.
    const auto is_parent = [&](const Phase& one) { return parent != nullptr && one.name == parent; };
    const auto above = std::find_if(phases_.rbegin(), phases_.rend(), is_parent);
    phases_.erase(above.base(), phases_.end());
    phases_.push_back({phase, steps, 0});
    tell();
  } catch (...) {
    // no memory for a phase's name: the build goes on
  }
}

bool BuildProgress::step(const char* phase, int32_t step) noexcept {
  if (is_given_up()) return false;
  try {
    std::lock_guard<std::mutex> lock(mutex_);
    for (Phase& one : phases_) {
      if (phase != nullptr && one.name == phase) one.done = std::clamp(step + 1, 0, one.steps);
    }
    tell();
  } catch (...) {
    // as above
  }
  return true;
}

void BuildProgress::finish(const char* phase) noexcept {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto is_it = [&](const Phase& one) { return phase != nullptr && one.name == phase; };
  phases_.erase(std::find_if(phases_.begin(), phases_.end(), is_it), phases_.end());
}

void BuildProgress::tell() {
  const int64_t now = now_ns();
  if (!tell_ || phases_.empty() || now < next_ns_) return;
  next_ns_ = now + kPauseNs;
  double fraction = 0;
  // A phase in another one is a part of its next step.
  for (auto phase = phases_.rbegin(); phase != phases_.rend(); ++phase)
    fraction = std::min(1.0, (phase->done + fraction) / phase->steps);
  tell_(phases_.back().name, fraction);
}

}  // namespace edge::tensorrt
