// Reads what a compiled model carries in the options of its `edgetpu-custom-op`: a flexbuffer map with the package, and
// in our fixtures the twin beside it. Every offset is checked: the bytes come from a file.
#pragma once

#include <optional>
#include <string_view>

namespace edgetpu_simulator {

struct CustomOptions {
  std::string_view package;              // key "4": for the chip; only its header is looked at
  std::optional<std::string_view> twin;  // key "edge_infer_twin": the TFLite model that computes the same
};

// Views into `bytes`. Throws Failure.
CustomOptions read_custom_options(std::string_view bytes);

// Slot 0 of the package. Throws Failure where it is none.
int minimum_runtime_version(std::string_view package);

}  // namespace edgetpu_simulator
