// Intel's OpenVINO, opened at run time through its C API.
#pragma once

#include <memory>
#include <string>

#include "core/backend.h"

namespace edge::openvino {

// `library`: path of libopenvino_c.so. Throws kUnavailable.
std::shared_ptr<Backend> open(const std::string& library);

}  // namespace edge::openvino
