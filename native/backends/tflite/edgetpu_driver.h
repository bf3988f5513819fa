// Google's driver of the Edge TPU, libedgetpu: its functions, its devices, its delegates.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backends/tflite/api.h"
#include "core/error.h"

namespace edge::tflite {

struct EdgeTpu {
  bool usb = false;
  std::string path;  // the driver's: "/sys/bus/usb/devices/1-4", "/dev/apex_0"
  // A name that stays with the port: "usb-1-4", "pci-0".
  std::string selector() const;
};

class EdgeTpuDriver {
 public:
  // `path` empty: libedgetpu.so.1 from the system's library path. Throws kUnavailable.
  static std::shared_ptr<const EdgeTpuDriver> open(const std::string& path);

  // What it says of itself: "BuildLabel(…), RuntimeVersion(14)".
  const std::string& version() const { return version_; }
  // Of the packages in compiled models: what needs more is refused by the driver. 0: it does not tell.
  int runtime_version() const { return runtime_version_; }

  // Those that are plugged in now. Blocks for milliseconds.
  std::vector<EdgeTpu> devices() const;
  using Options = std::vector<std::pair<std::string, std::string>>;
  // The driver aborts the process for options that it does not know: throws kInvalidArgument instead.
  static void check_options(const Options& options);
  // Null where the device is not there (any more), or in use elsewhere.
  std::shared_ptr<Delegate> make_delegate(const EdgeTpu& device, const Options& options) const;

 private:
  struct ListedDevice {  // edgetpu_device
    int type;            // 0: PCI, 1: USB
    const char* path;
  };
  struct Option {  // edgetpu_option
    const char* name;
    const char* value;
  };

  ListedDevice* (*list_)(size_t* count) = nullptr;
  void (*free_list_)(ListedDevice* list) = nullptr;
  Delegate* (*create_)(int type, const char* path, const Option* options, size_t count) = nullptr;
  void (*free_)(Delegate* delegate) = nullptr;
  std::string version_;
  int runtime_version_ = 0;
};

}  // namespace edge::tflite
