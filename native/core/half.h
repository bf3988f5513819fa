// Conversion between f32 and the two 16-bit formats, round to nearest even. NaN stays NaN, overflow becomes infinity.
#pragma once

#include <cstddef>
#include <cstdint>

namespace edge {

// IEEE 754 binary16. Uses the CPU's instructions where it has them.
void f32_to_f16(const float* source, uint16_t* target, size_t count);
void f16_to_f32(const uint16_t* source, float* target, size_t count);
// bfloat16: the upper half of an f32.
void f32_to_bf16(const float* source, uint16_t* target, size_t count);
void bf16_to_f32(const uint16_t* source, float* target, size_t count);

// One value by integer arithmetic: works on every CPU, and is what the fast paths are tested against.
uint16_t f32_to_f16_portable(float value);
float f16_to_f32_portable(uint16_t value);

}  // namespace edge
