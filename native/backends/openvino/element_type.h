// OpenVINO's numbers of element types, which changed twice.
#pragma once

#include <optional>
#include <string>

#include "backends/openvino/api.h"
#include "core/tensor.h"

namespace edge::openvino {

enum class Numbering { k2022, k2024, k2025 };  // the release that introduced it

// From a build number such as "2026.4.1-22982-…". Unknown texts count as the newest.
Numbering numbering_of(const std::string& build_number);
// The numbering that the library itself shows in the sizes of tensors; `fallback` where they tell nothing.
Numbering probe_numbering(const Api& api, Numbering fallback);

ElementType to_element_type(Dtype dtype, Numbering numbering);
// Nothing for types that no dtype of ours stands for (u4, f8, strings, …).
std::optional<Dtype> to_dtype(ElementType type, Numbering numbering);
// For messages: "u4", "string", or the number.
std::string element_type_name(ElementType type, Numbering numbering);

}  // namespace edge::openvino
