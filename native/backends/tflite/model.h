// Loads a .tflite file for a device.
#pragma once

#include <memory>

#include "backends/tflite/interpreter.h"
#include "core/backend.h"

namespace edge::tflite {

// `accelerator`: null for the CPU. Blocks. Throws what LoadOptions and a model can be wrong in.
std::shared_ptr<Model> load_model(const std::shared_ptr<const Runtime>& runtime, const DeviceInfo& device,
                                  std::shared_ptr<Accelerator> accelerator, const ModelSource& source,
                                  const LoadOptions& options);

// Threads of one run where the caller does not say: the cores, at most four.
int default_threads();

}  // namespace edge::tflite
