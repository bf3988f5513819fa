// Libraries with layers that TensorRT itself does not have: its own standard ones, and those of others.
#pragma once

#include <string>

#include "backends/tensorrt/api.h"

namespace edge::tensorrt {

// Opens libnvinfer_plugin beside TensorRT's library, or where the system finds it, and registers its plugins; once for
// the process. Returns why it cannot be; empty where they are there.
std::string load_standard_plugins(const InferApi& api);

// Opens libraries that register plugins when they are opened; `paths` as in PATH, with colons. Each once for the
// process, and never closed. Throws kUnavailable.
void load_plugin_libraries(const std::string& paths);

}  // namespace edge::tensorrt
