// Execution contexts, and what engines tell, by the names of tensors.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <functional>
#include <utility>

#include "../cuda/cuda_simulator.h"
#include "engine.h"
#include "vtables.h"

extern "C" int cuStreamSynchronize(void* stream);

namespace nvinfer_simulator {
namespace {

constexpr int kInt64 = 8;  // DataType

// The values of an input that decides shapes, as they are now. Empty where TensorRT has none yet.
Shape shape_values(const ContextWorker& context, const Input& input) {
  const size_t count = count_of(input.shape);
  const auto bound = context.shape_values.find(input.name);
  if (bound != context.shape_values.end()) return {bound->second.begin(), bound->second.end()};
  const auto placed = context.addresses.find(input.name);
  if (placed == context.addresses.end() || placed->second == 0) return {};
  const auto* const at = reinterpret_cast<const char*>(static_cast<uintptr_t>(placed->second));
  Shape values(count);
  for (size_t i = 0; i < count; ++i) {
    int32_t narrow = 0;
    if (input.dtype == kInt64) {
      std::memcpy(&values[i], at + i * sizeof values[i], sizeof values[i]);
    } else {
      std::memcpy(&narrow, at + i * sizeof narrow, sizeof narrow);
      values[i] = narrow;
    }
  }
  return values;
}

}  // namespace

const Input* input_named(const Plan& plan, const std::string& name) {
  for (const Input& input : plan.inputs) {
    if (input.name == name) return &input;
  }
  return nullptr;
}
const Output* output_named(const Plan& plan, const std::string& name) {
  for (const Output& output : plan.outputs) {
    if (output.name == name) return &output;
  }
  return nullptr;
}

size_t count_of(const Shape& shape) {
  size_t count = 1;
  for (const int64_t size : shape) count *= static_cast<size_t>(size);
  return count;
}

bool is_open(const Shape& shape) {
  return std::any_of(shape.begin(), shape.end(), [](int64_t size) { return size < 0; });
}

Shape bound_of(const Input& input, int32_t profile, int32_t bound) {
  Shape shape = input.shape;
  const auto [smallest, largest] = range_of(input, profile);
  for (int64_t& size : shape) {
    if (size < 0) size = bound == 0 ? smallest : largest;
  }
  return shape;
}

Shape engine_shape_of(const Plan& plan, const Output& output) {
  const Input& input = plan.inputs[output.input];
  if (output.op == Output::Op::kNonZero) return {-1};
  if (output.op == Output::Op::kResize) return Shape(count_of(plan.inputs[output.shape_input].shape), -1);
  if (output.op == Output::Op::kShape) return {static_cast<int64_t>(input.shape.size())};
  return input.shape;
}

Shape output_shape(const ContextWorker& context, const Output& output) {
  const Shape engines = engine_shape_of(*context.plan, output);
  if (output.op == Output::Op::kNonZero || output.op == Output::Op::kShape) return engines;
  if (output.op != Output::Op::kResize) return context.shapes[output.input];
  // Of the values that happen to be there, as TensorRT does, which may be others when a run is submitted.
  const Shape values = shape_values(context, context.plan->inputs[output.shape_input]);
  return values.empty() || is_open(values) ? engines : values;
}

bool fits_profile(const ContextWorker& context, const Input& input, const Shape& values) {
  const auto [smallest, largest] = range_of(input, context.profile);
  for (const int64_t size : values) {
    if (size >= smallest && size <= largest) continue;
    error("Error Code 7: Internal Error (IShuffleLayer: the value " + std::to_string(size) + " of " + input.name +
          " is not in the optimization profile)");
    return false;
  }
  return true;
}

namespace {

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
  for (size_t i = 0; i < self->shapes.size(); ++i) self->shapes[i] = shape_in(self->plan->inputs[i], profile);
  self->taken->insert(profile);
  self->has_profile = true;
  return true;
}

}  // namespace

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

namespace {

Dims context_shape(ContextWorker* self, const char* name) {
  if (const Output* output = output_named(*self->plan, name)) return dims_of(output_shape(*self, *output));
  const Input* const input = input_named(*self->plan, name);
  if (input == nullptr) return Dims{-1, {}};
  return dims_of(self->shapes[static_cast<size_t>(input - self->plan->inputs.data())]);
}

}  // namespace

bool set_address(ContextWorker* self, const char* name, uint64_t place) {
  if (input_named(*self->plan, name) == nullptr && output_named(*self->plan, name) == nullptr) return false;
  self->addresses[name] = place;
  return true;
}

namespace {

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

// Memory for an output whose shape is known only now: the caller's allocator gives it. 0 where there is none.
uint64_t allocate(const ContextWorker& self, const std::string& name, const Shape& shape, size_t bytes) {
  if (!kByName) return self.addresses.at(name);  // its shape was known beforehand
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
  const Shape shape = shape_values(self, sizes);
  if (!fits_profile(self, sizes, shape)) return false;
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

}  // namespace

bool enqueue(ContextWorker* self, void* stream) {
  const Plan& plan = *self->plan;
  if (plan.scratch != 0 && self->scratch == 0) {
    error("IExecutionContext::enqueueV3: Error Code 1: Myelin (no scratch memory was set)");
    return false;
  }
  // Found at the end unless somebody else has written there meanwhile.
  static std::atomic<int> runs{0};
  const int mark = ++runs & 0xff;
  const auto in_scratch = [at = self->scratch, size = plan.scratch, mark](bool is_end) {
    return [=] {
      auto* const bytes = static_cast<unsigned char*>(cuda_simulator_resolve(at, size));
      if (bytes == nullptr) return kIllegalAddress;
      if (!is_end) std::memset(bytes, mark, size);
      const bool is_whole = std::all_of(bytes, bytes + size, [&](unsigned char one) { return one == mark; });
      return is_whole ? 0 : kIllegalAddress;
    };
  };
  if (plan.scratch != 0 && !launch(stream, in_scratch(false), 0)) return false;
  for (size_t i = 0; i < plan.inputs.size(); ++i) {
    const bool is_there =
        self->addresses[plan.inputs[i].name] != 0 || self->shape_values.count(plan.inputs[i].name) != 0;
    if (is_open(self->shapes[i]) || !is_there) {
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
    if (output.op == Output::Op::kShape) {
      if (kByName) write_shape(*self, output, reinterpret_cast<void*>(self->addresses[output.name]));
      if (!note(end)) return false;
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
  if (plan.scratch != 0 && !launch(stream, in_scratch(true), 0)) return false;
  if (!self->times || !self->emits_profile) return true;
  return cuStreamSynchronize(stream) == 0 && report(plan, *self->times, self->profiler);
}

void write_shape(const ContextWorker& self, const Output& output, void* to) {
  const Shape& shape = self.shapes[output.input];
  for (size_t i = 0; i < shape.size(); ++i) {
    const auto narrow = static_cast<int32_t>(shape[i]);
    if (dtype_of(*self.plan, output) == kInt64) {
      std::memcpy(static_cast<char*>(to) + i * sizeof shape[i], &shape[i], sizeof shape[i]);
    } else {
      std::memcpy(static_cast<char*>(to) + i * sizeof narrow, &narrow, sizeof narrow);
    }
  }
}

namespace {

void set_profiler(ContextWorker* self, void* profiler) { self->profiler = profiler; }
void set_scratch(ContextWorker* self, uint64_t memory) { self->scratch = memory; }
#if TRT_MAJOR >= 10
void set_scratch_of(ContextWorker* self, uint64_t memory, int64_t size) {
  if (size < static_cast<int64_t>(self->plan->scratch)) {
    error("IExecutionContext::setDeviceMemoryV2: Error Code 3: API Usage Error (too small)");
  } else {
    self->scratch = memory;
  }
}
#endif
void set_emits_profile(ContextWorker* self, bool emits) { self->emits_profile = emits; }
bool report_to_profiler(ContextWorker* self) {
  if (self->profiler != nullptr && self->emits_profile) return true;
  if (self->profiler != nullptr && self->times && report(*self->plan, *self->times, self->profiler)) return true;
  error("IExecutionContext::reportToProfiler: Error Code 3: API Usage Error (no profiler, or no run that has ended)");
  return false;
}

// -------------------------------------------------------------------------------------------------------- engine

Dims engine_shape(EngineWorker* self, const char* name) {
  if (const Input* input = input_named(self->plan, name)) return dims_of(input->shape);
  const Output* const output = output_named(self->plan, name);
  return output == nullptr ? Dims{-1, {}} : dims_of(engine_shape_of(self->plan, *output));
}

int32_t dtype(EngineWorker* self, const char* name) {
  if (const Input* input = input_named(self->plan, name)) return input->dtype;
  return dtype_of(self->plan, *output_named(self->plan, name));
}
int32_t location(EngineWorker* self, const char* name) {
  const Input* const input = input_named(self->plan, name);
  if (input != nullptr) return input->on_host ? 1 : 0;
  const Output* const output = output_named(self->plan, name);
  return output != nullptr && output->op == Output::Op::kShape ? 1 : 0;
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
  return dims_of(bound_of(*input, profile, bound));
}
int32_t tensor_count(EngineWorker* self) {
  return static_cast<int32_t>(self->plan.inputs.size() + self->plan.outputs.size());
}
const char* tensor_name(EngineWorker* self, int32_t index) {
  const auto at = static_cast<size_t>(index);
  const size_t inputs = self->plan.inputs.size();
  return at < inputs ? self->plan.inputs[at].name.c_str() : self->plan.outputs.at(at - inputs).name.c_str();
}

}  // namespace

void put_common_functions(void** table) {
  const char* const name = "VExecutionContext";
  put(table, name, "setOptimizationProfileAsync(int, CUstream_st*)", address(&set_profile));
  put(table, name, "setProfiler(IProfiler*)", address(&set_profiler));
  put(table, name, "setEnqueueEmitsProfile(bool)", address(&set_emits_profile));
  put(table, name, "reportToProfiler() const", address(&report_to_profiler));
  put(table, name, "setDeviceMemory(void*)", address(&set_scratch));
#if TRT_MAJOR >= 10
  put(table, name, "setDeviceMemoryV2(void*, long)", address(&set_scratch_of));
#endif
}

void put_context_functions_by_name(void** table) {
  const char* const name = "VExecutionContext";
  put(table, name, "setInputShape(char const*, " DIMS " const&)", address(&set_input_shape));
  put(table, name, "getTensorShape(char const*) const", address(&context_shape));
  put(table, name, "setTensorAddress(char const*, void*)", address(&set_address));
  put(table, name, "setOutputAllocator(char const*, IOutputAllocator*)", address(&set_allocator));
  put(table, name, "enqueueV3(CUstream_st*)", address(&enqueue));
}

void put_functions_by_name(void** table) {
  const char* const name = "VCudaEngine";
  put(table, name, "getTensorShape(char const*) const", address(&engine_shape));
  put(table, name, "getTensorDataType(char const*) const", address(&dtype));
  put(table, name, "getTensorLocation(char const*) const", address(&location));
  put(table, name, "getTensorIOMode(char const*) const", address(&mode));
  put(table, name, "getTensorFormat(char const*) const", address(&format));
  put(table, name, "getProfileShape(char const*, int, OptProfileSelector) const", address(&profile_shape));
  put(table, name, "getNbIOTensors() const", address(&tensor_count));
  put(table, name, "getIOTensorName(int) const", address(&tensor_name));
}

}  // namespace nvinfer_simulator
