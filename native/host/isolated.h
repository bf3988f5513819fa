// Devices, models and requests that live in a host process, behind the same contract as those of this one.
#pragma once

#include <memory>
#include <string>

#include "core/backend.h"
#include "host/process.h"

namespace edge::host {

// A device in a host process.
class IsolatedDevice : public Device {
 public:
  virtual std::string sdk_version() const = 0;
  virtual std::string library() const = 0;
};

// A loaded model in a host process, for who wants to know about the process.
class IsolatedModel : public Model {
 public:
  virtual HostStatus host() const = 0;
  // Runs it once with zeros and destroys it in the host, where what the run has broken in memory comes to light.
  // Blocks. Throws kDeviceLost where the host did not survive. The model is of no use afterwards.
  virtual void try_out() = 0;
};

// Opens a device in a host process. Those who ask for the same backend, library, device and options share one, unless
// `alone`: then it is started for this device object, and shared only from adopt() on. Blocks. Throws what opening the
// backend throws, and kUnavailable where the host does not start.
std::shared_ptr<IsolatedDevice> open_device(const std::string& backend, const std::string& library,
                                            const std::string& device_id, const HostOptions& options, bool alone);
// A device that was opened alone serves later ones from here on, if none does yet.
void adopt(const std::shared_ptr<IsolatedDevice>& device);

}  // namespace edge::host
