#include "onnx.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <iomanip>
#include <map>
#include <sstream>
#include <string>
#include <utility>

#include "../nvinfer/network.h"

namespace nvonnxparser_simulator {
namespace {

// One message of protobuf's wire format.
class Message {
 public:
  struct Field {
    uint64_t number = 0, value = 0;  // of a varint or a fixed one
    std::string bytes;               // of what has a length
  };
  explicit Message(const std::string& bytes) {
    for (size_t at = 0; at < bytes.size();) {
      const uint64_t key = varint(bytes, at);
      Field field;
      field.number = key >> 3;
      switch (key & 7) {
        case 0:
          field.value = varint(bytes, at);
          break;
        case 1:
        case 5: {
          const size_t width = (key & 7) == 1 ? 8 : 4;
          if (bytes.size() - at < width) throw std::string("Failed to parse the ONNX model: cut off.");
          std::memcpy(&field.value, bytes.data() + at, width);
          at += width;
          break;
        }
        case 2: {
          const uint64_t length = varint(bytes, at);
          if (length > bytes.size() - at) throw std::string("Failed to parse the ONNX model: cut off.");
          field.bytes = bytes.substr(at, length);
          at += length;
          break;
        }
        default:
          throw std::string("Failed to parse the ONNX model: no such wire type.");
      }
      fields_.push_back(std::move(field));
    }
  }
  std::vector<Field> all(uint64_t number) const {
    std::vector<Field> found;
    for (const Field& field : fields_) {
      if (field.number == number) found.push_back(field);
    }
    return found;
  }
  std::string text(uint64_t number) const {
    const auto found = all(number);
    return found.empty() ? std::string() : found.back().bytes;
  }
  uint64_t value(uint64_t number) const {
    const auto found = all(number);
    return found.empty() ? 0 : found.back().value;
  }

 private:
  static uint64_t varint(const std::string& bytes, size_t& at) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && at < bytes.size(); shift += 7) {
      const auto byte = static_cast<unsigned char>(bytes[at++]);
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    throw std::string("Failed to parse the ONNX model: cut off.");
  }
  std::vector<Field> fields_;
};

const char* type_name(uint64_t type) {  // TensorProto.DataType
  static const std::map<uint64_t, const char*> names = {{1, "f32"}, {2, "u8"},    {3, "i8"},   {6, "i32"},
                                                        {7, "i64"}, {9, "bool"},  {10, "f16"}, {16, "bf16"}};
  const auto found = names.find(type);
  return found != names.end() ? found->second : nullptr;
}

float half_to_float(uint16_t half) {
  const int exponent = half >> 10 & 0x1F;
  const float fraction = static_cast<float>(half & 0x3FF) / 1024.0F;
  const float size =
      exponent == 0 ? std::ldexp(fraction, -14) : std::ldexp(1.0F + fraction, exponent - 15);
  return (half & 0x8000) != 0 ? -size : size;
}

// The first element of a TensorProto.
double first_of(const Message& tensor) {
  const uint64_t type = tensor.value(2);
  const std::string raw = tensor.text(9);
  const auto from_raw = [&](auto value) {
    if (raw.size() < sizeof value) throw std::string("Failed to parse the ONNX model: a tensor is cut off.");
    std::memcpy(&value, raw.data(), sizeof value);
    return value;
  };
  if (type == 1) {
    if (!raw.empty()) return from_raw(float{});
    const auto packed = tensor.all(4);
    float value = 0;
    if (packed.empty()) return value;
    if (packed[0].bytes.size() >= sizeof value)
      std::memcpy(&value, packed[0].bytes.data(), sizeof value);
    else
      std::memcpy(&value, &packed[0].value, sizeof value);
    return value;
  }
  if (type == 2 || type == 3) return raw.empty() ? static_cast<double>(tensor.value(5)) : from_raw(int8_t{});
  if (type == 6 && !raw.empty()) return from_raw(int32_t{});
  if (type == 10) return half_to_float(raw.empty() ? static_cast<uint16_t>(tensor.value(5)) : from_raw(uint16_t{}));
  if (type == 16 && !raw.empty()) {
    const uint32_t bits = static_cast<uint32_t>(from_raw(uint16_t{})) << 16;
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
  }
  throw std::string("A constant has a type that this parser does not know: ") + std::to_string(type);
}

// What a name stands for: an input with something added, or a constant.
struct Value {
  std::string input, operation = "identity";  // empty input: a constant
  double number = 0;
};

class Network {
 public:
  explicit Network(const Message& graph) : graph_(graph) {
    for (const auto& field : graph.all(5)) {  // initializer
      const Message tensor(field.bytes);
      values_[tensor.text(8)] = {"", "identity", first_of(tensor)};
    }
    for (const auto& field : graph.all(11)) add_input(Message(field.bytes));
  }

  // Throws std::string.
  void add(const Message& node) {
    const std::string operation = node.text(4);
    std::vector<Value> inputs;
    for (const auto& field : node.all(1)) {
      const auto found = values_.find(field.bytes);
      if (found == values_.end()) throw std::string("no tensor is called ") + field.bytes;
      inputs.push_back(found->second);
    }
    const bool quantizes = operation == "QuantizeLinear" || operation == "DequantizeLinear";
    const size_t needed = operation == "Add" || quantizes ? 2 : operation == "Constant" ? 0 : 1;
    if (inputs.size() < needed) throw std::string("too few inputs");
    Value value;
    if (operation == "Identity" || operation == "Cast") {
      value = inputs[0];
      if (operation == "Cast") note_cast(node);
    } else if (quantizes) {
      if (inputs[0].input.empty() || !inputs[1].input.empty()) throw std::string("the scale has to be a constant");
      value = inputs[0];
      value.operation = operation == "QuantizeLinear" ? "quantize" : "fakequantize";
      value.number = inputs[1].number;
      if (operation == "DequantizeLinear" && (inputs[0].operation != "quantize" || inputs[0].number != value.number))
        throw std::string("DequantizeLinear has to follow QuantizeLinear of the same scale");
    } else if (operation == "Add") {
      const bool first = inputs[1].input.empty();
      if (!first && !inputs[0].input.empty()) throw std::string("one side has to be a constant");
      value = inputs[first ? 0 : 1];
      if (!value.input.empty()) value.operation = "add";
      value.number += inputs[first ? 1 : 0].number;
    } else if (operation == "NonZero") {
      value = inputs[0];
      value.operation = "nonzero";
    } else if (operation == "Constant") {
      value.number = first_of(Message(Message(node.text(5)).text(5)));
    } else if (operation.find("_TRT") != std::string::npos) {
      if (!nvinfer_simulator_has_plugin(operation.c_str()))
        throw "Plugin not found, are the plugin name, version, and namespace correct? (" + operation + ")";
      plugins_ += "plugin " + operation + "\n";
      value = inputs[0];
    } else {
      throw "No importer registered for op: " + operation;
    }
    const auto outputs = node.all(2);
    if (outputs.empty()) throw std::string("no output");
    values_[outputs[0].bytes] = value;
  }

  std::string text() const {
    std::ostringstream text;
    text << inputs_.str();
    for (const auto& field : graph_.all(12)) {
      const std::string name = Message(field.bytes).text(1);
      const auto found = values_.find(name);
      if (found == values_.end() || found->second.input.empty())
        throw std::string("no node gives the output ") + name;
      const Value& value = found->second;
      text << "output " << std::quoted(name) << " " << value.operation << " " << std::quoted(value.input);
      if (value.operation == "quantize") throw std::string("an output in i8 is not known here");
      if (value.operation == "add" || value.operation == "fakequantize") text << " " << value.number;
      text << "\n";
    }
    text << plugins_;
    if (!computes_.empty()) text << "computes " << computes_ << "\n";
    return text.str();
  }

 private:
  // What a model casts to is what it computes in.
  void note_cast(const Message& node) {
    for (const auto& field : node.all(5)) {  // attribute
      const Message attribute(field.bytes);
      if (attribute.text(1) != "to") continue;
      if (attribute.value(3) == 10) computes_ = "Half";
      if (attribute.value(3) == 16) computes_ = "BFloat16";
    }
  }

  void add_input(const Message& info) {
    const std::string name = info.text(1);
    if (values_.count(name) != 0) return;  // an initializer with a default
    const Message tensor(Message(info.text(2)).text(1));
    const char* const type = type_name(tensor.value(1));
    if (type == nullptr) throw "the input " + name + " has a type that TensorRT does not know";
    std::string dims;
    for (const auto& field : Message(tensor.text(2)).all(1)) {
      const Message dim(field.bytes);
      dims += (dims.empty() ? "" : ",") + (dim.all(1).empty() ? "?" : std::to_string(dim.value(1)));
    }
    inputs_ << "input " << std::quoted(name) << " " << type << " " << (dims.empty() ? "-" : dims) << "\n";
    values_[name] = {name, "identity", 0};
  }

  const Message& graph_;
  std::map<std::string, Value> values_;
  std::ostringstream inputs_;
  std::string plugins_, computes_;
};

}  // namespace

std::string parse_onnx(const void* data, size_t size, std::vector<ParseError>& errors) {
  try {
    const Message model({static_cast<const char*>(data), size});
    const std::string graph_bytes = model.text(7);
    if (graph_bytes.empty()) throw std::string("Failed to parse the ONNX model: it has no graph.");
    const Message graph(graph_bytes);
    Network network(graph);
    int index = 0;
    for (const auto& field : graph.all(1)) {
      const Message node(field.bytes);
      try {
        network.add(node);
      } catch (const std::string& text) {
        errors.push_back({text, node.text(3), node.text(4), index});
        return {};
      }
      ++index;
    }
    return network.text();
  } catch (const std::string& text) {
    errors.push_back({text, "", "", -1});
    return {};
  }
}

}  // namespace nvonnxparser_simulator
