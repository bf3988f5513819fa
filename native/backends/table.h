// Which backends this binary has.
#pragma once

#include <vector>

#include "core/backend.h"

namespace edge {

// In order of preference.
const std::vector<BackendEntry>& backend_table();

}  // namespace edge
