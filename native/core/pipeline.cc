#include "core/pipeline.h"

#include <algorithm>
#include <utility>

#include "core/pipeline_request.h"

namespace edge {

std::shared_ptr<PipelineModel> PipelineModel::create(std::vector<PipelineSegment> segments) {
  return std::shared_ptr<PipelineModel>(new PipelineModel(std::move(segments)));
}

PipelineModel::PipelineModel(std::vector<PipelineSegment> segments) {
  std::vector<SegmentPorts> ports;
  for (PipelineSegment& segment : segments) {
    ports.push_back({segment.name, &segment.model->inputs(), &segment.model->outputs()});
    stages_.emplace_back(std::move(segment));
  }
  wiring_ = wire_segments(ports);
  choose_memory();
  // One for each segment, and one more that is being given to the first or taken from the last.
  info_.optimal_in_flight = stages_.size() + 1;
}

// Memory of the most particular kind among those who read or write a tensor: whoever takes host memory takes that too.
void PipelineModel::choose_memory() {
  const auto prefer = [](std::shared_ptr<Allocator>& chosen, Buffer::Kind& kind, const PipelineSegment& segment) {
    const Buffer::Kind own = segment.device.capabilities.memory;
    if (chosen && (kind != Buffer::Kind::kHost || own == Buffer::Kind::kHost)) return;
    chosen = segment.allocator;
    kind = own;
  };
  std::vector<Buffer::Kind> input_kinds(wiring_.inputs.size());
  std::vector<std::vector<Buffer::Kind>> output_kinds;
  input_allocators_.resize(wiring_.inputs.size());
  for (Stage& stage : stages_) {
    stage.output_allocators.resize(stage.segment.model->outputs().size());
    output_kinds.emplace_back(stage.output_allocators.size());
    for (size_t i = 0; i < stage.output_allocators.size(); ++i) {
      prefer(stage.output_allocators[i], output_kinds.back()[i], stage.segment);
    }
  }
  for (size_t s = 0; s < stages_.size(); ++s) {
    for (const TensorSource& from : wiring_.segment_inputs[s]) {
      if (from.segment == TensorSource::kCaller) {
        prefer(input_allocators_[from.index], input_kinds[from.index], stages_[s].segment);
      } else {
        prefer(stages_[from.segment].output_allocators[from.index], output_kinds[from.segment][from.index],
               stages_[s].segment);
      }
    }
  }
}

Allocator& PipelineModel::allocator(const TensorSource& tensor) const {
  return tensor.segment == TensorSource::kCaller ? *input_allocators_[tensor.index]
                                                 : *stages_[tensor.segment].output_allocators[tensor.index];
}

DeviceInfo PipelineModel::device() const {
  DeviceInfo info;
  info.id = info.name = "pipeline";
  info.type = "other";
  // Nothing but a lane can wait for a segment's turn, so there is no start of the SDKs' own and no inline run.
  Capabilities& can = info.capabilities;
  can.cancellable = can.dynamic_shapes = true;
  for (const Stage& stage : stages_) {
    can.cancellable &= stage.segment.device.capabilities.cancellable;
    can.dynamic_shapes &= stage.segment.device.capabilities.dynamic_shapes;
  }
  return info;
}

std::unique_ptr<Request> PipelineModel::create_request() {
  return std::make_unique<PipelineRequest>(shared_from_this());
}

std::vector<SegmentStatus> PipelineModel::status() const {
  std::vector<SegmentStatus> all;
  std::lock_guard<std::mutex> lock(mutex_);
  for (const Stage& stage : stages_) {
    all.push_back(
        {stage.turnstile.inside(), stage.turnstile.waiting(), stage.runs, stage.failures, stage.compute.summary()});
  }
  return all;
}

void PipelineModel::note_run(size_t segment, const Error* error, int64_t ns) {
  std::lock_guard<std::mutex> lock(mutex_);
  Stage& stage = stages_[segment];
  ++stage.runs;
  if (error == nullptr) {
    stage.compute.record(ns);
  } else if (error->code() != ErrorCode::kAborted) {
    ++stage.failures;
  }
}

Error PipelineModel::located(size_t segment, const Error& error) const {
  if (error.code() == ErrorCode::kAborted) return error;
  const std::string& name = stages_[segment].segment.name;
  return Error(error.code(),
               "Segment " + std::to_string(segment + 1) + " of " + std::to_string(size()) +
                   (name.empty() ? "" : " (" + name + ')') + ": " + error.message(),
               error.remedy(), error.backend(), error.cause());
}

}  // namespace edge
