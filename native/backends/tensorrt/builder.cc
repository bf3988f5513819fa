#include "backends/tensorrt/builder.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "backends/tensorrt/builder_slots.h"
#include "backends/tensorrt/call.h"
#include "backends/tensorrt/plugins.h"
#include "core/error.h"

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

std::string text_of(const char* text) { return text != nullptr ? text : ""; }

// The objects of one build, in the order in which they need each other.
class Builder {
 public:
  explicit Builder(const Runtime& runtime)
      : api_(runtime.api()),
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
    if (options.workspace > 0) {
      constexpr int32_t kWorkspace = 0;  // MemoryPoolType
      call<void>(worker(config_), slots_.set_pool_limit, kWorkspace, options.workspace);
    }
    if (options.level >= 0) call<void>(worker(config_), slots_.set_level, int32_t{options.level});
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
    add_profiles(options);
  }

  std::vector<uint8_t> build() {
    Words words(true);
    const Object memory(call<void*>(worker(builder_), slots_.build, network_.get(), config_.get()));
    if (!memory) {
      const bool lacks_memory = words.text().find("OutOfMemory") != std::string::npos;
      fail(lacks_memory ? ErrorCode::kOutOfMemory : ErrorCode::kBackend, "TensorRT could not build the engine.", words,
           lacks_memory ? "Free the GPU's memory, or give a smaller WORKSPACE."
                        : "Look at the cause. What the device does not support may run elsewhere: `partial: 'allow'` "
                          "for a DLA, another precision, another device.");
    }
    words.tell();
    const auto* const data = static_cast<const uint8_t*>(call<void*>(worker(memory), slots_.data));
    const auto size = call<size_t>(worker(memory), slots_.size);
    return {data, data + size};
  }

 private:
  struct DeleteParser {
    BuilderSlots slots;
    void operator()(void* parser) const noexcept { call<void>(parser, slots.parser_destructor); }
  };
  using Parser = std::unique_ptr<void, DeleteParser>;

  static void* worker(const Object& object) { return worker_of(object.get()); }

  [[noreturn]] static void fail(ErrorCode code, const std::string& message, const Words& words,
                                const std::string& remedy = "Look at the cause.") {
    throw Error(code, message, remedy, "tensorrt", words.text());
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

  void add_profiles(const BuildOptions& options) {
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
    if (open.empty()) return;
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
    for (const auto& profile : profiles) add_profile(profile, open);
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

  void add_profile(const std::map<std::string, ShapeRange>& ranges, const std::map<std::string, Shape>& open) {
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
  }

  bool set_dimensions(void* profile, const std::string& name, Bound bound, const Shape& shape) const {
    const auto selector = static_cast<int32_t>(bound);
    if (major_ < 10) return call<bool>(profile, slots_.set_dimensions, name.c_str(), selector, to_dims<Dims32>(shape));
    const auto dims = to_dims<Dims64>(shape);
    return call<bool>(profile, slots_.set_dimensions, name.c_str(), selector, &dims);
  }

  const InferApi& api_;
  const int dla_core_, major_;
  const BuilderSlots& slots_;
  const BuilderFlags& flags_;
  Object builder_, network_, config_;
  Parser parser_{nullptr, DeleteParser{slots_}};
};

}  // namespace

std::vector<uint8_t> build_engine(const Runtime& runtime, Bytes onnx, const std::string& path,
                                  const BuildOptions& options) {
  // What a model says of its own types is followed to the letter where TensorRT can.
  const bool typed = options.strongly_typed || options.precision.empty();
  std::string problem;
  for (const bool plugins : {false, true}) {
    Builder builder(runtime);
    builder.make_network(typed);
    if (builder.parse(onnx, path, problem)) {
      builder.configure(options);
      return builder.build();
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
