#include "backends/tflite/edgetpu.h"

#include <algorithm>
#include <utility>

#include "backends/tflite/delegate_shim.h"
#include "backends/tflite/edgetpu_package.h"
#include "backends/tflite/interpreter.h"
#include "backends/tflite/model.h"
#include "core/device_lock.h"
#include "core/exit_guard.h"

namespace edge::tflite {
namespace {

constexpr char kPrefix[] = "edgetpu:";

// One TPU for one model: its lock, and the delegates made on it.
class EdgeTpuAccelerator final : public Accelerator {
 public:
  EdgeTpuAccelerator(std::shared_ptr<const EdgeTpuDriver> driver, EdgeTpu tpu, std::string id,
                     EdgeTpuDriver::Options options)
      : driver_(std::move(driver)), tpu_(std::move(tpu)), id_(std::move(id)), options_(std::move(options)) {
    EdgeTpuDriver::check_options(options_);
    lock_ = lock_device("tflite:edgetpu:" + tpu_.selector());
  }

  std::string device_id() const override { return id_; }
  std::string driver() const override { return driver_->version(); }

  std::shared_ptr<Delegate> make_delegate() override {
    auto delegate = driver_->make_delegate(tpu_, options_);
    guard_exit();
    if (delegate) return shim(std::move(delegate));
    if (!is_there()) throw lost("The Edge TPU at " + tpu_.path + " is gone.", "");
    throw Error(ErrorCode::kDeviceBusy, "The Edge TPU at " + tpu_.path + " cannot be opened.",
                "Another program may hold it, or this user may not: `npx edge-infer doctor` tells.", "tflite");
  }

  void check(const std::vector<uint8_t>& model, bool allow_partial) const override {
    const std::optional<int> needed = minimum_runtime_version(model);
    if (!needed && !allow_partial) {
      throw Error(ErrorCode::kUnsupported, "The model is not compiled for the Edge TPU: nothing of it would run there.",
                  "Compile it with edgetpu_compiler, load it on `tflite:cpu`, or let it run on the CPU with `partial: "
                  "'allow'`.",
                  "tflite");
    }
    if (needed && driver_->runtime_version() > 0 && *needed > driver_->runtime_version()) {
      throw Error(ErrorCode::kUnsupported,
                  "The model was compiled for Edge TPU runtime " + std::to_string(*needed) + "; this driver is " +
                      std::to_string(driver_->runtime_version()) + ".",
                  "Install a newer libedgetpu, or compile the model with `--min_runtime_version " +
                      std::to_string(driver_->runtime_version()) + "`.",
                  "tflite", driver_->version());
    }
  }

  Error failure(ErrorCode code, const std::string& message, const std::string& words) const override {
    // The words of libedgetpu's USB and PCIe code, and of the TPU that does not answer any more.
    for (const char* sign : {"Deadline exceeded", "DEADLINE_EXCEEDED", "UNAVAILABLE", "Unavailable", "transfer", "USB",
                             "libusb", "apex", "Device lost", "device lost", "ABORTED"}) {
      if (words.find(sign) != std::string::npos) return lost(message, words);
    }
    if (!is_there()) return lost(message, words);
    return Error(code, message, "Look at the cause, the driver's own words.", "tflite", words);
  }

 private:
  bool is_there() const {
    const std::vector<EdgeTpu> all = driver_->devices();
    return std::any_of(all.begin(), all.end(), [this](const EdgeTpu& one) { return one.path == tpu_.path; });
  }
  Error lost(const std::string& message, const std::string& words) const {
    return Error(ErrorCode::kDeviceLost, message + " The device is lost.",
                 "Check the stick, its cable and its power; isolated models go on when it is back.", "tflite", words);
  }

  const std::shared_ptr<const EdgeTpuDriver> driver_;
  const EdgeTpu tpu_;
  const std::string id_;
  const EdgeTpuDriver::Options options_;
  std::shared_ptr<DeviceLock> lock_;  // as long as anything of ours has the device
};

DeviceInfo describe(const Runtime& runtime, const EdgeTpuDriver& driver, const EdgeTpu& tpu, const std::string& id) {
  DeviceInfo info;
  info.id = id;
  info.name = std::string("Edge TPU, ") + (tpu.usb ? "USB" : "PCIe") + " (" + tpu.selector() + ")";
  info.type = "edgetpu";
  info.driver = driver.version();
  info.capabilities.cancellable = runtime.api.TfLiteInterpreterCancel != nullptr;
  info.capabilities.precisions = {"i8"};
  info.capabilities.formats = {"tflite"};
  info.capabilities.in_flight = 2;
  return info;
}

class EdgeTpuDevice final : public Device {
 public:
  // `tpus`: those that the id may mean, at least one, the first before the others.
  EdgeTpuDevice(std::shared_ptr<const Runtime> runtime, std::shared_ptr<const EdgeTpuDriver> driver,
                std::vector<EdgeTpu> tpus, const std::string& id)
      : runtime_(std::move(runtime)),
        driver_(std::move(driver)),
        tpus_(std::move(tpus)),
        info_(describe(*runtime_, *driver_, tpus_.front(), id)) {}

  const DeviceInfo& info() const override { return info_; }

  std::shared_ptr<Model> load(const ModelSource& source, const LoadOptions& options) override {
    LoadOptions rest = options;
    rest.properties.clear();
    EdgeTpuDriver::Options own;
    for (const auto& property : options.properties) {
      (property.first == "XNNPACK" ? rest.properties : own).push_back(property);
    }
    for (size_t i = 0;; ++i) {
      std::shared_ptr<EdgeTpuAccelerator> accelerator;
      try {
        accelerator = std::make_shared<EdgeTpuAccelerator>(driver_, tpus_[i], info_.id, own);
      } catch (const Error& error) {
        if (error.code() != ErrorCode::kDeviceBusy || i + 1 == tpus_.size()) throw;
        continue;
      }
      return load_model(runtime_, describe(*runtime_, *driver_, tpus_[i], info_.id), std::move(accelerator), source,
                        rest);
    }
  }

 private:
  const std::shared_ptr<const Runtime> runtime_;
  const std::shared_ptr<const EdgeTpuDriver> driver_;
  const std::vector<EdgeTpu> tpus_;
  const DeviceInfo info_;
};

}  // namespace

std::shared_ptr<const EdgeTpuDriver> EdgeTpus::driver() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!driver_) driver_ = EdgeTpuDriver::open(library_);
  return driver_;
}

std::vector<DeviceInfo> EdgeTpus::devices() {
  std::shared_ptr<const EdgeTpuDriver> opened;
  try {
    opened = driver();
  } catch (const Error&) {
    return {};
  }
  std::vector<DeviceInfo> found;
  for (const EdgeTpu& tpu : opened->devices()) {
    found.push_back(describe(*runtime_, *opened, tpu, kPrefix + std::to_string(found.size())));
  }
  return found;
}

std::shared_ptr<Device> EdgeTpus::open(const std::string& device_id) {
  const auto opened = driver();
  const std::vector<EdgeTpu> all = opened->devices();  // each time: a stick may come back at another port
  const std::string wanted = device_id.substr(sizeof kPrefix - 1);
  std::string list;
  for (size_t i = 0; i < all.size(); ++i) {
    std::vector<EdgeTpu> tpus = {all[i]};
    if (wanted == std::to_string(i)) {
      // A number is a place in the driver's list, which a stick that was pulled out may have left to its neighbour:
      // then the number means one that no other process has.
      for (size_t other = 0; other < all.size(); ++other) {
        if (other != i) tpus.push_back(all[other]);
      }
    } else if (wanted != all[i].selector()) {
      list += (list.empty() ? "" : ", ") + std::to_string(i) + " (" + all[i].selector() + ")";
      continue;
    }
    return std::make_shared<EdgeTpuDevice>(runtime_, opened, std::move(tpus), device_id);
  }
  throw Error(ErrorCode::kUnavailable,
              "There is no Edge TPU '" + wanted + "' here; the driver sees " + (list.empty() ? "none" : list) + ".",
              "Plug it in, and see `npx edge-infer doctor` about its rights and, in a container, its device mapping.",
              "tflite");
}

}  // namespace edge::tflite
