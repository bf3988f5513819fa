#include "backends/openvino/model.h"

#include <cstring>
#include <utility>

#include "backends/openvino/cache.h"
#include "backends/openvino/compiler.h"
#include "backends/openvino/profile.h"
#include "backends/openvino/reader.h"
#include "backends/openvino/request.h"
#include "core/exit_guard.h"

namespace edge::openvino {
namespace {

class OpenVinoModel final : public Model, public std::enable_shared_from_this<OpenVinoModel> {
 public:
  OpenVinoModel(std::shared_ptr<const Compiled> compiled, ModelInfo info)
      : compiled_(std::move(compiled)), info_(std::move(info)) {}
  const std::vector<TensorSpec>& inputs() const override { return compiled_->inputs; }
  const std::vector<TensorSpec>& outputs() const override { return compiled_->outputs; }
  const ModelInfo& info() const override { return info_; }
  std::unique_ptr<Request> create_request() override {
    return std::make_unique<OpenVinoRequest>(compiled_, shared_from_this());
  }
  std::vector<LayerInfo> layers() override;

 private:
  const std::shared_ptr<const Compiled> compiled_;
  const ModelInfo info_;
};

// The C API shows no graph. What was executed, by which kernel, is in the profile of a run: one of zeros, here.
std::vector<LayerInfo> OpenVinoModel::layers() {
  if (!compiled_->profile) {
    throw Error(ErrorCode::kInvalidArgument, "OpenVINO tells the layers only of a model that measures them.",
                "Load the model with `profile: true`.", "openvino");
  }
  const std::unique_ptr<Request> request = create_request();
  std::vector<Shape> shapes;
  for (const TensorSpec& spec : compiled_->inputs) {
    shapes.push_back(spec.shape);
    for (int64_t& dim : shapes.back()) dim = dim < 0 ? 1 : dim;
  }
  request->bind(shapes);
  for (const BoundTensor& input : request->inputs()) std::memset(input.buffer->data(), 0, input.bytes);
  request->run();
  const std::string device = info_.devices.size() == 1 ? info_.devices.front() : std::string();
  std::vector<LayerInfo> layers;
  for (const LayerTime& one : request->profile()) {
    layers.push_back({one.name, one.type, device, kernel_precision(one.kernel), one.kernel});
  }
  return layers;
}

}  // namespace

std::shared_ptr<Model> load_model(const std::shared_ptr<const Runtime>& runtime, const std::string& device,
                                  const DeviceInfo& info, const ModelSource& source, const LoadOptions& options) {
  const Compiler compiler(*runtime, device, info, options);
  const Properties properties = compiler.properties();
  Reader reader(*runtime, options);
  reader.read(source);
  guard_exit();  // reading brought the format's frontend; compiling may take minutes
  reader.reshape();
  std::vector<TensorSpec> inputs = reader.specs(false), outputs = reader.specs(true);
  CompiledHandle handle(runtime->api);
  ModelInfo report;
  const auto compile = [&](const std::string& cache) {
    handle = compiler.compile(reader.model(), properties, cache);
    report = compiler.report(handle);
    return report.from_cache;
  };
  if (options.cache_directory.empty()) {
    compile({});
  } else {
    compile_cached(cache_key(*runtime, device, info, source, reader.files(), options, properties),
                   options.cache_directory, options.cancelled.get(), compile);
  }
  const auto threads = report.properties.find("INFERENCE_NUM_THREADS");
  const bool one_thread = threads != report.properties.end() && threads->second == "1";
  auto compiled =
      std::make_shared<Compiled>(Compiled{runtime, device, std::move(handle), std::move(inputs), std::move(outputs),
                                          options.allocator, one_thread, options.profile});
  return std::make_shared<OpenVinoModel>(std::move(compiled), std::move(report));
}

}  // namespace edge::openvino
