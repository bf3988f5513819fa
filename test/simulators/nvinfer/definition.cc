#include "definition.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "network.h"

namespace nvinfer_simulator {

// Its class and the class of its kind each have a pointer to a class that does the work.
struct LayerWorker {
  void** table;
  int32_t type;
  std::string name, metadata;
  std::vector<Handle<TensorWorker>*> inputs;
  Handle<TensorWorker>* output;
};
struct Kind {
  void** table;
  LayerWorker* layer;
};
struct Layer {
  void** table;
  LayerWorker* worker;
  Kind* kind;
  LayerWorker facts;
  Kind own;
};

namespace {

using Tensor = Handle<TensorWorker>;
struct Weights {
  int32_t dtype;
  const void* values;
  int64_t count;
};

// LayerType
constexpr int32_t kElementWise = 9, kShuffle = 13, kConstant = 19, kIdentity = kMajor < 10 ? 21 : 20,
                  kCast = kMajor < 10 ? 47 : 1, kQuantize = kMajor < 10 ? 33 : 32, kDequantize = kQuantize + 1;

#if TRT_MAJOR < 10
#define DIMS_IN "Dims32"
using DimsIn = Dims;
const Dims& read(const Dims& dims) { return dims; }
#else
#define DIMS_IN "Dims64 const&"
using DimsIn = const Dims*;
const Dims& read(const Dims* dims) { return *dims; }
#endif
Shape shape_of(const Dims& dims) { return {dims.sizes, dims.sizes + dims.count}; }

// -------------------------------------------------------------------------------------------------------- tensor

void set_tensor_name(TensorWorker* self, const char* name) { self->name = name; }
const char* tensor_name(TensorWorker* self) { return self->name.c_str(); }
Dims tensor_shape(TensorWorker* self) { return dims_of(self->shape); }
#if TRT_MAJOR < 11
void set_tensor_type(TensorWorker* self, int32_t dtype) { self->dtype = dtype; }
#endif
int32_t tensor_type(TensorWorker* self) { return self->dtype; }
bool is_network_input(TensorWorker* self) { return self->is_input; }
bool is_network_output(TensorWorker* self) { return self->is_output; }
void set_dimension_name(TensorWorker*, int32_t, const char*) {}

void** tensor_table() {
  static void** const table = [] {
    const char* const name = "VTensor";
    void** const made = make_table(name);
    put(made, name, "setName(char const*)", address(&set_tensor_name));
    put(made, name, "getName() const", address(&tensor_name));
    put(made, name, "getDimensions() const", address(&tensor_shape));
#if TRT_MAJOR < 11
    put(made, name, "setType(DataType)", address(&set_tensor_type));
#endif
    put(made, name, "getType() const", address(&tensor_type));
    put(made, name, "isNetworkInput() const", address(&is_network_input));
    put(made, name, "isNetworkOutput() const", address(&is_network_output));
    put(made, name, "setDimensionName(int, char const*)", address(&set_dimension_name));
    return made;
  }();
  return table;
}

Tensor* make_tensor(NetworkWorker& network, const std::string& name, int32_t dtype, const Shape& shape) {
  auto* const worker = new TensorWorker{tensor_table(), name, dtype, shape};
  network.tensors.push_back(Tensor::make(worker));
  return network.tensors.back();
}

// --------------------------------------------------------------------------------------------------------- layer

int32_t layer_type(LayerWorker* self) { return self->type; }
void set_layer_name(LayerWorker* self, const char* name) { self->name = name; }
const char* layer_name(LayerWorker* self) { return self->name.c_str(); }
int32_t layer_input_count(LayerWorker* self) { return static_cast<int32_t>(self->inputs.size()); }
void* layer_input(LayerWorker* self, int32_t index) { return self->inputs.at(static_cast<size_t>(index)); }
// Such as the zero point of a quantisation, which is 0 in TensorRT.
void set_layer_input(LayerWorker* self, int32_t index, Handle<TensorWorker>* tensor) {
  self->inputs.resize(std::max(self->inputs.size(), static_cast<size_t>(index) + 1));
  self->inputs[static_cast<size_t>(index)] = tensor;
}
int32_t layer_output_count(LayerWorker*) { return 1; }
void* layer_output(LayerWorker* self, int32_t index) { return index == 0 ? self->output : nullptr; }
void set_metadata(LayerWorker* self, const char* text) { self->metadata = text; }
const char* metadata(LayerWorker* self) { return self->metadata.c_str(); }
#if TRT_MAJOR < 11
void set_output_type(LayerWorker* self, int32_t, int32_t dtype) { self->output->worker->dtype = dtype; }
#endif

#if TRT_MAJOR < 11
void set_precision(LayerWorker*, int32_t) {}
#endif

[[noreturn]] void refuse_kind() {
  std::fputs("nvinfer simulator: a function of a layer's own kind was called\n", stderr);
  std::abort();
}

Layer* add_layer(NetworkWorker& network, int32_t type, std::vector<Tensor*> inputs, Tensor* output) {
  static void** const table = [] {
    const char* const name = "VLayer";
    void** const made = make_table(name);
    put(made, name, "getType() const", address(&layer_type));
    put(made, name, "setName(char const*)", address(&set_layer_name));
    put(made, name, "getName() const", address(&layer_name));
    put(made, name, "getNbInputs() const", address(&layer_input_count));
    put(made, name, "getInput(int) const", address(&layer_input));
    put(made, name, "setInput(int, ITensor&)", address(&set_layer_input));
    put(made, name, "getNbOutputs() const", address(&layer_output_count));
    put(made, name, "getOutput(int) const", address(&layer_output));
    put(made, name, "setMetadata(char const*)", address(&set_metadata));
    put(made, name, "getMetadata() const", address(&metadata));
#if TRT_MAJOR < 11
    put(made, name, "setOutputType(int, DataType)", address(&set_output_type));
    put(made, name, "setPrecision(DataType)", address(&set_precision));
#endif
    return made;
  }();
  static auto* const refusing = [] {
    auto* const functions = new std::array<void*, 64>;
    functions->fill(address(&refuse_kind));
    return functions;
  }();
  const std::string name = "(Unnamed Layer* " + std::to_string(network.layers.size()) + ")";
  void** const none = refusing->data();
  auto* const layer =
      new Layer{none, nullptr, nullptr, {table, type, name, "", std::move(inputs), output}, {none, nullptr}};
  layer->worker = layer->own.layer = &layer->facts;
  layer->kind = &layer->own;
  if (output->worker->name.empty()) output->worker->name = name + "_output";
  network.layers.push_back(layer);
  return layer;
}

// ------------------------------------------------------------------------------------------------------- network

void* add_input(NetworkWorker* self, const char* name, int32_t dtype, DimsIn dims) {
  Tensor* const made = make_tensor(*self, name, dtype, shape_of(read(dims)));
  made->worker->is_input = true;
  made->worker->input = made->worker;
  self->inputs.push_back(made);
  return made;
}

void mark_output(NetworkWorker* self, Tensor* tensor) {
  tensor->worker->is_output = true;
  self->outputs.push_back(tensor);
}

Layer* same_value(NetworkWorker* self, int32_t type, Tensor* from, int32_t dtype) {
  Tensor* const made = make_tensor(*self, "", dtype, from->worker->shape);
  made->worker->input = from->worker->input;
  made->worker->op = from->worker->op;
  made->worker->number = from->worker->number;
  return add_layer(*self, type, {from}, made);
}
void* add_identity(NetworkWorker* self, Tensor* from) { return same_value(self, kIdentity, from, from->worker->dtype); }
void* add_cast(NetworkWorker* self, Tensor* from, int32_t dtype) {
  // What a model casts to is what it computes in, as the simulated parser sees it.
  constexpr int32_t kHalf = 1, kBf16 = 7;  // DataType
  if (dtype == kHalf) self->plan.computes = "Half";
  if (dtype == kBf16) self->plan.computes = "BFloat16";
  return same_value(self, kCast, from, dtype);
}

// Of what is sent on by a reshape only the shape changes.
void set_reshape_dimensions(Kind* self, DimsIn dims) { self->layer->output->worker->shape = shape_of(read(dims)); }
void set_zero_is_placeholder(Kind*, bool) {}

void* add_shuffle(NetworkWorker* self, Tensor* from) {
  static void** const table = [] {
    const char* const name = "VShuffleLayer";
    void** const made = make_table(name);
    put(made, name, "setReshapeDimensions(" DIMS_IN ")", address(&set_reshape_dimensions));
    put(made, name, "setZeroIsPlaceholder(bool)", address(&set_zero_is_placeholder));
    return made;
  }();
  Layer* const made = same_value(self, kShuffle, from, from->worker->dtype);
  made->own.table = table;
  return made;
}

// To i8 and back: what lies between the two is the value in steps of the scale.
void set_axis(Kind*, int32_t) {}
#if TRT_MAJOR >= 10
void set_to_type(Kind* self, int32_t dtype) { self->layer->output->worker->dtype = dtype; }
#endif

void* add_quantization(NetworkWorker* self, Tensor* from, Tensor* scale, bool is_quantize, int32_t dtype) {
  const bool is_plain = from->worker->input != nullptr && from->worker->op == Output::Op::kIdentity;
  const bool is_there = from->worker->op == Output::Op::kFakeQuantize && from->worker->number == scale->worker->number;
  if (scale->worker->input != nullptr || !(is_quantize ? is_plain : is_there)) {
    error("INetworkDefinition::addQuantize: the simulator quantises an input and back by the same scale");
    return nullptr;
  }
  const auto make = [](const char* name) {
    void** const made = make_table(name);
    put(made, name, "setAxis(int)", address(&set_axis));
#if TRT_MAJOR >= 10
    put(made, name, "setToType(DataType)", address(&set_to_type));
#endif
    return made;
  };
  static void** const quantize = make("VQuantizeLayer");
  static void** const dequantize = make("VDequantizeLayer");
  Layer* const made = same_value(self, is_quantize ? kQuantize : kDequantize, from, dtype);
  made->facts.inputs.push_back(scale);
  made->facts.output->worker->op = Output::Op::kFakeQuantize;
  made->facts.output->worker->number = scale->worker->number;
  made->own.table = is_quantize ? quantize : dequantize;
  return made;
}
constexpr int32_t kFloat = 0, kInt8 = 2;  // DataType
#if TRT_MAJOR < 11
void* add_quantize(NetworkWorker* self, Tensor* from, Tensor* scale) {
  return add_quantization(self, from, scale, true, kInt8);
}
void* add_dequantize(NetworkWorker* self, Tensor* from, Tensor* scale) {
  return add_quantization(self, from, scale, false, kFloat);
}
#endif
#if TRT_MAJOR >= 10
void* add_quantize_to(NetworkWorker* self, Tensor* from, Tensor* scale, int32_t dtype) {
  return add_quantization(self, from, scale, true, dtype);
}
void* add_dequantize_to(NetworkWorker* self, Tensor* from, Tensor* scale, int32_t dtype) {
  return add_quantization(self, from, scale, false, dtype);
}
#endif

// The first element, of f32, f16, bf16 or i8.
bool first_of(const Weights& weights, double& number) {
  constexpr int32_t kHalf = 1, kBf16 = 7;  // DataType
  if (weights.count < 1) return false;
  if (weights.dtype == kInt8) {
    number = *static_cast<const int8_t*>(weights.values);
    return true;
  }
  float value = 0;
  if (weights.dtype == kFloat) {
    std::memcpy(&value, weights.values, sizeof value);
    number = value;
    return true;
  }
  uint16_t half = 0;
  std::memcpy(&half, weights.values, sizeof half);
  if (weights.dtype == kBf16) {
    const uint32_t bits = uint32_t{half} << 16;
    std::memcpy(&value, &bits, sizeof value);
    number = value;
  } else {
    const int exponent = half >> 10 & 0x1F;
    const double fraction = (half & 0x3FF) / 1024.0;
    number = exponent == 0 ? std::ldexp(fraction, -14) : std::ldexp(1 + fraction, exponent - 15);
    if ((half & 0x8000) != 0) number = -number;
  }
  return weights.dtype == kBf16 || weights.dtype == kHalf;
}

void* add_constant(NetworkWorker* self, DimsIn dims, Weights weights) {
  double number = 0;
  if (!first_of(weights, number)) {
    error("INetworkDefinition::addConstant: the simulator takes constants in f32, f16, bf16 and i8");
    return nullptr;
  }
  Tensor* const made = make_tensor(*self, "", weights.dtype, shape_of(read(dims)));
  made->worker->number = number;
  return add_layer(*self, kConstant, {}, made);
}

void* add_elementwise(NetworkWorker* self, Tensor* first, Tensor* second, int32_t operation) {
  constexpr int32_t kSum = 0;
  const bool swapped = first->worker->input == nullptr;
  const TensorWorker& value = *(swapped ? second : first)->worker;
  const TensorWorker& constant = *(swapped ? first : second)->worker;
  if (operation != kSum || constant.input != nullptr || value.shape.size() != constant.shape.size()) {
    error("INetworkDefinition::addElementWise: the simulator adds constants");
    return nullptr;
  }
  Tensor* const made = make_tensor(*self, "", value.dtype, value.shape);
  made->worker->input = value.input;
  made->worker->op = value.input != nullptr ? Output::Op::kAdd : Output::Op::kIdentity;
  made->worker->number = value.number + constant.number;
  return add_layer(*self, kElementWise, {first, second}, made);
}

// It counts its users.
void call_recorder(void* recorder, const char* function) {
  void** const functions = *static_cast<void***>(recorder);
  reinterpret_cast<int32_t (*)(void*)>(functions[slot_of("IErrorRecorder", function)])(recorder);
}

int32_t input_count(NetworkWorker* self) { return static_cast<int32_t>(self->inputs.size()); }
void* input(NetworkWorker* self, int32_t index) { return self->inputs.at(static_cast<size_t>(index)); }
int32_t output_count(NetworkWorker* self) { return static_cast<int32_t>(self->outputs.size()); }
void* output(NetworkWorker* self, int32_t index) { return self->outputs.at(static_cast<size_t>(index)); }
int32_t layer_count(NetworkWorker* self) { return static_cast<int32_t>(self->layers.size()); }
void* layer(NetworkWorker* self, int32_t index) { return self->layers.at(static_cast<size_t>(index)); }
bool set_weights_name(NetworkWorker*, Weights, const char* name) { return name != nullptr; }
void set_network_name(NetworkWorker*, const char*) {}
bool has_implicit_batch(NetworkWorker*) { return false; }
void* error_recorder(NetworkWorker* self) { return self->recorder; }
void set_error_recorder(NetworkWorker* self, void* recorder) {
  if (recorder != nullptr) call_recorder(recorder, "incRefCount()");
  if (self->recorder != nullptr) call_recorder(self->recorder, "decRefCount()");
  self->recorder = recorder;
}
void* builder(NetworkWorker* self) { return self->builder; }
#if TRT_MAJOR >= 10
uint32_t flags(NetworkWorker* self) { return self->flags; }
bool flag(NetworkWorker* self, int32_t which) { return (self->flags >> which & 1) != 0; }
#endif

}  // namespace

NetworkWorker::~NetworkWorker() {
  set_error_recorder(this, nullptr);
  for (Tensor* tensor : tensors) Tensor::destroy(tensor);
  for (Layer* one : layers) delete one;
}

Handle<NetworkWorker>* make_network(uint32_t creation_flags, void* its_builder) {
  static void** const table = [] {
    const char* const name = "VNetworkDefinition";
    void** const made = make_table(name);
    put(made, name, "addInput(char const*, DataType, " DIMS_IN ")", address(&add_input));
    put(made, name, "markOutput(ITensor&)", address(&mark_output));
    put(made, name, "addIdentity(ITensor&)", address(&add_identity));
    put(made, name, "addShuffle(ITensor&)", address(&add_shuffle));
#if TRT_MAJOR < 11
    put(made, name, "addQuantize(ITensor&, ITensor&)", address(&add_quantize));
    put(made, name, "addDequantize(ITensor&, ITensor&)", address(&add_dequantize));
#endif
#if TRT_MAJOR >= 10
    put(made, name, "addQuantizeV2(ITensor&, ITensor&, DataType)", address(&add_quantize_to));
    put(made, name, "addDequantizeV2(ITensor&, ITensor&, DataType)", address(&add_dequantize_to));
#endif
    put(made, name, "addConstant(" DIMS_IN ", Weights)", address(&add_constant));
    put(made, name, "addElementWise(ITensor&, ITensor&, ElementWiseOperation)", address(&add_elementwise));
    put(made, name, "getNbInputs() const", address(&input_count));
    put(made, name, "getInput(int) const", address(&input));
    put(made, name, "getNbOutputs() const", address(&output_count));
    put(made, name, "getOutput(int) const", address(&output));
    put(made, name, "getNbLayers() const", address(&layer_count));
    put(made, name, "getLayer(int) const", address(&layer));
    put(made, name, "setWeightsName(Weights, char const*)", address(&set_weights_name));
    put(made, name, "setName(char const*)", address(&set_network_name));
    put(made, name, "hasImplicitBatchDimension() const", address(&has_implicit_batch));
    put(made, name, "setErrorRecorder(IErrorRecorder*)", address(&set_error_recorder));
    put(made, name, "getErrorRecorder() const", address(&error_recorder));
    put(made, name, "addCast(ITensor&, DataType)", address(&add_cast));
    put(made, name, "getBuilder() const", address(&builder));
#if TRT_MAJOR >= 10
    put(made, name, "getFlags() const", address(&flags));
    put(made, name, "getFlag(NetworkDefinitionCreationFlag) const", address(&flag));
#endif
    return made;
  }();
  auto* const made = Handle<NetworkWorker>::make(new NetworkWorker(table, creation_flags, its_builder));
  // INetworkDefinition has this one itself as well, after its destructors.
  static void** const own = [&] {
    auto** const functions = static_cast<void**>(std::calloc(5, sizeof(void*))) + 2;
    functions[0] = made->table[0];
    functions[1] = made->table[1];
    functions[2] = address(+[](Handle<NetworkWorker>* self) { return self->worker->builder; });
    return functions;
  }();
  made->table = own;
  return made;
}

Plan plan_of(const NetworkWorker& network) {
  if (network.outputs.empty()) return network.plan;
  Plan plan;
  plan.computes = network.plan.computes;
  for (const Tensor* one : network.inputs) {
    Input made;
    made.name = one->worker->name;
    made.dtype = one->worker->dtype;
    made.shape = one->worker->shape;
    plan.inputs.push_back(std::move(made));
  }
  for (const Tensor* one : network.outputs) {
    const auto from = std::find_if(network.inputs.begin(), network.inputs.end(),
                                   [&](const Tensor* input) { return input->worker == one->worker->input; });
    if (from == network.inputs.end()) throw std::string("Error Code 4: an output of the simulator is of an input");
    Output made;
    made.name = one->worker->name;
    made.op = one->worker->op;
    made.input = static_cast<size_t>(from - network.inputs.begin());
    made.number = one->worker->number;
    plan.outputs.push_back(std::move(made));
  }
  return plan;
}

}  // namespace nvinfer_simulator

EXPORT bool nvinfer_simulator_define(void* object, const char* lines) {
  using namespace nvinfer_simulator;
  NetworkWorker& network = *static_cast<Handle<NetworkWorker>*>(object)->worker;
  try {
    network.plan = parse_plan("ftrt edge-infer-simulator " + std::to_string(kMajor) + "\n" + lines + "end\n", kMajor);
  } catch (const std::string& text) {
    error(text);
    return false;
  }
  for (const Input& one : network.plan.inputs)
    network.inputs.push_back(make_tensor(network, one.name, one.dtype, one.shape));
  for (const Output& one : network.plan.outputs) {
    const Input& from = network.plan.inputs[one.input];
    const bool quantizes = one.op == Output::Op::kFakeQuantize;
    const auto output = [&] { return make_tensor(network, one.name, from.dtype, from.shape); };
    add_layer(network, quantizes ? kQuantize : kElementWise, {network.inputs[one.input]}, output());
    if (quantizes) add_layer(network, kQuantize + 1, {network.inputs[one.input]}, output());
  }
  return true;
}
