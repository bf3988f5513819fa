#include "backends/tflite/model.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <mutex>
#include <thread>
#include <utility>

#include "backends/tflite/request.h"
#include "backends/tflite/signature.h"
#include "backends/tflite/types.h"

namespace edge::tflite {
namespace {

using FileBytes = std::vector<uint8_t>;

// Read whole rather than mapped: a file that somebody shortens under a mapping kills the process.
std::shared_ptr<FileBytes> read(const ModelSource& source) {
  auto bytes = std::make_shared<FileBytes>();
  if (source.path.empty()) {
    bytes->assign(source.bytes.data, source.bytes.data + source.bytes.size);
  } else {
    std::ifstream file(source.path, std::ios::binary | std::ios::ate);
    const std::streamoff size = file ? static_cast<std::streamoff>(file.tellg()) : -1;
    if (size >= 0) {
      bytes->resize(static_cast<size_t>(size));
      file.seekg(0);
      file.read(reinterpret_cast<char*>(bytes->data()), size);
    }
    if (size < 0 || file.gcount() != size) {
      throw Error(ErrorCode::kModelNotFound, "Cannot read " + source.path + ".", "Check the path.", "tflite");
    }
  }
  // Source: the file identifier of schema version 3, at byte 4 of a FlatBuffer.
  if (bytes->size() < 8 || std::memcmp(bytes->data() + 4, "TFL3", 4) != 0) {
    throw Error(ErrorCode::kInvalidModel, "This is no TFLite model: the bytes TFL3 are not at their place.",
                "Give a .tflite file, or load other formats on another device.", "tflite");
  }
  return bytes;
}

std::shared_ptr<TfLiteModel> parse(const Runtime& runtime, const FileBytes& bytes) {
  const Api& api = runtime.api;
  Words words;
  TfLiteModel* model = api.TfLiteModelCreateWithErrorReporter != nullptr
                           ? api.TfLiteModelCreateWithErrorReporter(bytes.data(), bytes.size(), Words::report, &words)
                           : api.TfLiteModelCreate(bytes.data(), bytes.size());
  if (model == nullptr) {
    throw Error(ErrorCode::kInvalidModel, "TFLite cannot read the model.", "The file is damaged: get it again.",
                "tflite", words.take());
  }
  return {model, api.TfLiteModelDelete};
}

std::optional<Quantization> quantization_of(const Tensor& tensor) {
  Quantization found;
  const auto* affine =
      tensor.quantization.type == 1 ? static_cast<const AffineQuantization*>(tensor.quantization.params) : nullptr;
  if (affine != nullptr && affine->scale != nullptr && affine->scale->size > 1) {
    found.scales.assign(affine->scale->data, affine->scale->data + affine->scale->size);
    if (affine->zero_point != nullptr && affine->zero_point->size == affine->scale->size) {
      found.zero_points.assign(affine->zero_point->data, affine->zero_point->data + affine->zero_point->size);
    } else {
      found.zero_points.assign(found.scales.size(), 0);
    }
    found.axis = affine->quantized_dimension;
    return found;
  }
  if (tensor.params.scale == 0) return std::nullopt;  // TFLite's way to say "not quantised"
  found.scales = {tensor.params.scale};
  found.zero_points = {tensor.params.zero_point};
  return found;
}

TensorSpec spec_of(const Tensor& tensor, const char* kind, size_t index) {
  TensorSpec spec;
  spec.name = tensor.name != nullptr && *tensor.name != 0 ? tensor.name : kind + std::to_string(index);
  const auto dtype = to_dtype(tensor.type);
  if (!dtype) {
    throw Error(ErrorCode::kUnsupported,
                "The " + std::string(kind) + " '" + spec.name + "' holds " + type_name(tensor.type) +
                    " values, which no tensor here can carry.",
                "Export the model without it; text is turned into numbers before the model.", "tflite");
  }
  spec.dtype = *dtype;
  spec.shape = tensor_shape(tensor);
  const IntArray* open = tensor.dims_signature;
  if (open != nullptr && static_cast<size_t>(open->size) == spec.shape.size()) {
    spec.shape.assign(open->data, open->data + open->size);
  }
  if (dtype_size(spec.dtype) < 4) spec.quantization = quantization_of(tensor);
  return spec;
}

class TfliteModel final : public Model, public std::enable_shared_from_this<TfliteModel> {
 public:
  TfliteModel(std::shared_ptr<const Compiled> compiled, ModelInfo info, std::vector<LayerInfo> layers,
              std::unique_ptr<Interpreter> first)
      : compiled_(std::move(compiled)), info_(std::move(info)), layers_(std::move(layers)), first_(std::move(first)) {}

  const std::vector<TensorSpec>& inputs() const override { return compiled_->inputs; }
  const std::vector<TensorSpec>& outputs() const override { return compiled_->outputs; }
  const ModelInfo& info() const override { return info_; }
  std::vector<LayerInfo> layers() override { return layers_; }

  std::unique_ptr<Request> create_request() override {
    std::unique_ptr<Interpreter> first;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      first = std::move(first_);
    }
    return std::make_unique<TfliteRequest>(compiled_, shared_from_this(), std::move(first));
  }

 private:
  const std::shared_ptr<const Compiled> compiled_;
  const ModelInfo info_;
  const std::vector<LayerInfo> layers_;
  std::mutex mutex_;
  std::unique_ptr<Interpreter> first_;  // that loading needed; the first request takes it
};

bool parse_flag(const std::string& key, const std::string& value) {
  if (value == "YES" || value == "true" || value == "1") return true;
  if (value == "NO" || value == "false" || value == "0") return false;
  throw Error(ErrorCode::kInvalidArgument, "The property " + key + " is YES or NO, not '" + value + "'.",
              "Write YES or NO.", "tflite");
}

Plan make_plan(const std::shared_ptr<const Runtime>& runtime, const LoadOptions& options) {
  Plan plan;
  plan.runtime = runtime;
  plan.threads = options.threads > 0 ? options.threads : default_threads();
  plan.profile = options.profile;
  if (plan.profile && runtime->api.TfLiteInterpreterOptionsSetTelemetryProfiler == nullptr) {
    throw Error(ErrorCode::kUnsupported, "This TFLite (" + runtime->version + ") does not measure its layers.",
                "Use a newer one, or leave `profile` out.", "tflite");
  }
  for (const auto& [key, value] : options.properties) {
    if (key == "XNNPACK") {
      plan.xnnpack = parse_flag(key, value);
    } else {
      throw Error(ErrorCode::kInvalidArgument, "TFLite has no property '" + key + "'.", "Use XNNPACK: YES or NO.",
                  "tflite");
    }
  }
  if (!options.precision.empty() && options.precision != "f32" && options.precision != "auto") {
    throw Error(ErrorCode::kUnsupported,
                "TFLite computes a model in the types that its file has, not in " + options.precision + ".",
                "Leave `precision` out, or convert the model.", "tflite");
  }
  return plan;
}

// The shapes that the caller fixes, for all inputs; empty: none.
std::vector<Shape> fixed_shapes(const Interpreter& interpreter, const std::vector<TensorSpec>& specs,
                                const LoadOptions& options) {
  std::vector<Shape> shapes;
  if (options.shapes.empty()) return shapes;
  for (size_t i = 0; i < specs.size(); ++i) shapes.push_back(tensor_shape(interpreter.input(i)));
  for (const auto& [wanted, shape] : options.shapes) {
    const std::string& name = wanted;
    const auto found =
        std::find_if(specs.begin(), specs.end(), [&name](const TensorSpec& spec) { return spec.name == name; });
    if (found == specs.end()) {
      throw Error(ErrorCode::kInvalidArgument, "The model has no input '" + name + "' to give a shape to.",
                  "Name an input of the model.", "tflite");
    }
    if (!found->accepts(shape)) {
      throw Error(ErrorCode::kInvalidArgument,
                  "The input '" + name + "' takes " + shape_text(found->shape) + ", not " + shape_text(shape) + ".",
                  "Give a shape that the model takes.", "tflite");
    }
    shapes[static_cast<size_t>(found - specs.begin())] = shape;
  }
  return shapes;
}

// `names`: instead of the tensors' own; empty, or one for each.
std::vector<TensorSpec> specs_of(const Interpreter& interpreter, bool outputs, const std::vector<std::string>& names) {
  std::vector<TensorSpec> specs;
  const size_t count = outputs ? interpreter.output_count() : interpreter.input_count();
  for (size_t i = 0; i < count; ++i) {
    specs.push_back(outputs ? spec_of(interpreter.output(i), "output", i) : spec_of(interpreter.input(i), "input", i));
    if (i < names.size() && !names[i].empty()) specs.back().name = names[i];
  }
  make_names_unique(specs);
  return specs;
}

bool all_static(const std::vector<TensorSpec>& specs) {
  return std::all_of(specs.begin(), specs.end(), [](const TensorSpec& spec) { return spec.is_static(); });
}

// The type that most layers compute in.
std::string precision_of(const std::vector<LayerInfo>& layers) {
  std::string best = "f32";
  std::ptrdiff_t most = 0;
  for (const char* precision : {"f32", "i8", "u8", "i16", "f16"}) {
    const auto count = std::count_if(layers.begin(), layers.end(),
                                     [&](const LayerInfo& layer) { return layer.precision == precision; });
    if (count > most) {
      most = count;
      best = precision;
    }
  }
  return best;
}

}  // namespace

int default_threads() { return static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1u, 4u)); }

std::shared_ptr<Model> load_model(const std::shared_ptr<const Runtime>& runtime, const DeviceInfo& device,
                                  std::shared_ptr<Accelerator> accelerator, const ModelSource& source,
                                  const LoadOptions& options) {
  auto compiled = std::make_shared<Compiled>();
  compiled->plan = make_plan(runtime, options);
  Plan& plan = compiled->plan;
  plan.accelerator = std::move(accelerator);
  const std::shared_ptr<FileBytes> bytes = read(source);
  Signature signature;
  if (!options.signature.empty()) {
    parse(*runtime, *bytes);  // TFLite looks the file over before we follow its offsets and change two of them
    signature = select_signature(*bytes, options.signature);
  }
  plan.bytes = bytes;
  if (plan.accelerator) plan.accelerator->check(*plan.bytes, options.allow_partial);
  plan.model = parse(*runtime, *plan.bytes);
  compiled->allocator = options.allocator;
  compiled->copies_signed_inputs = plan.accelerator != nullptr;

  auto first = std::make_unique<Interpreter>(plan, std::vector<Shape>());
  compiled->inputs = specs_of(*first, false, signature.inputs);
  const std::vector<Shape> shapes = fixed_shapes(*first, compiled->inputs, options);
  if (!shapes.empty()) {
    first = std::make_unique<Interpreter>(plan, shapes);
    for (size_t i = 0; i < shapes.size(); ++i) {
      if (options.shapes.count(compiled->inputs[i].name) != 0) compiled->inputs[i].shape = shapes[i];
    }
  }
  compiled->outputs = specs_of(*first, true, signature.outputs);
  const bool fixed = all_static(compiled->inputs);
  for (size_t i = 0; i < compiled->outputs.size(); ++i) {
    TensorSpec& spec = compiled->outputs[i];
    const Tensor& tensor = first->output(i);
    if (!is_settled(tensor)) {
      // The run decides. The dimensions that the file has are what the converter saw.
      std::fill(spec.shape.begin(), spec.shape.end(), -1);
      spec.rank_known = !spec.shape.empty();
    } else if (fixed) {
      spec.shape = tensor_shape(tensor);
    } else if (spec.is_static()) {
      // It may follow the inputs' open dimensions, and the file does not say how.
      std::fill(spec.shape.begin(), spec.shape.end(), -1);
    }
  }

  const Placement& placement = first->placement();
  ModelInfo info;
  info.precision = precision_of(placement.layers);
  const int cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  info.optimal_in_flight = plan.accelerator ? static_cast<size_t>(device.capabilities.in_flight)
                                            : static_cast<size_t>(std::max(1, cores / plan.threads));
  info.properties["XNNPACK"] = placement.xnnpack > 0 ? "YES" : "NO";
  info.properties["NUM_THREADS"] = std::to_string(plan.threads);
  info.properties["NODES"] = std::to_string(placement.layers.size());
  info.properties["NODES_XNNPACK"] = std::to_string(placement.xnnpack);
  if (plan.accelerator) {
    info.properties["EDGETPU_DRIVER"] = plan.accelerator->driver();
    info.properties["NODES_EDGETPU"] = std::to_string(placement.accelerated);
    if (placement.accelerated == 0 && !options.allow_partial) {
      throw plan.accelerator->failure(ErrorCode::kUnsupported, "The Edge TPU takes no part of the model.", "");
    }
  }
  if (!plan.accelerator || placement.accelerated > 0) info.devices = {device.id};
  if (plan.accelerator && placement.accelerated < placement.layers.size()) info.devices.emplace_back("cpu");
  std::vector<LayerInfo> layers = placement.layers;
  return std::make_shared<TfliteModel>(std::move(compiled), std::move(info), std::move(layers), std::move(first));
}

}  // namespace edge::tflite
