#include "core/tensor.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "core/error.h"

namespace edge {
namespace {

struct DtypeFacts {
  const char* name;
  size_t size;
};

constexpr DtypeFacts kFacts[] = {{"f32", 4}, {"f16", 2}, {"bf16", 2}, {"f64", 8}, {"i8", 1},  {"u8", 1},  {"i16", 2},
                                 {"u16", 2}, {"i32", 4}, {"u32", 4},  {"i64", 8}, {"u64", 8}, {"bool", 1}};

}  // namespace

size_t dtype_size(Dtype dtype) { return kFacts[static_cast<size_t>(dtype)].size; }

const char* dtype_name(Dtype dtype) { return kFacts[static_cast<size_t>(dtype)].name; }

std::optional<Dtype> parse_dtype(const std::string& name) {
  for (size_t i = 0; i < std::size(kFacts); ++i) {
    if (name == kFacts[i].name) return static_cast<Dtype>(i);
  }
  return std::nullopt;
}

bool operator==(const Quantization& a, const Quantization& b) {
  return a.axis == b.axis && a.scales == b.scales && a.zero_points == b.zero_points;
}

bool TensorSpec::is_static() const {
  return rank_known && std::all_of(shape.begin(), shape.end(), [](int64_t dim) { return dim >= 0; });
}

bool TensorSpec::accepts(const Shape& concrete) const {
  const bool concrete_is_concrete = std::all_of(concrete.begin(), concrete.end(), [](int64_t dim) { return dim >= 0; });
  if (!concrete_is_concrete) return false;
  if (!rank_known) return true;
  return shape.size() == concrete.size() &&
         std::equal(shape.begin(), shape.end(), concrete.begin(),
                    [](int64_t wanted, int64_t given) { return wanted < 0 || wanted == given; });
}

void make_names_unique(std::vector<TensorSpec>& specs) {
  std::set<std::string> names;
  for (size_t i = 0; i < specs.size(); ++i) {
    while (!names.insert(specs[i].name).second) specs[i].name += ":" + std::to_string(i);
  }
}

size_t element_count(const Shape& shape) {
  size_t count = 1;
  for (int64_t dim : shape) {
    if (dim < 0 || __builtin_mul_overflow(count, static_cast<size_t>(dim), &count) || count > (SIZE_MAX >> 1)) {
      throw Error(ErrorCode::kInvalidTensor, "The shape " + shape_text(shape) + " is not one that memory can hold.",
                  "Give every dimension as a number that is not negative.");
    }
  }
  return count;
}

size_t byte_size(Dtype dtype, const Shape& shape) {
  size_t bytes = 0;
  if (__builtin_mul_overflow(element_count(shape), dtype_size(dtype), &bytes) || bytes > (SIZE_MAX >> 1)) {
    throw Error(ErrorCode::kInvalidTensor, "The shape " + shape_text(shape) + " is not one that memory can hold.",
                "Use a smaller shape.");
  }
  return bytes;
}

std::string shape_text(const Shape& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text += ", ";
    text += shape[i] < 0 ? std::string("?") : std::to_string(shape[i]);
  }
  return text + "]";
}

}  // namespace edge
