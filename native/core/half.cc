#include "core/half.h"

#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace edge {
namespace {

uint32_t bits_of(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

float float_of(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

#if defined(__x86_64__)

bool has_f16c() {
  static const bool has = __builtin_cpu_supports("f16c") && __builtin_cpu_supports("avx");
  return has;
}

// The vectors of eight; returns how many values are done.
__attribute__((target("avx,f16c"))) size_t f32_to_f16_vector(const float* source, uint16_t* target, size_t count) {
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m128i half = _mm256_cvtps_ph(_mm256_loadu_ps(source + i), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(target + i), half);
  }
  return i;
}

__attribute__((target("avx,f16c"))) size_t f16_to_f32_vector(const uint16_t* source, float* target, size_t count) {
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m128i half = _mm_loadu_si128(reinterpret_cast<const __m128i*>(source + i));
    _mm256_storeu_ps(target + i, _mm256_cvtph_ps(half));
  }
  return i;
}

#elif defined(__aarch64__)

bool has_f16c() { return true; }

size_t f32_to_f16_vector(const float* source, uint16_t* target, size_t count) {
  size_t i = 0;
  for (; i + 4 <= count; i += 4) vst1_u16(target + i, vreinterpret_u16_f16(vcvt_f16_f32(vld1q_f32(source + i))));
  return i;
}

size_t f16_to_f32_vector(const uint16_t* source, float* target, size_t count) {
  size_t i = 0;
  for (; i + 4 <= count; i += 4) vst1q_f32(target + i, vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(source + i))));
  return i;
}

#else

bool has_f16c() { return false; }
size_t f32_to_f16_vector(const float*, uint16_t*, size_t) { return 0; }
size_t f16_to_f32_vector(const uint16_t*, float*, size_t) { return 0; }

#endif

}  // namespace

uint16_t f32_to_f16_portable(float value) {
  const uint32_t bits = bits_of(value);
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) {  // NaN: quiet, keeping the upper payload bits
    return static_cast<uint16_t>(sign | 0x7e00u | ((magnitude >> 13) & 0x3ffu));
  }
  if (magnitude >= 0x477ff000u) return sign | 0x7c00u;  // rounds to 65536 or more
  if (magnitude < 0x38800000u) {                        // below 2^-14: subnormal or zero
    if (magnitude < 0x33000000u) return sign;           // below half of the smallest subnormal
    const uint32_t exponent = magnitude >> 23;
    const uint32_t mantissa = (magnitude & 0x7fffffu) | 0x800000u;
    const uint32_t shift = 126 - exponent;  // 14 … 24
    const uint32_t kept = mantissa >> shift;
    const uint32_t rest = mantissa & ((1u << shift) - 1);
    const uint32_t half = 1u << (shift - 1);
    const uint32_t up = rest > half || (rest == half && (kept & 1u)) ? 1 : 0;
    return static_cast<uint16_t>(sign | (kept + up));
  }
  // Rebias the exponent from 127 to 15; a carry out of the mantissa raises it as it should.
  const uint32_t rounded = magnitude - (112u << 23) + 0xfffu + ((magnitude >> 13) & 1u);
  return static_cast<uint16_t>(sign | (rounded >> 13));
}

float f16_to_f32_portable(uint16_t value) {
  const uint32_t sign = static_cast<uint32_t>(value & 0x8000u) << 16;
  const uint32_t exponent = (value >> 10) & 0x1fu;
  const uint32_t mantissa = value & 0x3ffu;
  if (exponent == 0x1f) {
    const uint32_t quiet = mantissa != 0 ? 0x400000u : 0;
    return float_of(sign | 0x7f800000u | quiet | (mantissa << 13));
  }
  if (exponent == 0) {
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return float_of(sign | bits_of(magnitude));
  }
  return float_of(sign | ((exponent + 112u) << 23) | (mantissa << 13));
}

void f32_to_f16(const float* source, uint16_t* target, size_t count) {
  size_t i = has_f16c() ? f32_to_f16_vector(source, target, count) : 0;
  for (; i < count; ++i) target[i] = f32_to_f16_portable(source[i]);
}

void f16_to_f32(const uint16_t* source, float* target, size_t count) {
  size_t i = has_f16c() ? f16_to_f32_vector(source, target, count) : 0;
  for (; i < count; ++i) target[i] = f16_to_f32_portable(source[i]);
}

// Both bf16 loops are plain integer arithmetic that compilers turn into vectors.
void f32_to_bf16(const float* source, uint16_t* target, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    const uint32_t bits = bits_of(source[i]);
    const bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
    const uint32_t rounded = bits + 0x7fffu + ((bits >> 16) & 1u);
    target[i] = static_cast<uint16_t>(nan ? (bits >> 16) | 0x40u : rounded >> 16);
  }
}

void bf16_to_f32(const uint16_t* source, float* target, size_t count) {
  for (size_t i = 0; i < count; ++i) target[i] = float_of(static_cast<uint32_t>(source[i]) << 16);
}

}  // namespace edge
