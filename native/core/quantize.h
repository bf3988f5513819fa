// Real numbers and the integers that stand for them: real = scale · (q − zero point).
//
// Rounding is that of TFLite's reference kernels (AffineQuantize, Dequantize), bit by bit: the quotient x / scale is an
// f32, halves round away from zero, then the zero point is added and the sum clamped to the dtype's range. Where the
// reference leaves the result open it is defined here: what lies beyond 32 bits is clamped as well, and NaN becomes the
// zero point.
// TFLite's optimised kernels and XNNPACK differ from its reference by a step at halves: they round those to even.
#pragma once

#include "core/tensor.h"

namespace edge {

// `dtype` is one of i8, u8, i16, u16 and i32. Both throw kInvalidArgument for another one, and for a quantization that
// is none: a scale that is not a positive number, a zero point beyond the dtype, an axis or a number of pairs that does
// not fit the shape. Source and target do not overlap.
void quantize(const float* source, const Shape& shape, const Quantization& quantization, Dtype dtype, void* target);
void dequantize(const void* source, Dtype dtype, const Shape& shape, const Quantization& quantization, float* target);

}  // namespace edge
