#include "backends/tflite/edgetpu_package.h"

#include <algorithm>
#include <cstring>

namespace edge::tflite {
namespace {

// Reads little-endian values of a FlatBuffer, and nothing outside of it.
class Bounded {
 public:
  Bounded(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  template <typename T>
  std::optional<T> at(int64_t offset) const {
    if (offset < 0 || static_cast<uint64_t>(offset) + sizeof(T) > size_) return std::nullopt;
    T value;
    std::memcpy(&value, data_ + offset, sizeof value);
    return value;
  }

 private:
  const uint8_t* data_;
  size_t size_;
};

// Field 0 of the root table: the minimum runtime version. Source: the schema of libedgetpu's executables.
std::optional<int> version_of(const Bounded& package) {
  const auto root = package.at<uint32_t>(0);
  if (!root) return std::nullopt;
  const auto back = package.at<int32_t>(*root);
  if (!back) return std::nullopt;
  const int64_t table = static_cast<int64_t>(*root) - *back;
  const auto size = package.at<uint16_t>(table);
  if (!size) return std::nullopt;
  if (*size < 6) return 0;  // the field is left out: its default
  const auto field = package.at<uint16_t>(table + 4);
  if (!field) return std::nullopt;
  if (*field == 0) return 0;
  return package.at<int32_t>(static_cast<int64_t>(*root) + *field);
}

}  // namespace

std::optional<int> minimum_runtime_version(const std::vector<uint8_t>& model) {
  static constexpr char kIdentifier[] = {'D', 'W', 'N', '1'};
  std::optional<int> highest;
  auto from = model.begin();
  for (;;) {
    const auto found = std::search(from, model.end(), std::begin(kIdentifier), std::end(kIdentifier));
    if (found == model.end()) return highest;
    from = found + 1;
    if (found - model.begin() < 4) continue;
    const auto begin = static_cast<size_t>(found - model.begin()) - 4;
    const auto version = version_of(Bounded(model.data() + begin, model.size() - begin));
    if (version) highest = std::max(highest.value_or(0), *version);
  }
}

}  // namespace edge::tflite
