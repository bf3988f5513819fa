// Runs the twin of a compiled model, a plain TFLite model, by the C API of the runtime that called the simulator.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "tflite_abi.h"

namespace edgetpu_simulator {

class Twin {
 public:
  // Takes the library that `context` belongs to, however it was opened. Throws Failure.
  Twin(const Context& context, std::vector<char> model);
  ~Twin();
  Twin(const Twin&) = delete;
  Twin& operator=(const Twin&) = delete;

  size_t inputs() const;
  size_t outputs() const;
  Tensor& input(size_t at) const;
  const Tensor& output(size_t at) const;
  void invoke();

 private:
  struct Library;
  const std::unique_ptr<const Library> library_;
  const std::vector<char> bytes_;  // read in place by the model
  void* model_ = nullptr;
  void* interpreter_ = nullptr;
};

}  // namespace edgetpu_simulator
