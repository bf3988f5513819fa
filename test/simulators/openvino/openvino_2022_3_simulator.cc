// A stand-in for the C library of OpenVINO 2022.3, the last release with Movidius sticks (MYRIAD), which no registry and
// no machine of the tests has. It exports that release's functions with its numbers of element types, without what came
// later (last error words, reading by size, log), and computes a few operations of IR on a CPU and a MYRIAD.
//
// The file that EDGE_SIMULATOR_CONTROL names tells the MYRIAD what to do, one word a line, read at every call:
//   freeze         a run does not return, whatever cancels it, as long as the file says so
//   vanish         it is not listed any more, and what is called on it fails
//   compile_fails  it takes no model
//   refuse         it takes no model alone, only a part of one (HETERO)
//   abort          a run aborts the process, as the driver does
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdarg>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <mutex>
#include <thread>

#include "graph.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {

using simulator::Graph;
using simulator::Tensor;

enum Status { kOk = 0, kGeneral = -1, kNotFound = -5, kBusy = -8, kNotRead = -12, kCancelled = -13, kParameter = -14 };

// The order of ov_element_type_e in 2022.3.
constexpr const char* kTypes[] = {"undefined", "dynamic", "boolean", "bf16", "f16", "f32", "f64", "i4",  "i8",
                                  "i16",       "i32",     "i64",     "u1",   "u4",  "u8",  "u16", "u32", "u64"};

bool is_told(const std::string& word) {
  const char* path = std::getenv("EDGE_SIMULATOR_CONTROL");
  std::ifstream file(path != nullptr ? path : "");
  for (std::string line; std::getline(file, line);) {
    if (line == word) return true;
  }
  return false;
}

char* copy_of(const std::string& text) {
  char* copy = new char[text.size() + 1];
  std::memcpy(copy, text.c_str(), text.size() + 1);
  return copy;
}

}  // namespace

struct ov_shape {
  int64_t rank;
  int64_t* dims;
};
struct ov_dimension {
  int64_t min, max;
};
struct ov_partial_shape {
  ov_dimension rank;
  ov_dimension* dims;
};
struct ov_version {
  const char *build_number, *description;
};
struct ov_devices {
  char** devices;
  size_t size;
};
struct ov_callback {
  void (*function)(void*);
  void* args;
};
struct ov_profiling {
  int status;
  int64_t real_time, cpu_time;
  const char *node_name, *exec_type, *node_type;
};
struct ov_profiling_list {
  ov_profiling* infos;
  size_t size;
};
struct ov_core {};
struct ov_model {
  Graph graph;
};
struct ov_port {
  std::string name, type;
  std::vector<int64_t> shape;
};
struct ov_tensor {
  Tensor tensor;
};
struct ov_compiled {
  Graph graph;
  std::string device;
  bool profiled = false;
  std::string hint = "LATENCY";
};
struct ov_request {
  std::shared_ptr<ov_compiled> model;
  std::vector<Tensor> inputs, outputs;
  std::vector<bool> output_given;
  std::atomic<bool> cancelled{false};
  std::mutex mutex;
  std::condition_variable changed;
  bool running = false;
  bool was_run = false;
  int status = kOk;
  ov_callback callback{};
  std::thread thread;

  bool on_stick() const { return model->device.find("MYRIAD") != std::string::npos; }
  int run();
};

struct ov_compiled_handle {
  std::shared_ptr<ov_compiled> model;
};

int ov_request::run() {
  const auto rest = [&](int ms) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(ms);
    do {
      if (cancelled) throw kCancelled;
      if (ms > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    } while (std::chrono::steady_clock::now() < end);
  };
  try {
    if (on_stick()) {
      if (is_told("abort")) std::abort();
      while (is_told("freeze")) std::this_thread::sleep_for(std::chrono::milliseconds(5));
      if (is_told("vanish")) return kGeneral;
    }
    const std::vector<Tensor> results = simulator::evaluate(model->graph, inputs, rest);
    for (size_t i = 0; i < results.size(); ++i) {
      if (!output_given[i]) outputs[i] = simulator::make_tensor(results[i].type, results[i].shape);
      if (outputs[i].bytes() != results[i].bytes()) return kGeneral;
      std::memmove(outputs[i].data, results[i].data, results[i].bytes());
    }
    was_run = true;
    return kOk;
  } catch (const Status& thrown) {
    return thrown;
  } catch (const std::exception&) {
    return kGeneral;
  }
}

EXPORT int ov_get_openvino_version(ov_version* version) {
  version->build_number = copy_of("2022.3.0-9052-simulator");
  version->description = copy_of("a simulator of the OpenVINO Runtime");
  return kOk;
}
EXPORT void ov_version_free(ov_version* version) {
  delete[] version->build_number;
  delete[] version->description;
}
EXPORT const char* ov_get_error_info(int status) {
  switch (status) {
    case kNotFound:
      return "requested object is not found";
    case kNotRead:
      return "network is not read";
    case kCancelled:
      return "infer is canceled";
    case kParameter:
      return "invalid c input parameters";
    default:
      return "general error!";
  }
}
EXPORT void ov_free(const char* content) { delete[] content; }
EXPORT int ov_core_create(ov_core** core) {
  *core = new ov_core;
  return kOk;
}
EXPORT int ov_core_get_available_devices(const ov_core*, ov_devices* list) {
  const bool stick = !is_told("vanish");
  list->size = stick ? 2 : 1;
  list->devices = new char* [list->size] { copy_of("CPU") };
  if (stick) list->devices[1] = copy_of("MYRIAD");
  return kOk;
}
EXPORT void ov_available_devices_free(ov_devices* list) {
  for (size_t i = 0; i < list->size; ++i) delete[] list->devices[i];
  delete[] list->devices;
}
EXPORT int ov_core_get_property(const ov_core*, const char* device, const char* key, char** value) {
  const std::string name = device, wanted = key;
  const bool stick = name == "MYRIAD";
  if (!stick && name != "CPU") return kGeneral;
  if (stick && is_told("vanish")) return kGeneral;
  if (wanted == "FULL_DEVICE_NAME") *value = copy_of(stick ? "Intel Movidius Myriad X VPU (simulator)" : "CPU (simulator)");
  else if (wanted == "OPTIMIZATION_CAPABILITIES") *value = copy_of(stick ? "EXPORT_IMPORT FP16" : "FP32 BIN EXPORT_IMPORT");
  else if (wanted == "RANGE_FOR_ASYNC_INFER_REQUESTS") *value = copy_of(stick ? "3 6 1" : "1 1 1");
  else return kNotFound;
  return kOk;
}

namespace {
int read_into(ov_model** model, const std::string& xml, std::vector<uint8_t> weights) {
  try {
    *model = new ov_model{simulator::read_ir(xml, std::move(weights))};
    return kOk;
  } catch (const std::exception&) {
    return kNotRead;
  }
}
std::vector<uint8_t> file_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
}  // namespace

EXPORT int ov_core_read_model(const ov_core*, const char* path, const char* weights_path, ov_model** model) {
  std::string bin = path;
  bin.replace(bin.rfind('.') == std::string::npos ? bin.size() : bin.rfind('.'), std::string::npos, ".bin");
  const auto bytes = file_bytes(path);
  return read_into(model, {bytes.begin(), bytes.end()}, file_bytes(weights_path != nullptr ? weights_path : bin));
}
EXPORT int ov_core_read_model_from_memory(const ov_core*, const char* text, const ov_tensor* weights, ov_model** model) {
  std::vector<uint8_t> bytes;
  if (weights != nullptr) bytes.assign(weights->tensor.data, weights->tensor.data + weights->tensor.bytes());
  return read_into(model, text, std::move(bytes));
}
EXPORT int ov_core_compile_model(const ov_core*, const ov_model* model, const char* device, const size_t words,
                                 ov_compiled_handle** compiled, ...) {
  auto made = std::make_shared<ov_compiled>();
  made->graph = model->graph;
  made->device = device;
  const bool stick = made->device.find("MYRIAD") != std::string::npos;
  va_list list;
  va_start(list, compiled);
  bool known = true;
  for (size_t i = 0; i < words; i += 2) {
    const std::string key = va_arg(list, const char*), value = va_arg(list, const char*);
    if (key == "PERF_COUNT") made->profiled = value == "YES";
    else if (key == "PERFORMANCE_HINT") made->hint = value;
    // The stick has one precision, threads of its own, and no property for either.
    else if (stick || (key == "INFERENCE_PRECISION_HINT" && value != "f32")) known = false;
    else known = known && (key == "INFERENCE_PRECISION_HINT" || key == "INFERENCE_NUM_THREADS" || key == "NUM_STREAMS");
  }
  va_end(list);
  if (!known || (stick && (is_told("compile_fails") || is_told("vanish")))) return kGeneral;
  if (made->device == "MYRIAD" && is_told("refuse")) return kGeneral;
  *compiled = new ov_compiled_handle{made};
  return kOk;
}
EXPORT void ov_model_free(ov_model* model) { delete model; }
EXPORT int ov_model_inputs_size(const ov_model* model, size_t* size) {
  *size = model->graph.parameters.size();
  return kOk;
}
EXPORT int ov_model_outputs_size(const ov_model* model, size_t* size) {
  *size = model->graph.results.size();
  return kOk;
}

namespace {
int make_port(const Graph& graph, const std::vector<size_t>& layers, size_t index, ov_port** port) {
  if (index >= layers.size()) return kParameter;
  const auto& names = graph.names_of(layers[index]);
  *port = new ov_port{names.empty() ? "" : names[0], graph.type_of(layers[index]), graph.shape_of(layers[index])};
  return kOk;
}
}  // namespace

EXPORT int ov_model_const_input_by_index(const ov_model* model, const size_t index, ov_port** port) {
  return make_port(model->graph, model->graph.parameters, index, port);
}
EXPORT int ov_model_const_output_by_index(const ov_model* model, const size_t index, ov_port** port) {
  return make_port(model->graph, model->graph.results, index, port);
}
EXPORT int ov_model_reshape_by_port_indexes(const ov_model* model, const size_t* indexes, const ov_partial_shape* shapes,
                                            size_t size) {
  auto& graph = const_cast<ov_model*>(model)->graph;
  for (size_t i = 0; i < size; ++i) {
    std::vector<int64_t>& shape = graph.layers[graph.parameters.at(indexes[i])].shape;
    if (static_cast<size_t>(shapes[i].rank.max) != shape.size()) return kGeneral;
    for (size_t d = 0; d < shape.size(); ++d) shape[d] = shapes[i].dims[d].max;
  }
  return kOk;
}
EXPORT int ov_port_get_any_name(const ov_port* port, char** name) {
  if (port->name.empty()) return kNotFound;
  *name = copy_of(port->name);
  return kOk;
}
EXPORT int ov_port_get_element_type(const ov_port* port, unsigned* type) {
  for (unsigned i = 0; i < std::size(kTypes); ++i) {
    if (port->type == kTypes[i]) return *type = i, kOk;
  }
  return kGeneral;
}
EXPORT int ov_port_get_partial_shape(const ov_port* port, ov_partial_shape* shape) {
  const auto rank = static_cast<int64_t>(port->shape.size());
  shape->rank = {rank, rank};
  shape->dims = new ov_dimension[port->shape.size() + 1];
  for (size_t i = 0; i < port->shape.size(); ++i) {
    shape->dims[i] = port->shape[i] < 0 ? ov_dimension{0, -1} : ov_dimension{port->shape[i], port->shape[i]};
  }
  return kOk;
}
EXPORT void ov_output_const_port_free(ov_port* port) { delete port; }
EXPORT int ov_partial_shape_create_static(const int64_t rank, const int64_t* dims, ov_partial_shape* shape) {
  shape->rank = {rank, rank};
  shape->dims = new ov_dimension[static_cast<size_t>(rank) + 1];
  for (int64_t i = 0; i < rank; ++i) shape->dims[i] = {dims[i], dims[i]};
  return kOk;
}
EXPORT void ov_partial_shape_free(ov_partial_shape* shape) { delete[] shape->dims; }
EXPORT int ov_shape_free(ov_shape* shape) {
  delete[] shape->dims;
  return kOk;
}
EXPORT int ov_compiled_model_inputs_size(const ov_compiled_handle* compiled, size_t* size) {
  *size = compiled->model->graph.parameters.size();
  return kOk;
}
EXPORT int ov_compiled_model_outputs_size(const ov_compiled_handle* compiled, size_t* size) {
  *size = compiled->model->graph.results.size();
  return kOk;
}
EXPORT int ov_compiled_model_get_property(const ov_compiled_handle* compiled, const char* key, char** value) {
  const ov_compiled& model = *compiled->model;
  const std::string wanted = key;
  if (wanted == "OPTIMAL_NUMBER_OF_INFER_REQUESTS") *value = copy_of(model.device == "CPU" ? "1" : "4");
  else if (wanted == "PERFORMANCE_HINT") *value = copy_of(model.hint);
  else if (wanted == "INFERENCE_PRECISION_HINT" && model.device == "CPU") *value = copy_of("f32");
  else if (wanted == "EXECUTION_DEVICES" && model.device == "HETERO:MYRIAD,CPU") *value = copy_of("MYRIAD CPU");
  else return kNotFound;
  return kOk;
}
EXPORT int ov_compiled_model_create_infer_request(const ov_compiled_handle* compiled, ov_request** request) {
  auto made = std::make_unique<ov_request>();
  made->model = compiled->model;
  if (made->on_stick() && is_told("vanish")) return kGeneral;
  made->inputs.resize(made->model->graph.parameters.size());
  made->outputs.resize(made->model->graph.results.size());
  made->output_given.resize(made->outputs.size());
  *request = made.release();
  return kOk;
}
EXPORT void ov_compiled_model_free(ov_compiled_handle* compiled) { delete compiled; }

EXPORT int ov_tensor_create_from_host_ptr(const unsigned type, const ov_shape shape, void* host, ov_tensor** tensor) {
  if (type >= std::size(kTypes) || type < 2 || host == nullptr) return kParameter;
  *tensor = new ov_tensor{{kTypes[type], {shape.dims, shape.dims + shape.rank}, nullptr, static_cast<uint8_t*>(host)}};
  return kOk;
}
EXPORT int ov_tensor_create(const unsigned type, const ov_shape shape, ov_tensor** tensor) {
  if (type >= std::size(kTypes) || type < 2) return kParameter;
  *tensor = new ov_tensor{simulator::make_tensor(kTypes[type], {shape.dims, shape.dims + shape.rank})};
  return kOk;
}
EXPORT int ov_tensor_get_shape(const ov_tensor* tensor, ov_shape* shape) {
  const auto& dims = tensor->tensor.shape;
  shape->rank = static_cast<int64_t>(dims.size());
  shape->dims = new int64_t[dims.size() + 1];
  std::copy(dims.begin(), dims.end(), shape->dims);
  return kOk;
}
EXPORT int ov_tensor_get_byte_size(const ov_tensor* tensor, size_t* size) {
  *size = tensor->tensor.bytes();
  return kOk;
}
EXPORT int ov_tensor_data(const ov_tensor* tensor, void** data) {
  *data = tensor->tensor.data;
  return kOk;
}
EXPORT void ov_tensor_free(ov_tensor* tensor) { delete tensor; }

namespace {
bool fits(const Tensor& tensor, const std::string& type, const std::vector<int64_t>& shape) {
  bool same = tensor.type == type && tensor.shape.size() == shape.size();
  for (size_t i = 0; same && i < shape.size(); ++i) same = shape[i] < 0 || shape[i] == tensor.shape[i];
  return same;
}
}  // namespace

EXPORT int ov_infer_request_set_input_tensor_by_index(ov_request* request, const size_t index, const ov_tensor* tensor) {
  const Graph& graph = request->model->graph;
  if (index >= request->inputs.size()) return kParameter;
  const size_t layer = graph.parameters[index];
  if (!fits(tensor->tensor, graph.type_of(layer), graph.shape_of(layer))) return kGeneral;
  request->inputs[index] = tensor->tensor;
  return kOk;
}
EXPORT int ov_infer_request_set_output_tensor_by_index(ov_request* request, const size_t index, const ov_tensor* tensor) {
  const Graph& graph = request->model->graph;
  if (index >= request->outputs.size()) return kParameter;
  const size_t layer = graph.results[index];
  if (!fits(tensor->tensor, graph.type_of(layer), graph.shape_of(layer))) return kGeneral;
  request->outputs[index] = tensor->tensor;
  request->output_given[index] = true;
  return kOk;
}
EXPORT int ov_infer_request_get_output_tensor_by_index(const ov_request* request, const size_t index, ov_tensor** tensor) {
  if (index >= request->outputs.size() || request->outputs[index].data == nullptr) return kGeneral;
  *tensor = new ov_tensor{request->outputs[index]};
  return kOk;
}

namespace {
bool begin(ov_request* request) {
  const std::lock_guard<std::mutex> lock(request->mutex);
  if (request->running) return false;
  request->running = true;
  request->cancelled = false;
  return true;
}
void end(ov_request* request, int status) {
  const std::lock_guard<std::mutex> lock(request->mutex);
  request->running = false;
  request->status = status;
  request->changed.notify_all();
}
}  // namespace

EXPORT int ov_infer_request_infer(ov_request* request) {
  if (!begin(request)) return kBusy;
  const int status = request->run();
  end(request, status);
  return status;
}
EXPORT int ov_infer_request_start_async(ov_request* request) {
  if (!begin(request)) return kBusy;
  if (request->thread.joinable()) request->thread.join();
  request->thread = std::thread([request] {
    const int status = request->run();
    const ov_callback callback = request->callback;
    end(request, status);
    if (callback.function != nullptr) callback.function(callback.args);
  });
  return kOk;
}
EXPORT int ov_infer_request_wait(ov_request* request) {
  std::unique_lock<std::mutex> lock(request->mutex);
  request->changed.wait(lock, [&] { return !request->running; });
  return request->status;
}
EXPORT int ov_infer_request_cancel(ov_request* request) {
  request->cancelled = true;
  return kOk;
}
EXPORT int ov_infer_request_set_callback(ov_request* request, const ov_callback* callback) {
  request->callback = *callback;
  return kOk;
}
EXPORT void ov_infer_request_free(ov_request* request) {
  if (request->thread.joinable()) request->thread.join();
  delete request;
}
EXPORT int ov_infer_request_get_profiling_info(const ov_request* request, ov_profiling_list* list) {
  if (!request->model->profiled || !request->was_run) return kGeneral;
  const auto& layers = request->model->graph.layers;
  list->size = layers.size();
  list->infos = new ov_profiling[layers.size()];
  for (size_t i = 0; i < layers.size(); ++i) {
    const bool executed = layers[i].type != "Parameter" && layers[i].type != "Const" && layers[i].type != "Result";
    const char* kernel = request->on_stick() ? "stage_FP16" : "ref_FP32";
    list->infos[i] = {executed ? 2 : 0, 7, 7, copy_of("layer" + std::to_string(layers[i].id)), copy_of(kernel),
                      copy_of(layers[i].type)};
  }
  return kOk;
}
EXPORT void ov_profiling_info_list_free(ov_profiling_list* list) {
  for (size_t i = 0; i < list->size; ++i) {
    delete[] list->infos[i].node_name;
    delete[] list->infos[i].exec_type;
    delete[] list->infos[i].node_type;
  }
  delete[] list->infos;
}
