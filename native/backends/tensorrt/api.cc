#include "backends/tensorrt/api.h"

#include <dlfcn.h>

#include "backends/tensorrt/slots.h"
#include "core/error.h"
#include "core/exit_guard.h"

namespace edge::tensorrt {
namespace {

constexpr const char* kRemedy =
    "Use libnvinfer.so of TensorRT 8.5, 8.6, 10 or 11 (EDGE_INFER_TENSORRT names it or its folder); its libraries must "
    "stay together.";

template <typename Function>
Function* resolve(void* handle, const std::string& library, const char* name) {
  void* const found = dlsym(handle, name);
  if (found == nullptr) {
    throw Error(ErrorCode::kUnavailable, "The library " + library + " is not TensorRT's.", kRemedy, "tensorrt",
                std::string("missing: ") + name);
  }
  return reinterpret_cast<Function*>(found);
}

}  // namespace

std::string Version::text() const {
  return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch);
}

Version parse_version(int number) {
  if (number >= 10'000) return {number / 10'000, number / 100 % 100, number % 100};
  return {number / 1000, number / 100 % 10, number % 100};
}

InferApi open_infer(const std::string& library) {
  void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* reason = dlerror();
    throw Error(ErrorCode::kUnavailable, "TensorRT's library " + library + " cannot be opened.",
                "Install TensorRT again; the cause says what its library needs. CUDA's runtime libraries belong to it.",
                "tensorrt", reason ? reason : "");
  }
  guard_exit();
  InferApi api;
  api.number = resolve<int32_t()>(handle, library, "getInferLibVersion")();
  api.version = parse_version(api.number);
  api.create_runtime = resolve<void*(void*, int32_t)>(handle, library, "createInferRuntime_INTERNAL");
  if (slots_of(api.version.major) == nullptr || !api.version.at_least(8, 5)) {
    throw Error(ErrorCode::kUnavailable,
                "The library " + library + " is TensorRT " + api.version.text() + ", which this build cannot drive.",
                kRemedy, "tensorrt");
  }
  return api;
}

}  // namespace edge::tensorrt
