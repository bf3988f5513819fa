#include "backends/tflite/api.h"

#include <dlfcn.h>

#include <type_traits>

#include "core/error.h"

namespace edge::tflite {

Api open_api(const std::string& library) {
  // RTLD_LOCAL: another TFLite in this process must not mix with this one.
  void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* reason = dlerror();
    throw Error(ErrorCode::kUnavailable, "TFLite's library " + library + " cannot be opened.",
                "Install the runtime again (`edge-infer runtimes install tflite`), or name another build in "
                "EDGE_INFER_TFLITE; the cause says what this one needs.",
                "tflite", reason ? reason : "");
  }
  Api api;
  std::string missing;
  const auto resolve = [&](const char* name, auto& function, bool required) {
    function = reinterpret_cast<std::decay_t<decltype(function)>>(dlsym(handle, name));
    if (function == nullptr && required) missing += missing.empty() ? name : std::string(", ") + name;
  };
#define EDGE_RESOLVE(name, result, parameters) resolve(#name, api.name, true);
  EDGE_TFLITE_FUNCTIONS(EDGE_RESOLVE)
#undef EDGE_RESOLVE
#define EDGE_RESOLVE(name, result, parameters) resolve(#name, api.name, false);
  EDGE_TFLITE_OPTIONAL_FUNCTIONS(EDGE_RESOLVE)
#undef EDGE_RESOLVE
  resolve("_ZN6tflite16logging_internal13MinimalLogger21SetMinimumLogSeverityENS_11LogSeverityE",
          api.set_minimum_log_severity, false);
  if (!missing.empty()) {
    throw Error(ErrorCode::kUnavailable, "The library " + library + " has not the C API of TFLite 2.9 or newer.",
                "Use libtensorflowlite_c.so of 2.9 or newer (`edge-infer runtimes install tflite`).", "tflite",
                "missing: " + missing);
  }
  return api;
}

}  // namespace edge::tflite
