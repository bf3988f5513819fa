#include "group.h"

#include <algorithm>
#include <utility>

#include "addon.h"
#include "core/reaper.h"
#include "core/replay.h"
#include "host/isolated.h"
#include "host/shared_memory.h"
#include "model.h"
#include "values.h"

namespace edge::binding {

size_t GroupMemory::bytes_held() const {
  std::lock_guard<std::mutex> lock(mutex_);
  size_t bytes = 0;
  for (const auto& [kind, allocator] : inner_) bytes += allocator->bytes_held();
  for (const auto& allocator : own_) {
    if (const auto held = allocator.lock()) bytes += held->bytes_held();
  }
  return bytes;
}

std::shared_ptr<Allocator> GroupMemory::inner(Buffer::Kind kind) {
  std::lock_guard<std::mutex> lock(mutex_);
  const bool shared = kind == Buffer::Kind::kShared;
  auto& place = inner_[shared ? kind : Buffer::Kind::kHost];
  if (!place) place = shared ? host::make_shared_allocator() : make_host_allocator();
  return place;
}

std::shared_ptr<Allocator> GroupMemory::of(Device& device) {
  const Buffer::Kind kind = device.info().capabilities.memory;
  std::shared_ptr<Allocator> own = device.make_allocator();
  if (!own) return make_replay_allocator(inner(kind), kind);
  std::lock_guard<std::mutex> lock(mutex_);
  own_.erase(std::remove_if(own_.begin(), own_.end(), [](const auto& one) { return one.expired(); }), own_.end());
  own_.push_back(own);
  return make_replay_allocator(std::move(own), kind);
}

void GroupBuilder::add(MemberSpec member, const std::string& sdk_version, const std::string& library, double load_ms) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (member.loaded.model && sdk_version_.empty()) {
    sdk_version_ = sdk_version;
    library_ = library;
  }
  load_ms_ += load_ms;
  members_.push_back(std::move(member));
}

std::shared_ptr<GroupBuilder> to_group(const Napi::Value& value) {
  if (!value.IsExternal()) return nullptr;
  return *value.As<Napi::External<std::shared_ptr<GroupBuilder>>>().Data();
}

namespace {

Napi::Value create_group(const Napi::CallbackInfo& info) {
  auto* held = new std::shared_ptr<GroupBuilder>(std::make_shared<GroupBuilder>());
  return Napi::External<std::shared_ptr<GroupBuilder>>::New(info.Env(), held,
                                                            [](Napi::Env, std::shared_ptr<GroupBuilder>* last) {
                                                              let_go(std::move(*last));  // models of a load given up
                                                              delete last;
                                                            });
}

}  // namespace

// startGroup(group, options): the loaded members as one model. Everything is loaded by now, so nothing blocks.
Napi::Value start_group(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const std::shared_ptr<GroupBuilder> builder = to_group(info[0]);
    const auto given = info[1].As<Napi::Object>();
    const auto number = [&](const char* key) { return given.Get(key).As<Napi::Number>().Int64Value(); };
    LoadedModel loaded;
    // Models must not die on this thread, should the group refuse them.
    auto members = std::make_shared<std::vector<MemberSpec>>();
    {
      std::lock_guard<std::mutex> lock(builder->mutex_);
      members->swap(builder->members_);
      loaded.sdk_version = builder->sdk_version_;
      loaded.library = builder->library_;
      loaded.load_ms = builder->load_ms_;
    }
    const std::shared_ptr<void> kept(nullptr, [members](void*) { let_go(members); });
    const int64_t tier = number("onlyTier");
    std::vector<MemberSpec> taken;
    std::copy_if(members->begin(), members->end(), std::back_inserter(taken),
                 [&](const MemberSpec& one) { return tier < 0 || one.tier == static_cast<size_t>(tier); });
    GroupOptions options;
    options.retry = given.Get("retry").As<Napi::Boolean>();
    options.health.probe_ns = number("probeMs") * 1'000'000;
    options.health.healthy_ns = number("healthyMs") * 1'000'000;
    SessionOptions session = to_session_options(given);
    std::shared_ptr<GroupModel> group = GroupModel::create(std::move(taken), options);
    loaded.group = group;
    for (const MemberSpec& one : *members) {
      if (!one.loaded.model) continue;
      loaded.isolated = std::dynamic_pointer_cast<host::IsolatedModel>(one.loaded.model);
      break;
    }
    const DeviceInfo device = group->device();
    loaded.session = Session::create(std::move(group), device, session, builder->memory);
    return ModelWrap::create(*info.Env().GetInstanceData<Addon>(), loaded);
  });
}

void define_groups(Napi::Env env, Napi::Object exports) {
  exports.Set("createGroup", Napi::Function::New<create_group>(env, "createGroup"));
  exports.Set("startGroup", Napi::Function::New<start_group>(env, "startGroup"));
}

}  // namespace edge::binding
