// Conversion between Float32Array and the raw bits of f16 and bf16, and the integers of quantised tensors.
#include <napi.h>

#include "addon.h"
#include "core/half.h"
#include "core/quantize.h"
#include "values.h"

namespace edge::binding {
namespace {

// TypeScript passes arrays of the right kinds; lengths are checked here, because memory depends on them.
template <typename Source, typename Target, void (*Convert)(const Source*, Target*, size_t)>
Napi::Value convert(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto source = info[0].As<Napi::TypedArrayOf<Source>>();
    auto target = info[1].As<Napi::TypedArrayOf<Target>>();
    if (source.ElementLength() != target.ElementLength()) {
      throw Error(ErrorCode::kInvalidArgument, "Source and target differ in length.");
    }
    Convert(source.Data(), target.Data(), source.ElementLength());
    return info.Env().Undefined();
  });
}

// What both directions take: Float32Array, bytes of the integers, dtype, shape, scales, zero points, axis (−1: none).
struct Quantized {
  float* reals;
  void* integers;
  Dtype dtype;
  Shape shape;
  Quantization quantization;
};

Quantized to_quantized(const Napi::CallbackInfo& info) {
  auto reals = info[0].As<Napi::Float32Array>();
  const InputView integers = to_view(info[1]);
  const auto dtype = parse_dtype(info[2].As<Napi::String>());
  if (!dtype) throw Error(ErrorCode::kInvalidArgument, "There is no such dtype.");
  Quantized all{reals.Data(), const_cast<void*>(integers.data), *dtype, to_shape(info[3]), {}};
  if (element_count(all.shape) != reals.ElementLength() || byte_size(all.dtype, all.shape) != integers.bytes) {
    throw Error(ErrorCode::kInvalidArgument, "The arrays differ in length from the shape.");
  }
  const auto scales = info[4].As<Napi::Float32Array>();
  const auto zero_points = info[5].As<Napi::Int32Array>();
  all.quantization.scales.assign(scales.Data(), scales.Data() + scales.ElementLength());
  all.quantization.zero_points.assign(zero_points.Data(), zero_points.Data() + zero_points.ElementLength());
  all.quantization.axis = info[6].As<Napi::Number>().Int32Value();
  return all;
}

Napi::Value quantize_array(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const Quantized all = to_quantized(info);
    quantize(all.reals, all.shape, all.quantization, all.dtype, all.integers);
    return info.Env().Undefined();
  });
}

Napi::Value dequantize_array(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const Quantized all = to_quantized(info);
    dequantize(all.integers, all.dtype, all.shape, all.quantization, all.reals);
    return info.Env().Undefined();
  });
}

}  // namespace

void define_conversions(Napi::Env env, Napi::Object exports) {
  exports.Set("f32ToF16", Napi::Function::New<convert<float, uint16_t, f32_to_f16>>(env, "f32ToF16"));
  exports.Set("f16ToF32", Napi::Function::New<convert<uint16_t, float, f16_to_f32>>(env, "f16ToF32"));
  exports.Set("f32ToBf16", Napi::Function::New<convert<float, uint16_t, f32_to_bf16>>(env, "f32ToBf16"));
  exports.Set("bf16ToF32", Napi::Function::New<convert<uint16_t, float, bf16_to_f32>>(env, "bf16ToF32"));
  exports.Set("quantize", Napi::Function::New<quantize_array>(env, "quantize"));
  exports.Set("dequantize", Napi::Function::New<dequantize_array>(env, "dequantize"));
}

}  // namespace edge::binding
