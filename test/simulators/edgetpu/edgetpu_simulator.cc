// A stand-in for Google's Edge TPU driver, libedgetpu.so.1, which no registry and no machine of the tests has. It
// exports that library's functions and a delegate that takes the nodes `edgetpu-custom-op`. It is a simulator: the
// compiled instructions in a model are never executed. What computes is the model's twin, the TFLite model it was
// compiled from, on the CPU, by the runtime that called. README.md says what is like the driver, and how tests tell it
// what to do.
#include <cstdlib>
#include <cstring>
#include <memory>

#include "delegate.h"
#include "device.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace edgetpu_simulator {
namespace {

// The public structs of the driver.
struct ListedDevice {
  int type;
  const char* path;
};
struct Option {
  const char *name, *value;
};

Delegate* create(Bus bus, const std::string& path, const Options& options) {
  Device* device = Device::acquire(bus, path, options);
  return device != nullptr ? make_delegate(*device) : nullptr;
}

// The `device` of the plugin's options: "", ":N", "usb", "usb:N", "pci" or "pci:N".
Delegate* create_by_words(const std::string& words, const Options& options) {
  const size_t colon = words.find(':');
  const std::string bus = words.substr(0, colon);
  if (!bus.empty() && bus != "usb" && bus != "pci") return nullptr;
  if (colon == std::string::npos) {
    // Without a number the driver leaves the other options aside.
    Delegate* delegate = bus != "usb" ? create(Bus::pci, "", {}) : nullptr;
    return delegate == nullptr && bus != "pci" ? create(Bus::usb, "", {}) : delegate;
  }
  char* end = nullptr;
  unsigned long at = std::strtoul(words.c_str() + colon + 1, &end, 10);
  if (*end != '\0' || colon + 1 == words.size()) return nullptr;
  for (const Entry& entry : Control::current().devices()) {
    if (!bus.empty() && entry.bus != (bus == "usb" ? Bus::usb : Bus::pci)) continue;
    if (at-- == 0) return create(entry.bus, entry.path, options);
  }
  return nullptr;
}

}  // namespace
}  // namespace edgetpu_simulator

using namespace edgetpu_simulator;

EXPORT ListedDevice* edgetpu_list_devices(size_t* count) {
  if (count == nullptr) fatal("Check failed: num_devices");
  const auto entries = Control::current().devices();
  *count = entries.size();
  if (entries.empty()) return nullptr;
  // One block, the paths behind the structs, as edgetpu_free_devices frees it.
  size_t size = entries.size() * sizeof(ListedDevice);
  for (const Entry& entry : entries) size += entry.path.size() + 1;
  char* const memory = static_cast<char*>(std::malloc(size));
  auto* const devices = reinterpret_cast<ListedDevice*>(memory);
  char* path = memory + entries.size() * sizeof(ListedDevice);
  for (size_t i = 0; i < entries.size(); ++i) {
    std::memcpy(path, entries[i].path.c_str(), entries[i].path.size() + 1);
    devices[i] = {static_cast<int>(entries[i].bus), path};
    path += entries[i].path.size() + 1;
  }
  return devices;
}

EXPORT void edgetpu_free_devices(ListedDevice* devices) { std::free(devices); }

EXPORT Delegate* edgetpu_create_delegate(int type, const char* path, const Option* options, size_t count) {
  Options given;
  if (count > 0) {
    if (options == nullptr) fatal("Check failed: options");
    if (path == nullptr) fatal("Check failed: name");
    for (size_t i = 0; i < count; ++i) {
      if (options[i].name == nullptr || options[i].value == nullptr) fatal("an option without a name or a value");
      given.emplace_back(options[i].name, options[i].value);
    }
  }
  if (type != static_cast<int>(Bus::pci) && type != static_cast<int>(Bus::usb)) return nullptr;
  return create(static_cast<Bus>(type), path != nullptr ? path : "", given);
}

EXPORT void edgetpu_free_delegate(Delegate* delegate) { free_delegate(delegate); }

EXPORT void edgetpu_verbosity(int level) {
  if (level >= 0 && level <= 10) verbosity = level;
}

EXPORT const char* edgetpu_version() {
  // Kept for ever: the driver's text never goes away either.
  static auto* const mutex = new std::mutex;
  static auto* const texts = new std::map<std::string, std::string>;
  const std::string version = Control::current().version();
  const std::lock_guard<std::mutex> lock(*mutex);
  return texts->emplace(version, version).first->second.c_str();
}

EXPORT Delegate* tflite_plugin_create_delegate(char** keys, char** values, size_t count,
                                               void (*)(const char* message)) {
  std::string device;
  Options options;
  for (size_t i = 0; i < count; ++i) {
    if (keys[i] == nullptr || values[i] == nullptr) fatal("an option without a name or a value");
    if (std::strcmp(keys[i], "device") == 0)
      device = values[i];
    else
      options.emplace_back(keys[i], values[i]);
  }
  return create_by_words(device, options);
}

EXPORT void tflite_plugin_destroy_delegate(Delegate* delegate) { free_delegate(delegate); }
