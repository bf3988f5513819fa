#include "graph.h"

#include <cstring>
#include <map>

namespace simulator {
namespace {

std::string unescape(std::string text) {
  const std::pair<const char*, const char*> entities[] = {{"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&amp;", "&"}};
  for (const auto& [from, to] : entities) {
    for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += std::strlen(to)) {
      text.replace(at, std::strlen(from), to);
    }
  }
  return text;
}

// The value of an attribute in a tag's text; empty where there is none.
std::string attribute(const std::string& tag, const std::string& name) {
  const std::string key = " " + name + "=\"";
  const size_t begin = tag.find(key);
  if (begin == std::string::npos) return {};
  const size_t from = begin + key.size();
  return unescape(tag.substr(from, tag.find('"', from) - from));
}

// The text of the first such tag in `xml` from `at` on, which then points behind it.
std::string next_tag(const std::string& xml, const std::string& name, size_t& at) {
  const size_t begin = xml.find("<" + name + " ", at);
  if (begin == std::string::npos) return {};
  const size_t end = xml.find('>', begin);
  if (end == std::string::npos) throw std::runtime_error("a tag does not end");
  at = end;
  return xml.substr(begin, end - begin);
}

// Names are separated by commas; one in a name has a backslash.
std::vector<std::string> split_names(const std::string& text) {
  std::vector<std::string> names(1);
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size() && text[i + 1] == ',') names.back() += text[++i];
    else if (text[i] == ',') names.emplace_back();
    else names.back() += text[i];
  }
  if (names.size() == 1 && names[0].empty()) names.clear();
  return names;
}

std::vector<int64_t> parse_shape(const std::string& text) {
  std::vector<int64_t> shape;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    const std::string dim = text.substr(at, end - at);
    shape.push_back(dim == "?" ? -1 : std::stoll(dim));
    at = end + 1;
  }
  return shape;
}

int64_t count_of(const std::vector<int64_t>& shape) {
  int64_t count = 1;
  for (const int64_t dim : shape) count *= dim;
  return count;
}

Tensor add(const Tensor& a, const Tensor& b) {
  if (a.type != "f32" || b.type != "f32") throw std::runtime_error("Add takes f32");
  Tensor sum = make_tensor("f32", a.shape);
  const int64_t count = count_of(a.shape);
  const bool scalar = count_of(b.shape) == 1;
  if (!scalar && b.shape != a.shape) throw std::runtime_error("Add takes equal shapes");
  for (int64_t i = 0; i < count; ++i) {
    float x, y;
    std::memcpy(&x, a.data + 4 * i, 4);
    std::memcpy(&y, b.data + (scalar ? 0 : 4 * i), 4);
    x += y;
    std::memcpy(sum.data + 4 * i, &x, 4);
  }
  return sum;
}

Tensor non_zero(const Tensor& x) {
  std::vector<int64_t> found;
  for (int64_t i = 0; i < count_of(x.shape); ++i) {
    float value;
    std::memcpy(&value, x.data + 4 * i, 4);
    if (value != 0) found.push_back(i);
  }
  Tensor result = make_tensor("i64", {1, static_cast<int64_t>(found.size())});
  if (!found.empty()) std::memcpy(result.data, found.data(), 8 * found.size());
  return result;
}

}  // namespace

size_t element_bits(const std::string& type) {
  static const std::map<std::string, size_t> bits = {
      {"boolean", 8}, {"bf16", 16}, {"f16", 16}, {"f32", 32}, {"f64", 64}, {"i4", 4},  {"i8", 8},  {"i16", 16}, {"i32", 32},
      {"i64", 64},    {"u1", 1},    {"u4", 4},   {"u8", 8},   {"u16", 16}, {"u32", 32}, {"u64", 64}};
  const auto found = bits.find(type);
  if (found == bits.end()) throw std::runtime_error("unknown element type " + type);
  return found->second;
}

size_t Tensor::bytes() const { return (static_cast<size_t>(count_of(shape)) * element_bits(type) + 7) / 8; }

Tensor make_tensor(const std::string& type, const std::vector<int64_t>& shape) {
  Tensor tensor{type, shape, nullptr, nullptr};
  tensor.own = std::make_shared<std::vector<uint8_t>>(tensor.bytes() + 1);
  tensor.data = tensor.own->data();
  return tensor;
}

std::vector<int64_t> Graph::shape_of(size_t index) const {
  const Layer& layer = layers[index];
  if (layer.inputs.empty()) return layer.shape;
  const std::vector<int64_t> first = shape_of(static_cast<size_t>(layer.inputs[0]));
  if (layer.type == "NonZero") return {static_cast<int64_t>(first.size()), -1};
  return first;
}

std::string Graph::type_of(size_t index) const {
  const Layer& layer = layers[index];
  if (layer.type == "NonZero") return "i64";
  return layer.inputs.empty() ? layer.element_type : type_of(static_cast<size_t>(layer.inputs[0]));
}

const std::vector<std::string>& Graph::names_of(size_t index) const {
  const Layer& layer = layers[index];
  return layer.type == "Result" ? layers[static_cast<size_t>(layer.inputs[0])].names : layer.names;
}

Graph read_ir(const std::string& xml, std::vector<uint8_t> weights) {
  if (xml.find("<net ") == std::string::npos || xml.find("</net>") == std::string::npos) {
    throw std::runtime_error("no IR");
  }
  Graph graph;
  graph.weights = std::move(weights);
  for (size_t at = 0;;) {
    const std::string head = next_tag(xml, "layer", at);
    if (head.empty()) break;
    const size_t end = xml.find("</layer>", at);
    if (end == std::string::npos) throw std::runtime_error("a layer does not end");
    const std::string body = xml.substr(at, end - at);
    Layer layer;
    layer.id = std::stoi(attribute(head, "id"));
    layer.type = attribute(head, "type");
    size_t inside = 0;
    const std::string data = next_tag(body, "data", inside);
    layer.element_type = attribute(data, "element_type");
    layer.shape = parse_shape(attribute(data, "shape"));
    const std::string outputs = body.find("<output>") == std::string::npos ? "" : body.substr(body.find("<output>"));
    size_t port = 0;
    layer.names = split_names(attribute(next_tag(outputs, "port", port), "names"));
    if (layer.type == "Const") {
      layer.offset = std::stoul(attribute(data, "offset"));
      layer.size = std::stoul(attribute(data, "size"));
      if (layer.offset + layer.size > graph.weights.size()) throw std::runtime_error("the weights are missing");
    } else if (layer.type == "Delay") {
      layer.delay_ms = std::stoi(attribute(data, "ms"));
    } else if (layer.type != "Parameter" && layer.type != "Concat" && layer.type != "Add" && layer.type != "NonZero" &&
               layer.type != "Result") {
      throw std::runtime_error("the simulator has no operation " + layer.type);
    }
    const size_t index = graph.layers.size();
    if (layer.type == "Parameter") graph.parameters.push_back(index);
    if (layer.type == "Result") graph.results.push_back(index);
    graph.layers.push_back(std::move(layer));
    at = end;
  }
  for (size_t at = 0;;) {
    const std::string edge = next_tag(xml, "edge", at);
    if (edge.empty()) break;
    const int from = std::stoi(attribute(edge, "from-layer")), to = std::stoi(attribute(edge, "to-layer"));
    graph.layers.at(static_cast<size_t>(to)).inputs.push_back(from);
  }
  return graph;
}

std::vector<Tensor> evaluate(const Graph& graph, const std::vector<Tensor>& inputs,
                             const std::function<void(int ms)>& rest) {
  std::vector<Tensor> values(graph.layers.size());
  size_t next_input = 0;
  for (size_t i = 0; i < graph.layers.size(); ++i) {
    const Layer& layer = graph.layers[i];
    const auto input = [&](size_t n) -> const Tensor& { return values[static_cast<size_t>(layer.inputs.at(n))]; };
    rest(layer.delay_ms);
    if (layer.type == "Parameter") {
      values[i] = inputs.at(next_input++);
    } else if (layer.type == "Const") {
      values[i] = make_tensor(layer.element_type, layer.shape);
      std::memcpy(values[i].data, graph.weights.data() + layer.offset, std::min(layer.size, values[i].bytes()));
    } else if (layer.type == "Add") {
      values[i] = add(input(0), input(1));
    } else {
      values[i] = layer.type == "NonZero" ? non_zero(input(0)) : input(0);
    }
  }
  std::vector<Tensor> results;
  for (const size_t index : graph.results) results.push_back(values[index]);
  return results;
}

}  // namespace simulator
