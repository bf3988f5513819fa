#include "backends/tensorrt/api.h"

#include <unistd.h>

#include "backends/tensorrt/slots.h"
#include "core/error.h"
#include "core/exit_guard.h"
#include "core/library.h"

namespace edge::tensorrt {
namespace {

constexpr const char* kRemedy =
    "Use libnvinfer.so of TensorRT 8, 10 or 11 (EDGE_INFER_TENSORRT names it or its folder); its libraries must "
    "stay together.";

constexpr const char* kNotTensorRt = "is not TensorRT's.";

}  // namespace

std::string Version::text() const {
  return std::to_string(major) + "." + std::to_string(minor) + "." + std::to_string(patch);
}

Version parse_version(int number) {
  if (number >= 10'000) return {number / 10'000, number / 100 % 100, number % 100};
  return {number / 1000, number / 100 % 10, number % 100};
}

InferApi open_infer(const std::string& path) {
  Library library(
      path, "TensorRT's library",
      "Install TensorRT again; the cause says what its library needs. CUDA's runtime libraries belong to it.",
      "tensorrt");
  guard_exit();
  InferApi api;
  api.path = path;
  int32_t (*version)() = nullptr;
  library.resolve("getInferLibVersion", version);
  library.check(kNotTensorRt, kRemedy);
  api.number = version();
  api.version = parse_version(api.number);
  library.resolve("createInferRuntime_INTERNAL", api.create_runtime);
  library.resolve("createInferBuilder_INTERNAL", api.create_builder);
  library.check(kNotTensorRt, kRemedy);
  if (slots_of(api.version.major) == nullptr) {
    throw Error(ErrorCode::kUnavailable,
                "The library " + path + " is TensorRT " + api.version.text() + ", which this build cannot drive.",
                kRemedy, "tensorrt", kAdapters);
  }
  return api;
}

Library open_beside(const InferApi& api, const std::string& name, const std::string& what, const std::string& remedy) {
  const std::string file = name + "." + std::to_string(api.version.major);
  const size_t slash = api.path.rfind('/');
  const auto open = [&](const std::string& path) {
    Library library(path, what, remedy, "tensorrt");
    guard_exit();
    return library;
  };
  const std::string beside = slash == std::string::npos ? file : api.path.substr(0, slash + 1) + file;
  // Where it lies beside, but lacks something itself, that is what to say.
  return open(access(beside.c_str(), F_OK) == 0 ? beside : file);
}

}  // namespace edge::tensorrt
