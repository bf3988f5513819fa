// TensorRT's library: which release it is, and the one function by which everything in it is reached. Own declarations,
// resolved at run time, so that no TensorRT header and no library is needed to build.
#pragma once

#include <cstdint>
#include <string>

#include "core/library.h"

namespace edge::tensorrt {

struct Version {
  int major = 0, minor = 0, patch = 0;

  bool at_least(int wanted_major, int wanted_minor) const {
    return major != wanted_major ? major > wanted_major : minor >= wanted_minor;
  }
  std::string text() const;  // "10.3.0"
};

// What getInferLibVersion() returns: 8601 is 8.6.1, 100300 is 10.3.0.
Version parse_version(int number);

struct InferApi {
  std::string path;  // of the library
  Version version;
  int number = 0;  // the same as the library says it
  // Before 8.4.1 the inspector has other functions, or there is none.
  bool tells_layers() const { return number >= 8401; }
  // createInferRuntime_INTERNAL. Crashes, or returns what is no object, without a driver that its CUDA runtime takes:
  // see check_start() and Runtime.
  void* (*create_runtime)(void* logger, int32_t number) = nullptr;
  // createInferBuilder_INTERNAL. Returns null there, and says why.
  void* (*create_builder)(void* logger, int32_t number) = nullptr;
};

// Opens the library; throws kUnavailable with what is missing, or where this build has no adapter for its release. It
// is never closed.
InferApi open_infer(const std::string& path);

// Opens another library of the same release, which lies beside it or where the system finds it: "libnvonnxparser.so".
// Throws kUnavailable.
Library open_beside(const InferApi& api, const std::string& name, const std::string& what, const std::string& remedy);

}  // namespace edge::tensorrt
