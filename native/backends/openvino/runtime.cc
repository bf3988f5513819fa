#include "backends/openvino/runtime.h"

#include <algorithm>

namespace edge::openvino {

std::string Runtime::last_words() const {
  if (api.ov_get_last_err_msg == nullptr) return {};
  std::string text = take_string(api, api.ov_get_last_err_msg());
  text.erase(text.find_last_not_of(" \n\t") + 1);
  return text;
}

std::string Runtime::words_of(Status status) const {
  const std::string words = last_words();
  return words.empty() ? std::string(api.ov_get_error_info(status)) : words;
}

void Runtime::check(Status status, ErrorCode code, const std::string& message, const std::string& remedy) const {
  if (status != kOk) throw Error(code, message, remedy, "openvino", words_of(status));
}

std::vector<std::string> Runtime::devices() const {
  AvailableDevices list{};
  check(api.ov_core_get_available_devices(core, &list), ErrorCode::kUnavailable, "OpenVINO cannot list its devices.",
        "Install the runtime again.");
  std::vector<std::string> names(list.devices, list.devices + list.size);
  api.ov_available_devices_free(&list);
  return names;
}

bool Runtime::lost(const std::string& device, const std::string& words) const {
  // MYRIAD: the words of its driver (NC_…, X_LINK_…); GPU: OpenCL's and DirectX's; NPU: Level Zero's.
  for (const char* sign : {"NC_ERROR", "NC_DEVICE_NOT_FOUND", "NC_MYRIAD_ERROR", "X_LINK_ERROR", "X_LINK_COMMUNICATION",
                           "X_LINK_DEVICE_NOT_FOUND", "Failed to read output from FIFO", "CL_DEVICE_NOT_AVAILABLE",
                           "CL_OUT_OF_RESOURCES", "ZE_RESULT_ERROR_DEVICE_LOST",
                           "ZE_RESULT_ERROR_DEVICE_REQUIRES_RESET", "device lost", "Device lost", "DEVICE_LOST"}) {
    if (words.find(sign) != std::string::npos) return true;
  }
  // 2022.3 has no words, and a device that was pulled out is not listed any more. The CPU is always there.
  if (device.rfind("CPU", 0) == 0 || device.find(':') != std::string::npos) return false;
  AvailableDevices list{};
  if (api.ov_core_get_available_devices(core, &list) != kOk) return false;
  const std::string name = device;
  bool listed = false;
  // "MYRIAD" stands for any of "MYRIAD.1.2-ma2480", "GPU" for "GPU.0".
  for (size_t i = 0; i < list.size; ++i) {
    const std::string one = list.devices[i];
    listed = listed || one == name || one.rfind(name + ".", 0) == 0;
  }
  api.ov_available_devices_free(&list);
  return !listed;
}

std::string take_string(const Api& api, const char* text) {
  if (text == nullptr) return {};
  std::string taken = text;
  api.ov_free(text);
  return taken;
}

}  // namespace edge::openvino
