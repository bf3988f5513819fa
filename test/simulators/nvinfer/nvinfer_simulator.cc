// A simulator of libnvinfer.so of one major version: loads the toy engines of plan.h and computes them on the simulated
// CUDA driver. README.md says what it is and is not.
#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "../cuda/cuda_simulator.h"
#include "layers.h"
#include "network.h"
#include "objects.h"
#include "plan.h"
#include "vtables.h"

extern "C" {
int cuStreamSynchronize(void* stream);
int cuDeviceGetAttribute(int* value, int attribute, int device);
}

namespace nvinfer_simulator {
namespace {

size_t count_of(const Shape& shape) {
  size_t count = 1;
  for (const int64_t size : shape) count *= static_cast<size_t>(size);
  return count;
}

bool is_open(const Shape& shape) {
  return std::any_of(shape.begin(), shape.end(), [](int64_t size) { return size < 0; });
}

struct EngineWorker;
struct ContextWorker {
  void** table;
  const Plan* plan;
  std::vector<Shape> shapes;  // of the inputs
  std::map<std::string, uint64_t> addresses;
  std::map<std::string, void*> allocators;
  bool has_profile;
  int32_t profile = 0;
  std::shared_ptr<std::multiset<int32_t>> taken;  // profiles of the engine's contexts
  void* profiler = nullptr;
  bool emits_profile = true;         // within enqueueV3
  std::shared_ptr<LayerEnds> times;  // of the last run

  ~ContextWorker() {
    if (has_profile) taken->erase(taken->find(profile));
  }
};
struct EngineWorker {
  void** table;
  Plan plan;
  bool first_context = true;
  std::shared_ptr<std::multiset<int32_t>> taken = std::make_shared<std::multiset<int32_t>>();
};
struct RuntimeWorker {
  void** table;
  int32_t dla_core = -1;
  bool host_code = false;
};

const Input* input_named(const Plan& plan, const char* name) {
  for (const Input& input : plan.inputs) {
    if (input.name == name) return &input;
  }
  return nullptr;
}
const Output* output_named(const Plan& plan, const char* name) {
  for (const Output& output : plan.outputs) {
    if (output.name == name) return &output;
  }
  return nullptr;
}

// ------------------------------------------------------------------------------------------------------- context

Shape output_shape(const ContextWorker& context, const Output& output) {
  if (output.op == Output::Op::kNonZero) return {-1};
  // Its values are read when a run is submitted.
  if (output.op == Output::Op::kResize) return Shape(count_of(context.plan->inputs[output.shape_input].shape), -1);
  return context.shapes[output.input];
}

bool set_profile(ContextWorker* self, int32_t profile, void*) {
  if (profile < 0 || profile >= self->plan->profiles) return false;
  if (self->has_profile) self->taken->erase(self->taken->find(self->profile));
  self->has_profile = false;
#if TRT_MAJOR < 10
  if (self->taken->count(profile) != 0) {
    error("Profile " + std::to_string(profile) +
          " has been chosen by another IExecutionContext. Use another profileIndex or destroy the IExecutionContext "
          "that use this profile.");
    return false;
  }
#endif
  self->profile = profile;
  for (size_t i = 0; i < self->shapes.size(); ++i) self->shapes[i] = self->plan->inputs[i].shape;  // as TensorRT does
  self->taken->insert(profile);
  self->has_profile = true;
  return true;
}

bool set_input_shape(ContextWorker* self, const char* name, const Dims* dims) {
  const Input* const input = input_named(*self->plan, name);
  const Shape shape(dims->sizes, dims->sizes + dims->count);
  bool fits = input != nullptr && shape.size() == input->shape.size();
  for (size_t i = 0; fits && i < shape.size(); ++i) {
    const auto [smallest, largest] = range_of(*input, self->profile);
    fits = input->shape[i] < 0 ? shape[i] >= smallest && shape[i] <= largest : shape[i] == input->shape[i];
  }
  if (!fits) {
    error("IExecutionContext::setInputShape: Error Code 3: API Usage Error (" + std::string(name) + ")");
    return false;
  }
  if (!self->has_profile && is_open(input->shape)) {
    error("IExecutionContext::setInputShape: Error Code 3: no optimization profile has been selected");
    return false;
  }
  self->shapes[static_cast<size_t>(input - self->plan->inputs.data())] = shape;
  return true;
}

Dims context_shape(ContextWorker* self, const char* name) {
  if (const Output* output = output_named(*self->plan, name)) return dims_of(output_shape(*self, *output));
  const Input* const input = input_named(*self->plan, name);
  if (input == nullptr) return Dims{-1, {}};
  return dims_of(self->shapes[static_cast<size_t>(input - self->plan->inputs.data())]);
}

bool set_address(ContextWorker* self, const char* name, uint64_t place) {
  if (input_named(*self->plan, name) == nullptr && output_named(*self->plan, name) == nullptr) return false;
  self->addresses[name] = place;
  return true;
}

bool set_allocator(ContextWorker* self, const char* name, void* allocator) {
  if (output_named(*self->plan, name) == nullptr) return false;
  self->allocators[name] = allocator;
  return true;
}

bool launch(void* stream, std::function<int()> kernel, uint64_t duration_us) {
  using Kernel = std::function<int()>;
  const auto run = [](void* argument) { return (*static_cast<Kernel*>(argument))(); };
  const auto destroy = [](void* argument) { delete static_cast<Kernel*>(argument); };
  const int result = cuda_simulator_launch(stream, run, destroy, new Kernel(std::move(kernel)), duration_us);
  if (result == 0) return true;
  error("[runtime] Error Code 1: Cuda Driver (CUresult " + std::to_string(result) + ")");
  return false;
}

constexpr int kIllegalAddress = 700;

std::set<std::string>& registered_plugins() {
  static auto* const names = new std::set<std::string>;
  return *names;
}

// Memory for an output whose shape is known only now: the caller's allocator gives it. 0 where there is none.
uint64_t allocate(const ContextWorker& self, const std::string& name, const Shape& shape, size_t bytes) {
  const auto found = self.allocators.find(name);
  if (found == self.allocators.end()) {
    error("IExecutionContext::enqueueV3: no output allocator for " + name);
    return 0;
  }
  void* const allocator = found->second;
  void** const table = *static_cast<void***>(allocator);
  static const int reallocate =
      slot_of("IOutputAllocator", "reallocateOutput(char const*, void*, unsigned long, unsigned long)");
  static const int notify = slot_of("IOutputAllocator", "notifyShape(char const*, " DIMS " const&)");
  const auto to = reinterpret_cast<uint64_t (*)(void*, const char*, void*, uint64_t, uint64_t)>(table[reallocate])(
      allocator, name.c_str(), nullptr, bytes, 256);
  if (to == 0) {
    error("IExecutionContext::enqueueV3: Error Code 2: OutOfMemory (Requested size was " + std::to_string(bytes) +
          " bytes.)");
    return 0;
  }
  const Dims dims = dims_of(shape);
  reinterpret_cast<void (*)(void*, const char*, const Dims*)>(table[notify])(allocator, name.c_str(), &dims);
  return to;
}

bool enqueue_nonzero(ContextWorker& self, const Output& output, void* stream) {
  const Shape& shape = self.shapes[output.input];
  // The size has to be known before the call returns, so this waits for what has been submitted.
  if (cuStreamSynchronize(stream) != 0) return false;
  const size_t count = count_of(shape);
  const uint64_t from = self.addresses[self.plan->inputs[output.input].name];
  const void* const values = cuda_simulator_resolve(from, count * sizeof(float));
  if (values == nullptr) return launch(stream, [] { return kIllegalAddress; }, 0);
  const std::vector<int64_t> indices = nonzero(values, count);
  const size_t bytes = indices.size() * sizeof(int64_t);
  const uint64_t to = allocate(self, output.name, {static_cast<int64_t>(indices.size())}, bytes);
  if (to == 0) return false;
  return launch(
      stream,
      [indices, to, bytes] {
        void* const target = cuda_simulator_resolve(to, bytes);
        if (target == nullptr) return kIllegalAddress;
        if (bytes > 0) std::memcpy(target, indices.data(), bytes);
        return 0;
      },
      0);
}

// The input's values again and again, in the shape that the other input's values are: those are read now, on the host.
bool enqueue_resize(ContextWorker& self, const Output& output, void* stream) {
  const Input& input = self.plan->inputs[output.input];
  const Input& sizes = self.plan->inputs[output.shape_input];
  const auto* const values = reinterpret_cast<const char*>(static_cast<uintptr_t>(self.addresses[sizes.name]));
  const auto [smallest, largest] = range_of(sizes, self.profile);
  Shape shape;
  for (size_t i = 0; i < count_of(sizes.shape); ++i) {
    int64_t size = 0;
    int32_t narrow = 0;
    constexpr int kInt64 = 8;  // DataType
    if (sizes.dtype == kInt64) {
      std::memcpy(&size, values + i * sizeof size, sizeof size);
    } else {
      std::memcpy(&narrow, values + i * sizeof narrow, sizeof narrow);
      size = narrow;
    }
    if (size < smallest || size > largest) {
      error("IExecutionContext::enqueueV3: Error Code 7: Internal Error (IShuffleLayer: the value " +
            std::to_string(size) + " of " + sizes.name + " is not in the optimization profile)");
      return false;
    }
    shape.push_back(size);
  }
  const size_t unit = dtype_size(input.dtype), count = count_of(shape), of = count_of(self.shapes[output.input]);
  const uint64_t from = self.addresses[input.name], to = allocate(self, output.name, shape, count * unit);
  if (to == 0) return false;
  return launch(
      stream,
      [=] {
        const auto* const source = static_cast<const char*>(cuda_simulator_resolve(from, of * unit));
        auto* const target = static_cast<char*>(cuda_simulator_resolve(to, count * unit));
        if (source == nullptr || target == nullptr) return kIllegalAddress;
        for (size_t i = 0; i < count; ++i) std::memcpy(target + i * unit, source + i % of * unit, unit);
        return 0;
      },
      0);
}

bool enqueue(ContextWorker* self, void* stream) {
  const Plan& plan = *self->plan;
  for (size_t i = 0; i < plan.inputs.size(); ++i) {
    if (is_open(self->shapes[i]) || self->addresses[plan.inputs[i].name] == 0) {
      error("IExecutionContext::enqueueV3: Error Code 3: API Usage Error (" + plan.inputs[i].name +
            " has no shape or no address)");
      return false;
    }
  }
  if (const int result = plan.synchronizes ? cuStreamSynchronize(stream) : 0) {
    error("[runtime] Error Code 1: Cuda Driver (CUresult " + std::to_string(result) + ")");
    return false;
  }
  uint64_t duration = plan.duration_us;
  self->times = self->profiler == nullptr ? nullptr : std::make_shared<LayerEnds>(plan.outputs.size());
  // Says when the GPU is done with a layer.
  const auto note = [times = self->times, stream](LayerEnds::Time* when) {
    if (!times) return true;
    const auto now = [times, when] {
      *when = std::chrono::steady_clock::now();
      return 0;
    };
    return launch(stream, now, 0);
  };
  if (self->times && !note(&self->times->begin)) return false;
  for (const Output& output : plan.outputs) {
    LayerEnds::Time* const end =
        self->times ? &self->times->ends[static_cast<size_t>(&output - plan.outputs.data())] : nullptr;
    if (output.op == Output::Op::kNonZero || output.op == Output::Op::kResize) {
      const auto enqueue_late = output.op == Output::Op::kResize ? enqueue_resize : enqueue_nonzero;
      if (!enqueue_late(*self, output, stream) || !note(end)) return false;
      continue;
    }
    const uint64_t from = self->addresses[plan.inputs[output.input].name], to = self->addresses[output.name];
    if (to == 0) {
      error("IExecutionContext::enqueueV3: Error Code 3: API Usage Error (no address for " + output.name + ")");
      return false;
    }
    const size_t count = count_of(self->shapes[output.input]);
    const int dtype = dtype_of(plan, output);
    const auto kernel = [output, dtype, from, to, count] {
      const size_t bytes = count * dtype_size(dtype);
      const void* const source = cuda_simulator_resolve(from, bytes);
      void* const target = cuda_simulator_resolve(to, bytes);
      if (source == nullptr || target == nullptr) return kIllegalAddress;
      compute(output, dtype, source, target, count);
      return 0;
    };
    if (!launch(stream, kernel, std::exchange(duration, 0)) || !note(end)) return false;
  }
  if (!self->times || !self->emits_profile) return true;
  return cuStreamSynchronize(stream) == 0 && report(plan, *self->times, self->profiler);
}

void set_profiler(ContextWorker* self, void* profiler) { self->profiler = profiler; }
void set_emits_profile(ContextWorker* self, bool emits) { self->emits_profile = emits; }
bool report_to_profiler(ContextWorker* self) {
  if (self->profiler != nullptr && self->emits_profile) return true;
  if (self->profiler != nullptr && self->times && report(*self->plan, *self->times, self->profiler)) return true;
  error("IExecutionContext::reportToProfiler: Error Code 3: API Usage Error (no profiler, or no run that has ended)");
  return false;
}

// -------------------------------------------------------------------------------------------------------- engine

Handle<ContextWorker>* make_context(EngineWorker* self) {
  static void** const table = [] {
    const char* const name = "VExecutionContext";
    void** const made = make_table(name);
    put(made, name, "setOptimizationProfileAsync(int, CUstream_st*)", address(&set_profile));
    put(made, name, "setInputShape(char const*, " DIMS " const&)", address(&set_input_shape));
    put(made, name, "getTensorShape(char const*) const", address(&context_shape));
    put(made, name, "setTensorAddress(char const*, void*)", address(&set_address));
    put(made, name, "setOutputAllocator(char const*, IOutputAllocator*)", address(&set_allocator));
    put(made, name, "enqueueV3(CUstream_st*)", address(&enqueue));
    put(made, name, "setProfiler(IProfiler*)", address(&set_profiler));
    put(made, name, "setEnqueueEmitsProfile(bool)", address(&set_emits_profile));
    put(made, name, "reportToProfiler() const", address(&report_to_profiler));
    return made;
  }();
  if (self->plan.no_context) {
    error("IExecutionContext: Error Code 2: OutOfMemory (no further information)");
    return nullptr;
  }
  auto* const worker = new ContextWorker{table, &self->plan, {}, {}, {}, false, 0, self->taken, nullptr, true, nullptr};
  for (const Input& input : self->plan.inputs) worker->shapes.push_back(input.shape);
  if (std::exchange(self->first_context, false)) {
    set_profile(worker, 0, nullptr);
  } else if (TRT_MAJOR < 10 && self->taken->count(0) != 0) {
    error("Profile 0 has been chosen by another IExecutionContext.");
  }
  return Handle<ContextWorker>::make(worker);
}
#if TRT_MAJOR >= 10
Handle<ContextWorker>* make_context_with(EngineWorker* self, int32_t strategy) {
  return strategy == 0 ? make_context(self) : nullptr;
}
#endif

int32_t profile_count(EngineWorker* self) { return self->plan.profiles; }

Dims engine_shape(EngineWorker* self, const char* name) {
  if (const Input* input = input_named(self->plan, name)) return dims_of(input->shape);
  const Output* const output = output_named(self->plan, name);
  if (output == nullptr) return Dims{-1, {}};
  if (output->op == Output::Op::kNonZero) return dims_of({-1});
  if (output->op == Output::Op::kResize)
    return dims_of(Shape(count_of(self->plan.inputs[output->shape_input].shape), -1));
  return dims_of(self->plan.inputs[output->input].shape);
}

int32_t dtype(EngineWorker* self, const char* name) {
  if (const Input* input = input_named(self->plan, name)) return input->dtype;
  return dtype_of(self->plan, *output_named(self->plan, name));
}
int32_t location(EngineWorker* self, const char* name) {
  const Input* const input = input_named(self->plan, name);
  return input != nullptr && input->on_host ? 1 : 0;
}
int32_t mode(EngineWorker* self, const char* name) {
  return input_named(self->plan, name) != nullptr ? 1 : output_named(self->plan, name) != nullptr ? 2 : 0;
}
int32_t format(EngineWorker* self, const char* name) {
  const Input* const input = input_named(self->plan, name);
  return input != nullptr ? input->format : 0;
}
Dims profile_shape(EngineWorker* self, const char* name, int32_t profile, int32_t bound) {
  const Input* const input = input_named(self->plan, name);
  if (input == nullptr || profile < 0 || profile >= self->plan.profiles) return Dims{-1, {}};
  Shape shape = input->shape;
  for (int64_t& size : shape) {
    const auto [smallest, largest] = range_of(*input, profile);
    if (size < 0) size = bound == 0 ? smallest : largest;
  }
  return dims_of(shape);
}
int32_t tensor_count(EngineWorker* self) {
  return static_cast<int32_t>(self->plan.inputs.size() + self->plan.outputs.size());
}
const char* tensor_name(EngineWorker* self, int32_t index) {
  const auto at = static_cast<size_t>(index);
  const size_t inputs = self->plan.inputs.size();
  return at < inputs ? self->plan.inputs[at].name.c_str() : self->plan.outputs.at(at - inputs).name.c_str();
}

int32_t layer_count(EngineWorker* self) { return static_cast<int32_t>(self->plan.outputs.size()); }
void* inspector(EngineWorker* self) { return make_inspector(self->plan); }

// ------------------------------------------------------------------------------------------------------- runtime

// Integrated GPUs have two here.
int32_t dla_core_count(RuntimeWorker*) {
  int integrated = 0;
  return cuDeviceGetAttribute(&integrated, 18, 0) == 0 && integrated != 0 ? 2 : 0;
}
void allow_host_code(RuntimeWorker* self, bool allowed) { self->host_code = allowed; }
void set_dla_core(RuntimeWorker* self, int32_t core) { self->dla_core = core; }

Handle<EngineWorker>* deserialize(RuntimeWorker* self, const void* data, uint64_t size) {
  static void** const table = [] {
    const char* const name = "VCudaEngine";
    void** const made = make_table(name);
#if TRT_MAJOR < 10
    put(made, name, "createExecutionContext()", address(&make_context));
#else
    put(made, name, "createExecutionContext(ExecutionContextAllocationStrategy)", address(&make_context_with));
#endif
    put(made, name, "getNbOptimizationProfiles() const", address(&profile_count));
    put(made, name, "getTensorShape(char const*) const", address(&engine_shape));
    put(made, name, "getTensorDataType(char const*) const", address(&dtype));
    put(made, name, "getTensorLocation(char const*) const", address(&location));
    put(made, name, "getTensorIOMode(char const*) const", address(&mode));
    put(made, name, "getTensorFormat(char const*) const", address(&format));
    put(made, name, "getProfileShape(char const*, int, OptProfileSelector) const", address(&profile_shape));
    put(made, name, "getNbIOTensors() const", address(&tensor_count));
    put(made, name, "getIOTensorName(int) const", address(&tensor_name));
    put(made, name, "getNbLayers() const", address(&layer_count));
    put(made, name, "createEngineInspector() const", address(&inspector));
    return made;
  }();
  try {
    Plan plan = parse_plan({static_cast<const char*>(data), size}, kMajor);
    if (plan.generation != nvinfer_simulator_setting("generation")) throw std::string("the driver has changed");
    if (plan.host_code && !self->host_code)
      throw std::string("engine host code is not allowed (setEngineHostCodeAllowed)");
    if (plan.dla && self->dla_core < 0) {
      error("IRuntime::deserializeCudaEngine: Error Code 3: API Usage Error (DLA core was not set)");
      return nullptr;
    }
    for (const std::string& plugin : plan.plugins) {
      if (registered_plugins().count(plugin) != 0) continue;
      error("IPluginRegistry::getCreator: Error Code 4: API Usage Error (Cannot find plugin: " + plugin +
            ", version: 1, namespace:.)");
      return nullptr;
    }
    auto* const worker = new EngineWorker{table, std::move(plan)};
    return Handle<EngineWorker>::make(worker);
  } catch (const std::string& text) {
    error("IRuntime::deserializeCudaEngine: Error Code 1: " + text);
    return nullptr;
  }
}
#if TRT_MAJOR < 10
Handle<EngineWorker>* deserialize_8(RuntimeWorker* self, const void* data, uint64_t size, void* factory) {
  return factory == nullptr ? deserialize(self, data, size) : nullptr;
}
#endif

}  // namespace
}  // namespace nvinfer_simulator

// What plugin libraries call; the real ones go through getPluginRegistry().
EXPORT void nvinfer_simulator_register_plugin(const char* name) {
  nvinfer_simulator::registered_plugins().insert(name);
}

EXPORT bool nvinfer_simulator_has_plugin(const char* name) {
  return nvinfer_simulator::registered_plugins().count(name) != 0;
}

EXPORT int32_t getInferLibVersion() { return nvinfer_simulator::kVersion; }

EXPORT void* createInferRuntime_INTERNAL(void* given, int32_t version) {
  using namespace nvinfer_simulator;
  need_context();
  if (!accept_logger(given, version)) return nullptr;
  if (!start_cuda("createInferRuntime")) {
    if (kMajor < 10) std::raise(SIGSEGV);
    return reinterpret_cast<void*>(uintptr_t{0x238});  // as the real ones: a member's offset from null
  }
  call_log(3, "[MemUsageChange] Init CUDA: of a simulator");
  static void** const table = [] {
    const char* const name = "VRuntime";
    void** const made = make_table(name);
#if TRT_MAJOR < 10
    put(made, name, "deserializeCudaEngine(void const*, unsigned long, IPluginFactory*)", address(&deserialize_8));
#else
    put(made, name, "deserializeCudaEngine(void const*, unsigned long)", address(&deserialize));
#endif
    put(made, name, "setDLACore(int)", address(&set_dla_core));
    put(made, name, "setEngineHostCodeAllowed(bool)", address(&allow_host_code));
    put(made, name, "getNbDLACores() const", address(&dla_core_count));
    return made;
  }();
  return Handle<RuntimeWorker>::make(new RuntimeWorker{table, -1, false});
}
