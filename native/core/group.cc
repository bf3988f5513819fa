#include "core/group.h"

#include <algorithm>
#include <set>
#include <thread>
#include <utility>

#include "core/clock.h"
#include "core/exit_guard.h"
#include "core/group_request.h"
#include "core/group_specs.h"
#include "core/log.h"
#include "core/reaper.h"
#include "core/timer.h"

namespace edge {
namespace {

// A device that comes back by itself does so within a few probes; only then is the model loaded anew.
constexpr uint64_t kProbesBeforeReload = 2;

// Runs the model once with zeros. Nothing: the device answers, even if it does not like zeros.
std::optional<Error> try_out(Model& model, const std::vector<Shape>& shapes) {
  std::shared_ptr<Request> request;
  std::optional<Error> error;
  try {
    request = model.create_request();
    request->bind(shapes);
    request->run();
  } catch (...) {
    error = current_error();
    if (!is_loss(error->code()) && error->code() != ErrorCode::kOutOfMemory) error.reset();
  }
  let_go(std::move(request));
  return error;
}

}  // namespace

bool is_loss(ErrorCode code) {
  return code == ErrorCode::kDeviceLost || code == ErrorCode::kDeviceBusy || code == ErrorCode::kUnavailable;
}

std::shared_ptr<GroupModel> GroupModel::create(std::vector<MemberSpec> members, GroupOptions options) {
  std::shared_ptr<GroupModel> group(new GroupModel(std::move(members), options));
  std::lock_guard<std::mutex> lock(group->mutex_);
  for (size_t i = 0; i < group->members_.size(); ++i) {
    Member& member = group->members_[i];
    if (member.usable()) {
      device_event_forget(member.spec.id);
      continue;
    }
    if (member.spec.error) member.last_error = member.spec.error->message();
    group->probe_later(i, member.health.lost(now_ns()));
  }
  return group;
}

GroupModel::GroupModel(std::vector<MemberSpec> members, GroupOptions options) : options_(options) {
  // Its members' addresses are handed out (input_order): it never grows.
  members_.reserve(members.size());
  for (MemberSpec& spec : members) members_.emplace_back(std::move(spec), options_.health);
  std::stable_sort(members_.begin(), members_.end(),
                   [](const Member& a, const Member& b) { return a.spec.tier < b.spec.tier; });
  const auto first = std::find_if(members_.begin(), members_.end(), [](const Member& one) { return one.usable(); });
  if (first == members_.end()) {
    throw Error(ErrorCode::kUnavailable, "No device of the model could be loaded.", "Load it on one that is there.");
  }
  inputs_ = first->spec.loaded.model->inputs();
  outputs_ = first->spec.loaded.model->outputs();
  info_ = first->spec.loaded.model->info();
  active_ = first->spec.id;
  active_tier_ = first->spec.tier;
  info_.optimal_in_flight = 0;
  for (Member& member : members_) {
    if (!member.usable()) continue;
    adopt_order(member);
    if (member.spec.tier == active_tier_) {
      info_.optimal_in_flight += std::max<size_t>(1, member.spec.loaded.model->info().optimal_in_flight);
    }
  }
}

void GroupModel::adopt_order(Member& member) const {
  const Model& model = *member.spec.loaded.model;
  member.input_order = match_specs(inputs_, model.inputs(), "input", member.spec.id);
  member.output_order = match_specs(outputs_, model.outputs(), "output", member.spec.id);
}

DeviceInfo GroupModel::device() const {
  std::lock_guard<std::mutex> lock(mutex_);
  const Member* best = nullptr;
  for (const Member& member : members_) {
    if (member.usable() && best == nullptr) best = &member;
  }
  DeviceInfo info = best->spec.loaded.device;
  // A run may move from one member to another, which nobody but a lane can do; and none may run on the JS thread, where
  // a device that is being lost would block it.
  info.capabilities.async = false;
  info.capabilities.host_compute = false;
  for (const Member& member : members_) {
    if (!member.usable()) continue;
    info.capabilities.cancellable &= member.spec.loaded.device.capabilities.cancellable;
    info.capabilities.dynamic_shapes &= member.spec.loaded.device.capabilities.dynamic_shapes;
    // As allocator() chooses.
    if (info.capabilities.memory == Buffer::Kind::kHost) {
      info.capabilities.memory = member.spec.loaded.device.capabilities.memory;
    }
  }
  return info;
}

std::vector<MemberStatus> GroupModel::members() const {
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<MemberStatus> all;
  for (const Member& one : members_) {
    all.push_back({one.spec.id, one.spec.tier, one.health.state(), one.in_flight, one.runs, one.failures, one.losses,
                   one.last_error});
  }
  return all;
}

std::vector<LayerInfo> GroupModel::layers() {
  std::shared_ptr<Model> model;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    for (const Member& one : members_) {
      if (one.spec.id == active_) model = one.spec.loaded.model;
    }
  }
  if (!model) return {};
  struct Last {
    std::shared_ptr<Model>& model;
    ~Last() { let_go(std::move(model)); }
  } last{model};
  return model->layers();
}

std::unique_ptr<Request> GroupModel::create_request() { return std::make_unique<GroupRequest>(shared_from_this()); }

// Buffers of the most particular kind: whoever takes host memory takes these too.
std::shared_ptr<Allocator> GroupModel::allocator() const {
  std::lock_guard<std::mutex> lock(mutex_);
  const Member* best = nullptr;
  for (const Member& one : members_) {
    if (!one.usable()) continue;
    if (best == nullptr || (best->spec.loaded.device.capabilities.memory == Buffer::Kind::kHost &&
                            one.spec.loaded.device.capabilities.memory != Buffer::Kind::kHost)) {
      best = &one;
    }
  }
  return best->spec.loaded.allocator;
}

// ----------------------------------------------------------------------------------------------------- who runs what

std::optional<GroupModel::Use> GroupModel::acquire(const std::vector<bool>& tried) {
  std::lock_guard<std::mutex> lock(mutex_);
  // One that is recovering serves only where there is no other.
  for (const Health::State wanted : {Health::State::kHealthy, Health::State::kRecovering}) {
    Member* best = nullptr;
    const size_t start = turn_ % members_.size();
    for (size_t n = 0; n < members_.size(); ++n) {
      Member& one = members_[(start + n) % members_.size()];
      if (!one.usable() || one.health.state() != wanted || tried[(start + n) % members_.size()]) continue;
      if (best == nullptr || one.spec.tier < best->spec.tier ||
          (one.spec.tier == best->spec.tier && one.in_flight < best->in_flight)) {
        best = &one;
      }
    }
    if (best == nullptr) continue;
    ++best->in_flight;
    Use use;
    use.index = static_cast<size_t>(best - members_.data());
    use.tier = best->spec.tier;
    use.epoch = best->epoch;
    use.model = best->model;
    turn_ = use.index + 1;  // the next of its equals comes first next time
    return use;
  }
  return std::nullopt;
}

void GroupModel::release(const Use& use, const Error* error, bool ran) noexcept {
  std::unique_lock<std::mutex> lock(mutex_);
  Member& member = members_[use.index];
  --member.in_flight;
  if (ran) ++member.runs;
  if (error != nullptr && error->code() != ErrorCode::kAborted) {
    if (ran) ++member.failures;
    const bool lost = is_loss(error->code());
    try {
      if (ran || lost) member.last_error = error->message();
      // A run that began before the last loss says nothing about the device as it is now.
      if (lost && use.epoch == member.epoch) lose(use.index, *error);
    } catch (...) {
      // No memory to say so; the next run will find it lost.
    }
  }
  tell(std::move(lock));
}

std::unique_ptr<Request> GroupModel::make_request(const Use& use) {
  std::shared_ptr<Model> model;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    model = members_[use.index].spec.loaded.model;
  }
  struct Last {
    std::shared_ptr<Model>& model;
    ~Last() { let_go(std::move(model)); }
  } last{model};
  return model->create_request();
}

void GroupModel::note_shapes(const std::vector<Shape>& shapes) {
  std::lock_guard<std::mutex> lock(mutex_);
  shapes_ = shapes;
}

Error GroupModel::all_lost(const Error* last) const {
  std::lock_guard<std::mutex> lock(mutex_);
  std::string reasons;
  for (const Member& one : members_) {
    if (!reasons.empty()) reasons += "; ";
    reasons += one.spec.id + ": " + (one.last_error.empty() ? health_name(one.health.state()) : one.last_error);
  }
  return Error(
      ErrorCode::kDeviceLost, "No device of the model answers. " + reasons,
      "Wait for the event deviceRecovered, look at the devices' cables and power, or add a device to the list.",
      last != nullptr ? last->backend() : "", last != nullptr ? last->message() : "");
}

// ------------------------------------------------------------------------------------------------------------ health

// With the lock held, as the next two.
void GroupModel::lose(size_t index, const Error& error) {
  Member& member = members_[index];
  ++member.epoch;
  ++member.losses;
  const int64_t wait = member.health.lost(now_ns());
  untold_.push_back({DeviceEventKind::kLost, member.spec.backend, member.spec.id, "", error.message(),
                     static_cast<int64_t>(member.losses)});
  update_active(error.message());
  probe_later(index, wait);
}

void GroupModel::update_active(const std::string& why) {
  const Member* best = nullptr;
  for (const Health::State wanted : {Health::State::kHealthy, Health::State::kRecovering}) {
    for (const Member& one : members_) {
      if (best == nullptr && one.usable() && one.health.state() == wanted) best = &one;
    }
  }
  if (best == nullptr || best->spec.tier == active_tier_) return;
  untold_.push_back({DeviceEventKind::kFailover, best->spec.backend, best->spec.id, active_, why, ++failovers_});
  active_ = best->spec.id;
  active_tier_ = best->spec.tier;
}

void GroupModel::probe_later(size_t index, int64_t wait_ns) {
  timer_add(now_ns() + wait_ns, [weak = weak_from_this(), index, epoch = members_[index].epoch, wait_ns] {
    // Not on the timer's thread: a probe blocks in the SDK, and for ever where the device is frozen.
    try {
      std::thread([weak, index, epoch] { probe(weak, index, epoch); }).detach();
    } catch (const std::exception&) {
      const auto group = weak.lock();
      if (!group) return;
      {
        std::lock_guard<std::mutex> lock(group->mutex_);
        group->probe_later(index, wait_ns);
      }
      let_go(group);
    }
  });
}

std::vector<Shape> GroupModel::probe_shapes() const {
  if (!shapes_.empty()) return shapes_;
  std::vector<Shape> shapes;
  for (const TensorSpec& spec : inputs_) {
    shapes.push_back(spec.shape);
    std::replace(shapes.back().begin(), shapes.back().end(), int64_t{-1}, int64_t{1});
  }
  return shapes;
}

// On a thread of its own. It holds the group only for moments: a probe that hangs must not keep a disposed model alive.
void GroupModel::probe(const std::weak_ptr<GroupModel>& weak, size_t index, uint64_t epoch) noexcept {
  const SdkCall inside;
  std::optional<Error> error;
  std::optional<LoadedMember> fresh;
  std::shared_ptr<Model> model;
  try {
    std::function<LoadedMember()> load;
    std::vector<Shape> shapes;
    {
      std::shared_ptr<GroupModel> group = weak.lock();
      if (!group) return;
      {
        std::lock_guard<std::mutex> lock(group->mutex_);
        const Member& member = group->members_[index];
        if (member.epoch == epoch) {
          model = member.spec.loaded.model;
          if (!model || member.health.failed_probes() >= kProbesBeforeReload) load = member.spec.load;
          // In the member's own order, which is unknown before it is loaded for the first time.
          const std::vector<Shape> own = group->probe_shapes();
          shapes = own;
          for (size_t i = 0; i < member.input_order.size(); ++i) shapes[member.input_order[i]] = own[i];
        }
      }
      let_go(std::move(group));
    }
    if (!model && !load) return;
    error = model ? try_out(*model, shapes) : std::nullopt;
    if (load && (!model || error)) {
      fresh = load();
      error.reset();  // loading it is a sign of life; a run follows with the next probe
    }
  } catch (...) {
    error = current_error();
  }
  let_go(std::move(model));
  if (std::shared_ptr<GroupModel> group = weak.lock()) {
    try {
      group->probed(index, epoch, error, std::move(fresh));
    } catch (...) {
      log(LogLevel::kError, "", "A device cannot be probed any more: " + current_error().message());
    }
    let_go(std::move(group));
  } else if (fresh) {
    let_go(std::move(fresh->model));
  }
}

void GroupModel::probed(size_t index, uint64_t epoch, const std::optional<Error>& error,
                        std::optional<LoadedMember> fresh) {
  std::unique_lock<std::mutex> lock(mutex_);
  Member& member = members_[index];
  std::shared_ptr<Model> old;
  if (fresh) {
    old = fresh->model;
    try {
      Member candidate = member;
      candidate.spec.loaded = *fresh;
      adopt_order(candidate);
      if (member.usable() &&
          (member.input_order != candidate.input_order || member.output_order != candidate.output_order)) {
        throw Error(ErrorCode::kInvalidModel,
                    "Loaded anew, the model on " + member.spec.id + " names its tensors otherwise.");
      }
      old = std::move(member.spec.loaded.model);
      if (!old) {
        member.input_order = std::move(candidate.input_order);
        member.output_order = std::move(candidate.output_order);
      }
      member.spec.loaded = std::move(*fresh);
      ++member.model;
    } catch (const Error& refused) {
      // It will not become another model by waiting.
      member.last_error = refused.message();
      log(LogLevel::kError, member.spec.backend, refused.message());
      lock.unlock();
      let_go(std::move(old));
      return;
    }
  }
  if (member.epoch == epoch) {
    const int64_t wait = error ? member.health.probe_failed() : member.health.probe_succeeded(now_ns());
    if (error) member.last_error = error->message();
    if (wait == 0) {
      untold_.push_back(
          {DeviceEventKind::kRecovered, member.spec.backend, member.spec.id, "",
           "It answered every probe for " + std::to_string(options_.health.healthy_ns / 1'000'000) + " ms or longer.",
           static_cast<int64_t>(member.losses)});
      update_active("The device is healthy again.");
    } else {
      update_active("The device answers again.");
      probe_later(index, wait);
    }
  }
  tell(std::move(lock));
  let_go(std::move(old));
}

// In the order in which things happened, without the lock: who tells already tells these too.
void GroupModel::tell(std::unique_lock<std::mutex> lock) noexcept {
  if (telling_) return;
  telling_ = true;
  while (!untold_.empty()) {
    const DeviceEvent event = std::move(untold_.front());
    untold_.pop_front();
    lock.unlock();
    device_event_once(event);
    lock.lock();
  }
  telling_ = false;
}

}  // namespace edge
