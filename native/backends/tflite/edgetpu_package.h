// What a compiled model says to the Edge TPU's driver, as far as it decides whether to load it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace edge::tflite {

// The highest runtime version that the packages in a model need; nothing where it holds none: it is not compiled.
std::optional<int> minimum_runtime_version(const std::vector<uint8_t>& model);

}  // namespace edge::tflite
