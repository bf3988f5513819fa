// A simulated TensorRT of each major version, and engines on it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "../../support/cuda_simulator.h"
#include "backends/tensorrt/tensorrt.h"
#include "core/reaper.h"

namespace edge::test {

// The simulated releases: the major versions, and two that have bindings instead of tensors by name.
inline const std::string kReleases[] = {"8.0", "8.2", "8", "10", "11"};

inline std::string release_name(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
}

// A process has one TensorRT: each test runs on one release, in a process of its own under ctest.
class EngineTest : public testing::TestWithParam<std::string> {
 protected:
  static int major() { return std::stoi(GetParam()); }
  // What came in with the releases that have tensors by name.
  static bool is_by_name() { return GetParam().rfind("8.", 0) != 0; }
  static std::string folder() { return NVINFER_SIMULATORS "/nvinfer-" + GetParam(); }
  static std::string libraries() {
    return std::string(CudaSimulator::library()) + "\n" + folder() + "/libnvinfer.so." + std::to_string(major());
  }
  void open(const std::string& control = "") {
    simulator.tell(control);
    start_reaper();
    backend = tensorrt::open(libraries());
    device = backend->open("0");
  }
  std::string plan(const std::string& lines) const {
    return "ftrt edge-infer-simulator " + std::to_string(major()) + "\n" + lines + "end\n";
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
