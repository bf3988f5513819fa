// Reads flatbuffers from strangers, in place: every offset is checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "core/error.h"

namespace edge::tflite {

// A view of bytes that hold one. Throws kInvalidModel where something leads outside of them. Places are counted from
// the first byte. Source of the format: https://flatbuffers.dev/internals.
class Flatbuffer {
 public:
  Flatbuffer(const uint8_t* data, size_t size) : data_(data), size_(size) {}

  template <typename T>
  T at(size_t place) const {
    check(place, sizeof(T));
    T value;
    std::memcpy(&value, data_ + place, sizeof value);
    return value;
  }

  // Where the offset there leads: to a table, a vector's length or a text's.
  size_t follow(size_t place) const { return place + at<uint32_t>(place); }
  size_t root() const { return follow(0); }

  // The place of a table's field; 0 where the table does not have it.
  size_t field(size_t table, size_t slot) const {
    const size_t fields = table - static_cast<size_t>(static_cast<int64_t>(at<int32_t>(table)));
    const size_t entry = 4 + 2 * slot;
    if (entry + 2 > at<uint16_t>(fields)) return 0;
    const auto offset = at<uint16_t>(fields + entry);
    return offset == 0 ? 0 : table + offset;
  }
  template <typename T>
  T value(size_t table, size_t slot, T absent = 0) const {
    const size_t place = field(table, slot);
    return place == 0 ? absent : at<T>(place);
  }

  // A vector of elements of this size: where the first one lies, and how many there are.
  struct Vector {
    size_t first = 0, count = 0;
  };
  Vector vector(size_t table, size_t slot, size_t width) const {
    const size_t place = field(table, slot);
    if (place == 0) return {};
    const size_t length = follow(place);
    const Vector found{length + 4, at<uint32_t>(length)};
    check(found.first, uint64_t{found.count} * width);
    return found;
  }
  std::string text(size_t table, size_t slot) const {
    const Vector bytes = vector(table, slot, 1);
    return {reinterpret_cast<const char*>(data_) + bytes.first, bytes.count};
  }

 private:
  void check(size_t place, uint64_t bytes) const {
    if (place <= size_ && bytes <= size_ - place) return;
    throw Error(ErrorCode::kInvalidModel, "The model is damaged: an offset leads outside of it.",
                "Copy or download the file again; convert the model anew if that does not help.", "tflite");
  }

  const uint8_t* data_;
  size_t size_;
};

}  // namespace edge::tflite
