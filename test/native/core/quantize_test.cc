// Quantisation against the formulas of TFLite's reference kernels: every integer of 8 and 16 bits, every tie, every
// corner.
#include "core/quantize.h"

#include <gtest/gtest.h>

#include <cfloat>
#include <cmath>
#include <cstring>
#include <limits>

#include "../support/recorder.h"

namespace edge::test {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInfinity = std::numeric_limits<float>::infinity();

template <typename T>
constexpr Dtype dtype_of() {
  if constexpr (std::is_same_v<T, int8_t>) return Dtype::kI8;
  if constexpr (std::is_same_v<T, uint8_t>) return Dtype::kU8;
  if constexpr (std::is_same_v<T, int16_t>) return Dtype::kI16;
  if constexpr (std::is_same_v<T, uint16_t>) return Dtype::kU16;
  if constexpr (std::is_same_v<T, int32_t>) return Dtype::kI32;
}

Shape flat(size_t count) { return {static_cast<int64_t>(count)}; }

template <typename T>
std::vector<T> quantized(const std::vector<float>& source, const Quantization& by, const Shape& shape) {
  std::vector<T> target(source.size());
  quantize(source.data(), shape, by, dtype_of<T>(), target.data());
  return target;
}

template <typename T>
std::vector<T> quantized(const std::vector<float>& source, float scale, int32_t zero_point) {
  return quantized<T>(source, Quantization{{scale}, {zero_point}, -1}, flat(source.size()));
}

template <typename T>
std::vector<float> real(const std::vector<T>& source, float scale, int32_t zero_point) {
  std::vector<float> target(source.size());
  dequantize(source.data(), dtype_of<T>(), flat(source.size()), Quantization{{scale}, {zero_point}, -1}, target.data());
  return target;
}

// The reference: an f32 quotient, std::round, the zero point, the range. 64 bits, so that nothing overflows.
template <typename T>
int64_t expected(float value, float scale, int32_t zero_point) {
  const float units = value / scale;
  if (std::isnan(units)) return zero_point;
  const int64_t low = std::numeric_limits<T>::min(), high = std::numeric_limits<T>::max();
  if (std::fabs(units) > 1e15f) return units < 0 ? low : high;
  const int64_t sum = static_cast<int64_t>(std::round(units)) + zero_point;
  return sum < low ? low : sum > high ? high : sum;
}

template <typename T>
void expect_as_reference(const std::vector<float>& values, float scale, int32_t zero_point) {
  const std::vector<T> got = quantized<T>(values, scale, zero_point);
  for (size_t i = 0; i < values.size(); ++i) {
    ASSERT_EQ(int64_t{got[i]}, expected<T>(values[i], scale, zero_point))
        << dtype_name(dtype_of<T>()) << ": " << values[i] << " by " << scale << " and " << zero_point;
  }
}

const float kScales[] = {1.0f,       0.5f,    0.1f,   1.0f / 255, 0.0078125f,   0.003921569f,  0.023528477f,
                         3.0517578f, 1234.5f, 1e-30f, 1e30f,      0.007843137f, 0x1.fffffep-3f};

template <typename T>
std::vector<int32_t> zero_points() {
  const int32_t low = std::numeric_limits<T>::min(), high = std::numeric_limits<T>::max();
  return {0, low, high, low / 2 + high / 2 + 1, low + 3};
}

template <typename T>
std::vector<T> every() {
  std::vector<T> all;
  for (int32_t q = std::numeric_limits<T>::min(); q <= std::numeric_limits<T>::max(); ++q)
    all.push_back(static_cast<T>(q));
  return all;
}

template <typename T>
class QuantizeSmall : public testing::Test {};
using SmallTypes = testing::Types<int8_t, uint8_t, int16_t, uint16_t>;
TYPED_TEST_SUITE(QuantizeSmall, SmallTypes);

TYPED_TEST(QuantizeSmall, EveryIntegerIsItsRealNumberAndComesBack) {
  const std::vector<TypeParam> all = every<TypeParam>();
  for (const float scale : kScales) {
    for (const int32_t zero_point : zero_points<TypeParam>()) {
      const std::vector<float> numbers = real(all, scale, zero_point);
      for (size_t i = 0; i < all.size(); ++i) {
        // As the reference has it: scale in double. Infinite where f32 ends.
        const auto number = static_cast<float>(static_cast<double>(scale) * (int32_t{all[i]} - zero_point));
        ASSERT_EQ(numbers[i], number) << scale << ' ' << zero_point << ' ' << int32_t{all[i]};
      }
      ASSERT_EQ(quantized<TypeParam>(numbers, scale, zero_point), all) << scale << ' ' << zero_point;
    }
  }
}

TYPED_TEST(QuantizeSmall, TiesAndTheirNeighbours) {
  for (const float scale : kScales) {
    for (const int32_t zero_point : zero_points<TypeParam>()) {
      std::vector<float> values;
      for (const TypeParam q : every<TypeParam>()) {
        const auto tie = static_cast<float>(static_cast<double>(scale) * (int32_t{q} - zero_point + 0.5));
        float below = tie, above = tie;
        values.push_back(tie);
        for (int step = 0; step < 2; ++step) {
          values.push_back(below = std::nextafter(below, -kInfinity));
          values.push_back(above = std::nextafter(above, kInfinity));
        }
      }
      ASSERT_NO_FATAL_FAILURE(expect_as_reference<TypeParam>(values, scale, zero_point));
    }
  }
}

template <typename T>
class Quantize : public testing::Test {};
using Types = testing::Types<int8_t, uint8_t, int16_t, uint16_t, int32_t>;
TYPED_TEST_SUITE(Quantize, Types);

TYPED_TEST(Quantize, ValuesOfEveryMagnitude) {
  std::vector<float> values;
  uint32_t random = 99;
  for (int i = 0; i < 200'000; ++i) {
    random = random * 1664525u + 1013904223u;
    float value;
    std::memcpy(&value, &random, sizeof value);
    values.push_back(value);  // NaNs among them
  }
  for (const float scale : kScales) {
    for (const int32_t zero_point : zero_points<TypeParam>()) {
      ASSERT_NO_FATAL_FAILURE(expect_as_reference<TypeParam>(values, scale, zero_point));
    }
  }
}

TYPED_TEST(Quantize, Extremes) {
  const TypeParam low = std::numeric_limits<TypeParam>::min(), high = std::numeric_limits<TypeParam>::max();
  const std::vector<float> values = {kInfinity, -kInfinity, FLT_MAX, -FLT_MAX, kNan, -kNan, 0.0f, -0.0f, 1e-45f};
  for (const float scale : {1.0f, FLT_MIN, 1e-45f}) {
    const auto got = quantized<TypeParam>(values, scale, 7);
    const TypeParam smallest = scale == 1e-45f ? 8 : 7;  // one unit
    EXPECT_EQ(got, (std::vector<TypeParam>{high, low, high, low, 7, 7, 7, 7, smallest})) << scale;
  }
}

TYPED_TEST(Quantize, NumbersThatAreKnown) {
  EXPECT_EQ(quantized<TypeParam>({0.49999997f, 0.5f, 1.5f, 2.5f, 3.5f, -2.5f, -0.5f, -0.49999997f}, 1, 10),
            (std::vector<TypeParam>{10, 11, 12, 13, 14, 7, 9, 10}));
  EXPECT_EQ(real<TypeParam>({0, 1, 100}, 0.25f, 4), (std::vector<float>{-1, -0.75f, 24}));
}

// Vectors do not fill every length, and start anywhere.
TYPED_TEST(Quantize, EveryLengthAndPosition) {
  for (size_t offset = 0; offset < 5; ++offset) {
    for (size_t length = 0; length < 70; ++length) {
      std::vector<float> values(offset + length);
      std::vector<TypeParam> target(offset + length + 1, 99);
      for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 7) * 0.5f;
      const Quantization by{{0.5f}, {3}, -1};
      quantize(values.data() + offset, flat(length), by, dtype_of<TypeParam>(), target.data() + offset);
      std::vector<float> back(length + 1, -1);
      dequantize(target.data() + offset, dtype_of<TypeParam>(), flat(length), by, back.data());
      for (size_t i = 0; i < length; ++i) {
        ASSERT_EQ(target[offset + i], static_cast<TypeParam>((offset + i) % 7 + 3));
        ASSERT_EQ(back[i], values[offset + i]);
      }
      EXPECT_EQ(target.back(), 99);
      EXPECT_EQ(back.back(), -1);
      if (offset > 0) {
        EXPECT_EQ(target[offset - 1], 99);
      }
    }
  }
}

TYPED_TEST(Quantize, APairForEachSliceOfAnyAxis) {
  const Shape shape = {2, 3, 4};
  const std::vector<int64_t> strides = {12, 4, 1};
  std::vector<float> values(24);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i) * 0.37f - 2;
  for (int axis = 0; axis < 3; ++axis) {
    Quantization by;
    by.axis = axis;
    for (int64_t i = 0; i < shape[static_cast<size_t>(axis)]; ++i) {
      by.scales.push_back(0.1f * static_cast<float>(i + 1));
      by.zero_points.push_back(static_cast<int32_t>(i * 5 + 1));
    }
    const auto got = quantized<TypeParam>(values, by, shape);
    std::vector<float> back(values.size());
    dequantize(got.data(), dtype_of<TypeParam>(), shape, by, back.data());
    for (size_t i = 0; i < values.size(); ++i) {
      const auto at = static_cast<size_t>(axis);
      const auto slice = static_cast<size_t>(static_cast<int64_t>(i) / strides[at] % shape[at]);
      ASSERT_EQ(int64_t{got[i]}, expected<TypeParam>(values[i], by.scales[slice], by.zero_points[slice])) << axis << i;
      ASSERT_EQ(back[i], real<TypeParam>({got[i]}, by.scales[slice], by.zero_points[slice])[0]) << axis << i;
    }
  }
}

TEST(QuantizeTest, IntegersOf32Bits) {
  constexpr int32_t kMin = std::numeric_limits<int32_t>::min(), kMax = std::numeric_limits<int32_t>::max();
  // The neighbours of 2^31 in f32 are 128 and 256 apart.
  EXPECT_EQ(quantized<int32_t>({0x1p31f, 0x1.fffffep30f, -0x1p31f, 0x1p30f, 8388607.5f}, 1, 0),
            (std::vector<int32_t>{kMax, kMax - 127, kMin, 1 << 30, 8388608}));
  EXPECT_EQ(quantized<int32_t>({0x1p31f, -0x1p31f, -1, kNan}, 1, kMax),
            (std::vector<int32_t>{kMax, -1, kMax - 1, kMax}));
  EXPECT_EQ(quantized<int32_t>({0x1p31f, -0x1p31f, 1}, 1, kMin), (std::vector<int32_t>{0, kMin, kMin + 1}));
  // Differences beyond 32 bits, and scale · difference in double.
  EXPECT_EQ(real<int32_t>({kMin, kMax, 0}, 1, kMax)[0], -0x1p32f);
  EXPECT_EQ(real<int32_t>({123456789}, 0.1f, 0)[0], static_cast<float>(static_cast<double>(0.1f) * 123456789));
}

TEST(QuantizeTest, NothingIsDoneForNoElements) {
  uint8_t untouched = 5;
  quantize(nullptr, {0}, Quantization{{1}, {0}, -1}, Dtype::kU8, &untouched);
  quantize(nullptr, {int64_t{1} << 40, 0}, Quantization{{}, {}, 1}, Dtype::kU8, &untouched);
  quantize(nullptr, {3, 0}, Quantization{{1, 1, 1}, {0, 0, 0}, 0}, Dtype::kU8, &untouched);
  EXPECT_EQ(untouched, 5);
}

TEST(QuantizeTest, WhatIsNoQuantizationIsRefused) {
  const auto refused = [](const Quantization& by, Dtype dtype = Dtype::kU8, const Shape& shape = {2, 3}) {
    std::vector<float> reals(6);
    std::vector<uint8_t> integers(48);
    const auto there = code_of([&] { quantize(reals.data(), shape, by, dtype, integers.data()); });
    const auto back = code_of([&] { dequantize(integers.data(), dtype, shape, by, reals.data()); });
    EXPECT_EQ(there, back);
    return there;
  };
  EXPECT_FALSE(refused({{1}, {0}, -1}));
  EXPECT_FALSE(refused({{1, 1, 1}, {0, 0, 0}, 1}));
  const Quantization wrong[] = {
      {{}, {}, -1},           {{1, 1}, {0, 0}, -1}, {{1}, {}, -1},   {{1}, {0, 0}, -1},   {{1}, {0}, 0},
      {{1, 1}, {0, 0}, 1},    {{1}, {0}, 2},        {{0}, {0}, -1},  {{-1}, {0}, -1},     {{kNan}, {0}, -1},
      {{kInfinity}, {0}, -1}, {{1}, {256}, -1},     {{1}, {-1}, -1}, {{1, 0}, {0, 0}, 0}, {{1, 1}, {0, 256}, 0},
  };
  for (const Quantization& one : wrong) EXPECT_EQ(refused(one), ErrorCode::kInvalidArgument);
  EXPECT_EQ(refused({{1}, {128}, -1}, Dtype::kI8), ErrorCode::kInvalidArgument);
  EXPECT_EQ(refused({{1}, {40000}, -1}, Dtype::kI16), ErrorCode::kInvalidArgument);
  EXPECT_FALSE(refused({{1}, {40000}, -1}, Dtype::kU16));
  for (const Dtype dtype : {Dtype::kF32, Dtype::kF16, Dtype::kU32, Dtype::kI64, Dtype::kU64, Dtype::kBool}) {
    EXPECT_EQ(refused({{1}, {0}, -1}, dtype), ErrorCode::kInvalidArgument);
  }
  EXPECT_EQ(refused({{1}, {0}, -1}, Dtype::kU8, {2, -1}), ErrorCode::kInvalidTensor);
}

}  // namespace
}  // namespace edge::test
