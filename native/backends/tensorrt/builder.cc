#include "backends/tensorrt/builder.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>

#include "backends/tensorrt/builder_slots.h"
#include "backends/tensorrt/calibrator.h"
#include "backends/tensorrt/call.h"
#include "backends/tensorrt/files.h"
#include "backends/tensorrt/plugins.h"
#include "core/error.h"
#include "core/log.h"

namespace edge::tensorrt {
namespace {

struct ParserApi {
  int32_t (*version)() = nullptr;
  // createNvOnnxParser_INTERNAL
  void* (*create)(void* network, void* logger, int32_t version) = nullptr;
};

const ParserApi& parser_of(const InferApi& api) {
  static auto* const parser = new ParserApi([&api] {
    constexpr const char* kRemedy = "Install it with TensorRT (libnvonnxparsers); its libraries must stay together.";
    // Before 10 it is linked with the standard plugins, which the system does not find in a folder of their own: what
    // is open already is taken.
    if (api.version.major < 10) {
      open_beside(api, "libnvinfer_plugin.so", "TensorRT's library of standard plugins",
                  "TensorRT 8's ONNX parser needs it, and it needs cuBLAS and cuDNN: install them with TensorRT.");
    }
    const Library library = open_beside(api, "libnvonnxparser.so", "TensorRT's ONNX parser", kRemedy);
    ParserApi found;
    library.find("getNvOnnxParserVersion", found.version);
    library.find("createNvOnnxParser_INTERNAL", found.create);
    if (found.version == nullptr || found.create == nullptr)
      throw Error(ErrorCode::kUnavailable, "TensorRT's ONNX parser has not the functions of one.", kRemedy, "tensorrt");
    return found;
  }());
  return *parser;
}

// Of an element, by DataType; 0 for those that no tensor here can carry.
size_t type_size(int32_t type) {
  constexpr size_t kSizes[] = {4, 2, 1, 4, 1, 1, 0, 2, 8};
  return type >= 0 && static_cast<size_t>(type) < std::size(kSizes) ? kSizes[type] : 0;
}

std::string text_of(const char* text) { return text != nullptr ? text : ""; }

// The objects of one build, in the order in which they need each other.
class Builder {
 public:
  Builder(std::shared_ptr<const Gpu> gpu, const Runtime& runtime)
      : gpu_(std::move(gpu)),
        api_(runtime.api()),
        dla_core_(runtime.dla_core()),
        major_(api_.version.major),
        slots_(builder_slots_of(major_)),
        flags_(builder_flags_of(major_)) {
    const Words words;
    builder_.reset(api_.create_builder(logger_of(major_), api_.number));
    if (!builder_) fail(ErrorCode::kUnavailable, "TensorRT's builder does not start.", words);
  }

  void make_network(bool strongly_typed) {
    constexpr uint32_t kExplicitBatch = 1, kStronglyTyped = 2;  // NetworkDefinitionCreationFlag, as bits
    const Words words;
    is_typed_ = strongly_typed && major_ >= 10;
    const uint32_t flags = major_ < 10 ? kExplicitBatch : strongly_typed && major_ == 10 ? kStronglyTyped : 0;
    network_.reset(call<void*>(worker(builder_), slots_.create_network, flags));
    config_.reset(call<void*>(worker(builder_), slots_.create_config));
    if (!network_ || !config_) fail(ErrorCode::kBackend, "TensorRT's builder makes no network.", words);
  }

  // False where the parser does not take the model; `problem` has its words.
  bool parse(Bytes onnx, const std::string& path, std::string& problem) {
    const ParserApi& api = parser_of(api_);
    Words words(true);
    // It holds the weights that the network refers to, so it lives as long.
    parser_ = Parser(api.create(network_.get(), logger_of(major_), api.version()), DeleteParser{slots_});
    if (!parser_) fail(ErrorCode::kBackend, "TensorRT's ONNX parser does not start.", words);
    const void* const data = onnx.data;
    const char* const file = path.empty() ? nullptr : path.c_str();
    if (call<bool>(parser_.get(), slots_.parse, data, onnx.size, file)) {
      words.tell();
      return true;
    }
    problem = errors();
    if (problem.empty()) problem = words.text();
    return false;
  }

  void configure(const BuildOptions& options) {
    const auto flag = [&](bool wanted, int number) {
      if (wanted && number >= 0) call<void>(worker(config_), slots_.set_flag, int32_t{number});
    };
    const bool any = options.precision == "auto";
    flag(any || options.precision == "f16", options.strongly_typed ? -1 : flags_.f16);
    flag(any || options.precision == "bf16", options.strongly_typed ? -1 : flags_.bf16);
    // f32 is f32: TensorFloat-32, TensorRT's default, has ten bits of it.
    if (!any) call<void>(worker(config_), slots_.clear_flag, int32_t{flags_.tf32});
    flag(options.version_compatible, flags_.version_compatible);
    flag(options.sparse_weights, flags_.sparse_weights);
    flag(options.refit, flags_.refit);
    set_workspace(options.workspace);
    if (options.level >= 0) call<void>(worker(config_), slots_.set_level, int32_t{options.level});
    if (options.max_aux_streams >= 0)
      call<void>(worker(config_), slots_.set_max_aux_streams, int32_t{options.max_aux_streams});
    if (options.hardware_level > 0)
      call<void>(worker(config_), slots_.set_hardware_level, int32_t{options.hardware_level});
    if (dla_core_ >= 0) {
      constexpr int32_t kDla = 1;  // DeviceType
      call<void>(worker(config_), slots_.set_device_type, kDla);
      call<void>(worker(config_), slots_.set_dla_core, int32_t{dla_core_});
      flag(options.gpu_fallback, flags_.gpu_fallback);
    }
    // So that layers() can tell more than names.
    constexpr int32_t kDetailed = 2;  // ProfilingVerbosity
    call<void>(worker(config_), slots_.set_verbosity, kDetailed);
    void* const profile = add_profiles(options);
    set_int8(options, profile);
    set_timing_cache(options.timing_cache);
  }

  std::vector<uint8_t> build(const BuildProgress& progress) {
    Words words(true);
    if (major_ >= 10) call<void>(worker(config_), slots_.set_progress_monitor, progress.interface());
    const Object memory(call<void*>(worker(builder_), slots_.build, network_.get(), config_.get()));
    // Inputs that do not fit look to TensorRT like the last ones: it goes on with what it has.
    if (calibrator_) calibrator_->check();
    if (!memory && progress.is_given_up()) throw Error(ErrorCode::kAborted, "The build of the engine was given up.");
    if (!memory) {
      const bool lacks_memory = words.text().find("OutOfMemory") != std::string::npos;
      fail(lacks_memory ? ErrorCode::kOutOfMemory : ErrorCode::kBackend, "TensorRT could not build the engine.", words,
           lacks_memory ? "Free the GPU's memory, or give a smaller WORKSPACE."
                        : "Look at the cause. What the device does not support may run elsewhere: `partial: 'allow'` "
                          "for a DLA, another precision, another device.");
    }
    words.tell();
    keep_timing_cache();
    return bytes_of(memory);
  }

 private:
  struct DeleteParser {
    BuilderSlots slots;
    void operator()(void* parser) const noexcept { call<void>(parser, slots.parser_destructor); }
  };
  using Parser = std::unique_ptr<void, DeleteParser>;

  static void* worker(const Object& object) { return worker_of(object.get()); }

  std::vector<uint8_t> bytes_of(const Object& memory) const {
    const auto* const data = static_cast<const uint8_t*>(call<void*>(worker(memory), slots_.data));
    const auto size = call<size_t>(worker(memory), slots_.size);
    return {data, data + size};
  }

  [[noreturn]] static void fail(ErrorCode code, const std::string& message, const Words& words,
                                const std::string& remedy = "Look at the cause.") {
    throw Error(code, message, remedy, "tensorrt", words.text());
  }

  // `size`: bytes; 0: what TensorRT takes by itself.
  void set_workspace(uint64_t size) {
    // Before 8.4 that is none, and it leaves out all that needs some. Boards share their memory with all else that
    // runs.
    if (size == 0 && !api_.version.at_least(8, 4)) size = uint64_t{gpu_->facts().memory} / 2;
    if (size == 0) return;
    constexpr int32_t kWorkspace = 0;  // MemoryPoolType
    if (api_.version.at_least(8, 5)) {
      call<void>(worker(config_), slots_.set_pool_limit, kWorkspace, size);
    } else {
      call<void>(worker(config_), slots_.set_workspace, size);
    }
  }

  // What the parser says, with the nodes that it speaks of.
  std::string errors() {
    std::string all;
    const auto count = call<int32_t>(parser_.get(), slots_.error_count);
    for (int32_t i = 0; i < std::min(count, 20); ++i) {
      void* const error = const_cast<void*>(call<const void*>(parser_.get(), slots_.error, i));
      if (error == nullptr) continue;
      std::string where = "node " + std::to_string(call<int32_t>(error, slots_.node));
      if (slots_.node_name >= 0) {
        const std::string name = text_of(call<const char*>(error, slots_.node_name));
        const std::string operation = text_of(call<const char*>(error, slots_.node_operator));
        if (!name.empty()) where += " '" + name + "'";
        if (!operation.empty()) where += " (" + operation + ")";
      }
      all += (all.empty() ? "" : "\n") + where + ": " + text_of(call<const char*>(error, slots_.description));
    }
    return all;
  }

  // Whether the model itself says what is computed in integers, by QuantizeLinear and DequantizeLinear (Q/DQ).
  bool is_quantized() const {
    const LayerTypes& types = layer_types_of(major_);
    const auto count = call<int32_t>(worker(network_), slots_.layer_count);
    for (int32_t i = 0; i < count; ++i) {
      const auto type = call<int32_t>(worker_of(call<void*>(worker(network_), slots_.layer, i)), slots_.layer_type);
      if (type == types.quantize || type == types.dequantize) return true;
    }
    return false;
  }

  // `profile`: the first one, or null.
  void set_int8(const BuildOptions& options, void* profile) {
    const bool asked = options.precision == "i8", quantized = is_quantized();
    const auto unsupported = [](const std::string& what, const std::string& remedy) {
      throw Error(ErrorCode::kUnsupported, what, remedy, "tensorrt");
    };
    if (quantized && options.calibrates()) {
      throw Error(ErrorCode::kInvalidArgument,
                  "The model says itself how it is quantised: calibration has no part in it.",
                  "Leave the calibration out, or give the model as it was before it was quantised.", "tensorrt");
    }
    if (asked && !quantized && !options.calibrates()) {
      const std::string calibrated =
          major_ < 11 && !options.strongly_typed ? ", or calibrate it: `calibration: { inputs, cache }`" : "";
      unsupported("The model has nothing that says how to compute it in int8.",
                  "Quantise it, with QuantizeLinear and DequantizeLinear nodes (Q/DQ)" + calibrated + ".");
    }
    // In a strongly typed network the nodes are all there is to say.
    if ((!quantized && !options.calibrates()) || flags_.int8 < 0 || is_typed_) return;
    if (asked && !call<bool>(worker(builder_), slots_.has_fast_int8)) {
      unsupported("This GPU has no int8 (" + gpu_->facts().name + ", compute capability " +
                      std::to_string(gpu_->facts().major) + "." + std::to_string(gpu_->facts().minor) + ").",
                  "Use `precision: 'f16'`: Jetson Nano and TX2 have it, and no int8.");
    }
    call<void>(worker(config_), slots_.set_flag, int32_t{flags_.int8});
    if (!options.calibrates()) return;
    calibrator_ = std::make_unique<Calibrator>(major_, options, gpu_, calibration_inputs(options));
    call<void>(worker(config_), slots_.set_calibrator, calibrator_->interface());
    if (profile != nullptr)
      call<bool>(worker(config_), slots_.set_calibration_profile, static_cast<const void*>(profile));
  }

  std::vector<Calibrator::Input> calibration_inputs(const BuildOptions& options) const {
    std::vector<Calibrator::Input> inputs;
    const auto count = call<int32_t>(worker(network_), slots_.input_count);
    for (int32_t i = 0; i < count; ++i) {
      void* const tensor = worker_of(call<void*>(worker(network_), slots_.input, i));
      Calibrator::Input input{text_of(call<const char*>(tensor, slots_.tensor_name)), 0};
      Shape shape = call_shape(major_, tensor, slots_.tensor_shape);
      if (std::any_of(shape.begin(), shape.end(), [](int64_t size) { return size < 0; }))
        shape = options.profiles.at(0).at(input.name).best;
      input.bytes = type_size(call<int32_t>(tensor, slots_.tensor_type));
      for (const int64_t size : shape) input.bytes *= static_cast<size_t>(size);
      inputs.push_back(std::move(input));
    }
    return inputs;
  }

  // What earlier builds on this GPU measured. One of another GPU or release is of no use, and no harm.
  void set_timing_cache(const std::string& path) {
    if (path.empty()) return;
    const std::vector<uint8_t> bytes = is_there(path) ? read_file(path) : std::vector<uint8_t>();
    const auto make = [&](const void* data, size_t size) {
      timing_cache_.reset(call<void*>(worker(config_), slots_.create_timing_cache, data, size));
      constexpr bool kIgnoreMismatch = false;
      return timing_cache_ && call<bool>(worker(config_), slots_.set_timing_cache,
                                         static_cast<const void*>(timing_cache_.get()), kIgnoreMismatch);
    };
    const Words words;
    const bool taken = !bytes.empty() && make(bytes.data(), bytes.size());
    if (!bytes.empty() && !taken)
      log(LogLevel::kWarning, "tensorrt", "The timing cache " + path + " is of no use here; it is made anew.");
    if (!taken && !make(nullptr, 0)) return timing_cache_.reset();
    timing_path_ = path;
  }

  void keep_timing_cache() const {
    if (timing_path_.empty()) return;
    const Object memory(call<void*>(worker(timing_cache_), slots_.serialize));
    const std::vector<uint8_t> bytes = memory ? bytes_of(memory) : std::vector<uint8_t>();
    if (bytes.empty() || !replace_file(timing_path_, bytes.data(), bytes.size()))
      log(LogLevel::kWarning, "tensorrt", "The timing cache cannot be written to " + timing_path_ + ".");
  }

  // Returns the first; null where none is needed.
  void* add_profiles(const BuildOptions& options) {
    std::map<std::string, Shape> open, all;
    const auto count = call<int32_t>(worker(network_), slots_.input_count);
    for (int32_t i = 0; i < count; ++i) {
      void* const tensor = worker_of(call<void*>(worker(network_), slots_.input, i));
      const std::string name = text_of(call<const char*>(tensor, slots_.tensor_name));
      const Shape shape = call_shape(major_, tensor, slots_.tensor_shape);
      all[name] = shape;
      if (std::any_of(shape.begin(), shape.end(), [](int64_t size) { return size < 0; })) open[name] = shape;
    }
    for (const auto& profile : options.profiles) {
      for (const auto& [name, range] : profile) check_range(all, name, range);
    }
    if (open.empty()) return nullptr;
    const auto& profiles = options.profiles;
    for (const auto& [name, shape] : open) {
      const std::string& wanted = name;
      const auto lacks = [&](const std::map<std::string, ShapeRange>& profile) { return profile.count(wanted) == 0; };
      if (!profiles.empty() && std::none_of(profiles.begin(), profiles.end(), lacks)) continue;
      throw Error(
          ErrorCode::kInvalidArgument,
          "The input '" + name + "' has open dimensions, " + shape_text(shape) + ", and no shapes to build for.",
          "Fix them with `shapes`, or give a range with the properties OPT_SHAPES, MIN_SHAPES and MAX_SHAPES: '" +
              name + ":1x3x224x224'.",
          "tensorrt");
    }
    void* first = nullptr;
    for (const auto& profile : profiles) {
      void* const added = add_profile(profile, open);
      if (first == nullptr) first = added;
    }
    return first;
  }

  static void check_range(const std::map<std::string, Shape>& inputs, const std::string& name,
                          const ShapeRange& range) {
    const auto found = inputs.find(name);
    const auto wrong = [](const std::string& message) {
      throw Error(ErrorCode::kInvalidArgument, message, "`edge-infer inspect MODEL` shows the inputs.", "tensorrt");
    };
    if (found == inputs.end()) wrong("The model has no input '" + name + "' to give a shape to.");
    const Shape& shape = found->second;
    for (const Shape* bound : {&range.smallest, &range.best, &range.largest}) {
      bool fits = bound->size() == shape.size();
      for (size_t i = 0; fits && i < shape.size(); ++i) fits = shape[i] < 0 || shape[i] == (*bound)[i];
      if (!fits) wrong("The input '" + name + "' takes " + shape_text(shape) + ", not " + shape_text(*bound) + ".");
    }
  }

  void* add_profile(const std::map<std::string, ShapeRange>& ranges, const std::map<std::string, Shape>& open) {
    const Words words;
    void* const profile = call<void*>(worker(builder_), slots_.create_profile);  // the builder's own
    bool taken = profile != nullptr;
    for (const auto& [name, range] : ranges) {
      if (!taken || open.count(name) == 0) continue;
      const std::pair<Bound, const Shape&> bounds[] = {
          {Bound::kMin, range.smallest}, {Bound::kOptimal, range.best}, {Bound::kMax, range.largest}};
      for (const auto& [bound, shape] : bounds) taken = taken && set_dimensions(worker_of(profile), name, bound, shape);
    }
    taken = taken && call<int32_t>(worker(config_), slots_.add_profile, profile) >= 0;
    if (!taken) fail(ErrorCode::kInvalidArgument, "TensorRT does not take the optimisation profile.", words);
    return profile;
  }

  bool set_dimensions(void* profile, const std::string& name, Bound bound, const Shape& shape) const {
    const auto selector = static_cast<int32_t>(bound);
    if (major_ < 10) return call<bool>(profile, slots_.set_dimensions, name.c_str(), selector, to_dims<Dims32>(shape));
    const auto dims = to_dims<Dims64>(shape);
    return call<bool>(profile, slots_.set_dimensions, name.c_str(), selector, &dims);
  }

  const std::shared_ptr<const Gpu> gpu_;
  const InferApi& api_;
  const int dla_core_, major_;
  const BuilderSlots& slots_;
  const BuilderFlags& flags_;
  bool is_typed_ = false;
  std::string timing_path_;
  // The builder uses those behind it while it works.
  std::unique_ptr<Calibrator> calibrator_;
  Object builder_, network_, config_, timing_cache_;
  Parser parser_{nullptr, DeleteParser{slots_}};
};

}  // namespace

std::vector<uint8_t> build_engine(const std::shared_ptr<const Gpu>& gpu, const Runtime& runtime, Bytes onnx,
                                  const std::string& path, const BuildOptions& options, BuildProgress& progress) {
  // What a model says of its own types is followed to the letter where TensorRT can.
  const bool typed = options.strongly_typed || options.precision.empty();
  std::string problem;
  for (const bool plugins : {false, true}) {
    Builder builder(gpu, runtime);
    builder.make_network(typed);
    if (builder.parse(onnx, path, problem)) {
      builder.configure(options);
      return builder.build(progress);
    }
    // Few models need TensorRT's own plugins, and their library is large.
    if (plugins || !load_standard_plugins(runtime.api()).empty()) break;
  }
  throw Error(ErrorCode::kInvalidModel, "TensorRT's ONNX parser does not take this model.",
              "The cause names the nodes. A node that TensorRT does not know needs a plugin (`properties: { PLUGINS: "
              "'/path/libplugin.so' }`), or another export of the model.",
              "tensorrt", problem);
}

}  // namespace edge::tensorrt
