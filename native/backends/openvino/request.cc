#include "backends/openvino/request.h"

#include <cstring>
#include <utility>

#include "backends/openvino/finisher.h"
#include "backends/openvino/profile.h"
#include "core/clock.h"

namespace edge::openvino {

OpenVinoRequest::OpenVinoRequest(std::shared_ptr<const Compiled> model, std::shared_ptr<Model> keep_alive)
    : model_(std::move(model)),
      keep_alive_(std::move(keep_alive)),
      runtime_(*model_->runtime),
      handle_(make_handle()),
      callback_{on_done, this} {
  outputs_.resize(model_->outputs.size());
}

RequestHandle OpenVinoRequest::make_handle() const {
  RequestHandle handle(runtime_.api);
  const Status status = runtime_.api.ov_compiled_model_create_infer_request(model_->handle.get(), handle.out());
  if (status == kOk) return handle;
  const std::string words = runtime_.words_of(status);
  const bool lost = runtime_.lost(model_->device, words);
  throw Error(lost ? ErrorCode::kDeviceLost : ErrorCode::kBackend, "OpenVINO could not make an inference request.",
              lost ? "Check the device's cable, power and driver, then load the model again."
                   : "Use fewer requests, or look at the cause.",
              "openvino", words);
}

OpenVinoRequest::~OpenVinoRequest() = default;

TensorHandle OpenVinoRequest::wrap(Dtype dtype, const Shape& shape, const Buffer& buffer) const {
  TensorHandle tensor(runtime_.api);
  Shape dims = shape;  // the C API takes them by pointer to non-const
  const OvShape ov_shape{static_cast<int64_t>(dims.size()), dims.data()};
  runtime_.check(runtime_.api.ov_tensor_create_from_host_ptr(to_element_type(dtype, runtime_.numbering), ov_shape,
                                                             buffer.data(), tensor.out()),
                 ErrorCode::kBackend, "OpenVINO does not take a buffer of the shape " + shape_text(shape) + ".", "");
  return tensor;
}

void OpenVinoRequest::set_inputs(const std::vector<BoundTensor>& inputs) {
  const auto& specs = model_->inputs;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const TensorHandle tensor = wrap(specs[i].dtype, inputs[i].shape, *inputs[i].buffer);
    runtime_.check(runtime_.api.ov_infer_request_set_input_tensor_by_index(handle_.get(), i, tensor.get()),
                   ErrorCode::kInvalidTensor,
                   "OpenVINO does not take " + shape_text(inputs[i].shape) + " for the input '" + specs[i].name + "'.",
                   "Give a shape that the model takes.");
  }
}

void OpenVinoRequest::set_output(size_t index, const BoundTensor& output) {
  const TensorSpec& spec = model_->outputs[index];
  const TensorHandle tensor = wrap(spec.dtype, output.shape, *output.buffer);
  runtime_.check(runtime_.api.ov_infer_request_set_output_tensor_by_index(handle_.get(), index, tensor.get()),
                 ErrorCode::kBackend, "OpenVINO does not take a buffer for the output '" + spec.name + "'.", "");
}

void OpenVinoRequest::bind(const std::vector<Shape>& input_shapes) {
  const auto& specs = model_->inputs;
  if (input_shapes.size() != specs.size()) {
    throw Error(
        ErrorCode::kInvalidTensor,
        "The model has " + std::to_string(specs.size()) + " inputs, not " + std::to_string(input_shapes.size()) + ".",
        "Give a shape for every input.", "openvino");
  }
  std::vector<BoundTensor> inputs;
  for (size_t i = 0; i < specs.size(); ++i) {
    if (!specs[i].accepts(input_shapes[i])) {
      throw Error(ErrorCode::kInvalidTensor,
                  "The input '" + specs[i].name + "' takes " + shape_text(specs[i].shape) + ", not " +
                      shape_text(input_shapes[i]) + ".",
                  "Give a shape that the model takes.", "openvino");
    }
    const size_t bytes = byte_size(specs[i].dtype, input_shapes[i]);
    inputs.push_back({input_shapes[i], model_->allocator->allocate(bytes), bytes});
  }
  // Outputs first: set after its input, the buffer of an output that is an input at the same time would take the
  // input's place, and the run would read it instead.
  set_static_outputs();
  try {
    set_inputs(inputs);
  } catch (...) {
    // Back to the former buffers: the library must not keep pointers into those that die here.
    if (!inputs_.empty()) set_inputs(inputs_);
    throw;
  }
  inputs_ = std::move(inputs);
  for (size_t i = 0; i < outputs_.size(); ++i) {
    if (!model_->outputs[i].is_static()) outputs_[i] = {};  // OpenVINO's own memory, copied after the run
  }
}

// Static outputs keep their buffers for good: they do not depend on the inputs' shapes.
void OpenVinoRequest::set_static_outputs() {
  for (size_t i = 0; i < outputs_.size(); ++i) {
    const TensorSpec& spec = model_->outputs[i];
    if (!spec.is_static() || outputs_[i].buffer) continue;
    const size_t bytes = byte_size(spec.dtype, spec.shape);
    BoundTensor output{spec.shape, model_->allocator->allocate(bytes), bytes};
    set_output(i, output);
    outputs_[i] = std::move(output);
  }
}

void OpenVinoRequest::throw_run_error(Status status) const {
  if (status == kInferCancelled) throw Error(ErrorCode::kAborted, "The run was cancelled.", "", "openvino");
  const std::string words = runtime_.words_of(status);
  // Older releases report a cancelled run as a general error.
  if (words.find("Infer Request was canceled") != std::string::npos) {
    throw Error(ErrorCode::kAborted, "The run was cancelled.", "", "openvino");
  }
  if (runtime_.lost(model_->device, words)) {
    throw Error(ErrorCode::kDeviceLost, "The device " + model_->device + " was lost during a run.",
                "Check its cable, power and driver, then load the model again.", "openvino", words);
  }
  throw Error(ErrorCode::kBackend, "OpenVINO failed to run the model.",
              "Look at the cause: most often the shapes or the values of the inputs.", "openvino", words);
}

// A synchronous inference cannot be cancelled where OpenVINO computes on one thread: it then runs on the caller's, and
// the request does not count as busy. One that takes longer than its two wake-ups matter is started and waited for.
Status OpenVinoRequest::infer() {
  constexpr int64_t kLongNs = 1'000'000;
  const Api& api = runtime_.api;
  if (!model_->one_thread) return api.ov_infer_request_infer(handle_.get());
  const int64_t begin = now_ns();
  Status status;
  if (last_run_ns_ < kLongNs) {
    status = api.ov_infer_request_infer(handle_.get());
  } else {
    status = api.ov_infer_request_start_async(handle_.get());
    if (status == kOk) status = api.ov_infer_request_wait(handle_.get());
  }
  last_run_ns_ = now_ns() - begin;
  return status;
}

void OpenVinoRequest::run() {
  bytes_copied_ = 0;
  const Status status = infer();
  if (status != kOk) throw_run_error(status);
  fetch_dynamic_outputs();
}

void OpenVinoRequest::start(Done done) {
  start_finisher();
  // Before every start: OpenVINO takes the callback out while it runs, and a run that is started from there and ends
  // first would find none.
  runtime_.check(runtime_.api.ov_infer_request_set_callback(handle_.get(), &callback_), ErrorCode::kBackend,
                 "OpenVINO does not take a completion callback.", "Use `dispatch: 'lane'`.");
  bytes_copied_ = 0;
  done_ = std::move(done);
  const Status status = runtime_.api.ov_infer_request_start_async(handle_.get());
  if (status != kOk) {
    done_ = nullptr;
    throw_run_error(status);
  }
}

// On a thread of OpenVINO's.
void OpenVinoRequest::on_done(void* self) noexcept {
  auto* request = static_cast<OpenVinoRequest*>(self);
  if (!request->done_) return;  // run() waits for this one itself
  finish_later([request] { request->finish(); });
}

void OpenVinoRequest::finish() noexcept {
  Done done = std::exchange(done_, nullptr);
  try {
    const Status status = runtime_.api.ov_infer_request_wait(handle_.get());
    if (status != kOk) throw_run_error(status);
    fetch_dynamic_outputs();
  } catch (...) {
    const Error error = current_error("openvino");
    return done(&error);
  }
  done(nullptr);
}

void OpenVinoRequest::cancel() noexcept {
  std::lock_guard<std::mutex> lock(mutex_);
  runtime_.api.ov_infer_request_cancel(handle_.get());
}

// The C API does not show the variables. They belong to OpenVINO's request: a new one over the same buffers has them at
// their initial values.
void OpenVinoRequest::reset_state() {
  RequestHandle old = make_handle();
  {
    std::lock_guard<std::mutex> lock(mutex_);
    std::swap(handle_, old);
  }
  try {
    // Outputs first, as in bind().
    for (size_t i = 0; i < outputs_.size(); ++i) {
      if (model_->outputs[i].is_static() && outputs_[i].buffer) set_output(i, outputs_[i]);
    }
    set_inputs(inputs_);
  } catch (...) {
    std::lock_guard<std::mutex> lock(mutex_);
    std::swap(handle_, old);
    throw;
  }
}

std::vector<LayerTime> OpenVinoRequest::profile() {
  if (!model_->profile) {
    throw Error(ErrorCode::kInvalidArgument, "This model does not measure its layers.", "Load it with `profile: true`.",
                "openvino");
  }
  return profile_of(runtime_, handle_.get());
}

// Outputs whose shape only the run decides lie in memory that OpenVINO may move at the next run: they are copied.
void OpenVinoRequest::fetch_dynamic_outputs() {
  for (size_t i = 0; i < outputs_.size(); ++i) {
    const TensorSpec& spec = model_->outputs[i];
    if (spec.is_static()) continue;
    TensorHandle tensor(runtime_.api);
    const auto check = [&](Status status) {
      runtime_.check(status, ErrorCode::kBackend, "OpenVINO does not give the output '" + spec.name + "'.", "");
    };
    check(runtime_.api.ov_infer_request_get_output_tensor_by_index(handle_.get(), i, tensor.out()));
    OvShape shape{};
    check(runtime_.api.ov_tensor_get_shape(tensor.get(), &shape));
    BoundTensor& output = outputs_[i];
    output.shape.assign(shape.dims, shape.dims + shape.rank);
    runtime_.api.ov_shape_free(&shape);
    size_t bytes = 0;
    void* data = nullptr;
    check(runtime_.api.ov_tensor_get_byte_size(tensor.get(), &bytes));
    if (bytes > 0) check(runtime_.api.ov_tensor_data(tensor.get(), &data));
    if (!output.buffer || output.buffer->size() < bytes) output.buffer = model_->allocator->allocate(bytes);
    if (bytes > 0) std::memcpy(output.buffer->data(), data, bytes);
    output.bytes = bytes;
    bytes_copied_ += bytes;
  }
}

}  // namespace edge::openvino
