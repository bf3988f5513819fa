// Reads, reshapes and compiles a model with OpenVINO.
#pragma once

#include <memory>
#include <string>

#include "backends/openvino/runtime.h"
#include "core/backend.h"

namespace edge::openvino {

// `device` is OpenVINO's name, such as "CPU" or "GPU.1". Blocks.
std::shared_ptr<Model> load_model(const std::shared_ptr<const Runtime>& runtime, const std::string& device,
                                  const DeviceInfo& info, const ModelSource& source, const LoadOptions& options);

}  // namespace edge::openvino
