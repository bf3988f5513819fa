#include "backends/tflite/edgetpu_driver.h"

#include <cstdlib>

#include "core/exit_guard.h"
#include "core/library.h"

namespace edge::tflite {

std::string EdgeTpu::selector() const {
  const std::string name = path.substr(path.rfind('/') + 1);
  if (usb) return "usb-" + name;
  return "pci-" +
         name.substr(name.find_first_of("0123456789") == std::string::npos ? 0 : name.find_first_of("0123456789"));
}

std::shared_ptr<const EdgeTpuDriver> EdgeTpuDriver::open(const std::string& path) {
  Library library(path.empty() ? "libedgetpu.so.1" : path, "The Edge TPU's driver",
                  "Install libedgetpu1-std from Coral's packages, or name its library in EDGE_INFER_EDGETPU; "
                  "`npx edge-infer doctor` shows where was looked.",
                  "tflite");
  guard_exit();
  auto driver = std::make_shared<EdgeTpuDriver>();
  const char* (*version)() = nullptr;
  library.resolve("edgetpu_list_devices", driver->list_);
  library.resolve("edgetpu_free_devices", driver->free_list_);
  library.resolve("edgetpu_create_delegate", driver->create_);
  library.resolve("edgetpu_free_delegate", driver->free_);
  library.resolve("edgetpu_version", version);
  library.check("is no driver of the Edge TPU.", "Use libedgetpu.so.1 of Coral's packages.");
  const char* text = version();
  driver->version_ = text != nullptr ? text : "";
  const size_t at = driver->version_.find("RuntimeVersion(");
  if (at != std::string::npos) driver->runtime_version_ = std::atoi(driver->version_.c_str() + at + 15);
  return driver;
}

std::vector<EdgeTpu> EdgeTpuDriver::devices() const {
  size_t count = 0;
  ListedDevice* list = list_(&count);
  std::vector<EdgeTpu> found;
  for (size_t i = 0; list != nullptr && i < count; ++i) {
    found.push_back({list[i].type == 1, list[i].path != nullptr ? list[i].path : ""});
  }
  if (list != nullptr) free_list_(list);
  return found;
}

void EdgeTpuDriver::check_options(const Options& options) {
  const auto refuse = [](const std::string& message) {
    throw Error(ErrorCode::kInvalidArgument, message,
                "Use Performance (Low, Medium, High, Max), Usb.AlwaysDfu (True, False), Usb.MaxBulkInQueueLength (0 to "
                "256).",
                "tflite");
  };
  for (const auto& [name, value] : options) {
    if (name == "Performance") {
      if (value != "Low" && value != "Medium" && value != "High" && value != "Max") {
        refuse("The Edge TPU's Performance cannot be '" + value + "'.");
      }
    } else if (name == "Usb.AlwaysDfu") {
      if (value != "True" && value != "False") refuse("The Edge TPU's Usb.AlwaysDfu cannot be '" + value + "'.");
    } else if (name == "Usb.MaxBulkInQueueLength") {
      char* end = nullptr;
      const long number = std::strtol(value.c_str(), &end, 10);
      if (value.empty() || *end != 0 || number < 0 || number > 256) {
        refuse("The Edge TPU's Usb.MaxBulkInQueueLength cannot be '" + value + "'.");
      }
    } else {
      refuse("The Edge TPU has no option '" + name + "'.");
    }
  }
}

std::shared_ptr<Delegate> EdgeTpuDriver::make_delegate(const EdgeTpu& device, const Options& options) const {
  std::vector<Option> list;
  for (const auto& [name, value] : options) list.push_back({name.c_str(), value.c_str()});
  Delegate* made = create_(device.usb ? 1 : 0, device.path.c_str(), list.data(), list.size());
  if (made == nullptr) return nullptr;
  return {made, free_};
}

}  // namespace edge::tflite
