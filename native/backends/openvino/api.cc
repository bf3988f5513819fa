#include "backends/openvino/api.h"

#include "core/library.h"

namespace edge::openvino {

Api open_api(const std::string& path) {
  Library library(
      path, "OpenVINO's library",
      "Install the runtime again (`edge-infer runtimes install openvino`); its libraries must stay together "
      "in one folder.",
      "openvino");
  Api api;
#define EDGE_RESOLVE(name, result, parameters) library.resolve(#name, api.name);
  EDGE_OPENVINO_FUNCTIONS(EDGE_RESOLVE)
#undef EDGE_RESOLVE
#define EDGE_RESOLVE(name, result, parameters) library.find(#name, api.name);
  EDGE_OPENVINO_OPTIONAL_FUNCTIONS(EDGE_RESOLVE)
  EDGE_OPENVINO_LEGACY_FUNCTIONS(EDGE_RESOLVE)
#undef EDGE_RESOLVE
  if (api.ov_core_read_model_from_memory_buffer == nullptr && api.ov_core_read_model_from_memory == nullptr) {
    library.miss("ov_core_read_model_from_memory_buffer");
  }
  library.check("is not a C API of OpenVINO 2022.3 or newer.",
                "Use the runtime of OpenVINO 2022.3 or newer; the name of its library is libopenvino_c.so.");
  return api;
}

}  // namespace edge::openvino
