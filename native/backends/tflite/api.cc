#include "backends/tflite/api.h"

#include "core/library.h"

namespace edge::tflite {

Api open_api(const std::string& path) {
  Library library(path, "TFLite's library",
                  "Install the runtime again (`edge-infer runtimes install tflite`), or name another build in "
                  "EDGE_INFER_TFLITE; the cause says what this one needs.",
                  "tflite");
  Api api;
#define EDGE_RESOLVE(name, result, parameters) library.resolve(#name, api.name);
  EDGE_TFLITE_FUNCTIONS(EDGE_RESOLVE)
#undef EDGE_RESOLVE
#define EDGE_RESOLVE(name, result, parameters) library.find(#name, api.name);
  EDGE_TFLITE_OPTIONAL_FUNCTIONS(EDGE_RESOLVE)
#undef EDGE_RESOLVE
  library.find("_ZN6tflite16logging_internal13MinimalLogger21SetMinimumLogSeverityENS_11LogSeverityE",
               api.set_minimum_log_severity);
  library.check("has not the C API of TFLite 2.9 or newer.",
                "Use libtensorflowlite_c.so of 2.9 or newer (`edge-infer runtimes install tflite`).");
  return api;
}

}  // namespace edge::tflite
