// INT8 calibration: TensorRT runs the model in f32 on batches of real inputs, learns the range of every tensor, and
// hands out what it learnt as a calibration cache, with which it builds again without the inputs. TensorRT 8 and 10
// have it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backends/tensorrt/build_options.h"
#include "backends/tensorrt/gpu.h"
#include "core/error.h"

namespace edge::tensorrt {

// Batches of inputs in a file, as it was collected for one build.
//
//   "edge-infer calibration 1\n", then for each batch
//   u32 number of inputs, and for each of them: u32 length, name, u64 bytes, values; all little-endian
class Calibrator {
 public:
  struct Input {
    std::string name;
    size_t bytes = 0;  // of one batch
  };

  // Throws kInvalidArgument where a file is none of the kind, kModelNotFound where the options name only a calibration
  // cache and it is not there. The GPU's context is current, here and while TensorRT builds.
  Calibrator(int major, const BuildOptions& options, std::shared_ptr<const Gpu> gpu, const std::vector<Input>& inputs);
  Calibrator(const Calibrator&) = delete;
  Calibrator& operator=(const Calibrator&) = delete;

  // An IInt8Calibrator of that major version, which lives as long as this.
  void* interface() const { return interface_.get(); }
  // What went wrong while TensorRT asked, which it knows only as a failure.
  void check() const {
    if (error_) throw *error_;
  }

  // What TensorRT asks.
  bool next(void* bindings[], const char* const names[], int32_t count) noexcept;
  const void* cache(size_t& size) noexcept;
  void keep(const void* data, size_t size) noexcept;
  int32_t algorithm() const noexcept { return algorithm_; }

 private:
  void open_inputs(const std::string& path);
  // False at the end of the file.
  bool read_batch();
  [[noreturn]] void refuse(const std::string& what) const;

  struct Feed {
    Input input;
    std::vector<char> values;
    DeviceMemory memory;
  };

  const std::string cache_path_;
  const std::shared_ptr<const Gpu> gpu_;
  std::vector<uint8_t> cache_;
  int32_t algorithm_ = 2;  // CalibrationAlgoType: by entropy, the second version
  std::ifstream batches_;
  std::vector<Feed> feeds_;
  Stream stream_;
  size_t batch_ = 0;
  std::optional<Error> error_;
  std::shared_ptr<void> interface_;
};

}  // namespace edge::tensorrt
