// The backend of TFLite: the CPU, and Edge TPUs through their driver.
#pragma once

#include <memory>
#include <string>

#include "core/backend.h"

namespace edge::tflite {

// `libraries`: the path of TFLite's library and, on a second line, that of the Edge TPU's driver, which may be empty.
std::shared_ptr<Backend> open(const std::string& libraries);

}  // namespace edge::tflite
