// Models of one group (failover, pools) while they are being loaded, one by one, from JavaScript.
#pragma once

#include <napi.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/group.h"

namespace edge::binding {

// The memory of a group's requests: one allocator for each kind that its devices need.
class GroupMemory final : public Allocator {
 public:
  // Staging buffers.
  std::shared_ptr<Buffer> allocate(size_t size) override { return inner(Buffer::Kind::kHost)->allocate(size); }
  size_t bytes_held() const override;
  // For a member on this device.
  std::shared_ptr<Allocator> of(Device& device);

 private:
  std::shared_ptr<Allocator> inner(Buffer::Kind kind);

  mutable std::mutex mutex_;
  std::map<Buffer::Kind, std::shared_ptr<Allocator>> inner_;
  std::vector<std::weak_ptr<Allocator>> own_;  // that devices made, one a load
};

// In JavaScript an External. Any thread.
class GroupBuilder {
 public:
  const std::shared_ptr<GroupMemory> memory = std::make_shared<GroupMemory>();

  void add(MemberSpec member, const std::string& sdk_version, const std::string& library, double load_ms);

 private:
  friend Napi::Value start_group(const Napi::CallbackInfo& info);

  std::mutex mutex_;
  std::vector<MemberSpec> members_;
  std::string sdk_version_, library_;  // of the first that was loaded
  double load_ms_ = 0;
};

// The group of a load, or null where it is a load by itself.
std::shared_ptr<GroupBuilder> to_group(const Napi::Value& value);

}  // namespace edge::binding
