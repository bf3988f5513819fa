#include "backends/openvino/element_type.h"

#include <cstdlib>
#include <vector>

namespace edge::openvino {
namespace {

// Names in the order of the enumeration. Source: ov_element_type_e in ov_common.h of 2022.3, 2024.6 and 2026.4.
const std::vector<const char*>& names(Numbering numbering) {
  static const auto* k2022 =
      new std::vector<const char*>{"undefined", "dynamic", "bool", "bf16", "f16", "f32", "f64", "i4",  "i8",
                                   "i16",       "i32",     "i64",  "u1",   "u4",  "u8",  "u16", "u32", "u64"};
  static const auto* k2024 = new std::vector<const char*>{
      "undefined", "dynamic", "bool", "bf16", "f16",    "f32",    "f64",    "i4",     "i8",
      "i16",       "i32",     "i64",  "u1",   "u2",     "u3",     "u4",     "u6",     "u8",
      "u16",       "u32",     "u64",  "nf4",  "f8e4m3", "f8e5m2", "string", "f4e2m1", "f8e8m0"};
  static const auto* k2025 = [] { return new std::vector<const char*>(k2024->begin() + 1, k2024->end()); }();
  switch (numbering) {
    case Numbering::k2022:
      return *k2022;
    case Numbering::k2024:
      return *k2024;
    case Numbering::k2025:
      break;
  }
  return *k2025;
}

}  // namespace

Numbering numbering_of(const std::string& build_number) {
  const int year = std::atoi(build_number.c_str());
  if (year < 2000 || year >= 2025) return Numbering::k2025;
  // 2023.x still counted as 2022.3 did; u2, u3 and u6 came with 2024.
  return year >= 2024 ? Numbering::k2024 : Numbering::k2022;
}

Numbering probe_numbering(const Api& api, Numbering fallback) {
  // Bytes of a tensor of eight elements of the type with this number; 0 where the library refuses it.
  const auto bytes = [&](ElementType type) {
    alignas(64) static uint64_t memory[8];
    int64_t dim = 8;
    Tensor* tensor = nullptr;
    size_t size = 0;
    if (api.ov_tensor_create_from_host_ptr(type, OvShape{1, &dim}, memory, &tensor) != kOk) return size;
    if (api.ov_tensor_get_byte_size(tensor, &size) != kOk) size = 0;
    api.ov_tensor_free(tensor);
    return size;
  };
  // Number 5 is f32, and f64 since 2025; number 14 was u8, then u3.
  const size_t five = bytes(5);
  if (five == 64) return Numbering::k2025;
  if (five != 32) return fallback;
  const size_t fourteen = bytes(14);
  if (fourteen == 8) return Numbering::k2022;
  return fourteen == 3 ? Numbering::k2024 : fallback;
}

ElementType to_element_type(Dtype dtype, Numbering numbering) {
  const std::string name = dtype_name(dtype);
  const auto& all = names(numbering);
  ElementType type = 0;
  while (all[type] != name) ++type;  // every dtype is in every table
  return type;
}

std::optional<Dtype> to_dtype(ElementType type, Numbering numbering) {
  const auto& all = names(numbering);
  return type < all.size() ? parse_dtype(all[type]) : std::nullopt;
}

std::string element_type_name(ElementType type, Numbering numbering) {
  const auto& all = names(numbering);
  return type < all.size() ? all[type] : "number " + std::to_string(type);
}

}  // namespace edge::openvino
