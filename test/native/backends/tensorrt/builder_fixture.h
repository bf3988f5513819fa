// ONNX models that become engines on a simulated TensorRT.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../../support/onnx_model.h"
#include "../../support/recorder.h"
#include "backends/tensorrt/builder.h"
#include "core/error.h"
#include "engine_fixture.h"

namespace edge::test {

using Properties = std::vector<std::pair<std::string, std::string>>;

class BuilderTest : public EngineTest {
 protected:
  std::shared_ptr<Model> load(const std::string& onnx, LoadOptions options = {}) const {
    return load_bytes(onnx, std::move(options));
  }
  // What the simulated builder was told, as the engine has it.
  std::string built(const std::string& onnx, const LoadOptions& options, int dla_core = -1) const {
    using namespace tensorrt;
    const CudaApi cuda = open_cuda(CudaSimulator::library());
    const auto gpu = std::make_shared<Gpu>(cuda, list_gpus(cuda).at(0));
    const Gpu::Current current(*gpu);
    const std::string both = libraries();
    const Runtime runtime(open_infer(both.substr(both.find('\n') + 1)), dla_core);
    BuildProgress progress({}, nullptr);
    const std::vector<uint8_t> engine =
        build_engine(gpu, runtime, bytes_of(onnx), "", read_build_options(options, runtime.api().version), progress);
    const std::string text(engine.begin(), engine.end());
    const size_t at = text.find("\nbuilt ") + 7;
    return text.substr(at, text.find('\n', at) - at);
  }
  // What it is told where nothing is said.
  static std::string defaults() {
    using namespace tensorrt;
    const size_t workspace = is_by_name() ? 0 : list_gpus(open_cuda(CudaSimulator::library())).at(0).memory / 2;
    return " level 3 workspace " + std::to_string(workspace) + " hardware 0";
  }
  static Bytes bytes_of(const std::string& text) {
    return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
  }
  static Floats run(Model& model, const Shape& shape, const Floats& values) {
    const auto request = model.create_request();
    request->bind({shape});
    fill(*request, values);
    request->run();
    return result(*request);
  }
  std::optional<Error> refusal(const std::string& onnx, LoadOptions options = {}) const {
    return error_of([&] { load(onnx, std::move(options)); });
  }
  static LoadOptions with(Properties properties, const std::string& precision = "") {
    LoadOptions options;
    options.properties = std::move(properties);
    options.precision = precision;
    return options;
  }
};
}  // namespace edge::test
