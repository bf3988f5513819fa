// What happens to devices outside any call: lost, recovered, replaced by another. Told to every environment.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace edge {

enum class DeviceEventKind { kLost, kRecovered, kFailover };

struct DeviceEvent {
  DeviceEventKind kind = DeviceEventKind::kLost;
  std::string backend;  // "echo"
  std::string device;   // as callers write it: "echo:cpu". kFailover: the one that runs the model from now on
  std::string from;     // kFailover: the one that ran it before; else empty
  std::string message;  // why, in words
  int64_t count = 0;    // which loss, recovery or failover this is for who tells it (a host, a model), from 1
};

// The name of the event in JavaScript, such as "deviceLost".
const char* device_event_name(DeviceEventKind kind);

// Called on any thread, with no lock of this list held.
using DeviceEventListener = std::function<void(const DeviceEvent& event)>;

// The listener hears events until the returned handle is gone.
std::shared_ptr<void> add_device_event_listener(DeviceEventListener listener);

void device_event(const DeviceEvent& event) noexcept;
// The same, unless the last that was told of this device was of this kind too: several models notice one loss.
void device_event_once(const DeviceEvent& event) noexcept;
// The device works: its next loss is news, whatever was told before.
void device_event_forget(const std::string& device) noexcept;

}  // namespace edge
