// One slot of a pipeline: a request of every segment, bound to each other's buffers.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include "core/pipeline.h"

namespace edge {

class PipelineRequest final : public Request {
 public:
  explicit PipelineRequest(std::shared_ptr<PipelineModel> model) : model_(std::move(model)) {}
  ~PipelineRequest() override;

  // Makes a request of every segment anew, so that a shape which a later one refuses leaves all as they were.
  void bind(const std::vector<Shape>& input_shapes) override;
  const std::vector<BoundTensor>& inputs() const override { return slots_.inputs; }
  const std::vector<BoundTensor>& outputs() const override { return outputs_; }
  void run() override;
  void cancel() noexcept override;
  void reset_state() override;
  std::vector<LayerTime> profile() override;
  size_t bytes_copied() const override { return bytes_copied_; }
  size_t bytes_transferred() const override { return bytes_transferred_; }
  size_t graph_runs() const override { return graph_runs_; }
  std::optional<StageTimes> stage_times() const override { return stage_times_; }

 private:
  struct Segment {
    std::shared_ptr<Request> request;  // shared with a cancel() in progress
    std::vector<Shape> shapes;         // of the inputs that it is bound to
    bool bound = false;
  };
  // Given up in the middle of work, on any thread: their requests go on the reaper.
  struct Slots {
    Slots() = default;
    Slots(Slots&&) = default;
    Slots& operator=(Slots&&) = default;
    ~Slots();
    std::vector<BoundTensor> inputs;  // of the whole
    std::vector<Segment> segments;
  };

  const BoundTensor& tensor(const Slots& slots, const TensorSource& source) const;
  bool known(const Slots& slots, size_t index) const;
  void bind_segment(Slots& slots, size_t index) const;
  bool in_place(const Slots& slots, size_t index, const std::vector<std::shared_ptr<Buffer>>& wanted) const;
  void run_segment(size_t index);
  void give_inputs(size_t index);
  void take_outputs();
  void enter(size_t index);

  const std::shared_ptr<PipelineModel> model_;
  Slots slots_;
  std::vector<BoundTensor> outputs_;
  size_t bytes_copied_ = 0, bytes_transferred_ = 0, graph_runs_ = 0;
  std::optional<StageTimes> stage_times_;  // of all segments that tell

  std::mutex mutex_;  // guards the rest, for cancel()
  bool running_ = false, cancelled_ = false;
  std::shared_ptr<Request> current_;
  Turnstile* waiting_at_ = nullptr;
  Turnstile::Ticket ticket_;
};

}  // namespace edge
