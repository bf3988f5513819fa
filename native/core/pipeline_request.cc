#include "core/pipeline_request.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "core/clock.h"
#include "core/reaper.h"
#include "core/replay.h"

namespace edge {
namespace {

Error cancelled_error() { return Error(ErrorCode::kAborted, "The run was cancelled."); }

}  // namespace

PipelineRequest::Slots::~Slots() {
  for (Segment& segment : segments) let_go(std::move(segment.request));
}

// On the reaper's thread, where who disposes of the model hears of the end next: all of it is gone by then.
PipelineRequest::~PipelineRequest() {
  for (Segment& segment : slots_.segments) segment.request.reset();
}

// ---------------------------------------------------------------------------------------------------------- binding

const BoundTensor& PipelineRequest::tensor(const Slots& slots, const TensorSource& source) const {
  return source.segment == TensorSource::kCaller ? slots.inputs[source.index]
                                                 : slots.segments[source.segment].request->outputs()[source.index];
}

// Whether the shapes of a segment's inputs are there: a run of those before it may have to tell them.
bool PipelineRequest::known(const Slots& slots, size_t index) const {
  const auto& sources = model_->wiring().segment_inputs[index];
  return std::all_of(sources.begin(), sources.end(), [&](const TensorSource& source) {
    const bool there = source.segment == TensorSource::kCaller || slots.segments[source.segment].bound;
    return there && tensor(slots, source).buffer != nullptr;
  });
}

void PipelineRequest::bind(const std::vector<Shape>& input_shapes) {
  const std::vector<TensorSpec>& specs = model_->inputs();
  if (input_shapes.size() != specs.size()) {
    throw Error(
        ErrorCode::kInvalidTensor,
        "The model has " + std::to_string(specs.size()) + " inputs, not " + std::to_string(input_shapes.size()) + ".",
        "Give a shape for every input.");
  }
  Slots slots;
  for (size_t i = 0; i < specs.size(); ++i) {
    if (!specs[i].accepts(input_shapes[i])) {
      throw Error(ErrorCode::kInvalidTensor,
                  "The input '" + specs[i].name + "' takes " + shape_text(specs[i].shape) + ", not " +
                      shape_text(input_shapes[i]) + ".",
                  "Give a shape that the model takes.");
    }
    const size_t bytes = byte_size(specs[i].dtype, input_shapes[i]);
    slots.inputs.push_back({input_shapes[i], model_->allocator({TensorSource::kCaller, i}).allocate(bytes), bytes});
  }
  slots.segments.resize(model_->size());
  for (size_t s = 0; s < model_->size(); ++s) {
    try {
      slots.segments[s].request = model_->model(s).create_request();
      if (known(slots, s)) bind_segment(slots, s);
    } catch (...) {
      throw model_->located(s, current_error());
    }
  }
  std::swap(slots_, slots);
  take_outputs();
}

// Binds a segment to the very memory in which its inputs are, and its outputs to memory that those who take them can
// use in place.
void PipelineRequest::bind_segment(Slots& slots, size_t index) const {
  Segment& segment = slots.segments[index];
  const auto& sources = model_->wiring().segment_inputs[index];
  const std::vector<TensorSpec>& outputs = model_->model(index).outputs();
  std::vector<Shape> shapes;
  std::vector<std::shared_ptr<Buffer>> wanted;
  for (const TensorSource& source : sources) {
    shapes.push_back(tensor(slots, source).shape);
    wanted.push_back(tensor(slots, source).buffer);
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    const bool fixed = outputs[i].is_static();
    wanted.push_back(fixed ? model_->allocator({index, i}).allocate(byte_size(outputs[i].dtype, outputs[i].shape))
                           : nullptr);
  }
  segment.bound = false;
  {
    const ReplayScope scope(wanted);
    segment.request->bind(shapes);
  }
  if (!in_place(slots, index, wanted)) {
    // One that asks for its buffers in another order has taken one for another: it gets its own, and is copied to.
    std::shared_ptr<Request> fresh = model_->model(index).create_request();
    segment.request.swap(fresh);
    let_go(std::move(fresh));
    segment.request->bind(shapes);
  }
  segment.shapes = std::move(shapes);
  segment.bound = true;
}

// Whether it uses those buffers for what they are, or others that it does not share with them at all.
bool PipelineRequest::in_place(const Slots& slots, size_t index,
                               const std::vector<std::shared_ptr<Buffer>>& wanted) const {
  const Request& request = *slots.segments[index].request;
  const auto check = [&](const std::vector<BoundTensor>& bound, size_t first) {
    for (size_t i = 0; i < bound.size(); ++i) {
      const auto found = std::find(wanted.begin(), wanted.end(), bound[i].buffer);
      if (bound[i].buffer && found != wanted.end() && *found != wanted[first + i]) return false;
    }
    return true;
  };
  return check(request.inputs(), 0) && check(request.outputs(), request.inputs().size());
}

void PipelineRequest::take_outputs() {
  const auto& sources = model_->wiring().output_sources;
  std::vector<BoundTensor> outputs;
  for (const TensorSource& source : sources) {
    outputs.push_back(slots_.segments[source.segment].bound ? tensor(slots_, source) : BoundTensor());
  }
  outputs_ = std::move(outputs);
}

// ------------------------------------------------------------------------------------------------------------- runs

void PipelineRequest::run() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    running_ = true;
    cancelled_ = false;
  }
  struct Ended {
    PipelineRequest* self;
    ~Ended() {
      std::lock_guard<std::mutex> lock(self->mutex_);
      self->running_ = false;
    }
  } ended{this};
  bytes_copied_ = bytes_transferred_ = graph_runs_ = 0;
  stage_times_.reset();
  for (size_t s = 0; s < model_->size(); ++s) {
    try {
      give_inputs(s);
      run_segment(s);
    } catch (...) {
      throw model_->located(s, current_error());
    }
  }
  take_outputs();
}

// Before the segment's turn, so that its device does not wait for a copy.
void PipelineRequest::give_inputs(size_t index) {
  Segment& segment = slots_.segments[index];
  const auto& sources = model_->wiring().segment_inputs[index];
  std::vector<Shape> shapes;
  for (const TensorSource& source : sources) shapes.push_back(tensor(slots_, source).shape);
  if (!segment.bound || segment.shapes != shapes) bind_segment(slots_, index);
  for (size_t i = 0; i < sources.size(); ++i) {
    const BoundTensor& from = tensor(slots_, sources[i]);
    const BoundTensor& to = segment.request->inputs()[i];
    if (from.buffer == to.buffer) continue;
    std::memcpy(to.buffer->data(), from.buffer->data(), std::min(from.bytes, to.bytes));
    bytes_copied_ += to.bytes;
  }
}

void PipelineRequest::run_segment(size_t index) {
  Turnstile& turnstile = model_->turnstile(index);
  enter(index);
  struct Left {
    PipelineRequest* self;
    Turnstile& turnstile;
    ~Left() {
      {
        std::lock_guard<std::mutex> lock(self->mutex_);
        self->current_.reset();  // not the last one: the segment has it
      }
      turnstile.leave();
    }
  };
  const std::shared_ptr<Request>& request = slots_.segments[index].request;
  std::optional<Error> error;
  {
    const Left left{this, turnstile};
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (cancelled_) throw cancelled_error();
      current_ = request;
    }
    const int64_t begin = now_ns();
    try {
      request->run();
    } catch (...) {
      error = current_error();
    }
    model_->note_run(index, error ? &*error : nullptr, now_ns() - begin);
  }
  bytes_copied_ += request->bytes_copied();
  bytes_transferred_ += request->bytes_transferred();
  graph_runs_ += request->graph_runs();
  if (const auto stages = request->stage_times()) stage_times_ = stage_times_.value_or(StageTimes()) += *stages;
  if (error) throw *error;
}

// Waits for the segment's turn. Throws kAborted where nobody waits for the run any more.
void PipelineRequest::enter(size_t index) {
  Turnstile& turnstile = model_->turnstile(index);
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (cancelled_) throw cancelled_error();
    Turnstile::reset(ticket_);
    waiting_at_ = &turnstile;
  }
  const bool entered = turnstile.enter(ticket_);
  std::lock_guard<std::mutex> lock(mutex_);
  waiting_at_ = nullptr;
  if (!entered) throw cancelled_error();
}

void PipelineRequest::cancel() noexcept {
  std::shared_ptr<Request> target;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!running_) return;
    cancelled_ = true;
    if (waiting_at_ != nullptr) waiting_at_->withdraw(ticket_);
    target = current_;
  }
  if (!target) return;
  target->cancel();
  let_go(std::move(target));
}

void PipelineRequest::reset_state() {
  for (size_t s = 0; s < slots_.segments.size(); ++s) {
    try {
      slots_.segments[s].request->reset_state();
    } catch (...) {
      throw model_->located(s, current_error());
    }
  }
}

std::vector<LayerTime> PipelineRequest::profile() {
  std::vector<LayerTime> all;
  for (const Segment& segment : slots_.segments) {
    for (LayerTime& layer : segment.request->profile()) all.push_back(std::move(layer));
  }
  return all;
}

}  // namespace edge
