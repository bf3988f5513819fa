// TensorRT's devices: the GPUs that the driver sees, by number or by UUID.
#pragma once

#include <string>
#include <vector>

#include "backends/tensorrt/gpu.h"
#include "core/backend.h"

namespace edge::tensorrt {

// `dla_core`: −1 for the GPU itself.
DeviceInfo describe(const GpuFacts& gpu, int dla_core = -1);

struct Selected {
  const GpuFacts& gpu;
  int dla_core;  // −1: none
};
// What an id means, such as "0", "gpu-01234567-89ab-cdef-0123-456789abcdef" or, for a DLA core, "0:dla1". Throws
// kUnavailable where there is no such GPU.
Selected select(const std::vector<GpuFacts>& gpus, const std::string& id);

}  // namespace edge::tensorrt
