#include "backends/tensorrt/model.h"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <optional>
#include <utility>

#include "backends/tensorrt/build_options.h"
#include "backends/tensorrt/engine_cache.h"
#include "backends/tensorrt/files.h"
#include "backends/tensorrt/inspector.h"
#include "backends/tensorrt/plugins.h"
#include "backends/tensorrt/request.h"
#include "core/log.h"

namespace edge::tensorrt {
namespace {

struct Properties {
  std::vector<std::string> plugins;  // PLUGINS
  std::optional<bool> graphs;        // CUDA_GRAPH
  bool host_code = false;            // VERSION_COMPATIBLE: the engine brings code for the CPU
  bool shared_scratch = false;       // SHARED_SCRATCH
};

bool is_engine(Bytes file) { return file.size >= 4 && std::memcmp(file.data, "ftrt", 4) == 0; }

// Throws where an engine, built or to be built, cannot follow the options.
Properties read_options(const LoadOptions& options, bool built) {
  if (built && !options.precision.empty() && options.precision != "auto") {
    throw Error(ErrorCode::kUnsupported, "An engine computes in the precision that it was built with.",
                "Leave `precision` out, or build the engine again.", "tensorrt");
  }
  Properties properties;
  for (const auto& [name, value] : options.properties) {
    if (name == "PLUGINS") {
      properties.plugins = plugin_files(value);
      continue;
    }
    // Of an engine that is built it says that the code which that brings may run.
    const bool of_both = name == "VERSION_COMPATIBLE";
    if (of_both) properties.host_code = value == "YES";
    if (is_build_property(name) && !(built && of_both)) {
      if (!built) continue;
      throw Error(ErrorCode::kUnsupported, "The property " + name + " is about building, and this engine is built.",
                  "Leave the property out, or give the ONNX model.", "tensorrt");
    }
    const bool of_scratch = name == "SHARED_SCRATCH";
    if (name != "CUDA_GRAPH" && !of_both && !of_scratch) {
      throw Error(ErrorCode::kInvalidArgument, "TensorRT has no property '" + name + "'.",
                  "docs/jetson.md lists those that there are.", "tensorrt");
    }
    if (value != "YES" && value != "NO") {
      throw Error(ErrorCode::kInvalidArgument, "The property " + name + " cannot be '" + value + "'.", "Use YES or NO.",
                  "tensorrt");
    }
    if (of_scratch) {
      properties.shared_scratch = value == "YES";
    } else if (!of_both) {
      properties.graphs = value == "YES";
    }
  }
  return properties;
}

// TensorRT's words: "could not find plugin: NAME", "Cannot find plugin: NAME" and the like.
bool names_a_plugin(const std::string& words) { return words.find("find plugin") != std::string::npos; }

Object deserialize(const Runtime& runtime, Bytes plan, bool host_code) {
  std::string problem;  // of the standard plugins
  Words words(true);
  Object engine = runtime.deserialize(plan, host_code);
  std::string text = words.text();
  // Few engines need them, and their library is large: only one that is refused without them gets them.
  const bool lacks_plugin = !engine && names_a_plugin(text);
  if (lacks_plugin) problem = load_standard_plugins(runtime.api());
  if (lacks_plugin && problem.empty()) {
    const Words again;
    engine = runtime.deserialize(plan, host_code);
    text = again.text();
  } else {
    words.tell();
  }
  if (engine) return engine;
  if (names_a_plugin(text)) {
    throw Error(
        ErrorCode::kUnsupported, "The engine needs a plugin that no library here has.",
        "Name the library that has it: `properties: { PLUGINS: '/path/libplugin.so' }`, built for this TensorRT. "
        "Load none of a stranger.",
        "tensorrt", text + (problem.empty() ? "" : "\n" + problem));
  }
  if (!host_code && (text.find("host code") != std::string::npos || text.find("HostCode") != std::string::npos)) {
    throw Error(ErrorCode::kUnsupported, "The engine is version-compatible: it brings code of TensorRT's for the CPU.",
                "Where you know where it comes from, allow that with `properties: { VERSION_COMPATIBLE: true }`.",
                "tensorrt", text);
  }
  if (text.find("OutOfMemory") != std::string::npos || text.find("out of memory") != std::string::npos) {
    throw Error(ErrorCode::kOutOfMemory, "There is no memory on the GPU for the engine.",
                "Free the GPU's memory, or load a smaller model.", "tensorrt", text);
  }
  throw Error(
      ErrorCode::kInvalidModel, "TensorRT " + runtime.api().version.text() + " does not take this engine.",
      "An engine runs on the kind of GPU and with the version of TensorRT that it was built with: build it again "
      "on this machine. Load none of a stranger: an engine is native code.",
      "tensorrt", text);
}

TensorSpec spec_of(const Engine& engine, const std::string& name) {
  TensorSpec spec;
  spec.name = name;
  const auto refuse = [&](const std::string& why) {
    throw Error(ErrorCode::kUnsupported, "The tensor '" + name + "' of the engine " + why + ".",
                "Build the engine with another type or format for this tensor.", "tensorrt");
  };
  const auto dtype = engine.dtype(name);
  if (!dtype) refuse("holds " + engine.type_name(name) + " values, which no tensor here can carry");
  if (!engine.is_linear(name)) refuse("has a vectorised layout");
  spec.dtype = *dtype;
  spec.shape = engine.shape(name);
  if (engine.is_on_host(name) && !spec.is_static()) refuse("is one of shapes, and of an open shape itself");
  return spec;
}

std::vector<LayerInfo> layers_of(const Loaded& loaded, const std::string& device) {
  return inspect(*loaded.engine, device, std::to_string(loaded.gpu->facts().ordinal));
}

// What an engine that does not tell computes in. Flags allow a precision, and force none but f32.
std::string untold_precision(bool built, const LoadOptions& options) {
  if (built) return "engine";
  if (options.precision.empty()) return "model";
  const auto& properties = options.properties;
  const bool typed = std::find(properties.begin(), properties.end(),
                               std::pair<std::string, std::string>("STRONGLY_TYPED", "YES")) != properties.end();
  return typed || options.precision == "f32" ? options.precision : "unknown";
}

class TensorRtModel final : public Model, public std::enable_shared_from_this<TensorRtModel> {
 public:
  TensorRtModel(std::shared_ptr<const Loaded> loaded, ModelInfo info, std::unique_ptr<ExecutionContext> first)
      : loaded_(std::move(loaded)), info_(std::move(info)), first_(std::move(first)) {}
  ~TensorRtModel() override {
    try {
      const Gpu::Current current(*loaded_->gpu);
      first_.reset();
    } catch (...) {
      // a lost GPU
    }
  }

  const std::vector<TensorSpec>& inputs() const override { return loaded_->inputs; }
  const std::vector<TensorSpec>& outputs() const override { return loaded_->outputs; }
  const ModelInfo& info() const override { return info_; }
  std::vector<LayerInfo> layers() override {
    const Gpu::Current current(*loaded_->gpu);
    return layers_of(*loaded_, info_.devices.at(0));
  }

  std::unique_ptr<Request> create_request() override {
    std::unique_ptr<ExecutionContext> context;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      context = std::move(first_);
    }
    return std::make_unique<TensorRtRequest>(loaded_, shared_from_this(), std::move(context));
  }

 private:
  const std::shared_ptr<const Loaded> loaded_;
  const ModelInfo info_;
  std::mutex mutex_;
  std::unique_ptr<ExecutionContext> first_;  // that loading needed; the first request takes it
};

// Gives the inputs the shapes that the caller fixes.
void fix_shapes(Loaded& loaded, const LoadOptions& options) {
  for (const auto& [wanted, shape] : options.shapes) {
    const std::string& name = wanted;
    const auto found = std::find_if(loaded.inputs.begin(), loaded.inputs.end(),
                                    [&name](const TensorSpec& spec) { return spec.name == name; });
    if (found == loaded.inputs.end()) {
      throw Error(ErrorCode::kInvalidArgument, "The engine has no input '" + name + "' to give a shape to.",
                  "Name an input of the engine.", "tensorrt");
    }
    if (!found->accepts(shape)) {
      throw Error(ErrorCode::kInvalidArgument,
                  "The input '" + name + "' takes " + shape_text(found->shape) + ", not " + shape_text(shape) + ".",
                  "Give a shape that the engine takes.", "tensorrt");
    }
    found->shape = shape;
  }
  std::vector<Shape> shapes;
  for (const TensorSpec& input : loaded.inputs) shapes.push_back(input.shape);
  const std::vector<int> usable = loaded.profiles_for(shapes, ErrorCode::kInvalidArgument);
  const auto is_of_no_use = [&](const Loaded::Profile& profile) {
    return std::find(usable.begin(), usable.end(), profile.index) == usable.end();
  };
  loaded.profiles.erase(std::remove_if(loaded.profiles.begin(), loaded.profiles.end(), is_of_no_use),
                        loaded.profiles.end());
}

// Gives the outputs the shapes that follow from those of the inputs, where these are all fixed, and no values decide.
void infer_shapes(Loaded& loaded, ExecutionContext& context) {
  if (!loaded.shape_inputs.empty()) return;
  for (const TensorSpec& input : loaded.inputs) {
    if (!input.is_static()) return;
  }
  const Words words;
  for (const TensorSpec& input : loaded.inputs) {
    if (context.set_input_shape(input.name, input.shape)) continue;
    throw Error(ErrorCode::kInvalidArgument,
                "TensorRT does not take " + shape_text(input.shape) + " for the input '" + input.name + "'.",
                "Give a shape that the engine takes.", "tensorrt", words.text());
  }
  for (TensorSpec& output : loaded.outputs) output.shape = context.shape(output.name);
}

}  // namespace

std::shared_ptr<Model> load_model(const std::shared_ptr<const Gpu>& gpu, const std::shared_ptr<const Runtime>& runtime,
                                  const DeviceInfo& device, const ModelSource& source, const LoadOptions& options) {
  gpu->check_alive();
  std::vector<uint8_t> file;
  Bytes plan = source.bytes;
  if (!source.path.empty()) {
    file = read_file(source.path);
    plan = {file.data(), file.size()};
  }
  const bool built = is_engine(plan);
  const Properties properties = read_options(options, built);
  if (options.strict && !options.precision.empty() && options.precision != "auto" && !runtime->api().tells_layers()) {
    throw Error(ErrorCode::kUnsupported,
                "TensorRT " + runtime->api().version.text() + " does not tell in which precision its layers compute.",
                "Leave `strict` out, or use TensorRT 8.4.1 or newer.", "tensorrt");
  }
  const Gpu::Current current(*gpu);
  load_plugin_libraries(properties.plugins);
  bool from_cache = false;
  Object object;
  if (!built) {
    // What this TensorRT has built it may refuse later: a driver or a plugin changed in a way that no key knows of.
    const auto takes = [&](const std::vector<uint8_t>& kept) {
      try {
        object = deserialize(*runtime, {kept.data(), kept.size()}, properties.host_code);
        return true;
      } catch (const Error& error) {
        if (error.code() != ErrorCode::kInvalidModel) throw;
        log(LogLevel::kWarning, "tensorrt", "A kept engine is refused, and built again: " + error.cause());
        return false;
      }
    };
    file = engine_of(gpu, *runtime, source, plan, options, properties.plugins, takes, from_cache);
    plan = {file.data(), file.size()};
  }
  if (!object) object = deserialize(*runtime, plan, properties.host_code);
  auto loaded = std::make_shared<Loaded>(gpu, runtime, std::move(object));
  loaded->allocator = options.allocator;
  const Engine& engine = *loaded->engine;
  if (engine.has_implicit_batch()) {
    throw Error(ErrorCode::kUnsupported, "The engine has an implicit batch dimension.",
                "Build it from the ONNX model, as `edge-infer build` does: converters of the Caffe and UFF times made "
                "such engines.",
                "tensorrt");
  }
  for (int i = 0; i < engine.tensor_count(); ++i) {
    const std::string name = engine.tensor_name(i);
    if (engine.is_input(name) && engine.decides_shapes(name)) loaded->shape_inputs.insert(loaded->inputs.size());
    (engine.is_input(name) ? loaded->inputs : loaded->outputs).push_back(spec_of(engine, name));
    if (engine.is_on_host(name)) loaded->on_host.insert(name);
  }
  loaded->dynamic = !loaded->shape_inputs.empty() || std::any_of(loaded->inputs.begin(), loaded->inputs.end(),
                                                                 [](const auto& one) { return !one.is_static(); });
  // Where profiles leave no choice, the engine has no open shapes; until TensorRT 9 contexts still cannot share one.
  loaded->chooses_profiles = loaded->dynamic || (engine.profile_count() > 1 && runtime->api().version.major < 10);
  for (int index = 0; index < std::max(1, engine.profile_count()); ++index) {
    Loaded::Profile profile{index, {}};
    for (const TensorSpec& input : loaded->inputs) {
      const bool open = !input.is_static();
      profile.ranges.emplace_back(open ? engine.profile_shape(input.name, index, Bound::kMin) : input.shape,
                                  open ? engine.profile_shape(input.name, index, Bound::kMax) : input.shape);
    }
    loaded->profiles.push_back(std::move(profile));
  }
  fix_shapes(*loaded, options);
  const size_t scratch = engine.scratch_size();
  if (properties.shared_scratch && scratch > 0) loaded->scratch = std::make_unique<ScratchPool>(gpu, scratch);
  auto context = loaded->make_context();
  infer_shapes(*loaded, *context);
  // With open shapes every new one would be recorded anew; what is measured is not recorded at all; and TensorRT reads
  // tensors of shapes while a run is submitted, so a graph would have the values of the first one for good.
  loaded->graphs = !options.profile && loaded->on_host.empty() && loaded->shape_inputs.empty() &&
                   properties.graphs.value_or(!loaded->dynamic);
  loaded->profiled = options.profile;
  std::vector<LayerInfo> layers = layers_of(*loaded, device.id);
  if (options.strict) check_precision(layers, options.precision);
  ModelInfo info;
  info.precision = precision_of(layers);
  info.properties["CUDA_GRAPH"] = loaded->graphs ? "YES" : "NO";
  if (info.precision.empty()) info.precision = untold_precision(built, options);
  if (options.profile) loaded->layers = std::move(layers);
  // One moves its data while the other computes.
  info.optimal_in_flight = std::min<size_t>(2, loaded->contexts());
  info.properties["AUX_STREAMS"] = std::to_string(engine.aux_stream_count());
  info.properties["SCRATCH_BYTES"] = std::to_string(scratch);
  info.properties["OPTIMIZATION_PROFILES"] = std::to_string(engine.profile_count());
  info.from_cache = from_cache;
  info.devices = {device.id};
  return std::make_shared<TensorRtModel>(std::move(loaded), std::move(info), std::move(context));
}

}  // namespace edge::tensorrt
