// Conversions of the 16-bit formats: every f16 and bf16 value, and f32 values from every corner, against double.
#include "core/half.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

namespace edge::test {
namespace {

float from_bits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

uint32_t to_bits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

// The value of a small format with `exponent_bits` and `mantissa_bits`, in exact double arithmetic.
double value_of(uint32_t bits, int exponent_bits, int mantissa_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const uint32_t mantissa = bits & ((1u << mantissa_bits) - 1);
  const int exponent = static_cast<int>(bits >> mantissa_bits) & ((1 << exponent_bits) - 1);
  const double sign = (bits >> (exponent_bits + mantissa_bits)) != 0 ? -1 : 1;
  if (exponent == (1 << exponent_bits) - 1) return mantissa != 0 ? NAN : sign * INFINITY;
  if (exponent == 0) return sign * std::ldexp(mantissa, 1 - bias - mantissa_bits);
  return sign * std::ldexp(1.0 + std::ldexp(mantissa, -mantissa_bits), exponent - bias);
}

// Round to nearest even into such a format, by rounding in units of the last place. For values that are no NaN.
uint16_t rounded(double value, int exponent_bits, int mantissa_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const auto sign = static_cast<uint16_t>(std::signbit(value) ? 0x8000 : 0);
  const double magnitude = std::fabs(value);
  const uint32_t infinity = ((1u << exponent_bits) - 1) << mantissa_bits;
  if (std::isinf(magnitude)) return static_cast<uint16_t>(sign | infinity);
  if (magnitude == 0) return sign;
  int exponent = std::ilogb(magnitude);
  if (exponent < 1 - bias) exponent = 1 - bias;
  // nearbyint rounds ties to even in the default mode.
  const auto units = static_cast<uint32_t>(std::nearbyint(std::ldexp(magnitude, mantissa_bits - exponent)));
  // A carry, and a subnormal that became normal, come out right by addition.
  const uint32_t bits = units + (static_cast<uint32_t>(exponent + bias - 1) << mantissa_bits);
  return static_cast<uint16_t>(sign | (bits > infinity ? infinity : bits));
}

// f32 values from every corner: all exponents with chosen and pseudo-random mantissas, around every tie.
std::vector<float> corners() {
  std::vector<float> all;
  uint32_t random = 12345;
  for (uint32_t high = 0; high < 0x200; ++high) {  // sign and exponent
    for (const uint32_t base : {0u, 0x1000u, 0x2000u, 0x3000u, 0x7000u, 0x8000u, 0x18000u, 0x400000u, 0x7fe000u,
                                0x7ff000u, 0x7f8000u, 0x7fffffu}) {
      for (const int step : {-2, -1, 0, 1, 2}) {
        all.push_back(from_bits((high << 23) | ((base + static_cast<uint32_t>(step)) & 0x7fffffu)));
      }
    }
    for (int i = 0; i < 400; ++i) {
      random = random * 1664525u + 1013904223u;
      all.push_back(from_bits((high << 23) | (random >> 9)));
    }
    for (uint32_t bit = 0; bit < 23; ++bit) all.push_back(from_bits((high << 23) | (1u << bit)));
  }
  // A dense sweep over everything, and all ties between neighbours of f16 and bf16 with what is just beside them.
  for (uint64_t bits = 0; bits < 0x100000000u; bits += 3089) all.push_back(from_bits(static_cast<uint32_t>(bits)));
  for (uint32_t half = 0; half < 0x7c00; ++half) {
    const float tie = static_cast<float>((value_of(half, 5, 10) + value_of(half + 1, 5, 10)) / 2);
    for (const float sign : {1.f, -1.f}) {
      all.push_back(sign * tie);
      all.push_back(sign * std::nextafterf(tie, 0));
      all.push_back(sign * std::nextafterf(tie, INFINITY));
    }
  }
  for (uint32_t upper = 0; upper < 0x7f80; ++upper) {
    for (const uint32_t rest : {0x7fffu, 0x8000u, 0x8001u}) all.push_back(from_bits((upper << 16) | rest));
  }
  return all;
}

TEST(HalfTest, EveryF16IsReadExactly) {
  std::vector<uint16_t> halves(0x10000);
  for (uint32_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<uint16_t>(i);
  std::vector<float> floats(halves.size());
  f16_to_f32(halves.data(), floats.data(), halves.size());
  for (uint32_t i = 0; i < halves.size(); ++i) {
    const double expected = value_of(i, 5, 10);
    ASSERT_EQ(to_bits(floats[i]), to_bits(f16_to_f32_portable(halves[i]))) << std::hex << i;
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(floats[i])) << std::hex << i;
      ASSERT_EQ(to_bits(floats[i]) >> 31, i >> 15) << std::hex << i;  // the sign stays
    } else {
      ASSERT_EQ(to_bits(floats[i]), to_bits(static_cast<float>(expected))) << std::hex << i;
    }
  }
}

TEST(HalfTest, EveryF16SurvivesTheWayThereAndBack) {
  std::vector<uint16_t> halves(0x10000), back(0x10000);
  for (uint32_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<uint16_t>(i);
  std::vector<float> floats(halves.size());
  f16_to_f32(halves.data(), floats.data(), halves.size());
  f32_to_f16(floats.data(), back.data(), floats.size());
  for (uint32_t i = 0; i < halves.size(); ++i) {
    const bool nan = (i & 0x7fffu) > 0x7c00u;
    ASSERT_EQ(back[i], nan ? i | 0x200u : i) << std::hex << i;  // signalling NaN become quiet, with their payload
  }
}

TEST(HalfTest, F32IsRoundedToTheNearestF16) {
  const std::vector<float> floats = corners();
  std::vector<uint16_t> fast(floats.size());
  f32_to_f16(floats.data(), fast.data(), floats.size());
  for (size_t i = 0; i < floats.size(); ++i) {
    const uint16_t portable = f32_to_f16_portable(floats[i]);
    ASSERT_EQ(fast[i], portable) << std::hex << to_bits(floats[i]);
    if (std::isnan(floats[i])) {
      ASSERT_TRUE(std::isnan(value_of(portable, 5, 10))) << std::hex << to_bits(floats[i]);
      ASSERT_EQ(portable >> 15, to_bits(floats[i]) >> 31);
      ASSERT_EQ(portable & 0x1ffu, (to_bits(floats[i]) >> 13) & 0x1ffu);  // the upper payload bits
    } else {
      ASSERT_EQ(portable, rounded(floats[i], 5, 10)) << std::hex << to_bits(floats[i]);
    }
  }
}

TEST(HalfTest, F32IsRoundedToTheNearestBF16) {
  const std::vector<float> floats = corners();
  std::vector<uint16_t> halves(floats.size());
  f32_to_bf16(floats.data(), halves.data(), floats.size());
  for (size_t i = 0; i < floats.size(); ++i) {
    if (std::isnan(floats[i])) {
      ASSERT_TRUE(std::isnan(value_of(halves[i], 8, 7))) << std::hex << to_bits(floats[i]);
      ASSERT_EQ(halves[i] >> 15, to_bits(floats[i]) >> 31);
    } else {
      ASSERT_EQ(halves[i], rounded(floats[i], 8, 7)) << std::hex << to_bits(floats[i]);
    }
  }
}

TEST(HalfTest, EveryBF16IsReadExactlyAndSurvives) {
  std::vector<uint16_t> halves(0x10000), back(0x10000);
  for (uint32_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<uint16_t>(i);
  std::vector<float> floats(halves.size());
  bf16_to_f32(halves.data(), floats.data(), halves.size());
  f32_to_bf16(floats.data(), back.data(), floats.size());
  for (uint32_t i = 0; i < halves.size(); ++i) {
    ASSERT_EQ(to_bits(floats[i]), i << 16);
    const bool nan = (i & 0x7fffu) > 0x7f80u;
    ASSERT_EQ(back[i], nan ? i | 0x40u : i) << std::hex << i;
    if (!nan) {
      ASSERT_EQ(static_cast<double>(floats[i]), value_of(i, 8, 7)) << std::hex << i;
    }
  }
}

TEST(HalfTest, KnownValues) {
  const struct {
    float value;
    uint16_t f16, bf16;
  } all[] = {{0.f, 0x0000, 0x0000},      {-0.f, 0x8000, 0x8000},     {1.f, 0x3c00, 0x3f80},
             {-2.f, 0xc000, 0xc000},     {65504.f, 0x7bff, 0x4780},  {65519.f, 0x7bff, 0x4780},
             {65520.f, 0x7c00, 0x4780},  {1e10f, 0x7c00, 0x5015},    {INFINITY, 0x7c00, 0x7f80},
             {0x1p-24f, 0x0001, 0x3380}, {0x1p-25f, 0x0000, 0x3300}, {0x1.8p-24f, 0x0002, 0x33c0},
             {3.4e38f, 0x7c00, 0x7f80}};
  for (const auto& one : all) {
    uint16_t f16 = 1, bf16 = 1;
    f32_to_f16(&one.value, &f16, 1);
    f32_to_bf16(&one.value, &bf16, 1);
    EXPECT_EQ(f16, one.f16) << one.value;
    EXPECT_EQ(bf16, one.bf16) << one.value;
  }
}

// Vectors of eight and what is left over, at every alignment: nothing beyond the end is touched.
TEST(HalfTest, EveryLengthAndOffset) {
  for (size_t offset = 0; offset < 9; ++offset) {
    for (size_t count = 0; count < 40; ++count) {
      std::vector<float> floats(offset + count + 1, -7.f);
      std::vector<uint16_t> halves(offset + count + 1, 0xabcd), brains(halves);
      for (size_t i = 0; i < count; ++i) floats[offset + i] = static_cast<float>(i) * 0.37f;
      f32_to_f16(floats.data() + offset, halves.data() + offset, count);
      f32_to_bf16(floats.data() + offset, brains.data() + offset, count);
      for (size_t i = 0; i < count; ++i) ASSERT_EQ(halves[offset + i], f32_to_f16_portable(floats[offset + i]));
      EXPECT_EQ(halves.back(), 0xabcd);
      EXPECT_EQ(brains.back(), 0xabcd);
      f16_to_f32(halves.data() + offset, floats.data() + offset, count);
      for (size_t i = 0; i < count; ++i) ASSERT_EQ(floats[offset + i], f16_to_f32_portable(halves[offset + i]));
      EXPECT_EQ(floats.back(), -7.f);
    }
  }
}

}  // namespace
}  // namespace edge::test
