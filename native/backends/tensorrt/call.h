// How TensorRT's virtual functions are called without its headers, and what they pass by value.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "core/tensor.h"

namespace edge::tensorrt {

// Calls the virtual function with this number. In the C++ ABI of both our architectures a member function takes the
// object as its first parameter, and results in memory as plain functions do.
template <typename Result, typename... Arguments>
Result call(void* object, int slot, Arguments... arguments) {
  void* const* const table = *static_cast<void* const* const*>(object);
  return reinterpret_cast<Result (*)(void*, Arguments...)>(table[slot])(object, arguments...);
}

// TensorRT's own classes have a virtual destructor and then a pointer to the class that does the work (VRuntime and
// others).
inline void* worker_of(void* object) { return static_cast<void**>(object)[1]; }

constexpr size_t kMostDims = 8;

struct Dims32 {  // up to TensorRT 9
  int32_t count;
  int32_t sizes[8];
};
struct Dims64 {
  int32_t count;
  int64_t sizes[8];
};

template <typename Dims>
Shape to_shape(const Dims& dims) {
  if (dims.count < 0 || dims.count > 8) return {-1};  // not known
  return {dims.sizes, dims.sizes + dims.count};
}

template <typename Dims>
Dims to_dims(const Shape& shape) {
  Dims dims{};
  dims.count = static_cast<int32_t>(shape.size());
  for (size_t i = 0; i < shape.size() && i < 8; ++i) {
    dims.sizes[i] = static_cast<std::decay_t<decltype(dims.sizes[0])>>(shape[i]);
  }
  return dims;
}

inline bool fits_dims32(const Shape& shape) {
  return shape.size() <= kMostDims &&
         std::all_of(shape.begin(), shape.end(), [](int64_t size) { return size <= INT32_MAX; });
}

// A function that returns dimensions.
template <typename... Arguments>
Shape call_shape(int major, void* object, int slot, Arguments... arguments) {
  if (major < 10) return to_shape(call<Dims32>(object, slot, arguments...));
  return to_shape(call<Dims64>(object, slot, arguments...));
}

}  // namespace edge::tensorrt
