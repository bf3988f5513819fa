// One slot of a group: the caller's buffers, and a request on each member that it has run on, bound to these buffers.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "core/group.h"

namespace edge {

class GroupRequest final : public Request {
 public:
  explicit GroupRequest(std::shared_ptr<GroupModel> model) : model_(std::move(model)), places_(model_->size()) {}

  // Binds the member that would run next, so that its first run is not slower than others; the rest when they run.
  void bind(const std::vector<Shape>& input_shapes) override;
  const std::vector<BoundTensor>& inputs() const override { return inputs_; }
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
  // What this request has on one member.
  struct Place {
    std::shared_ptr<Request> request;  // shared with a cancel() in progress
    uint64_t model = 0;                // of the member, by GroupModel::Use::model
    bool bound = false;
    bool used = false;  // its variables, if it has any, may not have their initial values
  };

  void try_members(bool ran, void (GroupRequest::*work)(const GroupModel::Use&));
  void bind_on(const GroupModel::Use& use);
  void run_on(const GroupModel::Use& use);
  void give_inputs(const GroupModel::Use& use);
  void take_outputs(const GroupModel::Use& use);
  bool in_place(const GroupModel::Use& use) const;
  std::vector<std::shared_ptr<Buffer>> buffers(const GroupModel::Use& use) const;
  void drop(Place& place);
  bool cancelled() const;

  const std::shared_ptr<GroupModel> model_;
  std::vector<Place> places_;  // by member
  std::vector<Shape> shapes_;
  std::vector<BoundTensor> inputs_, outputs_;
  std::optional<GroupModel::Use> last_;  // that ran
  size_t bytes_copied_ = 0, bytes_transferred_ = 0, graph_runs_ = 0;
  std::optional<StageTimes> stage_times_;

  mutable std::mutex mutex_;  // guards the next three, for cancel()
  bool running_ = false, cancelled_ = false;
  std::shared_ptr<Request> current_;
};

}  // namespace edge
