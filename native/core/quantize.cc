#include "core/quantize.h"

#include <cmath>
#include <limits>

#include "core/error.h"

namespace edge {
namespace {

template <typename T>
T to_integer(float value, float scale, int32_t zero_point) {
  constexpr int32_t kMin = std::numeric_limits<T>::min(), kMax = std::numeric_limits<T>::max();
  const float units = value / scale;
  if constexpr (sizeof(T) < sizeof(int32_t)) {
    // Without a branch or a call, so that compilers make vectors of it. Clamping comes first: the limits are integers,
    // so rounding cannot pass them, and what is left fits an int32.
    const auto low = static_cast<float>(kMin - zero_point), high = static_cast<float>(kMax - zero_point);
    const float number = units == units ? units : 0.0f;
    const float above = number < low ? low : number;
    const float inside = above > high ? high : above;
    const auto whole = static_cast<int32_t>(inside);
    const float rest = inside - static_cast<float>(whole);  // exact: fewer than 24 bits
    const int32_t away = (rest >= 0.5f ? 1 : 0) - (rest <= -0.5f ? 1 : 0);
    return static_cast<T>(whole + away + zero_point);
  } else {
    if (std::isnan(units)) return zero_point;
    const double sum = std::round(static_cast<double>(units)) + zero_point;
    if (sum <= kMin) return kMin;
    return sum >= kMax ? kMax : static_cast<T>(sum);
  }
}

template <typename T>
float to_real(T value, float scale, int32_t zero_point) {
  if constexpr (sizeof(T) < sizeof(int32_t)) {
    // The difference has 17 bits at most, so that one multiplication rounds as the reference does in double.
    return scale * static_cast<float>(static_cast<int32_t>(value) - zero_point);
  } else {
    return static_cast<float>(static_cast<double>(scale) * (static_cast<double>(value) - zero_point));
  }
}

// One scale for all.
template <typename From, typename To, To (*Convert)(From, float, int32_t)>
void convert_run(const From* __restrict source, To* __restrict target, size_t count, float scale, int32_t zero_point) {
  for (size_t i = 0; i < count; ++i) target[i] = Convert(source[i], scale, zero_point);
}

// One scale for each.
template <typename From, typename To, To (*Convert)(From, float, int32_t)>
void convert_row(const From* __restrict source, To* __restrict target, size_t count, const float* __restrict scales,
                 const int32_t* __restrict zero_points) {
  for (size_t i = 0; i < count; ++i) target[i] = Convert(source[i], scales[i], zero_points[i]);
}

template <typename From, typename To, To (*Convert)(From, float, int32_t)>
void convert(const From* source, To* target, const Shape& shape, const Quantization& quantization) {
  if (element_count(shape) == 0) return;
  const size_t slices = quantization.scales.size();
  size_t outer = 1, inner = 1;
  if (quantization.axis < 0) {
    inner = element_count(shape);
  } else {
    const auto axis = static_cast<size_t>(quantization.axis);
    for (size_t i = 0; i < axis; ++i) outer *= static_cast<size_t>(shape[i]);
    for (size_t i = axis + 1; i < shape.size(); ++i) inner *= static_cast<size_t>(shape[i]);
  }
  const float* scales = quantization.scales.data();
  const int32_t* zero_points = quantization.zero_points.data();
  for (size_t i = 0; i < outer; ++i) {
    if (inner == 1) {
      convert_row<From, To, Convert>(source, target, slices, scales, zero_points);
      source += slices;
      target += slices;
      continue;
    }
    for (size_t slice = 0; slice < slices; ++slice) {
      convert_run<From, To, Convert>(source, target, inner, scales[slice], zero_points[slice]);
      source += inner;
      target += inner;
    }
  }
}

[[noreturn]] void refuse(const std::string& what, const std::string& remedy) {
  throw Error(ErrorCode::kInvalidArgument, what, remedy);
}

template <typename T>
void check(const Shape& shape, const Quantization& quantization) {
  element_count(shape);  // throws for shapes that are not concrete
  const size_t pairs = quantization.scales.size();
  if (quantization.axis >= static_cast<int>(shape.size())) {
    refuse("The axis " + std::to_string(quantization.axis) + " is none of the shape " + shape_text(shape) + ".",
           "Count axes from 0.");
  }
  const auto axis = static_cast<size_t>(quantization.axis);
  const size_t wanted = quantization.axis < 0 ? 1 : static_cast<size_t>(shape[axis]);
  if (pairs != wanted || quantization.zero_points.size() != wanted) {
    refuse("Expected " + std::to_string(wanted) + " scales and zero points, got " + std::to_string(pairs) + " and " +
               std::to_string(quantization.zero_points.size()) + ".",
           quantization.axis < 0 ? "Give one pair for the whole tensor, or the axis that they are for."
                                 : "Give one pair for each slice along the axis.");
  }
  for (const float scale : quantization.scales) {
    if (!(scale > 0) || std::isinf(scale)) {
      refuse("A scale of " + std::to_string(scale) + " is not a positive number.", "Give the scales of the model.");
    }
  }
  for (const int32_t zero_point : quantization.zero_points) {
    if (zero_point < std::numeric_limits<T>::min() || zero_point > std::numeric_limits<T>::max()) {
      refuse("The zero point " + std::to_string(zero_point) + " is not a value of the dtype.",
             "Give the zero points of the model, with the dtype of its tensor.");
    }
  }
}

template <typename Call>
void for_dtype(Dtype dtype, Call&& call) {
  switch (dtype) {
    case Dtype::kI8:
      return call(int8_t{});
    case Dtype::kU8:
      return call(uint8_t{});
    case Dtype::kI16:
      return call(int16_t{});
    case Dtype::kU16:
      return call(uint16_t{});
    case Dtype::kI32:
      return call(int32_t{});
    default:
      refuse(std::string("No real numbers are quantised as ") + dtype_name(dtype) + ".",
             "Use i8, u8, i16, u16 or i32.");
  }
}

}  // namespace

void quantize(const float* source, const Shape& shape, const Quantization& quantization, Dtype dtype, void* target) {
  for_dtype(dtype, [&](auto zero) {
    using T = decltype(zero);
    check<T>(shape, quantization);
    convert<float, T, to_integer<T>>(source, static_cast<T*>(target), shape, quantization);
  });
}

void dequantize(const void* source, Dtype dtype, const Shape& shape, const Quantization& quantization, float* target) {
  for_dtype(dtype, [&](auto zero) {
    using T = decltype(zero);
    check<T>(shape, quantization);
    convert<T, float, to_real<T>>(static_cast<const T*>(source), target, shape, quantization);
  });
}

}  // namespace edge
