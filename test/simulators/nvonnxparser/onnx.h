// A reader of ONNX models of a few operators: Identity, Cast, Add of a constant, NonZero and plugins.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace nvonnxparser_simulator {

struct ParseError {
  std::string description, node_name, node_operator;
  int node = -1;
};

// The network as the lines of a simulated engine (../nvinfer/README.md). Where something is wrong, `errors` is not empty.
std::string parse_onnx(const void* data, size_t size, std::vector<ParseError>& errors);

}  // namespace nvonnxparser_simulator
