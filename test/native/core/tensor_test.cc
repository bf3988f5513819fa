// Shapes and dtypes: sizes that overflow, texts, and what a specification accepts.
#include "core/tensor.h"

#include <gtest/gtest.h>

#include "../support/recorder.h"

namespace edge::test {
namespace {

constexpr int64_t kHuge = INT64_MAX;

std::optional<ErrorCode> refusal(Dtype dtype, const Shape& shape) {
  return code_of([&] { byte_size(dtype, shape); });
}

TEST(TensorTest, EveryDtypeHasANameAndASize) {
  const struct {
    Dtype dtype;
    const char* name;
    size_t size;
  } all[] = {{Dtype::kF32, "f32", 4},  {Dtype::kF16, "f16", 2}, {Dtype::kBF16, "bf16", 2}, {Dtype::kF64, "f64", 8},
             {Dtype::kI8, "i8", 1},    {Dtype::kU8, "u8", 1},   {Dtype::kI16, "i16", 2},   {Dtype::kU16, "u16", 2},
             {Dtype::kI32, "i32", 4},  {Dtype::kU32, "u32", 4}, {Dtype::kI64, "i64", 8},   {Dtype::kU64, "u64", 8},
             {Dtype::kBool, "bool", 1}};
  for (const auto& one : all) {
    EXPECT_STREQ(dtype_name(one.dtype), one.name);
    EXPECT_EQ(dtype_size(one.dtype), one.size) << one.name;
    EXPECT_EQ(parse_dtype(one.name), one.dtype);
  }
  for (const char* name : {"", "F32", "float", "f32 ", "fp16", "i4", "boolean"}) {
    EXPECT_EQ(parse_dtype(name), std::nullopt) << name;
  }
}

TEST(TensorTest, CountsAndSizes) {
  EXPECT_EQ(element_count({}), 1u);  // a scalar
  EXPECT_EQ(element_count({0}), 0u);
  EXPECT_EQ(element_count({1, 3, 224, 224}), 150528u);
  EXPECT_EQ(element_count({7, 0, 3}), 0u);
  EXPECT_EQ(byte_size(Dtype::kF32, {1, 3, 224, 224}), 602112u);
  EXPECT_EQ(byte_size(Dtype::kBool, {}), 1u);
  EXPECT_EQ(byte_size(Dtype::kF64, {0, 5}), 0u);
}

TEST(TensorTest, SizesThatNoMemoryHoldsAreRefused) {
  EXPECT_EQ(refusal(Dtype::kU8, {-1}), ErrorCode::kInvalidTensor);
  EXPECT_EQ(refusal(Dtype::kU8, {3, -5}), ErrorCode::kInvalidTensor);
  EXPECT_EQ(refusal(Dtype::kU8, {INT64_MIN}), ErrorCode::kInvalidTensor);
  EXPECT_EQ(refusal(Dtype::kU8, {0, -1}), ErrorCode::kInvalidTensor);
  EXPECT_EQ(refusal(Dtype::kU8, {kHuge, 2}), ErrorCode::kInvalidTensor);
  EXPECT_EQ(refusal(Dtype::kU8, {kHuge, kHuge, kHuge}), ErrorCode::kInvalidTensor);
  EXPECT_EQ(refusal(Dtype::kU8, {int64_t{1} << 32, int64_t{1} << 32}), ErrorCode::kInvalidTensor);  // 2^64 wraps to 0
  EXPECT_EQ(refusal(Dtype::kU8, {int64_t{1} << 32, (int64_t{1} << 32) + 1}), ErrorCode::kInvalidTensor);
  EXPECT_EQ(refusal(Dtype::kF32, {int64_t{1} << 61}), ErrorCode::kInvalidTensor);  // 2^63 bytes
  EXPECT_EQ(refusal(Dtype::kF64, {int64_t{1} << 61}), ErrorCode::kInvalidTensor);  // 2^64 bytes
  EXPECT_EQ(refusal(Dtype::kU8, {kHuge}), std::nullopt);                           // the largest that has a size
  EXPECT_EQ(refusal(Dtype::kF32, {kHuge}), ErrorCode::kInvalidTensor);
  EXPECT_EQ(code_of([] { element_count({int64_t{1} << 62, 2}); }), ErrorCode::kInvalidTensor);
}

TEST(TensorTest, ShapesAsText) {
  EXPECT_EQ(shape_text({}), "[]");
  EXPECT_EQ(shape_text({1, 3, 224, 224}), "[1, 3, 224, 224]");
  EXPECT_EQ(shape_text({-1, 0, -7}), "[?, 0, ?]");
  EXPECT_EQ(shape_text({kHuge}), "[9223372036854775807]");
  try {
    byte_size(Dtype::kF32, {2, -1});
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.message().find("[2, ?]"), std::string::npos) << error.message();
    EXPECT_FALSE(error.remedy().empty());
  }
}

TEST(TensorTest, WhatASpecificationAccepts) {
  TensorSpec spec;
  spec.shape = {1, -1, 3};
  EXPECT_FALSE(spec.is_static());
  EXPECT_TRUE(spec.accepts({1, 5, 3}));
  EXPECT_TRUE(spec.accepts({1, 0, 3}));
  EXPECT_FALSE(spec.accepts({2, 5, 3}));
  EXPECT_FALSE(spec.accepts({1, 5}));
  EXPECT_FALSE(spec.accepts({1, 5, 3, 1}));
  EXPECT_FALSE(spec.accepts({}));
  EXPECT_FALSE(spec.accepts({1, -1, 3}));  // not concrete

  spec.shape = {2, 2};
  EXPECT_TRUE(spec.is_static());
  EXPECT_TRUE(spec.accepts({2, 2}));
  EXPECT_FALSE(spec.accepts({4}));

  spec.shape = {};
  EXPECT_TRUE(spec.is_static());  // a scalar
  EXPECT_TRUE(spec.accepts({}));
  EXPECT_FALSE(spec.accepts({1}));

  spec.rank_known = false;
  EXPECT_FALSE(spec.is_static());
  EXPECT_TRUE(spec.accepts({}));
  EXPECT_TRUE(spec.accepts({4, 5, 6}));
  EXPECT_FALSE(spec.accepts({4, -1}));
}

}  // namespace
}  // namespace edge::test
