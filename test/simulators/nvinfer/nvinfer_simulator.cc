// A simulator of libnvinfer.so of one major version: loads the toy engines of plan.h and computes them on the simulated
// CUDA driver. README.md says what it is and is not.
#include <csignal>
#include <cstdint>
#include <set>
#include <string>
#include <utility>

#include "engine.h"
#include "layers.h"
#include "network.h"
#include "objects.h"
#include "plan.h"
#include "vtables.h"

extern "C" int cuDeviceGetAttribute(int* value, int attribute, int device);

namespace nvinfer_simulator {
namespace {

struct RuntimeWorker {
  void** table;
  int32_t dla_core = -1;
  bool host_code = false;
};

std::set<std::string>& registered_plugins() {
  static auto* const names = new std::set<std::string>;
  return *names;
}

// -------------------------------------------------------------------------------------------------------- engine

Handle<ContextWorker>* make_bare_context(EngineWorker* self) {
  static void** const table = [] {
    void** const made = make_table("VExecutionContext");
    put_common_functions(made);
    kByName ? put_context_functions_by_name(made) : put_context_bindings(made);
    return made;
  }();
  if (self->plan.no_context) {
    error("IExecutionContext: Error Code 2: OutOfMemory (no further information)");
    return nullptr;
  }
  auto* const worker = new ContextWorker{table, &self->plan, self->taken};
  for (const Input& input : self->plan.inputs) worker->shapes.push_back(shape_in(input, 0));
  if (std::exchange(self->first_context, false)) {
    reinterpret_cast<bool (*)(ContextWorker*, int32_t, void*)>(
        table[slot_of("VExecutionContext", "setOptimizationProfileAsync(int, CUstream_st*)")])(worker, 0, nullptr);
  } else if (TRT_MAJOR < 10 && self->taken->count(0) != 0) {
    error("Profile 0 has been chosen by another IExecutionContext.");
  }
  return Handle<ContextWorker>::make(worker);
}
Handle<ContextWorker>* make_context(EngineWorker* self) {
  auto* const made = make_bare_context(self);
  if (made == nullptr || self->plan.scratch == 0) return made;
  if (cuMemAlloc_v2(&made->worker->scratch, self->plan.scratch) != 0) {
    error("IExecutionContext: Error Code 2: OutOfMemory (scratch memory)");
    Handle<ContextWorker>::destroy(made);
    return nullptr;
  }
  made->worker->owns_scratch = true;
  return made;
}
#if TRT_MAJOR >= 10
Handle<ContextWorker>* make_context_with(EngineWorker* self, int32_t strategy) {
  return strategy == 0 ? make_context(self) : strategy == 2 ? make_bare_context(self) : nullptr;
}
#endif
int32_t aux_stream_count(EngineWorker* self) { return self->plan.aux_streams; }
int64_t scratch_size(EngineWorker* self) { return static_cast<int64_t>(self->plan.scratch); }

int32_t profile_count(EngineWorker* self) { return self->plan.profiles; }

int32_t layer_count(EngineWorker* self) { return static_cast<int32_t>(self->plan.outputs.size()); }
void* inspector(EngineWorker* self) { return make_inspector(self->plan); }

bool has_implicit_batch(EngineWorker* self) { return self->plan.implicit_batch; }

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
    put(made, name, "createExecutionContextWithoutDeviceMemory()", address(&make_bare_context));
#else
    put(made, name, "createExecutionContext(ExecutionContextAllocationStrategy)", address(&make_context_with));
#endif
    put(made, name, "getNbOptimizationProfiles() const", address(&profile_count));
    put(made, name, "getNbAuxStreams() const", address(&aux_stream_count));
    put(made, name, kMajor < 11 ? "getDeviceMemorySize() const" : "getDeviceMemorySizeV2() const",
        address(&scratch_size));
    if (kMajor == 8) put(made, name, "hasImplicitBatchDimension() const", address(&has_implicit_batch));
    if (!kByName) {
      put_bindings(made);
      return made;
    }
    put_functions_by_name(made);
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
