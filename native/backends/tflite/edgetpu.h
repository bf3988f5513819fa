// Edge TPUs as devices of the TFLite backend.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "backends/tflite/edgetpu_driver.h"
#include "backends/tflite/runtime.h"
#include "core/backend.h"

namespace edge::tflite {

class EdgeTpus {
 public:
  EdgeTpus(std::shared_ptr<const Runtime> runtime, std::string library)
      : runtime_(std::move(runtime)), library_(std::move(library)) {}

  // Those that are plugged in now; none where there is no driver.
  std::vector<DeviceInfo> devices();
  // "edgetpu:0", by the driver's order, or another one where a process has that; "edgetpu:usb-1-4", by the port. Throws
  // kUnavailable.
  std::shared_ptr<Device> open(const std::string& device_id);

 private:
  std::shared_ptr<const EdgeTpuDriver> driver();

  const std::shared_ptr<const Runtime> runtime_;
  const std::string library_;
  std::mutex mutex_;
  std::shared_ptr<const EdgeTpuDriver> driver_;
};

}  // namespace edge::tflite
