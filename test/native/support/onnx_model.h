// ONNX models for tests, written in protobuf's wire format: f32 inputs, and nodes of one input.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace edge::test {

class OnnxModel {
 public:
  // −1: an open dimension.
  OnnxModel& input(const std::string& name, const std::vector<int64_t>& shape) {
    graph_ += field(11, value_info(name, shape));
    return *this;
  }
  OnnxModel& output(const std::string& name) {
    graph_ += field(12, field(1, name));
    return *this;
  }
  OnnxModel& constant(const std::string& name, float value) {
    std::string raw(sizeof value, '\0');
    std::memcpy(raw.data(), &value, sizeof value);
    graph_ += field(5, number(2, 1) + field(8, name) + field(9, raw));
    return *this;
  }
  OnnxModel& zero_point(const std::string& name) {
    graph_ += field(5, number(2, 3) + field(8, name) + field(9, std::string(1, '\0')));
    return *this;
  }
  OnnxModel& node(const std::string& operation, const std::vector<std::string>& inputs, const std::string& to,
                  const std::string& name = "") {
    std::string node;
    for (const std::string& input : inputs) node += field(1, input);
    graph_ += field(1, node + field(2, to) + field(3, name) + field(4, operation));
    return *this;
  }
  std::string bytes() const { return number(1, 8) + field(7, graph_ + field(2, "graph")) + field(8, number(2, 17)); }
  // x quantised to i8 by this scale, and back.
  static std::string fake_quantize(const std::vector<int64_t>& shape, float scale) {
    return OnnxModel()
        .input("x", shape)
        .output("y")
        .constant("s", scale)
        .zero_point("z")
        .node("QuantizeLinear", {"x", "s", "z"}, "q")
        .node("DequantizeLinear", {"q", "s", "z"}, "y")
        .bytes();
  }
  // `y = x + addend`.
  static std::string add(const std::vector<int64_t>& shape, float addend = 1) {
    return OnnxModel().input("x", shape).output("y").constant("c", addend).node("Add", {"x", "c"}, "y").bytes();
  }

 private:
  static std::string varint(uint64_t value) {
    std::string text;
    for (; value >= 0x80; value >>= 7) text += static_cast<char>((value & 0x7F) | 0x80);
    return text + static_cast<char>(value);
  }
  static std::string number(unsigned field, uint64_t value) { return varint(field << 3) + varint(value); }
  static std::string field(unsigned field, const std::string& bytes) {
    return varint(field << 3 | 2) + varint(bytes.size()) + bytes;
  }
  static std::string value_info(const std::string& name, const std::vector<int64_t>& shape) {
    std::string dims;
    for (const int64_t size : shape)
      dims += field(1, size < 0 ? field(2, std::string("n")) : number(1, static_cast<uint64_t>(size)));
    return field(1, name) + field(2, field(1, number(1, 1) + field(2, dims)));
  }
  std::string graph_;
};

}  // namespace edge::test
