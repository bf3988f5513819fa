// A group over echo devices, and a session on it.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "backends/echo/echo.h"
#include "core/group.h"
#include "core/replay.h"
#include "core/session.h"
#include "recorder.h"

namespace edge::test {

// Probes that follow at once, for tests that wait for a return.
inline GroupOptions quick(bool retry = true) { return {retry, {1'000'000, 4'000'000}}; }

struct MemberText {
  std::string device;  // "cpu", "1" … "9"
  size_t tier = 0;
  std::string text;  // the echo model's after its first line
};

class EchoGroup {
 public:
  EchoGroup(const std::vector<MemberText>& members, GroupOptions options, SessionOptions session_options = lanes(2))
      : backend_(echo::open("")) {
    std::vector<MemberSpec> specs;
    for (const MemberText& member : members) {
      MemberSpec spec;
      spec.id = "echo:" + member.device;
      spec.backend = "echo";
      spec.tier = member.tier;
      spec.load = [backend = backend_, inner = inner_, member] {
        return load_on(*backend, inner, member.device, member.text);
      };
      try {
        spec.loaded = spec.load();
      } catch (const Error& error) {
        spec.error = error;
      }
      specs.push_back(std::move(spec));
    }
    group = GroupModel::create(std::move(specs), options);
    session = Session::create(group, group->device(), session_options, inner_);
  }
  ~EchoGroup() {
    group.reset();
    session.reset();
  }

  static SessionOptions lanes(size_t in_flight) {
    SessionOptions options;
    options.in_flight = in_flight;
    options.queue_limit = 4096;
    return options;
  }

  static LoadedMember load_on(Backend& backend, const std::shared_ptr<Allocator>& inner, const std::string& device,
                              const std::string& text) {
    const std::string whole = "echo 1\n" + text;
    const std::shared_ptr<Device> opened = backend.open(device);
    ModelSource source;
    source.bytes = {reinterpret_cast<const uint8_t*>(whole.data()), whole.size()};
    LoadOptions options;
    options.allocator = make_replay_allocator(inner, Buffer::Kind::kHost);
    return {opened->info(), opened->load(source, options), options.allocator};
  }
  void lose(const std::string& device, const std::string& ms = "") {
    EXPECT_EQ(code_of([&] { load_on(*backend_, inner_, device, "lose " + ms + "\n"); }), ErrorCode::kDeviceLost);
  }
  void restore(const std::string& device) { load_on(*backend_, inner_, device, "restore\n"); }

  MemberStatus status(size_t index) const { return group->members().at(index); }

  std::shared_ptr<GroupModel> group;
  std::shared_ptr<Session> session;

 private:
  const std::shared_ptr<Backend> backend_;
  const std::shared_ptr<Allocator> inner_ = make_host_allocator();
};

// y = x + `number`, over four values.
inline std::string plus(int number, const std::string& more = "") {
  return "input x f32 4\noutput y = add x " + std::to_string(number) + "\n" + more;
}

// Remembers the device events of the process while it lives: "failover echo:1 from echo:cpu".
class EventRecorder {
 public:
  std::vector<std::string> heard() const {
    std::lock_guard<std::mutex> lock(list_->mutex);
    return list_->heard;
  }

 private:
  // The listener owns it: an event may be on its way to it, from another thread, while its handle goes.
  struct List {
    std::mutex mutex;
    std::vector<std::string> heard;
  };
  const std::shared_ptr<List> list_ = std::make_shared<List>();
  const std::shared_ptr<void> handle_ = add_device_event_listener([list = list_](const DeviceEvent& event) {
    std::lock_guard<std::mutex> lock(list->mutex);
    list->heard.push_back(std::string(device_event_name(event.kind)) + ' ' + event.device +
                          (event.from.empty() ? "" : " from " + event.from));
  });
};

}  // namespace edge::test
