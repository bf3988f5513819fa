// INetworkDefinition: what a parser defines, tensor by tensor as a real libnvonnxparser does, or by the lines of an
// engine as the simulated one does (network.h).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "objects.h"
#include "plan.h"

namespace nvinfer_simulator {

struct TensorWorker {
  void** table;
  std::string name;
  int32_t dtype = 0;  // DataType
  Shape shape;
  bool is_input = false, is_output = false;
  // What the toy engines can compute: an input, to which something may be added, or a constant (no input).
  const TensorWorker* input = nullptr;
  Output::Op op = Output::Op::kIdentity;
  double number = 0;
};

struct Layer;
struct NetworkWorker {
  void** table;
  uint32_t flags;
  void* builder;
  Plan plan;  // by the lines of an engine; else only what it computes in
  std::vector<Handle<TensorWorker>*> tensors, inputs, outputs;
  std::vector<Layer*> layers;
  void* recorder = nullptr;  // an IErrorRecorder
  NetworkWorker(void** functions, uint32_t creation_flags, void* its_builder)
      : table(functions), flags(creation_flags), builder(its_builder) {}
  ~NetworkWorker();  // tensors and layers go with the network
  NetworkWorker(const NetworkWorker&) = delete;
  NetworkWorker& operator=(const NetworkWorker&) = delete;
};

// An INetworkDefinition. `builder`: the IBuilder that it belongs to.
Handle<NetworkWorker>* make_network(uint32_t flags, void* builder);
// What was defined.
Plan plan_of(const NetworkWorker& network);

}  // namespace nvinfer_simulator
