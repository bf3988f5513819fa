// Libraries with layers that TensorRT itself does not have: its own standard ones, and those of others.
#pragma once

#include <string>
#include <vector>

#include "backends/tensorrt/api.h"

namespace edge::tensorrt {

// Opens libnvinfer_plugin beside TensorRT's library, or where the system finds it, and registers its plugins; once for
// the process. Returns why it cannot be; empty where they are there.
std::string load_standard_plugins(const InferApi& api);

// The libraries that the property PLUGINS names, as in PATH, with colons.
std::vector<std::string> plugin_files(const std::string& paths);

// Opens libraries that register plugins when they are opened. Each once for the process, and never closed. Throws
// kUnavailable.
void load_plugin_libraries(const std::vector<std::string>& files);

}  // namespace edge::tensorrt
