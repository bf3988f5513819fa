// What a run that is measured took: its layers, which TensorRT tells an object that it takes for its own, and its
// stages, between events of the driver.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "backends/tensorrt/gpu.h"
#include "core/backend.h"

namespace edge::tensorrt {

// Hears the times of one execution context, which must not outlive it. One thread at a time.
class Profiler {
 public:
  explicit Profiler(int major);
  // An IProfiler of that major version.
  void* interface() const { return interface_.get(); }
  void clear() { heard_.clear(); }
  // What was heard since; `layers` have the types and kernels.
  std::vector<LayerTime> times(const std::vector<LayerInfo>& layers) const;

 private:
  std::vector<std::pair<std::string, float>> heard_;  // name, milliseconds
  const std::shared_ptr<void> interface_;
};

// When the GPU came to the borders between a run's stages. The GPU's context is current.
class StageClock {
 public:
  explicit StageClock(std::shared_ptr<const Gpu> gpu);
  enum Border { kBegin, kInputsThere, kComputed, kEnd };
  // Puts the border into the stream.
  void mark(Border border, CuStream* stream) const;
  // Of the last run, which has ended. None where the driver does not tell.
  std::optional<StageTimes> times() const;

 private:
  const std::shared_ptr<const Gpu> gpu_;
  std::array<Event, 4> marks_;
};

}  // namespace edge::tensorrt
