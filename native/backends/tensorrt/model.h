// Loads a TensorRT engine for a GPU.
#pragma once

#include <memory>

#include "backends/tensorrt/infer.h"
#include "core/backend.h"

namespace edge::tensorrt {

// Blocks. Throws what LoadOptions and an engine can be wrong in.
std::shared_ptr<Model> load_model(const std::shared_ptr<const Gpu>& gpu, const std::shared_ptr<const Runtime>& runtime,
                                  const DeviceInfo& device, const ModelSource& source, const LoadOptions& options);

}  // namespace edge::tensorrt
