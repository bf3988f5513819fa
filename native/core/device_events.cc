#include "core/device_events.h"

#include <map>
#include <mutex>
#include <utility>

#include "core/listeners.h"

namespace edge {
namespace {

auto& listeners() {
  static auto* instance = new Listeners<DeviceEvent>;
  return *instance;
}

struct Told {
  std::mutex mutex;
  std::map<std::string, DeviceEventKind> last;  // by device
};

Told& told() {
  static auto* instance = new Told;
  return *instance;
}

// Whether this is news of the device.
bool note(const DeviceEvent& event) {
  if (event.kind == DeviceEventKind::kFailover) return true;
  std::lock_guard<std::mutex> lock(told().mutex);
  const auto [place, first] = told().last.emplace(event.device, event.kind);
  return first || std::exchange(place->second, event.kind) != event.kind;
}

}  // namespace

const char* device_event_name(DeviceEventKind kind) {
  switch (kind) {
    case DeviceEventKind::kRecovered:
      return "deviceRecovered";
    case DeviceEventKind::kFailover:
      return "failover";
    case DeviceEventKind::kLost:
      break;
  }
  return "deviceLost";
}

std::shared_ptr<void> add_device_event_listener(DeviceEventListener listener) {
  return listeners().add(std::move(listener));
}

void device_event(const DeviceEvent& event) noexcept {
  try {
    note(event);
  } catch (...) {
    // No memory to remember it; it is told all the same.
  }
  listeners().tell(event);
}

void device_event_forget(const std::string& device) noexcept {
  std::lock_guard<std::mutex> lock(told().mutex);
  told().last.erase(device);
}

void device_event_once(const DeviceEvent& event) noexcept {
  try {
    if (!note(event)) return;
  } catch (...) {
  }
  listeners().tell(event);
}

}  // namespace edge
