#include "backends/openvino/api.h"

#include <dlfcn.h>

#include "core/error.h"

namespace edge::openvino {

Api open_api(const std::string& library) {
  // RTLD_LOCAL: symbols of another OpenVINO in this process must not mix with these. Never closed (see the design).
  void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* reason = dlerror();
    throw Error(
        ErrorCode::kUnavailable, "OpenVINO's library " + library + " cannot be opened.",
        "Install the runtime again (`edge-infer runtimes install openvino`); its libraries must stay together in "
        "one folder.",
        "openvino", reason ? reason : "");
  }
  Api api;
  std::string missing;
  const auto resolve = [&](const char* name, auto& function, bool required) {
    function = reinterpret_cast<std::decay_t<decltype(function)>>(dlsym(handle, name));
    if (function == nullptr && required) missing += missing.empty() ? name : std::string(", ") + name;
  };
#define EDGE_RESOLVE(name, result, parameters) resolve(#name, api.name, true);
  EDGE_OPENVINO_FUNCTIONS(EDGE_RESOLVE)
#undef EDGE_RESOLVE
#define EDGE_RESOLVE(name, result, parameters) resolve(#name, api.name, false);
  EDGE_OPENVINO_OPTIONAL_FUNCTIONS(EDGE_RESOLVE)
  EDGE_OPENVINO_LEGACY_FUNCTIONS(EDGE_RESOLVE)
#undef EDGE_RESOLVE
  if (api.ov_core_read_model_from_memory_buffer == nullptr && api.ov_core_read_model_from_memory == nullptr) {
    missing += (missing.empty() ? "" : ", ") + std::string("ov_core_read_model_from_memory_buffer");
  }
  if (!missing.empty()) {
    throw Error(ErrorCode::kUnavailable, "The library " + library + " is not a C API of OpenVINO 2022.3 or newer.",
                "Use the runtime of OpenVINO 2022.3 or newer; the name of its library is libopenvino_c.so.", "openvino",
                "missing: " + missing);
  }
  return api;
}

}  // namespace edge::openvino
