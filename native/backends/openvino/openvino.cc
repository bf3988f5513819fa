#include "backends/openvino/openvino.h"

#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "backends/openvino/devices.h"
#include "backends/openvino/model.h"
#include "core/exit_guard.h"
#include "core/log.h"

namespace edge::openvino {
namespace {

// Lines of OpenVINO's own log; the level is the word in brackets at the start.
void on_log(const char* message) {
  std::string text = message ? message : "";
  text.erase(text.find_last_not_of(" \n\t") + 1);
  if (text.empty()) return;
  LogLevel level = LogLevel::kInfo;
  if (text.rfind("[ERR", 0) == 0) level = LogLevel::kError;
  if (text.rfind("[WARN", 0) == 0) level = LogLevel::kWarning;
  if (text.rfind("[DEBUG", 0) == 0) level = LogLevel::kDebug;
  log(level, "openvino", text);
}

class OpenVinoDevice final : public Device {
 public:
  OpenVinoDevice(std::shared_ptr<const Runtime> runtime, std::string name, DeviceInfo info)
      : runtime_(std::move(runtime)), name_(std::move(name)), info_(std::move(info)) {}
  const DeviceInfo& info() const override { return info_; }
  std::shared_ptr<Model> load(const ModelSource& source, const LoadOptions& options) override {
    if (!options.signature.empty()) {
      throw Error(ErrorCode::kUnsupported, "OpenVINO runs a model as a whole: it has no signatures.",
                  "Load a TFLite model on `tflite:cpu`, or leave `signature` out.", "openvino");
    }
    auto model = load_model(runtime_, name_, info_, source, options);
    guard_exit();  // compiling may bring more libraries
    return model;
  }

 private:
  const std::shared_ptr<const Runtime> runtime_;
  const std::string name_;  // OpenVINO's: "CPU"
  const DeviceInfo info_;
};

class OpenVinoBackend final : public Backend {
 public:
  explicit OpenVinoBackend(std::shared_ptr<const Runtime> runtime) : runtime_(std::move(runtime)) {}

  std::string version() const override { return runtime_->version; }

  std::vector<DeviceInfo> devices() override {
    std::vector<DeviceInfo> all;
    for (const std::string& name : runtime_->devices()) all.push_back(describe_device(*runtime_, name));
    return all;
  }

  std::shared_ptr<Device> open(const std::string& device_id) override {
    const std::string name = resolve_device(*runtime_, device_id);  // each time: a device may have gone since
    std::lock_guard<std::mutex> lock(mutex_);
    auto& device = devices_[name];
    if (!device) device = std::make_shared<OpenVinoDevice>(runtime_, name, describe_device(*runtime_, name));
    guard_exit();  // describing it brought its plug-in
    return device;
  }

 private:
  const std::shared_ptr<const Runtime> runtime_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Device>> devices_;
};

}  // namespace

std::shared_ptr<Backend> open(const std::string& library) {
  if (library.empty()) {
    throw Error(ErrorCode::kUnavailable, "OpenVINO's library libopenvino_c.so was not found.",
                "Run `npx edge-infer runtimes install openvino`, or set EDGE_INFER_OPENVINO to its folder; "
                "`npx edge-infer doctor` shows where was looked.",
                "openvino");
  }
  auto runtime = std::make_shared<Runtime>();
  runtime->library = library;
  runtime->api = open_api(library);
  guard_exit();
  const Api& api = runtime->api;
  Version version{};
  if (api.ov_get_openvino_version(&version) == kOk) {
    runtime->version = version.build_number;
    api.ov_version_free(&version);
  }
  runtime->numbering = probe_numbering(api, numbering_of(runtime->version));
  if (api.ov_util_set_log_callback != nullptr) api.ov_util_set_log_callback(on_log);
  runtime->check(api.ov_core_create(&runtime->core), ErrorCode::kUnavailable, "OpenVINO does not start.",
                 "Install the runtime again; its libraries must stay together in one folder.");
  return std::make_shared<OpenVinoBackend>(std::move(runtime));
}

}  // namespace edge::openvino
