// Models of the simulator: a few operations of OpenVINO's IR, enough to check every byte that goes in and out.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace simulator {

struct Tensor {
  std::string type;  // as IR writes it: "f32", "boolean"
  std::vector<int64_t> shape;
  std::shared_ptr<std::vector<uint8_t>> own;  // null: memory of the caller's
  uint8_t* data = nullptr;

  size_t bytes() const;
};

size_t element_bits(const std::string& type);
Tensor make_tensor(const std::string& type, const std::vector<int64_t>& shape);

struct Layer {
  int id = 0;
  std::string type, element_type;
  std::vector<int64_t> shape;  // of Parameter and Const; −1: decided per run
  std::vector<std::string> names;
  std::vector<int> inputs;     // indexes of layers
  size_t offset = 0, size = 0;  // of Const
  int delay_ms = 0;            // of Delay
};

struct Graph {
  std::vector<Layer> layers;  // each after its inputs
  std::vector<size_t> parameters, results;
  std::vector<uint8_t> weights;

  // Of a layer's output, from the parameters' shapes.
  std::vector<int64_t> shape_of(size_t layer) const;
  std::string type_of(size_t layer) const;
  const std::vector<std::string>& names_of(size_t layer) const;
};

// Throws std::runtime_error for what is no IR, or has other operations than Parameter, Const, Concat, Add, NonZero,
// Delay (ours) and Result.
Graph read_ir(const std::string& xml, std::vector<uint8_t> weights);

// Values of the results. `rest(ms)` waits, and throws where the run was cancelled.
std::vector<Tensor> evaluate(const Graph& graph, const std::vector<Tensor>& inputs,
                             const std::function<void(int ms)>& rest);

}  // namespace simulator
