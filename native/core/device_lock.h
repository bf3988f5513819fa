// Keeps a device that only one process may use to one process: an advisory lock, by files that every user can see.
#pragma once

#include <memory>
#include <string>

namespace edge {

class DeviceLock {
 public:
  virtual ~DeviceLock() = default;
};

// Held until the last holder in this process is gone, or the process ends, however it ends. Throws kDeviceBusy with the
// owner's pid where another process has it, kPermission where its file cannot be read. `device`:
// "tflite:edgetpu:usb-1-4"; any thread. The files are in $EDGE_INFER_LOCKS, or else in /dev/shm, /run/lock or /tmp.
// Where none can be written, nothing is locked, and the log says so.
std::shared_ptr<DeviceLock> lock_device(const std::string& device);

}  // namespace edge
