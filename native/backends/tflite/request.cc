#include "backends/tflite/request.h"

#include <cstring>
#include <utility>

namespace edge::tflite {

Shape tensor_shape(const Tensor& tensor) {
  if (tensor.dims == nullptr) return {};
  return {tensor.dims->data, tensor.dims->data + tensor.dims->size};
}

bool is_settled(const Tensor& tensor) {
  return tensor.allocation_type != kDynamic && (tensor.data != nullptr || tensor.bytes == 0);
}

TfliteRequest::TfliteRequest(std::shared_ptr<const Compiled> model, std::shared_ptr<Model> keep_alive,
                             std::unique_ptr<Interpreter> first)
    : model_(std::move(model)), keep_alive_(std::move(keep_alive)), interpreter_(std::move(first)) {
  outputs_.resize(model_->outputs.size());
}

void TfliteRequest::check_shapes(const std::vector<Shape>& shapes) const {
  const auto& specs = model_->inputs;
  if (shapes.size() != specs.size()) {
    throw Error(ErrorCode::kInvalidTensor,
                "The model has " + std::to_string(specs.size()) + " inputs, not " + std::to_string(shapes.size()) + ".",
                "Give a shape for every input.", "tflite");
  }
  for (size_t i = 0; i < specs.size(); ++i) {
    if (specs[i].accepts(shapes[i])) continue;
    throw Error(ErrorCode::kInvalidTensor,
                "The input '" + specs[i].name + "' takes " + shape_text(specs[i].shape) + ", not " +
                    shape_text(shapes[i]) + ".",
                "Give a shape that the model takes.", "tflite");
  }
}

// Other buffers or shapes take a new interpreter: delegates may not let the old one change, and a failure leaves it,
// and the buffers that it works in, as they were.
void TfliteRequest::bind(const std::vector<Shape>& input_shapes) {
  check_shapes(input_shapes);
  std::unique_ptr<Interpreter> fresh;
  bool same = interpreter_ != nullptr && !is_bound_;
  for (size_t i = 0; same && i < input_shapes.size(); ++i) {
    same = tensor_shape(interpreter_->input(i)) == input_shapes[i];
  }
  if (!same) fresh = std::make_unique<Interpreter>(model_->plan, input_shapes);
  Interpreter& interpreter = fresh ? *fresh : *interpreter_;
  Binding binding = make_binding(interpreter, input_shapes);
  adopt(interpreter, binding);
  if (fresh) {
    std::lock_guard<std::mutex> lock(mutex_);
    std::swap(interpreter_, fresh);
  }
  is_bound_ = true;
  shapes_ = input_shapes;
  inputs_ = std::move(binding.inputs);
  outputs_ = std::move(binding.outputs);
  input_in_place_ = std::move(binding.input_in_place);
  output_in_place_ = std::move(binding.output_in_place);
}

TfliteRequest::Binding TfliteRequest::make_binding(Interpreter& interpreter, const std::vector<Shape>& shapes) const {
  Binding binding;
  for (size_t i = 0; i < shapes.size(); ++i) {
    const size_t bytes = byte_size(model_->inputs[i].dtype, shapes[i]);
    binding.inputs.push_back({shapes[i], model_->allocator->allocate(bytes), bytes});
  }
  for (size_t i = 0; i < model_->outputs.size(); ++i) {
    const Tensor& tensor = interpreter.output(i);
    if (!is_settled(tensor)) {
      binding.outputs.push_back({});  // known after the run
      continue;
    }
    const Shape shape = tensor_shape(tensor);
    const size_t bytes = byte_size(model_->outputs[i].dtype, shape);
    binding.outputs.push_back({shape, model_->allocator->allocate(bytes), bytes});
  }
  return binding;
}

// Lets TFLite work in the buffers themselves, where it can.
void TfliteRequest::adopt(Interpreter& interpreter, Binding& binding) const {
  for (size_t i = 0; i < binding.inputs.size(); ++i) {
    const bool copied = model_->copies_signed_inputs && model_->inputs[i].dtype == Dtype::kI8;
    const BoundTensor& tensor = binding.inputs[i];
    binding.input_in_place.push_back(!copied && interpreter.adopt_input(i, tensor.buffer->data(), tensor.bytes));
  }
  for (size_t i = 0; i < binding.outputs.size(); ++i) {
    const BoundTensor& tensor = binding.outputs[i];
    // An output that is an input too, or another output, is copied: it has one memory, and callers see two buffers.
    bool shared = false;
    for (size_t k = 0; k < binding.inputs.size(); ++k) {
      shared = shared || &interpreter.input(k) == &interpreter.output(i);
    }
    for (size_t k = 0; k < i; ++k) shared = shared || &interpreter.output(k) == &interpreter.output(i);
    binding.output_in_place.push_back(tensor.buffer && !shared &&
                                      interpreter.adopt_output(i, tensor.buffer->data(), tensor.bytes));
  }
  interpreter.allocate();
}

void TfliteRequest::run() {
  bytes_copied_ = 0;
  cancelled_ = false;
  for (size_t i = 0; i < inputs_.size(); ++i) {
    if (input_in_place_[i] || inputs_[i].bytes == 0) continue;
    const Tensor& tensor = interpreter_->input(i);
    if (tensor.data == nullptr || tensor.bytes != inputs_[i].bytes) {
      throw Error(ErrorCode::kBackend, "TFLite does not take the input '" + model_->inputs[i].name + "'.",
                  "The file may be damaged: get it again, or convert the model anew.", "tflite");
    }
    std::memcpy(tensor.data, inputs_[i].buffer->data(), inputs_[i].bytes);
    bytes_copied_ += inputs_[i].bytes;
  }
  interpreter_->invoke();
  // TFLite 2.9 cannot stop a run, and the others not within a node: it has no result then.
  if (cancelled_) throw Error(ErrorCode::kAborted, "The run was cancelled.", "", "tflite");
  for (size_t i = 0; i < outputs_.size(); ++i) {
    if (!output_in_place_[i]) take_output(i);
  }
}

void TfliteRequest::take_output(size_t index) {
  const Tensor& tensor = interpreter_->output(index);
  BoundTensor& output = outputs_[index];
  output.shape = tensor_shape(tensor);
  output.bytes = byte_size(model_->outputs[index].dtype, output.shape);
  if (!output.buffer || output.buffer->size() < output.bytes) output.buffer = model_->allocator->allocate(output.bytes);
  if (output.bytes == 0) return;
  if (tensor.data == nullptr || tensor.bytes < output.bytes) {
    throw Error(ErrorCode::kBackend, "TFLite does not give the output '" + model_->outputs[index].name + "'.",
                "The file may be damaged: get it again, or convert the model anew.", "tflite");
  }
  std::memcpy(output.buffer->data(), tensor.data, output.bytes);
  bytes_copied_ += output.bytes;
}

void TfliteRequest::cancel() noexcept {
  cancelled_ = true;
  std::lock_guard<std::mutex> lock(mutex_);
  if (interpreter_) interpreter_->cancel();
}

void TfliteRequest::reset_state() {
  if (!interpreter_ || interpreter_->reset_variables()) return;
  auto fresh = std::make_unique<Interpreter>(model_->plan, shapes_);
  Binding binding;
  binding.inputs = inputs_;
  binding.outputs = outputs_;
  for (size_t i = 0; i < outputs_.size(); ++i) {
    if (!is_settled(fresh->output(i)))
      binding.outputs[i].buffer = nullptr;  // of the last run's shape: the next may differ
  }
  adopt(*fresh, binding);
  std::lock_guard<std::mutex> lock(mutex_);
  std::swap(interpreter_, fresh);
  input_in_place_ = std::move(binding.input_in_place);
  output_in_place_ = std::move(binding.output_in_place);
}

std::vector<LayerTime> TfliteRequest::profile() {
  if (!model_->plan.profile) {
    throw Error(ErrorCode::kInvalidArgument, "This model does not measure its layers.", "Load it with `profile: true`.",
                "tflite");
  }
  return interpreter_ ? interpreter_->profile() : std::vector<LayerTime>();
}

}  // namespace edge::tflite
