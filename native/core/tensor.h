// Element types, shapes and what a model says about its inputs and outputs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace edge {

enum class Dtype : uint8_t { kF32, kF16, kBF16, kF64, kI8, kU8, kI16, kU16, kI32, kU32, kI64, kU64, kBool };

// Bytes of one element.
size_t dtype_size(Dtype dtype);
// "f32", "bf16", "bool", …
const char* dtype_name(Dtype dtype);
std::optional<Dtype> parse_dtype(const std::string& name);

// Outermost dimension first; −1 = decided per run. Empty = a scalar.
using Shape = std::vector<int64_t>;

// What integers stand for: real = scale · (q − zero point). One pair for the whole tensor, or one a slice along `axis`.
struct Quantization {
  std::vector<float> scales;
  std::vector<int32_t> zero_points;  // as many
  int axis = -1;                     // −1: the whole tensor, and one pair
};
bool operator==(const Quantization& a, const Quantization& b);

struct TensorSpec {
  std::string name;
  Dtype dtype = Dtype::kF32;
  Shape shape;
  bool rank_known = true;                    // false: `shape` is empty and says nothing
  std::optional<Quantization> quantization;  // none: the values stand for themselves, or the model does not tell

  bool is_static() const;
  // Whether a concrete shape is one of those that this specification allows.
  bool accepts(const Shape& concrete) const;
};

// Callers tell tensors apart by name: the second "x" becomes "x:1" (its index), as often as it takes.
void make_names_unique(std::vector<TensorSpec>& specs);

// Product of the dimensions; throws kInvalidTensor when negative or beyond 2^63.
size_t element_count(const Shape& shape);
// Bytes of a tensor; throws kInvalidTensor when it cannot be addressed.
size_t byte_size(Dtype dtype, const Shape& shape);
// "[1, 3, 224, 224]", with "?" for −1.
std::string shape_text(const Shape& shape);

}  // namespace edge
