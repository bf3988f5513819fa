// A model in segments, each on a device of its own: every run goes through all of them, one after the other, and while
// one segment works on a run, the others work on its neighbours.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/backend.h"
#include "core/histogram.h"
#include "core/pipeline_wiring.h"
#include "core/turnstile.h"

namespace edge {

struct PipelineSegment {
  std::string name;              // for messages: the file's, or empty
  std::shared_ptr<Model> model;  // a group too
  DeviceInfo device;
  std::shared_ptr<Allocator> allocator;  // that it was loaded with: a replay allocator (replay.h)
  size_t in_flight = 1;                  // runs that it is given at once
};

struct SegmentStatus {
  size_t running = 0, waiting = 0;
  uint64_t runs = 0, failures = 0;
  HistogramSummary compute;  // of the runs that succeeded, without the wait for their turn
};

class PipelineModel final : public Model, public std::enable_shared_from_this<PipelineModel> {
 public:
  // At least one segment. Throws kInvalidModel where they do not fit together (pipeline_wiring.h).
  static std::shared_ptr<PipelineModel> create(std::vector<PipelineSegment> segments);

  const std::vector<TensorSpec>& inputs() const override { return wiring_.inputs; }
  const std::vector<TensorSpec>& outputs() const override { return wiring_.outputs; }
  const ModelInfo& info() const override { return info_; }
  std::unique_ptr<Request> create_request() override;

  // What a session may count on.
  DeviceInfo device() const;
  // By segment. Any thread.
  std::vector<SegmentStatus> status() const;

  // -------------------------------------------------------------------------------------------- for PipelineRequest

  const PipelineWiring& wiring() const { return wiring_; }
  size_t size() const { return stages_.size(); }
  Model& model(size_t segment) const { return *stages_[segment].segment.model; }
  Turnstile& turnstile(size_t segment) const { return stages_[segment].turnstile; }
  // Makes memory for a tensor that all who read or write it can use in place, if there is any.
  Allocator& allocator(const TensorSource& tensor) const;
  // A run of a segment has ended; null: it succeeded.
  void note_run(size_t segment, const Error* error, int64_t ns);
  // The same error, saying where.
  Error located(size_t segment, const Error& error) const;

 private:
  struct Stage {
    explicit Stage(PipelineSegment given) : segment(std::move(given)), turnstile(segment.in_flight) {}
    const PipelineSegment segment;
    mutable Turnstile turnstile;
    std::vector<std::shared_ptr<Allocator>> output_allocators;
    uint64_t runs = 0, failures = 0;
    Histogram compute;
  };

  explicit PipelineModel(std::vector<PipelineSegment> segments);
  void choose_memory();

  std::deque<Stage> stages_;  // their addresses are handed out
  PipelineWiring wiring_;
  std::vector<std::shared_ptr<Allocator>> input_allocators_;
  ModelInfo info_;
  mutable std::mutex mutex_;  // guards the stages' counts
};

}  // namespace edge
