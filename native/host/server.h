// The host process's work: opens backends, loads models and runs requests for its parent.
#pragma once

#include <string>

#include "host/channel.h"

namespace edge::host {

// Serves until the parent is gone, then ends the process. `sandbox` goes into the greeting.
[[noreturn]] void serve(Channel control, const std::string& sandbox, size_t max_memory);

}  // namespace edge::host
