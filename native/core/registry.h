// The backends of this process: opened once, shared by all worker threads, never closed.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/backend.h"

namespace edge {

struct OpenBackend {
  std::shared_ptr<Backend> backend;
  std::string library;  // what was opened first serves the whole process: a path, or one a line
};

// Names in order of preference.
std::vector<std::string> backend_names(bool all);

// Opens a backend, or returns the one that is open. Blocks. A failed opening may be tried again, with another path.
// Throws kUnavailable when another library already serves this process and `library` names a different one.
OpenBackend open_backend(const std::string& name, const std::string& library);

}  // namespace edge
