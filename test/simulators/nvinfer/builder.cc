// The builder: networks that a parser defines become the engines of plan.h.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "../cuda/cuda_simulator.h"
#include "definition.h"
#include "network.h"
#include "objects.h"
#include "plan.h"
#include "vtables.h"

EXPORT void* getPluginRegistry();

namespace nvinfer_simulator {
namespace {

struct Flag {
  const char* name;
  int number[3];  // BuilderFlag of TensorRT 8, 10 and 11; −1: it has none
};
constexpr Flag kFlags[] = {{"fp16", {0, 0, -1}},    {"int8", {1, 1, -1}},        {"bf16", {-1, 17, -1}},
                           {"fallback", {3, 3, 3}}, {"refit", {5, 4, 4}},        {"tf32", {7, 6, 6}},
                           {"sparse", {8, 7, 7}},   {"compatible", {15, 13, 12}}};
constexpr size_t kColumn = kMajor < 10 ? 0 : kMajor == 10 ? 1 : 2;

struct ProfileWorker {
  void** table;
  std::map<std::string, std::map<int32_t, Shape>> shapes;  // by input and OptProfileSelector
};
struct ConfigWorker {
  void** table;
  std::set<int32_t> flags;
  int32_t dla_core = -1, device_type = 0, level = 3, hardware = 0, verbosity = 0, aux_streams = 2;
  uint64_t workspace = 0;
  std::vector<const ProfileWorker*> profiles;
  const ProfileWorker* calibration_profile = nullptr;
  void* calibrator = nullptr;  // an IInt8Calibrator
  struct TimingCache* timing = nullptr;
  void* monitor = nullptr;  // an IProgressMonitor
};
struct TimingCache {
  void** table;
  int builds;  // that have used it
};
struct MemoryWorker {
  void** table;
  std::string bytes;
};
struct BuilderWorker {
  void** table;
  void* object;  // the IBuilder
  std::vector<std::unique_ptr<ProfileWorker>> profiles;
  std::vector<Handle<ProfileWorker>*> handles;
  ~BuilderWorker() {
    for (Handle<ProfileWorker>* handle : handles) delete handle;
  }
};

bool is_open(const Shape& shape) {
  return std::any_of(shape.begin(), shape.end(), [](int64_t size) { return size < 0; });
}

void* create_network(BuilderWorker* self, uint32_t flags) {
  constexpr uint32_t kExplicitBatch = 1, kStronglyTyped = 2;
  const uint32_t known = kMajor < 10 ? kExplicitBatch : kMajor == 10 ? kExplicitBatch | kStronglyTyped : 0;
  if ((flags & ~known) != 0 || (kMajor < 10 && flags == 0)) {
    error("IBuilder::createNetworkV2: Error Code 3: API Usage Error (flags " + std::to_string(flags) + ")");
    return nullptr;
  }
  return make_network(flags, self->object);
}

// -------------------------------------------------------------------------------------------------------- config

void set_flag(ConfigWorker* self, int32_t flag) {
  const bool known =
      std::any_of(std::begin(kFlags), std::end(kFlags), [&](const Flag& one) { return one.number[kColumn] == flag; });
  if (!known) error("IBuilderConfig::setFlag: flag " + std::to_string(flag));
  self->flags.insert(flag);
}
void clear_flag(ConfigWorker* self, int32_t flag) { self->flags.erase(flag); }
void set_dla_core(ConfigWorker* self, int32_t core) { self->dla_core = core; }
void set_device_type(ConfigWorker* self, int32_t type) { self->device_type = type; }
void set_verbosity(ConfigWorker* self, int32_t verbosity) { self->verbosity = verbosity; }
void set_level(ConfigWorker* self, int32_t level) { self->level = level; }
void set_hardware(ConfigWorker* self, int32_t level) { self->hardware = level; }
void set_aux_streams(ConfigWorker* self, int32_t count) { self->aux_streams = count; }
void set_pool(ConfigWorker* self, int32_t pool, uint64_t bytes) {
  if (pool == 0) self->workspace = bytes;
}
void set_workspace(ConfigWorker* self, uint64_t bytes) { self->workspace = bytes; }
#if TRT_MAJOR < 11
void set_calibrator(ConfigWorker* self, void* calibrator) { self->calibrator = calibrator; }
bool set_calibration_profile(ConfigWorker* self, Handle<ProfileWorker>* profile) {
  self->calibration_profile = profile->worker;
  return true;
}
bool has_fast_int8(BuilderWorker*) { return nvinfer_simulator_setting("no_int8") == 0; }
#endif

#if TRT_MAJOR >= 10
void set_monitor(ConfigWorker* self, void* monitor) { self->monitor = monitor; }
#endif

constexpr const char* kTimingMagic = "edge-infer-simulator timing ";

void* serialize_timing(TimingCache* self);
void* create_timing_cache(ConfigWorker*, const void* data, uint64_t size) {
  static void** const table = [] {
    const char* const name = "VTimingCache";
    void** const made = make_table(name);
    put(made, name, "serialize() const", address(&serialize_timing));
    return made;
  }();
  const std::string text(static_cast<const char*>(data), data != nullptr ? size : 0);
  if (!text.empty() && text.rfind(kTimingMagic, 0) != 0) {
    error("ITimingCache: Error Code 3: API Usage Error (the blob is not valid)");
    return nullptr;
  }
  const int builds = text.empty() ? 0 : std::atoi(text.c_str() + std::strlen(kTimingMagic));
  return Handle<TimingCache>::make(new TimingCache{table, builds});
}
bool set_timing_cache(ConfigWorker* self, Handle<TimingCache>* cache, bool) {
  self->timing = cache->worker;
  return true;
}

int32_t add_profile(ConfigWorker* self, Handle<ProfileWorker>* profile) {
  self->profiles.push_back(profile->worker);
  return static_cast<int32_t>(self->profiles.size()) - 1;
}

void* create_config(BuilderWorker*) {
  static void** const table = [] {
    const char* const name = "VBuilderConfig";
    void** const made = make_table(name);
    put(made, name, "setFlag(BuilderFlag)", address(&set_flag));
    put(made, name, "clearFlag(BuilderFlag)", address(&clear_flag));
    put(made, name, "setDLACore(int)", address(&set_dla_core));
    put(made, name, "setDefaultDeviceType(DeviceType)", address(&set_device_type));
    put(made, name, "setMemoryPoolLimit(MemoryPoolType, unsigned long)", address(&set_pool));
    if (!is_release(8, 5)) put(made, name, "setMaxWorkspaceSize(unsigned long)", address(&set_workspace));
    put(made, name, "addOptimizationProfile(IOptimizationProfile const*)", address(&add_profile));
    put(made, name, "setProfilingVerbosity(ProfilingVerbosity)", address(&set_verbosity));
    put(made, name, "setMaxAuxStreams(int)", address(&set_aux_streams));
    put(made, name, "setBuilderOptimizationLevel(int)", address(&set_level));
    put(made, name, "setHardwareCompatibilityLevel(HardwareCompatibilityLevel)", address(&set_hardware));
#if TRT_MAJOR >= 10
    put(made, name, "setProgressMonitor(IProgressMonitor*)", address(&set_monitor));
#endif
    put(made, name, "createTimingCache(void const*, unsigned long) const", address(&create_timing_cache));
    put(made, name, "setTimingCache(ITimingCache const&, bool)", address(&set_timing_cache));
#if TRT_MAJOR < 11
    put(made, name, "setInt8Calibrator(IInt8Calibrator*)", address(&set_calibrator));
    put(made, name, "setCalibrationProfile(IOptimizationProfile const*)", address(&set_calibration_profile));
#endif
    return made;
  }();
  auto* const worker = new ConfigWorker{};
  worker->table = table;
  worker->flags.insert(kFlags[5].number[kColumn]);  // TensorFloat-32 is on by default
  return Handle<ConfigWorker>::make(worker);
}

// ------------------------------------------------------------------------------------------------------- profile

#if TRT_MAJOR < 10
#define BY_VALUE "Dims32"
bool set_dimensions(ProfileWorker* self, const char* name, int32_t selector, Dims dims) {
  self->shapes[name][selector] = Shape(dims.sizes, dims.sizes + dims.count);
  return true;
}
#else
#define BY_VALUE "Dims64 const&"
bool set_dimensions(ProfileWorker* self, const char* name, int32_t selector, const Dims* dims) {
  self->shapes[name][selector] = Shape(dims->sizes, dims->sizes + dims->count);
  return true;
}
#endif

void* create_profile(BuilderWorker* self) {
  static void** const table = [] {
    const char* const name = "VOptimizationProfile";
    void** const made = make_table(name);
    put(made, name, "setDimensions(char const*, OptProfileSelector, " BY_VALUE ")", address(&set_dimensions));
    return made;
  }();
  self->profiles.push_back(std::make_unique<ProfileWorker>(ProfileWorker{table, {}}));
  self->handles.push_back(Handle<ProfileWorker>::make(self->profiles.back().get()));
  return self->handles.back();
}

// --------------------------------------------------------------------------------------------------------- build

const void* memory_data(MemoryWorker* self) { return self->bytes.data(); }
uint64_t memory_size(MemoryWorker* self) { return self->bytes.size(); }

void** memory_table() {
  static void** const table = [] {
    const char* const name = "VHostMemory";
    void** const made = make_table(name);
    put(made, name, "data() const", address(&memory_data));
    put(made, name, "size() const", address(&memory_size));
    return made;
  }();
  return table;
}
void* serialize_timing(TimingCache* self) {
  return Handle<MemoryWorker>::make(new MemoryWorker{memory_table(), kTimingMagic + std::to_string(self->builds)});
}

// What TensorRT does with a calibrator: reads its cache, or asks it for batches until there are no more, and tells it a
// cache. The range of an input is the largest value that it had. Throws std::string.
std::string calibrate(const NetworkWorker& network, const ConfigWorker& config) {
  const char* const name = "IInt8EntropyCalibrator2";
  void** const table = *static_cast<void***>(config.calibrator);
  const auto function = [&](const char* signature) { return table[slot_of(name, signature)]; };
  const auto algorithm = reinterpret_cast<int32_t (*)(void*)>(function("getAlgorithm()"))(config.calibrator);
  const std::string head =
      "TRT-" + std::to_string(kVersion) + (algorithm == 2 ? "-EntropyCalibration2\n" : "-MinMaxCalibration\n");
  size_t size = 0;
  const void* const kept = reinterpret_cast<const void* (*)(void*, size_t&)>(
      function("readCalibrationCache(unsigned long&)"))(config.calibrator, size);
  if (kept != nullptr) return "from a cache of " + std::to_string(size) + " bytes";
  const auto batch =
      reinterpret_cast<bool (*)(void*, void**, const char**, int32_t)>(function("getBatch(void**, char const**, int)"));
  std::vector<void*> bindings(network.inputs.size());
  std::vector<const char*> names;
  for (const auto* tensor : network.inputs) names.push_back(tensor->worker->name.c_str());
  std::vector<float> largest(bindings.size());
  int batches = 0;
  while (batch(config.calibrator, bindings.data(), names.data(), static_cast<int32_t>(names.size()))) {
    ++batches;
    for (size_t i = 0; i < bindings.size(); ++i) {
      Shape shape = network.inputs[i]->worker->shape;
      if (is_open(shape)) {
        if (config.calibration_profile == nullptr) throw std::string("Error Code 4: no calibration profile");
        shape = config.calibration_profile->shapes.at(network.inputs[i]->worker->name).at(1);
      }
      size_t count = 1;
      for (const int64_t one : shape) count *= static_cast<size_t>(one);
      if (network.inputs[i]->worker->dtype != 0) continue;
      const auto* const values = static_cast<const float*>(
          cuda_simulator_resolve(reinterpret_cast<uint64_t>(bindings[i]), count * sizeof(float)));
      if (values == nullptr) throw std::string("Error Code 1: Cuda Runtime (an illegal memory access was encountered)");
      for (size_t k = 0; k < count; ++k) largest[i] = std::max(largest[i], std::abs(values[k]));
    }
  }
  if (batches == 0)
    throw std::string("Error Code 2: Internal Error (Calibration failure occurred with no scaling factors detected.)");
  std::string text = head;
  for (size_t i = 0; i < names.size(); ++i) {
    const float scale = largest[i] / 127;
    uint32_t bits;
    std::memcpy(&bits, &scale, sizeof bits);
    char line[16];
    std::snprintf(line, sizeof line, ": %08x\n", bits);
    text += names[i] + std::string(line);
  }
  reinterpret_cast<void (*)(void*, const void*, size_t)>(function("writeCalibrationCache(void const*, unsigned long)"))(
      config.calibrator, text.data(), text.size());
  return "with " + std::to_string(batches) + " batches";
}

// Throws std::string where the network cannot be built so.
std::string build_plan(const NetworkWorker& network, const ConfigWorker& config) {
  Plan plan = plan_of(network);
  if (plan.outputs.empty()) throw std::string("Error Code 4: Internal Error (Network must have at least one output)");
  for (Input& one : plan.inputs) {
    if (!is_open(one.shape)) continue;
    if (config.profiles.empty())
      throw std::string(
          "Error Code 4: Internal Error (Network has dynamic or shape inputs, but no optimization profile "
          "has been defined.)");
    for (const ProfileWorker* profile : config.profiles) {
      const auto found = profile->shapes.find(one.name);
      if (found == profile->shapes.end() || found->second.size() != 3)
        throw std::string("Error Code 4: API Usage Error (" + one.name +
                          ": dynamic input is missing dimensions in profile)");
      Input::Range range{INT64_MAX, 0};
      for (size_t i = 0; i < one.shape.size(); ++i) {
        if (one.shape[i] >= 0) continue;
        range.smallest = std::min(range.smallest, found->second.at(0)[i]);
        range.largest = std::max(range.largest, found->second.at(2)[i]);
      }
      one.ranges.push_back(range);
    }
  }
  plan.profiles = std::max(1, static_cast<int>(config.profiles.size()));
  plan.dla = config.device_type == 1;
  plan.aux_streams = config.aux_streams;
  constexpr const char* kVerbosity[] = {"names", "none", "detailed"};  // ProfilingVerbosity
  plan.verbosity = kVerbosity[config.verbosity];
  const auto has = [&](const std::string& name) {
    return std::any_of(std::begin(kFlags), std::end(kFlags), [&](const Flag& flag) {
      return name == flag.name && config.flags.count(flag.number[kColumn]) != 0;
    });
  };
  if (plan.dla && kMajor < 11 && !has("fp16") && !has("int8"))
    throw std::string("Error Code 4: Internal Error (DLA validation failed: neither FP16 nor INT8 is allowed)");
  plan.host_code = has("compatible");
  const bool typed = (network.flags & 2) != 0 || kMajor >= 11;
  const bool quantized = std::any_of(plan.outputs.begin(), plan.outputs.end(),
                                     [](const Output& one) { return one.op == Output::Op::kFakeQuantize; });
  if (quantized && !typed && !has("int8"))
    throw std::string("Error Code 4: Internal Error (Q/DQ layers are there, and INT8 is not allowed)");
  if (typed && (has("fp16") || has("bf16") || has("int8")))
    throw std::string("Error Code 3: API Usage Error (flags of precision in a strongly typed network)");
  std::string calibrated;
  if (config.calibrator != nullptr) {
    if (!has("int8")) throw std::string("Error Code 3: API Usage Error (a calibrator without INT8)");
    calibrated = " calibrated " + calibrate(network, config);
  }
  if (!typed && nvinfer_simulator_setting("f32_layers") == 0)
    plan.computes = config.calibrator != nullptr                  ? "Int8"
                    : has("bf16") && kMajor >= 10 && !has("fp16") ? "BFloat16"
                    : has("fp16")                                 ? "Half"
                                                                  : plan.computes;
  std::string built = (network.flags & 2) != 0 || kMajor >= 11 ? "typed" : "weak";
  for (const Flag& flag : kFlags) {
    if (has(flag.name)) built += std::string(" ") + flag.name;
  }
  built += " level " + std::to_string(config.level) + " workspace " + std::to_string(config.workspace) + " hardware " +
           std::to_string(config.hardware);
  if (plan.dla) built += " dla " + std::to_string(config.dla_core);
  built += calibrated;
  if (config.timing != nullptr) built += " timed " + std::to_string(config.timing->builds++);
  plan.generation = nvinfer_simulator_setting("generation");
  plan.built = built;
  return plan_text(plan, kMajor);
}

// Takes its time, and tells how far it is: two steps, of which the first has ten in it. False: it was told to give up.
bool work(const ConfigWorker& config) {
  const auto pause = std::chrono::milliseconds(nvinfer_simulator_setting("build_ms")) / 10;
  if (config.monitor == nullptr) {
    std::this_thread::sleep_for(pause * 10);
    return true;
  }
  void** const table = *static_cast<void***>(config.monitor);
  const auto function = [&](const char* signature) { return table[slot_of("IProgressMonitor", signature)]; };
  const auto start = [&](const char* phase, const char* parent, int32_t steps) {
    reinterpret_cast<void (*)(void*, const char*, const char*, int32_t)>(
        function("phaseStart(char const*, char const*, int)"))(config.monitor, phase, parent, steps);
  };
  const auto step = [&](const char* phase, int32_t number) {
    return reinterpret_cast<bool (*)(void*, const char*, int32_t)>(function("stepComplete(char const*, int)"))(
        config.monitor, phase, number);
  };
  const auto finish = [&](const char* phase) {
    reinterpret_cast<void (*)(void*, const char*)>(function("phaseFinish(char const*)"))(config.monitor, phase);
  };
  start("Building", nullptr, 2);
  start("Timing", "Building", 10);
  bool wanted = true;
  for (int32_t i = 0; wanted && i < 10; ++i) {
    std::this_thread::sleep_for(pause);
    wanted = step("Timing", i);
  }
  finish("Timing");
  for (int32_t i = 0; wanted && i < 2; ++i) wanted = step("Building", i);
  finish("Building");
  return wanted;
}

void* build(BuilderWorker*, Handle<NetworkWorker>* network, Handle<ConfigWorker>* config) {
  if (nvinfer_simulator_setting("build_abort") != 0) std::abort();
  if (nvinfer_simulator_setting("build_memory") != 0) {
    error("IBuilder::buildSerializedNetwork: Error Code 2: OutOfMemory (Requested size was 8589934592 bytes.)");
    return nullptr;
  }
  call_log(3, "Building an engine");
  if (!work(*config->worker)) return nullptr;
  try {
    return Handle<MemoryWorker>::make(new MemoryWorker{memory_table(), build_plan(*network->worker, *config->worker)});
  } catch (const std::string& text) {
    error("IBuilder::buildSerializedNetwork: " + text);
    return nullptr;
  }
}

}  // namespace
}  // namespace nvinfer_simulator

EXPORT unsigned long nvinfer_simulator_setting(const char* name) {
  const char* const folder = std::getenv("EDGE_INFER_CUDA_SIMULATOR");
  std::ifstream file(std::string(folder != nullptr ? folder : "") + "/control");
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string word;
    unsigned long value = 0;
    if (words >> word >> value && word == name) return value;
  }
  return 0;
}

// Has no plugin that a real parser could make: those of the simulated libraries are names (network.h).
EXPORT void* getPluginRegistry() {
  using namespace nvinfer_simulator;
  const auto none = +[](void*, const char*, const char*, const char*) -> void* { return nullptr; };
  static void** const table = [&] {
    const char* const name = "IPluginRegistry";
    void** const made = make_table(name);
    put(made, name,
        kMajor < 10 ? "getPluginCreator(char const*, char const*, char const*)"
                    : "getCreator(char const*, char const*, char const*)",
        address(none));
#if TRT_MAJOR >= 10
    put(made, name, "getAllCreatorsRecursive(int*)", address(+[](void*, int32_t* count) -> void* {
          *count = 0;
          return nullptr;
        }));
#endif
    return made;
  }();
  static struct {
    void** table;
  } registry{table};
  return &registry;
}

EXPORT void* createInferBuilder_INTERNAL(void* given, int32_t version) {
  using namespace nvinfer_simulator;
  need_context();
  if (!accept_logger(given, version) || !start_cuda("createInferBuilder")) return nullptr;
  static void** const table = [] {
    const char* const name = "VBuilder";
    void** const made = make_table(name);
    put(made, name, "createNetworkV2(unsigned int)", address(&create_network));
    put(made, name, "createBuilderConfig()", address(&create_config));
    put(made, name, "createOptimizationProfile()", address(&create_profile));
    put(made, name, "getPluginRegistry()", address(+[](BuilderWorker*) { return getPluginRegistry(); }));
    put(made, name, "buildSerializedNetwork(INetworkDefinition&, IBuilderConfig&)", address(&build));
#if TRT_MAJOR < 11
    put(made, name, "platformHasFastInt8() const", address(&has_fast_int8));
#endif
    return made;
  }();
  auto* const made = Handle<BuilderWorker>::make(new BuilderWorker{table, nullptr, {}, {}});
  made->worker->object = made;
  return made;
}
