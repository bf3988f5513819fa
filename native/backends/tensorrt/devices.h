// TensorRT's devices: the GPUs that the driver sees, by number or by UUID.
#pragma once

#include <string>
#include <vector>

#include "backends/tensorrt/gpu.h"
#include "core/backend.h"

namespace edge::tensorrt {

DeviceInfo describe(const GpuFacts& gpu);

// The GPU of an id such as "0" or "gpu-01234567-89ab-cdef-0123-456789abcdef". Throws kUnavailable where there is none,
// kUnsupported for what this release cannot do.
const GpuFacts& find_gpu(const std::vector<GpuFacts>& gpus, const std::string& id);

}  // namespace edge::tensorrt
