// One model on several devices: runs go to the best tier that answers, to its least loaded device; what is lost is
// probed in the background and returned to when it has been healthy for a while.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/backend.h"
#include "core/device_events.h"
#include "core/health.h"

namespace edge {

// A model on its device.
struct LoadedMember {
  DeviceInfo device;
  std::shared_ptr<Model> model;
  std::shared_ptr<Allocator> allocator;  // that it was loaded with: a replay allocator (replay.h)
};

struct MemberSpec {
  std::string id;       // as callers write it: "echo:cpu"
  std::string backend;  // "echo"
  size_t tier = 0;      // lower is better; the members of one tier share its runs
  LoadedMember loaded;  // no model: it could not be loaded, and `error` says why
  // Loads it anew, where the old model does not come back. Blocks; any thread; may be empty.
  std::function<LoadedMember()> load;
  std::optional<Error> error;
};

struct GroupOptions {
  bool retry = true;  // a run under which a device is lost is made again on the next one
  HealthOptions health;
};

struct MemberStatus {
  std::string id;
  size_t tier = 0;
  Health::State state = Health::State::kHealthy;
  size_t in_flight = 0;
  uint64_t runs = 0, failures = 0, losses = 0;
  std::string last_error;  // empty: none
};

// Whether an error says that the device is not there (any more), rather than that it refuses the work.
bool is_loss(ErrorCode code);

class GroupModel final : public Model, public std::enable_shared_from_this<GroupModel> {
 public:
  // At least one member must be loaded. Throws kInvalidModel where the members' inputs or outputs differ.
  static std::shared_ptr<GroupModel> create(std::vector<MemberSpec> members, GroupOptions options);

  const std::vector<TensorSpec>& inputs() const override { return inputs_; }
  const std::vector<TensorSpec>& outputs() const override { return outputs_; }
  const ModelInfo& info() const override { return info_; }
  // Of the member that serves now.
  std::vector<LayerInfo> layers() override;
  std::unique_ptr<Request> create_request() override;

  // What a session may count on, whichever member serves.
  DeviceInfo device() const;
  std::vector<MemberStatus> members() const;

  // ------------------------------------------------------------------------------------------ for GroupRequest

  const GroupOptions& options() const { return options_; }
  size_t size() const { return members_.size(); }

  // A member in use by one run.
  struct Use {
    size_t index = 0, tier = 0;
    uint64_t epoch = 0;  // grows with every loss
    uint64_t model = 0;  // grows when the member is loaded anew
  };
  // The member that the next run should take, leaving out those that were tried; none where all are lost.
  std::optional<Use> acquire(const std::vector<bool>& tried);
  // Gives it back. A loss takes the member out of service. `ran`: it counts as a run.
  void release(const Use& use, const Error* error, bool ran) noexcept;
  // Blocks in the SDK. Throws what making the request throws.
  std::unique_ptr<Request> make_request(const Use& use);
  // Of the group's n-th input or output, which number it is in the member's own order.
  const std::vector<size_t>& input_order(const Use& use) const { return members_[use.index].input_order; }
  const std::vector<size_t>& output_order(const Use& use) const { return members_[use.index].output_order; }
  // Makes buffers that every member can use in place, if any can be so.
  std::shared_ptr<Allocator> allocator() const;
  // What requests are bound to: probes use it too.
  void note_shapes(const std::vector<Shape>& shapes);
  // "No device answers", with the reason of every one.
  Error all_lost(const Error* last) const;

 private:
  struct Member {
    Member(MemberSpec given, HealthOptions options) : spec(std::move(given)), health(options) {}
    MemberSpec spec;
    Health health;
    std::vector<size_t> input_order, output_order;  // set before the member is used for the first time, then constant
    size_t in_flight = 0;
    uint64_t epoch = 0, model = 0, runs = 0, failures = 0, losses = 0;
    std::string last_error;
    bool usable() const { return spec.loaded.model != nullptr; }
  };

  GroupModel(std::vector<MemberSpec> members, GroupOptions options);
  void adopt_order(Member& member) const;
  void lose(size_t index, const Error& error);
  void update_active(const std::string& why);
  void probe_later(size_t index, int64_t wait_ns);
  static void probe(const std::weak_ptr<GroupModel>& weak, size_t index, uint64_t epoch) noexcept;
  void probed(size_t index, uint64_t epoch, const std::optional<Error>& error, std::optional<LoadedMember> fresh);
  std::vector<Shape> probe_shapes() const;
  void tell(std::unique_lock<std::mutex> lock) noexcept;

  const GroupOptions options_;
  std::vector<TensorSpec> inputs_, outputs_;
  ModelInfo info_;

  mutable std::mutex mutex_;  // guards everything below, and what is in the members but their orders
  std::vector<Member> members_;
  std::vector<Shape> shapes_;
  std::string active_;  // the id of the member that stands for the tier in service
  size_t active_tier_ = 0;
  size_t turn_ = 0;  // for members that are equally loaded
  int64_t failovers_ = 0;
  std::deque<DeviceEvent> untold_;
  bool telling_ = false;
};

}  // namespace edge
