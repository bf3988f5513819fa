// A simulated TensorRT of each major version, and engines on it.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "../../support/cuda_simulator.h"
#include "backends/tensorrt/tensorrt.h"
#include "core/reaper.h"

namespace edge::test {

// A process has one TensorRT: each test runs on one major, in a process of its own under ctest.
class EngineTest : public testing::TestWithParam<int> {
 protected:
  static std::string libraries(int major) {
    const std::string number = std::to_string(major);
    return std::string(CudaSimulator::library()) + "\n" NVINFER_SIMULATORS "/nvinfer-" + number + "/libnvinfer.so." +
           number;
  }
  void open(const std::string& control = "") {
    simulator.tell(control);
    start_reaper();
    backend = tensorrt::open(libraries(GetParam()));
    device = backend->open("0");
  }
  std::string plan(const std::string& lines) const {
    return "ftrt edge-infer-simulator " + std::to_string(GetParam()) + "\n" + lines + "end\n";
  }
  std::shared_ptr<Model> load(const std::string& lines, LoadOptions options = {}) const {
    return load_bytes(plan(lines), std::move(options));
  }
  std::shared_ptr<Model> load_bytes(const std::string& bytes, LoadOptions options = {}) const {
    ModelSource source;
    source.bytes = {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
    if (!options.allocator) options.allocator = device->make_allocator();
    return device->load(source, options);
  }
  static void fill(const Request& request, const std::vector<float>& values) {
    std::memcpy(request.inputs()[0].buffer->data(), values.data(), values.size() * sizeof(float));
  }
  template <typename T = float>
  static std::vector<T> result(const Request& request, size_t index = 0) {
    const BoundTensor& output = request.outputs()[index];
    std::vector<T> values(output.bytes / sizeof(T));
    if (!values.empty()) std::memcpy(values.data(), output.buffer->data(), output.bytes);
    return values;
  }

  const CudaSimulator simulator;
  std::shared_ptr<Backend> backend;
  std::shared_ptr<Device> device;
};
using Floats = std::vector<float>;

}  // namespace edge::test
