#include "core/group_request.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "core/reaper.h"
#include "core/replay.h"

namespace edge {

void GroupRequest::bind(const std::vector<Shape>& input_shapes) {
  const std::vector<TensorSpec>& specs = model_->inputs();
  if (input_shapes.size() != specs.size()) {
    throw Error(
        ErrorCode::kInvalidTensor,
        "The model has " + std::to_string(specs.size()) + " inputs, not " + std::to_string(input_shapes.size()) + ".",
        "Give a shape for every input.");
  }
  std::vector<BoundTensor> inputs, outputs(model_->outputs().size());
  const std::shared_ptr<Allocator> allocator = model_->allocator();
  for (size_t i = 0; i < specs.size(); ++i) {
    if (!specs[i].accepts(input_shapes[i])) {
      throw Error(ErrorCode::kInvalidTensor,
                  "The input '" + specs[i].name + "' takes " + shape_text(specs[i].shape) + ", not " +
                      shape_text(input_shapes[i]) + ".",
                  "Give a shape that the model takes.");
    }
    const size_t bytes = byte_size(specs[i].dtype, input_shapes[i]);
    inputs.push_back({input_shapes[i], allocator->allocate(bytes), bytes});
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    const TensorSpec& spec = model_->outputs()[i];
    if (!spec.is_static()) continue;  // a member tells, when it is bound or has run
    outputs[i] = outputs_.empty() ? BoundTensor() : outputs_[i];
    const size_t bytes = byte_size(spec.dtype, spec.shape);
    if (!outputs[i].buffer) outputs[i] = {spec.shape, allocator->allocate(bytes), bytes};
  }
  std::vector<Shape> shapes = input_shapes;
  shapes_.swap(shapes);
  inputs_.swap(inputs);
  outputs_.swap(outputs);
  for (Place& place : places_) place.bound = false;
  try {
    try_members(false, &GroupRequest::bind_on);
  } catch (const Error& error) {
    if (!is_loss(error.code())) {
      shapes_.swap(shapes);
      inputs_.swap(inputs);
      outputs_.swap(outputs);
      for (Place& place : places_) place.bound = false;
      throw;
    }
    // Nobody is there now. The buffers are, and whoever comes back first will be bound to them.
  }
  model_->note_shapes(shapes_);
}

void GroupRequest::run() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    running_ = true;
    cancelled_ = false;
  }
  struct Ended {
    GroupRequest* self;
    ~Ended() {
      std::lock_guard<std::mutex> lock(self->mutex_);
      self->running_ = false;
    }
  } ended{this};
  bytes_copied_ = bytes_transferred_ = graph_runs_ = 0;
  stage_times_.reset();
  try_members(true, &GroupRequest::run_on);
}

// Does `work` on one member after the other, each at most once, until one is not lost under it. A run that nobody waits
// for any more (its deadline has passed, or it was aborted) is not made again.
void GroupRequest::try_members(bool ran, void (GroupRequest::*work)(const GroupModel::Use&)) {
  std::vector<bool> tried(model_->size());
  std::optional<Error> last;
  for (;;) {
    const auto use = model_->acquire(tried);
    if (!use) throw model_->all_lost(last ? &*last : nullptr);
    std::optional<Error> error;
    try {
      (this->*work)(*use);
    } catch (...) {
      error = current_error();
    }
    model_->release(*use, error ? &*error : nullptr, ran);
    if (!error) return;
    if (!is_loss(error->code())) throw *error;
    drop(places_[use->index]);
    if (ran && cancelled()) throw Error(ErrorCode::kAborted, "The run was cancelled.");
    if (ran && !model_->options().retry) throw *error;
    tried[use->index] = true;
    last = std::move(error);
  }
}

// The caller's buffers in the order of a member: inputs, then the outputs whose memory is known.
std::vector<std::shared_ptr<Buffer>> GroupRequest::buffers(const GroupModel::Use& use) const {
  const auto& in = model_->input_order(use);
  const auto& out = model_->output_order(use);
  std::vector<std::shared_ptr<Buffer>> all(in.size() + out.size());
  for (size_t i = 0; i < in.size(); ++i) all[in[i]] = inputs_[i].buffer;
  for (size_t i = 0; i < out.size(); ++i) all[in.size() + out[i]] = outputs_[i].buffer;
  return all;
}

// Whether the member reads and writes the caller's own buffers, or others that it does not share with them at all.
bool GroupRequest::in_place(const GroupModel::Use& use) const {
  const Request& request = *places_[use.index].request;
  const auto ours = buffers(use);
  const auto check = [&](const std::vector<BoundTensor>& theirs, size_t first) {
    for (size_t i = 0; i < theirs.size(); ++i) {
      const auto found = std::find(ours.begin(), ours.end(), theirs[i].buffer);
      if (theirs[i].buffer && found != ours.end() && *found != ours[first + i]) return false;
    }
    return true;
  };
  return check(request.inputs(), 0) && check(request.outputs(), request.inputs().size());
}

void GroupRequest::bind_on(const GroupModel::Use& use) {
  Place& place = places_[use.index];
  if (place.request && place.model != use.model) drop(place);
  if (!place.request) {
    place.request = model_->make_request(use);
    place.model = use.model;
  }
  if (place.bound) return;
  std::vector<Shape> shapes(shapes_.size());
  for (size_t i = 0; i < shapes_.size(); ++i) shapes[model_->input_order(use)[i]] = shapes_[i];
  {
    const ReplayScope scope(buffers(use));
    place.request->bind(shapes);
  }
  if (!in_place(use)) {
    // A member that asks for its buffers in another order has taken one for another: it gets its own, and is copied to.
    drop(place);
    place.request = model_->make_request(use);
    place.model = use.model;
    const ReplayScope none({});  // nor does it take what a pipeline around this group offers
    place.request->bind(shapes);
  }
  place.bound = true;
  // Outputs of which only members know the shape: the first one's memory is the caller's from now on.
  const std::vector<BoundTensor>& theirs = place.request->outputs();
  for (size_t i = 0; i < outputs_.size(); ++i) {
    const BoundTensor& tensor = theirs[model_->output_order(use)[i]];
    if (!outputs_[i].buffer) outputs_[i] = tensor;
  }
}

void GroupRequest::run_on(const GroupModel::Use& use) {
  bind_on(use);
  Place& place = places_[use.index];
  // What it remembers of an earlier sequence is not what the other device has seen since.
  if (place.used && last_ && last_->tier != use.tier) place.request->reset_state();
  give_inputs(use);
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (cancelled_) throw Error(ErrorCode::kAborted, "The run was cancelled.");
    current_ = place.request;
  }
  struct Ended {
    GroupRequest* self;
    ~Ended() {
      std::lock_guard<std::mutex> lock(self->mutex_);
      self->current_.reset();  // not the last one: the place has it
    }
  };
  place.used = true;
  last_ = use;
  {
    const Ended ended{this};
    place.request->run();
  }
  take_outputs(use);
}

// Copies only where the member could not be bound to the caller's memory.
void GroupRequest::give_inputs(const GroupModel::Use& use) {
  const std::vector<BoundTensor>& theirs = places_[use.index].request->inputs();
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const BoundTensor& to = theirs[model_->input_order(use)[i]];
    if (to.buffer == inputs_[i].buffer) continue;
    std::memcpy(to.buffer->data(), inputs_[i].buffer->data(), inputs_[i].bytes);
    bytes_copied_ += inputs_[i].bytes;
  }
}

void GroupRequest::take_outputs(const GroupModel::Use& use) {
  const Request& request = *places_[use.index].request;
  bytes_copied_ += request.bytes_copied();
  bytes_transferred_ += request.bytes_transferred();
  graph_runs_ += request.graph_runs();
  stage_times_ = request.stage_times();
  for (size_t i = 0; i < outputs_.size(); ++i) {
    const BoundTensor& from = request.outputs()[model_->output_order(use)[i]];
    BoundTensor& to = outputs_[i];
    const TensorSpec& spec = model_->outputs()[i];
    if (!spec.is_static() || from.buffer == to.buffer) {
      to = from;  // its memory may be the member's own: callers look again after every run
      continue;
    }
    if (from.bytes != to.bytes) {
      throw Error(ErrorCode::kInvalidModel,
                  "The output '" + spec.name + "' came as " + shape_text(from.shape) + " instead of " +
                      shape_text(to.shape) + ".",
                  "Give files of the same model for all devices.");
    }
    std::memcpy(to.buffer->data(), from.buffer->data(), from.bytes);
    bytes_copied_ += from.bytes;
  }
}

void GroupRequest::cancel() noexcept {
  std::shared_ptr<Request> target;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!running_) return;
    cancelled_ = true;
    target = current_;
  }
  if (!target) return;
  target->cancel();
  let_go(std::move(target));
}

void GroupRequest::reset_state() {
  for (Place& place : places_) {
    if (!place.request || !place.used) continue;
    try {
      place.request->reset_state();
      place.used = false;
    } catch (const Error& error) {
      if (!is_loss(error.code())) throw;
      drop(place);  // another request there begins from the beginning
    }
  }
}

std::vector<LayerTime> GroupRequest::profile() {
  if (!last_ || !places_[last_->index].request) return {};
  return places_[last_->index].request->profile();
}

void GroupRequest::drop(Place& place) {
  let_go(std::move(place.request));
  place = Place();
}

bool GroupRequest::cancelled() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return cancelled_;
}

}  // namespace edge
