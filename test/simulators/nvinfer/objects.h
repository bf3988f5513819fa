// What the simulated library's objects are made of, and its logger.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "plan.h"
#include "vtables.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace nvinfer_simulator {

#if TRT_MAJOR < 10
using Size = int32_t;
#define DIMS "Dims32"
#else
using Size = int64_t;
#define DIMS "Dims64"
#endif
struct Dims {
  int32_t count;
  Size sizes[8];
};

inline Dims dims_of(const Shape& shape) {
  Dims dims{};
  dims.count = static_cast<int32_t>(shape.size());
  for (size_t i = 0; i < shape.size(); ++i) dims.sizes[i] = static_cast<Size>(shape[i]);
  return dims;
}

// What callers hold: a virtual destructor, and then the object that does the work.
template <typename Worker>
struct Handle {
  void** table;
  Worker* worker;

  static void destroy(Handle* self) {
    delete self->worker;
    delete self;
  }
  static Handle* make(Worker* worker) {
    static void** const table = [] {
      auto** const made = static_cast<void**>(std::calloc(4, sizeof(void*))) + 2;
      made[0] = address(+[](Handle*) { std::abort(); });  // of a complete object, which callers do not have
      made[1] = address(&destroy);
      return made;
    }();
    return new Handle{table, worker};
  }
};

constexpr int32_t kVersion = kMajor >= 10 ? kMajor * 10000 + kMinor * 100 : kMajor * 1000 + kMinor * 100 + 1;

// Ends the process without a current CUDA context, as the real library crashes.
void need_context();
// Whether the CUDA runtime that is linked into the library takes the driver. False, and said in the release's words,
// where it does not.
bool start_cuda(const char* caller);
// Whom everything is said to from now on. False, and said, where the caller is of another release.
bool accept_logger(void* logger, int32_t version);
void call_log(int severity, const std::string& text);
inline void error(const std::string& text) { call_log(1, text); }

}  // namespace nvinfer_simulator
