// The simulator's engine files: a toy format that says what to compute. README.md has it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace nvinfer_simulator {

using Shape = std::vector<int64_t>;  // −1: open

struct Input {
  std::string name;
  int dtype = 0;  // DataType
  Shape shape;
  // Of every open dimension, in each optimisation profile; the last is that of all that follow.
  struct Range {
    int64_t smallest = 0, largest = 65536;
  };
  std::vector<Range> ranges;
  int format = 0;               // TensorFormat
  bool on_host = false;         // its values are shapes, and nothing else
  bool decides_shapes = false;  // they are used on the GPU as well
};

inline Input::Range range_of(const Input& input, int32_t profile) {
  if (input.ranges.empty()) return {};
  return input.ranges[std::min(static_cast<size_t>(profile), input.ranges.size() - 1)];
}

struct Output {
  enum class Op {
    kIdentity,
    kAdd,
    kNonZero,
    kFakeQuantize,  // to i8 and back, by the scale `number`
    kResize,
    kShape  // the dimensions of the input
  };
  std::string name;
  Op op = Op::kIdentity;
  size_t input = 0, shape_input = 0;  // the second: of kResize, which has its values as shape
  double number = 0;
};

struct Plan {
  std::vector<Input> inputs;
  std::vector<Output> outputs;
  uint64_t duration_us = 0;
  uint64_t scratch = 0;     // bytes that each run writes and reads again
  uint64_t generation = 0;  // of the simulated driver that it was built under
  int major = 0;
  int profiles = 1;
  int aux_streams = 2;
  std::vector<std::string> plugins;
  std::string built;                // what the builder was told
  std::string computes;             // the type that layers compute in, as the inspector words it; empty: the outputs'
  std::string verbosity = "names";  // what the inspector tells: also "none", "detailed"
  bool implicit_batch = false, no_context = false, synchronizes = false, dla = false, host_code = false;
};

// Throws std::string: TensorRT's words.
Plan parse_plan(const std::string& text, int major);
std::string plan_text(const Plan& plan, int major);

// Of an output's element.
int dtype_of(const Plan& plan, const Output& output);
size_t dtype_size(int dtype);
// Computes one output but a kNonZero.
void compute(const Output& output, int dtype, const void* from, void* to, size_t count);
// The indices of the elements, f32, that are not 0.
std::vector<int64_t> nonzero(const void* from, size_t count);

}  // namespace nvinfer_simulator
