#include "backends/tensorrt/tensorrt.h"

#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "backends/tensorrt/api.h"
#include "backends/tensorrt/devices.h"
#include "backends/tensorrt/memory.h"
#include "backends/tensorrt/model.h"
#include "core/exit_guard.h"

namespace edge::tensorrt {
namespace {

class TensorRtDevice final : public Device {
 public:
  TensorRtDevice(std::shared_ptr<Gpu> gpu, const InferApi& infer, int dla_core)
      : gpu_(std::move(gpu)), info_(describe(gpu_->facts(), dla_core)) {
    const Gpu::Current current(*gpu_);
    check_start(infer, gpu_->facts());
    runtime_ = std::make_shared<Runtime>(infer, dla_core);
  }
  const DeviceInfo& info() const override { return info_; }
  std::shared_ptr<Allocator> make_allocator() override { return make_pinned_allocator(gpu_); }
  std::shared_ptr<Model> load(const ModelSource& source, const LoadOptions& options) override {
    return load_model(gpu_, runtime_, info_, source, options);
  }

 private:
  const std::shared_ptr<Gpu> gpu_;
  const DeviceInfo info_;
  std::shared_ptr<const Runtime> runtime_;
};

class TensorRtBackend final : public Backend {
 public:
  TensorRtBackend(CudaApi cuda, InferApi infer)
      : cuda_(std::move(cuda)), infer_(std::move(infer)), gpus_(list_gpus(cuda_)) {}

  std::string version() const override { return infer_.version.text(); }

  std::vector<DeviceInfo> devices() override {
    std::vector<DeviceInfo> all;
    for (const GpuFacts& gpu : gpus_) all.push_back(describe(gpu));
    return all;
  }

  std::shared_ptr<Device> open(const std::string& device_id) override {
    const auto [facts, dla_core] = select(gpus_, device_id);
    std::lock_guard<std::mutex> lock(mutex_);
    auto& device = opened_[{facts.ordinal, dla_core}];
    if (!device) {
      auto& gpu = opened_gpus_[facts.ordinal];
      if (!gpu) gpu = std::make_shared<Gpu>(cuda_, facts);
      device = std::make_shared<TensorRtDevice>(gpu, infer_, dla_core);
    }
    guard_exit();  // starting TensorRT may have brought more libraries
    return device;
  }

 private:
  const CudaApi cuda_;
  const InferApi infer_;
  const std::vector<GpuFacts> gpus_;  // the driver's list stays as it is for as long as the process lives
  std::mutex mutex_;
  std::map<int, std::shared_ptr<Gpu>> opened_gpus_;  // shared by a GPU and its DLA cores: one context
  std::map<std::pair<int, int>, std::shared_ptr<Device>> opened_;
};

}  // namespace

std::shared_ptr<Backend> open(const std::string& libraries) {
  const size_t line = libraries.find('\n');
  const std::string driver = libraries.substr(0, line);
  const std::string library = line == std::string::npos ? std::string() : libraries.substr(line + 1);
  if (driver.empty() || library.empty()) {
    throw Error(ErrorCode::kUnavailable,
                driver.empty() ? "The CUDA driver libcuda.so.1 was not found."
                               : "TensorRT's library libnvinfer.so was not found.",
                "`npx edge-infer doctor` shows where was looked.", "tensorrt");
  }
  // The driver first: without one that works, TensorRT crashes.
  CudaApi cuda = open_cuda(driver);
  InferApi infer = open_infer(library);
  return std::make_shared<TensorRtBackend>(std::move(cuda), std::move(infer));
}

}  // namespace edge::tensorrt
