// OpenVINO's three numberings of element types against the facts of its releases.
#include "backends/openvino/element_type.h"

#include <gtest/gtest.h>

#include <map>

namespace edge::openvino {
namespace {

// Numbers of ov_element_type_e as they are in ov_common.h of 2022.3, 2024.6 and 2026.4.
struct Fact {
  Dtype dtype;
  ElementType in_2022, in_2024, in_2025;
};
constexpr Fact kFacts[] = {
    {Dtype::kBool, 2, 2, 1},   {Dtype::kBF16, 3, 3, 2},  {Dtype::kF16, 4, 4, 3},    {Dtype::kF32, 5, 5, 4},
    {Dtype::kF64, 6, 6, 5},    {Dtype::kI8, 8, 8, 7},    {Dtype::kI16, 9, 9, 8},    {Dtype::kI32, 10, 10, 9},
    {Dtype::kI64, 11, 11, 10}, {Dtype::kU8, 14, 17, 16}, {Dtype::kU16, 15, 18, 17}, {Dtype::kU32, 16, 19, 18},
    {Dtype::kU64, 17, 20, 19},
};

TEST(ElementTypeTest, EveryDtypeHasItsNumber) {
  EXPECT_EQ(std::size(kFacts), static_cast<size_t>(Dtype::kBool) + 1);
  for (const Fact& fact : kFacts) {
    const std::map<Numbering, ElementType> numbers = {
        {Numbering::k2022, fact.in_2022}, {Numbering::k2024, fact.in_2024}, {Numbering::k2025, fact.in_2025}};
    for (const auto& [numbering, number] : numbers) {
      EXPECT_EQ(to_element_type(fact.dtype, numbering), number) << dtype_name(fact.dtype);
      EXPECT_EQ(to_dtype(number, numbering), fact.dtype) << dtype_name(fact.dtype);
      EXPECT_EQ(element_type_name(number, numbering), dtype_name(fact.dtype));
    }
  }
}

TEST(ElementTypeTest, OtherTypesHaveNoDtypeButAName) {
  for (const auto numbering : {Numbering::k2022, Numbering::k2024, Numbering::k2025}) {
    int known = 0;
    for (ElementType type = 0; type < 100; ++type) known += to_dtype(type, numbering).has_value() ? 1 : 0;
    EXPECT_EQ(known, 13);
  }
  EXPECT_EQ(to_dtype(0, Numbering::k2022), std::nullopt);
  EXPECT_EQ(element_type_name(0, Numbering::k2022), "undefined");
  EXPECT_EQ(element_type_name(0, Numbering::k2024), "undefined");
  EXPECT_EQ(element_type_name(0, Numbering::k2025), "dynamic");
  EXPECT_EQ(element_type_name(13, Numbering::k2022), "u4");
  EXPECT_EQ(element_type_name(15, Numbering::k2024), "u4");
  EXPECT_EQ(element_type_name(14, Numbering::k2025), "u4");
  EXPECT_EQ(element_type_name(24, Numbering::k2024), "string");
  EXPECT_EQ(element_type_name(23, Numbering::k2025), "string");
  EXPECT_EQ(element_type_name(18, Numbering::k2022), "number 18");
  EXPECT_EQ(element_type_name(4'000'000'000u, Numbering::k2025), "number 4000000000");
  EXPECT_EQ(to_dtype(4'000'000'000u, Numbering::k2025), std::nullopt);
}

TEST(ElementTypeTest, NumberingFollowsTheVersion) {
  for (const char* version : {"2022.3.0-9052-9752fafe8eb-releases/2022/3", "2023.0.0", "2023.3.0-13775-ceeafaf64f3"}) {
    EXPECT_EQ(numbering_of(version), Numbering::k2022) << version;
  }
  for (const char* version : {"2024.6.0-17404-4c0f47d2335-releases/2024/6", "2024.3.0-16041-1e3b88e4e3f"}) {
    EXPECT_EQ(numbering_of(version), Numbering::k2024) << version;
  }
  for (const char* version : {"2025.0.0-17942-1f68be9f594-releases/2025/0", "2026.4.1-22982", "2031.1"}) {
    EXPECT_EQ(numbering_of(version), Numbering::k2025) << version;
  }
}

// A library in which the numbers of tensor types mean what they mean in one release.
Numbering library_numbering;
size_t library_bytes;

Status create(const ElementType type, const OvShape shape, void*, Tensor**) {
  const std::string name = element_type_name(type, library_numbering);
  const size_t digits = name.find_first_of("0123456789");
  if (digits == std::string::npos) return -1;
  library_bytes = static_cast<size_t>(shape.dims[0]) * std::stoul(name.substr(digits)) / 8;
  return kOk;
}
Status byte_size_of(const Tensor*, size_t* size) { return *size = library_bytes, kOk; }

TEST(ElementTypeTest, NumberingIsSeenInTheSizesOfTensors) {
  Api api;
  api.ov_tensor_create_from_host_ptr = create;
  api.ov_tensor_get_byte_size = byte_size_of;
  api.ov_tensor_free = [](Tensor*) {};
  for (const auto numbering : {Numbering::k2022, Numbering::k2024, Numbering::k2025}) {
    library_numbering = numbering;
    for (const auto guess : {Numbering::k2022, Numbering::k2024, Numbering::k2025}) {
      EXPECT_EQ(probe_numbering(api, guess), numbering);
    }
  }
  api.ov_tensor_create_from_host_ptr = [](const ElementType, const OvShape, void*, Tensor**) -> Status { return -1; };
  EXPECT_EQ(probe_numbering(api, Numbering::k2024), Numbering::k2024) << "a library that tells nothing: by version";
}

TEST(ElementTypeTest, UnknownVersionsCountAsTheNewest) {
  for (const char* version : {"", "custom_branch_abc", "-1", "99999999999999999999", "1.0", "v2024.6"}) {
    EXPECT_EQ(numbering_of(version), Numbering::k2025) << version;
  }
}

}  // namespace
}  // namespace edge::openvino
