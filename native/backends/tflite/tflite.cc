#include "backends/tflite/tflite.h"

#include <utility>
#include <vector>

#include "backends/tflite/edgetpu.h"
#include "backends/tflite/model.h"
#include "backends/tflite/runtime.h"
#include "core/exit_guard.h"

namespace edge::tflite {
namespace {

DeviceInfo cpu_info(const Runtime& runtime) {
  DeviceInfo info;
  info.id = "cpu";
  info.name = "CPU (TFLite " + runtime.version + ")";
  info.type = "cpu";
  info.capabilities.cancellable = runtime.api.TfLiteInterpreterCancel != nullptr;
  info.capabilities.dynamic_shapes = true;
  info.capabilities.host_compute = true;
  info.capabilities.precisions = {"f32", "i8"};
  info.capabilities.formats = {"tflite"};
  return info;
}

class CpuDevice final : public Device {
 public:
  explicit CpuDevice(std::shared_ptr<const Runtime> runtime)
      : runtime_(std::move(runtime)), info_(cpu_info(*runtime_)) {}
  const DeviceInfo& info() const override { return info_; }
  std::shared_ptr<Model> load(const ModelSource& source, const LoadOptions& options) override {
    return load_model(runtime_, info_, nullptr, source, options);
  }

 private:
  const std::shared_ptr<const Runtime> runtime_;
  const DeviceInfo info_;
};

class TfliteBackend final : public Backend {
 public:
  TfliteBackend(std::shared_ptr<const Runtime> runtime, std::string driver)
      : runtime_(std::move(runtime)),
        cpu_(std::make_shared<CpuDevice>(runtime_)),
        edgetpus_(runtime_, std::move(driver)) {}

  std::string version() const override { return runtime_->version; }

  std::vector<DeviceInfo> devices() override {
    std::vector<DeviceInfo> all = edgetpus_.devices();
    all.insert(all.begin(), cpu_->info());
    return all;
  }

  std::shared_ptr<Device> open(const std::string& device_id) override {
    if (device_id == "cpu") return cpu_;
    if (device_id.rfind("edgetpu:", 0) == 0) return edgetpus_.open(device_id);
    if (device_id == "edgetpu") return edgetpus_.open("edgetpu:0");
    throw Error(ErrorCode::kUnavailable, "TFLite has no device '" + device_id + "'.",
                "Use `tflite:cpu` or `tflite:edgetpu:0`.", "tflite");
  }

 private:
  const std::shared_ptr<const Runtime> runtime_;
  const std::shared_ptr<Device> cpu_;
  EdgeTpus edgetpus_;
};

}  // namespace

std::shared_ptr<Backend> open(const std::string& libraries) {
  const size_t line = libraries.find('\n');
  const std::string library = libraries.substr(0, line);
  const std::string driver = line == std::string::npos ? std::string() : libraries.substr(line + 1);
  if (library.empty()) {
    throw Error(ErrorCode::kUnavailable, "TFLite's library libtensorflowlite_c.so was not found.",
                "Run `npx edge-infer runtimes install tflite`, or set EDGE_INFER_TFLITE to a library with TFLite's C "
                "API; `npx edge-infer doctor` shows where was looked.",
                "tflite");
  }
  auto runtime = std::make_shared<Runtime>();
  runtime->library = library;
  runtime->api = open_api(library);
  guard_exit();
  const char* version = runtime->api.TfLiteVersion();
  runtime->version = version != nullptr ? version : "";
  // Its "INFO: Created … delegate" lines do not belong on an application's stderr; errors come through the reporter.
  constexpr int kErrorsOnly = 3;
  if (runtime->api.set_minimum_log_severity != nullptr) runtime->api.set_minimum_log_severity(kErrorsOnly);
  return std::make_shared<TfliteBackend>(std::move(runtime), driver);
}

}  // namespace edge::tflite
