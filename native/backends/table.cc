#include "backends/table.h"

#include "backends/echo/echo.h"
#include "backends/openvino/openvino.h"
#include "backends/tensorrt/tensorrt.h"
#include "backends/tflite/tflite.h"

namespace edge {

const std::vector<BackendEntry>& backend_table() {
  // One line a backend. Echo needs no SDK and computes nothing useful: it is for tests, and listed only when asked for.
  static const auto* table = new std::vector<BackendEntry>{
      {"openvino", true, openvino::open},
      {"tflite", true, tflite::open},
      {"tensorrt", true, tensorrt::open},
      {"echo", false, echo::open},
  };
  return *table;
}

}  // namespace edge
