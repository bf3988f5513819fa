#include "backends/tflite/signature.h"

#include <algorithm>
#include <cstring>

#include "backends/tflite/flatbuffer.h"

namespace edge::tflite {
namespace {

// Field numbers of TFLite's schema, version 3.
namespace model_slots {
constexpr size_t kOperatorCodes = 1, kGraphs = 2, kSignatures = 7;
}
namespace graph_slots {
constexpr size_t kInputs = 1, kOutputs = 2, kOperators = 3;
}
namespace signature_slots {
constexpr size_t kInputs = 0, kOutputs = 1, kName = 2, kGraph = 4;
}
namespace port_slots {
constexpr size_t kName = 0, kTensor = 1;
}
namespace operator_slots {
constexpr size_t kCode = 0, kOptions = 4, kOptions2 = 12;
}
namespace code_slots {
constexpr size_t kOld = 0, kBuiltin = 3;
}

// Operators that run graphs, and the fields of their options with the graphs' numbers.
struct Caller {
  int32_t code;
  size_t options;
  std::vector<size_t> graphs;
};
const Caller kCallers[] = {
    {118, operator_slots::kOptions, {0, 1}},   // IF: then, else
    {119, operator_slots::kOptions, {0, 1}},   // WHILE: condition, body
    {129, operator_slots::kOptions, {0}},      // CALL_ONCE
    {174, operator_slots::kOptions2, {1}},     // STABLEHLO_REDUCE
    {190, operator_slots::kOptions2, {6}},     // STABLEHLO_SCATTER
    {198, operator_slots::kOptions2, {5}},     // STABLEHLO_REDUCE_WINDOW
    {199, operator_slots::kOptions2, {2}},     // STABLEHLO_SORT
    {200, operator_slots::kOptions2, {0, 1}},  // STABLEHLO_WHILE
    {206, operator_slots::kOptions2, {1}},     // STABLEHLO_COMPOSITE
};

class Reader {
 public:
  explicit Reader(const std::vector<uint8_t>& model) : buffer_(model.data(), model.size()), root_(buffer_.root()) {}

  // The table of a signature.
  size_t find(const std::string& name) const {
    const auto all = tables(root_, model_slots::kSignatures);
    std::string names;
    for (const size_t one : all) {
      const std::string its = buffer_.text(one, signature_slots::kName);
      if (its == name) return one;
      names += (names.empty() ? "'" : ", '") + its + "'";
    }
    throw Error(ErrorCode::kInvalidArgument, "The model has no signature '" + name + "'.",
                names.empty() ? "It has none: leave `signature` out." : "It has " + names + ".", "tflite");
  }

  uint32_t graph_of(size_t signature) const { return buffer_.value<uint32_t>(signature, signature_slots::kGraph); }

  // Where the offset of a graph lies.
  size_t graph(uint32_t index) const {
    const auto graphs = buffer_.vector(root_, model_slots::kGraphs, 4);
    if (index >= graphs.count) throw damaged("a signature is of a graph that it does not have");
    return graphs.first + 4 * static_cast<size_t>(index);
  }

  Signature names_of(size_t signature) const {
    const size_t table = buffer_.follow(graph(graph_of(signature)));
    return {names_of(signature, signature_slots::kInputs, table, graph_slots::kInputs),
            names_of(signature, signature_slots::kOutputs, table, graph_slots::kOutputs)};
  }

  // Whether an operator of the model runs this graph.
  bool calls(uint32_t wanted) const {
    const auto codes = tables(root_, model_slots::kOperatorCodes);
    for (const size_t graph : tables(root_, model_slots::kGraphs)) {
      for (const size_t node : tables(graph, graph_slots::kOperators)) {
        const auto code = buffer_.value<uint32_t>(node, operator_slots::kCode);
        if (code >= codes.size()) throw damaged("an operator is of a kind that it does not list");
        if (calls(node, codes[code], wanted)) return true;
      }
    }
    return false;
  }

 private:
  static Error damaged(const std::string& why) {
    return Error(ErrorCode::kInvalidModel, "The model is damaged: " + why + ".",
                 "Copy or download the file again; convert the model anew if that does not help.", "tflite");
  }

  std::vector<size_t> tables(size_t table, size_t slot) const {
    const auto vector = buffer_.vector(table, slot, 4);
    std::vector<size_t> all(vector.count);
    for (size_t i = 0; i < all.size(); ++i) all[i] = buffer_.follow(vector.first + 4 * i);
    return all;
  }

  bool calls(size_t node, size_t code, uint32_t wanted) const {
    // Old files have the number in a field of one byte, and newer ones in both where it fits.
    const int32_t builtin = std::max<int32_t>(buffer_.value<int8_t>(code, code_slots::kOld),
                                              buffer_.value<int32_t>(code, code_slots::kBuiltin));
    const auto* const caller = std::find_if(std::begin(kCallers), std::end(kCallers),
                                            [builtin](const Caller& one) { return one.code == builtin; });
    if (caller == std::end(kCallers)) return false;
    const size_t place = buffer_.field(node, caller->options);
    if (place == 0) return wanted == 0;  // its numbers have their default
    const size_t options = buffer_.follow(place);
    return std::any_of(caller->graphs.begin(), caller->graphs.end(),
                       [&](size_t slot) { return buffer_.value<uint32_t>(options, slot) == wanted; });
  }

  // The signature's names for tensors, in the order in which the graph lists these. One tensor may have several names:
  // the graph then lists it as often.
  std::vector<std::string> names_of(size_t signature, size_t ports, size_t graph, size_t tensors) const {
    const auto listed = buffer_.vector(graph, tensors, 4);
    std::vector<std::string> names(listed.count);
    std::vector<bool> named(listed.count);
    for (const size_t port : tables(signature, ports)) {
      const auto tensor = buffer_.value<uint32_t>(port, port_slots::kTensor);
      size_t i = 0;
      while (i < names.size() && (named[i] || buffer_.at<uint32_t>(listed.first + 4 * i) != tensor)) ++i;
      std::string name = buffer_.text(port, port_slots::kName);
      if (i == names.size()) throw damaged("its signature's '" + name + "' is no input or output of the graph");
      named[i] = true;
      names[i] = std::move(name);
    }
    return names;
  }

  Flatbuffer buffer_;
  size_t root_;
};

}  // namespace

Signature select_signature(std::vector<uint8_t>& model, const std::string& name) {
  const Reader reader(model);
  const size_t found = reader.find(name);
  Signature signature = reader.names_of(found);
  const uint32_t graph = reader.graph_of(found);
  if (graph == 0) return signature;
  if (reader.calls(0) || reader.calls(graph)) {
    throw Error(
        ErrorCode::kUnsupported,
        "The signature '" + name + "' cannot run by itself: operators of the model call its graph or the first.",
        "Export the signature as a model of its own.", "tflite");
  }
  // Offsets count from where they lie. Both graphs lie behind both offsets, as the format asks.
  const size_t first = reader.graph(0), other = reader.graph(graph);
  const Flatbuffer buffer(model.data(), model.size());
  const auto to_other = static_cast<uint32_t>(buffer.follow(other) - first);
  const auto to_first = static_cast<uint32_t>(buffer.follow(first) - other);
  std::memcpy(model.data() + first, &to_other, sizeof to_other);
  std::memcpy(model.data() + other, &to_first, sizeof to_first);
  return signature;
}

}  // namespace edge::tflite
