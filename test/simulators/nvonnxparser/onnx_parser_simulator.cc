// A simulator of libnvonnxparser.so of one major version: an IParser that reads toy models into the simulated TensorRT's
// networks. README.md of ../nvinfer says what it is and is not.
#include <cstdint>
#include <string>
#include <vector>

#include "../nvinfer/network.h"
#include "../nvinfer/vtables.h"
#include "onnx.h"

namespace nvonnxparser_simulator {
namespace {

using nvinfer_simulator::address;
using nvinfer_simulator::kMajor;
using nvinfer_simulator::make_table;
using nvinfer_simulator::put;
using nvinfer_simulator::slot_of;

// Unlike TensorRT's own, the parser's classes have their virtual functions themselves.
struct Error {
  void** table;
  ParseError facts;
};
struct Parser {
  void** table;
  void* network;
  std::vector<Error> errors;
};

int32_t code(Error* self) { return self->facts.node < 0 ? 5 : 8; }
const char* description(Error* self) { return self->facts.description.c_str(); }
int32_t node(Error* self) { return self->facts.node; }
#if TRT_MAJOR >= 10
const char* node_name(Error* self) { return self->facts.node_name.c_str(); }
const char* node_operator(Error* self) { return self->facts.node_operator.c_str(); }
#endif

bool parse(Parser* self, const void* data, size_t size, const char*) {
  static void** const table = [] {
    const char* const name = "IParserError";
    void** const made = make_table(name);
    put(made, name, "code() const", address(&code));
    put(made, name, "desc() const", address(&description));
    put(made, name, "node() const", address(&node));
#if TRT_MAJOR >= 10
    put(made, name, "nodeName() const", address(&node_name));
    put(made, name, "nodeOperator() const", address(&node_operator));
#endif
    return made;
  }();
  std::vector<ParseError> errors;
  const std::string lines = parse_onnx(data, size, errors);
  for (const ParseError& error : errors) self->errors.push_back({table, error});
  return errors.empty() && nvinfer_simulator_define(self->network, lines.c_str());
}
int32_t error_count(Parser* self) { return static_cast<int32_t>(self->errors.size()); }
const void* error(Parser* self, int32_t index) { return &self->errors.at(static_cast<size_t>(index)); }
void destroy(Parser* self) { delete self; }

}  // namespace
}  // namespace nvonnxparser_simulator

extern "C" {

__attribute__((visibility("default"))) int32_t getNvOnnxParserVersion() { return TRT_MAJOR < 11 ? 100 : 200; }

__attribute__((visibility("default"))) void* createNvOnnxParser_INTERNAL(void* network, void* logger, int32_t version) {
  using namespace nvonnxparser_simulator;
  if (network == nullptr || logger == nullptr || version != getNvOnnxParserVersion()) return nullptr;
  static void** const table = [] {
    const char* const name = "IParser";
    void** const made = make_table(name);
    put(made, name, "parse(void const*, unsigned long, char const*)", address(&parse));
    put(made, name, "getNbErrors() const", address(&error_count));
    put(made, name, "getError(int) const", address(&error));
    // The destructors follow clearErrors(), the deleting one last.
    made[slot_of(name, "clearErrors()") + 2] = address(&destroy);
    return made;
  }();
  return new Parser{table, network, {}};
}
}
