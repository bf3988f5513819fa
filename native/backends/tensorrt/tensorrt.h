// The backend of NVIDIA GPUs and Jetson boards: TensorRT on the CUDA driver.
#pragma once

#include <memory>
#include <string>

#include "core/backend.h"

namespace edge::tensorrt {

// `libraries`: the path of the CUDA driver and, on a second line, that of TensorRT's library.
std::shared_ptr<Backend> open(const std::string& libraries);

}  // namespace edge::tensorrt
