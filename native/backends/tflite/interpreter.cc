#include "backends/tflite/interpreter.h"

#include <cstring>
#include <utility>

#include "backends/tflite/types.h"
#include "core/clock.h"
#include "core/log.h"

namespace edge::tflite {
namespace {

Shape shape_of(const IntArray* dims) { return dims == nullptr ? Shape() : Shape(dims->data, dims->data + dims->size); }

// The operator's name in "Encountered unresolved custom op: NAME." or "Didn't find op for builtin opcode 'NAME' …".
std::string missing_operator(const std::string& words) {
  for (const char* sign : {"unresolved custom op: ", "builtin opcode '"}) {
    const size_t at = words.find(sign);
    if (at == std::string::npos) continue;
    const size_t begin = at + std::strlen(sign);
    std::string name = words.substr(begin, words.find_first_of("'\n", begin) - begin);
    if (!name.empty() && name.back() == '.') name.pop_back();  // the end of their sentence
    return name;
  }
  return {};
}

}  // namespace

// A delegate that takes no node and looks at every graph, one after the other.
struct Interpreter::Observer {
  Delegate delegate{};
  Interpreter* owner = nullptr;

  static Status prepare(Context* context, Delegate* self) {
    try {
      static_cast<Observer*>(self->data)->look(*context);
    } catch (...) {
      // no memory for the report: the model runs without one
    }
    return kOk;
  }

  void look(Context& context) {
    IntArray* plan = nullptr;
    if (context.GetExecutionPlan(&context, &plan) != kOk) return;
    Placement& placement = owner->placement_;
    // TFLite reuses the plan's array for every caller.
    const std::vector<int> nodes(plan->data, plan->data + plan->size);
    for (const int index : nodes) {
      Node* node = nullptr;
      Registration* registration = nullptr;
      if (context.GetNodeAndRegistration(&context, index, &node, &registration) != kOk) continue;
      if (node->delegate == nullptr) {
        add(context, placement, *node, *registration, "cpu", "");
        continue;
      }
      const bool accelerated = node->delegate == owner->accelerator_.get();
      const auto* taken = static_cast<const DelegateParams*>(node->builtin_data);
      if (taken == nullptr || taken->nodes_to_replace == nullptr) continue;
      const std::string device = accelerated ? owner->plan_.accelerator->device_id() : "cpu";
      const char* const kernel = accelerated ? "libedgetpu" : "XNNPACK";
      for (int i = 0; i < taken->nodes_to_replace->size; ++i) {
        Node* inner = nullptr;
        Registration* what = nullptr;
        if (context.GetNodeAndRegistration(&context, taken->nodes_to_replace->data[i], &inner, &what) != kOk) continue;
        ++(accelerated ? placement.accelerated : placement.xnnpack);
        add(context, placement, *inner, *what, device, kernel);
      }
    }
  }

  static void add(const Context& context, Placement& placement, const Node& node, const Registration& registration,
                  const std::string& device, const char* kernel) {
    LayerInfo layer;
    layer.kernel = kernel;
    layer.type = operator_name(registration);
    layer.device = device;
    if (node.outputs->size > 0 && node.outputs->data[0] >= 0 &&
        static_cast<size_t>(node.outputs->data[0]) < context.tensors_size) {
      const Tensor& output = context.tensors[node.outputs->data[0]];
      layer.name = output.name != nullptr ? output.name : "";
      layer.precision = precision_of(output.type);
    }
    placement.has_resources = placement.has_resources || layer.type == "VAR_HANDLE";
    placement.layers.push_back(std::move(layer));
  }
};

// Measures the nodes of a run, as TFLite tells of them.
struct Interpreter::Stopwatch {
  Profiler profiler{};
  std::vector<LayerTime>* times = nullptr;

  static uint32_t begin(Profiler* self, const char* name, int64_t op, int64_t subgraph) {
    auto& all = *static_cast<Stopwatch*>(self->data)->times;
    try {
      all.push_back({std::to_string(op), name, subgraph == 0 ? "" : "subgraph " + std::to_string(subgraph), -now_ns()});
    } catch (...) {
      return UINT32_MAX;
    }
    return static_cast<uint32_t>(all.size() - 1);
  }
  static void end(Profiler* self, uint32_t event) {
    auto& all = *static_cast<Stopwatch*>(self->data)->times;
    if (event < all.size()) all[event].ns += now_ns();
  }
  // Delegates that measure their parts themselves, as XNNPACK does, tell of these instead of their node.
  static void part(Profiler* self, const char* name, uint64_t us, int64_t op, int64_t) {
    auto& all = *static_cast<Stopwatch*>(self->data)->times;
    try {
      all.push_back({std::to_string(op), name, "XNNPACK", static_cast<int64_t>(us) * 1000});
    } catch (...) {
      // no memory: the report lacks a line
    }
  }
};

Interpreter::Interpreter(const Plan& plan, const std::vector<Shape>& shapes) : plan_(plan), api_(plan_.runtime->api) {
  if (plan_.accelerator) accelerator_ = plan_.accelerator->make_delegate();
  if (plan_.xnnpack && api_.TfLiteXNNPackDelegateCreate != nullptr) {
    XnnpackOptions options{};
    // Until 2.11 the structure had 16 bytes and came back in registers: its defaults are written out then.
    constexpr uint32_t kSignedAndUnsigned8Bit = 3;
    options.flags = kSignedAndUnsigned8Bit;
    if (plan_.runtime->at_least(2, 12) && api_.TfLiteXNNPackDelegateOptionsDefault != nullptr) {
      options = api_.TfLiteXNNPackDelegateOptionsDefault();
    }
    options.num_threads = plan_.threads;
    Delegate* delegate = api_.TfLiteXNNPackDelegateCreate(&options);
    if (delegate != nullptr) xnnpack_ = {delegate, api_.TfLiteXNNPackDelegateDelete};
  }
  create(shapes);
}

Interpreter::~Interpreter() {
  handle_.reset();  // before the delegates that it uses
}

void Interpreter::create(const std::vector<Shape>& shapes) {
  options_ = {api_.TfLiteInterpreterOptionsCreate(), api_.TfLiteInterpreterOptionsDelete};
  api_.TfLiteInterpreterOptionsSetNumThreads(options_.get(), plan_.threads);
  api_.TfLiteInterpreterOptionsSetErrorReporter(options_.get(), Words::report, words_.get());
  if (api_.TfLiteInterpreterOptionsEnableCancellation != nullptr) {
    api_.TfLiteInterpreterOptionsEnableCancellation(options_.get(), true);
  }
  if (plan_.profile && api_.TfLiteInterpreterOptionsSetTelemetryProfiler != nullptr) {
    stopwatch_ = std::make_unique<Stopwatch>();
    stopwatch_->times = &times_;
    stopwatch_->profiler.data = stopwatch_.get();
    stopwatch_->profiler.ReportTelemetryEvent = [](Profiler*, const char*, uint64_t) {};
    stopwatch_->profiler.ReportTelemetryOpEvent = [](Profiler*, const char*, int64_t, int64_t, uint64_t) {};
    stopwatch_->profiler.ReportSettings = [](Profiler*, const char*, const void*) {};
    stopwatch_->profiler.ReportBeginOpInvokeEvent = Stopwatch::begin;
    stopwatch_->profiler.ReportEndOpInvokeEvent = Stopwatch::end;
    stopwatch_->profiler.ReportOpInvokeEvent = Stopwatch::part;
    api_.TfLiteInterpreterOptionsSetTelemetryProfiler(options_.get(), &stopwatch_->profiler);
  }
  handle_ = {api_.TfLiteInterpreterCreate(plan_.model.get(), options_.get()), [this](TfLiteInterpreter* one) {
               if (one != nullptr) api_.TfLiteInterpreterDelete(one);
             }};
  if (!handle_) refuse(words_->take());
  check_ports();
  // Delegates come after the shapes: some make the graph immutable.
  resize(shapes);
  if (accelerator_ && !apply(accelerator_.get())) {
    throw plan_.accelerator->failure(ErrorCode::kUnsupported, "The Edge TPU does not take the model.", words_->take());
  }
  if (xnnpack_ && !apply(xnnpack_.get())) {
    // A delegate that fails takes the others' nodes away as well: begin anew without it.
    log(LogLevel::kInfo, "tflite", "XNNPACK does not take this model; TFLite's own kernels run it: " + words_->take());
    handle_.reset();
    xnnpack_.reset();
    return create(shapes);
  }
  observe();
  words_->take();  // warnings that changed nothing
  allocate();
}

// TFLite loads models whose inputs and outputs are not there, and crashes where it uses them.
void Interpreter::check_ports() const {
  const auto missing = [](const char* kind, size_t index) {
    return Error(ErrorCode::kInvalidModel,
                 "The model's " + std::string(kind) + " number " + std::to_string(index) + " is no tensor of its own.",
                 "The file is damaged: get it again, or convert the model anew.", "tflite");
  };
  for (size_t i = 0; i < input_count(); ++i) {
    const Tensor* tensor = api_.TfLiteInterpreterGetInputTensor(handle_.get(), static_cast<int32_t>(i));
    // Values written into a constant would change the model of all requests.
    if (tensor == nullptr || tensor->allocation_type == kMmapRo) throw missing("input", i);
  }
  for (size_t i = 0; i < output_count(); ++i) {
    if (api_.TfLiteInterpreterGetOutputTensor(handle_.get(), static_cast<int32_t>(i)) == nullptr) {
      throw missing("output", i);
    }
  }
}

void Interpreter::resize(const std::vector<Shape>& shapes) {
  for (size_t i = 0; i < shapes.size(); ++i) {
    if (shape_of(input(i).dims) == shapes[i]) continue;
    const std::vector<int> dims(shapes[i].begin(), shapes[i].end());
    // TFLite counts in 32 bits, and would take what is left of a larger number.
    const bool fits = std::equal(dims.begin(), dims.end(), shapes[i].begin());
    if (!fits || api_.TfLiteInterpreterResizeInputTensor(handle_.get(), static_cast<int32_t>(i), dims.data(),
                                                         static_cast<int32_t>(dims.size())) != kOk) {
      throw Error(ErrorCode::kInvalidTensor,
                  "TFLite does not take " + shape_text(shapes[i]) + " for the input number " + std::to_string(i) + ".",
                  "Give a shape that the model takes.", "tflite", words_->take());
    }
    resized_ = true;
  }
}

bool Interpreter::apply(Delegate* delegate) {
  return api_.TfLiteInterpreterModifyGraphWithDelegate(handle_.get(), delegate) == kOk;
}

void Interpreter::observe() {
  observer_ = std::make_unique<Observer>();
  observer_->owner = this;
  placement_ = {};
  observer_->delegate.data = observer_.get();
  observer_->delegate.Prepare = Observer::prepare;
  observer_->delegate.flags = kAllowDynamicTensors;
  api_.TfLiteInterpreterModifyGraphWithDelegate(handle_.get(), &observer_->delegate);
}

void Interpreter::allocate() {
  if (api_.TfLiteInterpreterAllocateTensors(handle_.get()) != kOk) refuse(words_->take());
}

// The model cannot run: says why, as far as TFLite's words tell.
void Interpreter::refuse(const std::string& words) const {
  const std::string name = missing_operator(words);
  if (name == "edgetpu-custom-op") {
    throw Error(ErrorCode::kUnsupported, "The model is compiled for the Edge TPU and cannot run on a CPU.",
                "Load it with `device: 'edgetpu'`, or give the file that it was compiled from.", "tflite", words);
  }
  if (!name.empty()) {
    throw Error(ErrorCode::kUnsupported,
                "The model needs the operator '" + name + "', which this TFLite does not have.",
                "Convert the model with built-in operators only, or use a newer TFLite.", "tflite", words);
  }
  if (resized_) {
    throw Error(ErrorCode::kInvalidTensor, "TFLite cannot prepare the model for these shapes.",
                "Look at the cause, and give shapes that the model takes.", "tflite", words);
  }
  throw Error(ErrorCode::kInvalidModel, "TFLite cannot prepare the model.",
              "Look at the cause: a damaged file, or shapes that do not go together.", "tflite", words);
}

size_t Interpreter::input_count() const {
  return static_cast<size_t>(api_.TfLiteInterpreterGetInputTensorCount(handle_.get()));
}
size_t Interpreter::output_count() const {
  return static_cast<size_t>(api_.TfLiteInterpreterGetOutputTensorCount(handle_.get()));
}
const Tensor& Interpreter::input(size_t index) const {
  return *api_.TfLiteInterpreterGetInputTensor(handle_.get(), static_cast<int32_t>(index));
}
const Tensor& Interpreter::output(size_t index) const {
  return *api_.TfLiteInterpreterGetOutputTensor(handle_.get(), static_cast<int32_t>(index));
}

bool Interpreter::adopt(int tensor_index, const Tensor& tensor, void* data, size_t bytes) {
  // Constants, variables and what only the run decides stay where TFLite has them.
  const bool ours = tensor.allocation_type == kArenaRw || tensor.allocation_type == kCustom;
  if (!ours || tensor.is_variable || bytes == 0 || tensor.bytes != bytes) return false;
  const CustomAllocation allocation{data, bytes};
  return api_.TfLiteInterpreterSetCustomAllocationForTensor(handle_.get(), tensor_index, &allocation, 0) == kOk;
}

bool Interpreter::adopt_input(size_t index, void* data, size_t bytes) {
  if (api_.TfLiteInterpreterSetCustomAllocationForTensor == nullptr ||
      api_.TfLiteInterpreterGetInputTensorIndex == nullptr) {
    return false;
  }
  return adopt(api_.TfLiteInterpreterGetInputTensorIndex(handle_.get(), static_cast<int32_t>(index)), input(index),
               data, bytes);
}

bool Interpreter::adopt_output(size_t index, void* data, size_t bytes) {
  if (api_.TfLiteInterpreterSetCustomAllocationForTensor == nullptr ||
      api_.TfLiteInterpreterGetOutputTensorIndex == nullptr) {
    return false;
  }
  return adopt(api_.TfLiteInterpreterGetOutputTensorIndex(handle_.get(), static_cast<int32_t>(index)), output(index),
               data, bytes);
}

void Interpreter::invoke() {
  times_.clear();
  const Status status = api_.TfLiteInterpreterInvoke(handle_.get());
  if (status == kOk) return;
  const std::string words = words_->take();
  // Older releases have no status of its own for it.
  if (status == kCancelled || words.find("Client requested cancel") != std::string::npos) {
    throw Error(ErrorCode::kAborted, "The run was cancelled.", "", "tflite");
  }
  if (plan_.accelerator) {
    throw plan_.accelerator->failure(ErrorCode::kBackend, "The Edge TPU failed to run the model.", words);
  }
  throw Error(ErrorCode::kBackend, "TFLite failed to run the model.",
              "Look at the cause: most often the values of the inputs (indices, shapes).", "tflite", words);
}

void Interpreter::cancel() noexcept {
  if (api_.TfLiteInterpreterCancel != nullptr) api_.TfLiteInterpreterCancel(handle_.get());
}

bool Interpreter::reset_variables() {
  return !placement_.has_resources && api_.TfLiteInterpreterResetVariableTensors != nullptr &&
         api_.TfLiteInterpreterResetVariableTensors(handle_.get()) == kOk;
}

}  // namespace edge::tflite
