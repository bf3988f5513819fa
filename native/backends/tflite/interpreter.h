// One TFLite interpreter for fixed input shapes, with its delegates: made whole or not at all.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backends/tflite/runtime.h"
#include "core/backend.h"

namespace edge::tflite {

// A delegate of another library, such as an Edge TPU's driver.
class Accelerator {
 public:
  virtual ~Accelerator() = default;
  virtual std::string device_id() const = 0;  // as layers show it
  virtual std::string driver() const = 0;     // its version, in its own words
  // Throws kUnsupported where the device cannot run the model, before anything is given to it.
  virtual void check(const std::vector<uint8_t>& model, bool allow_partial) const = 0;
  // The delegate lives until the returned owner is gone. Throws an Error where the device is not there.
  virtual std::shared_ptr<Delegate> make_delegate() = 0;
  // The Error for a failure of the device with these words.
  virtual Error failure(ErrorCode code, const std::string& message, const std::string& words) const = 0;
};

// What an interpreter is made from.
struct Plan {
  std::shared_ptr<const Runtime> runtime;
  std::shared_ptr<const std::vector<uint8_t>> bytes;  // TFLite reads weights from them for as long as it lives
  std::shared_ptr<TfLiteModel> model;
  int threads = 1;
  bool xnnpack = true;
  bool profile = false;
  std::shared_ptr<Accelerator> accelerator;  // null: the CPU alone
};

// The graph as it is after delegates have taken their nodes.
struct Placement {
  std::vector<LayerInfo> layers;
  size_t accelerated = 0;      // nodes of the model that the accelerator took
  size_t xnnpack = 0;          // … and that XNNPACK took
  bool has_resources = false;  // variables of TensorFlow 2's kind, which live outside the tensors
};

class Interpreter {
 public:
  // `shapes`: of the inputs, in order; empty: as the file has them. Throws kInvalidModel, kInvalidTensor (shapes that
  // the model cannot run with), kUnsupported (an operator that is missing), or what the accelerator throws.
  Interpreter(const Plan& plan, const std::vector<Shape>& shapes);
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  size_t input_count() const;
  size_t output_count() const;
  // The library's own; valid until the next resize.
  const Tensor& input(size_t index) const;
  const Tensor& output(size_t index) const;
  const Placement& placement() const { return placement_; }

  // Lets TFLite read or write this memory, 64-byte aligned, as an input's or output's. False where it cannot: the
  // tensor then has memory of TFLite's own. After the last one: allocate().
  bool adopt_input(size_t index, void* data, size_t bytes);
  bool adopt_output(size_t index, void* data, size_t bytes);
  void allocate();

  void invoke();           // Blocks. Throws kAborted after cancel(), kDeviceLost or kBackend.
  void cancel() noexcept;  // any thread; takes effect between two nodes
  // False where TFLite cannot: a new interpreter begins anew.
  bool reset_variables();
  std::vector<LayerTime> profile() const { return times_; }

 private:
  struct Observer;
  struct Stopwatch;
  void create(const std::vector<Shape>& shapes);
  void check_ports() const;
  bool apply(Delegate* delegate);
  void resize(const std::vector<Shape>& shapes);
  void observe();
  [[noreturn]] void refuse(const std::string& words) const;
  bool adopt(int tensor_index, const Tensor& tensor, void* data, size_t bytes);

  const Plan plan_;
  const Api& api_;
  std::unique_ptr<Words> words_ = std::make_unique<Words>();
  // Delegates outlive the interpreter that uses them.
  std::shared_ptr<Delegate> accelerator_, xnnpack_;
  std::unique_ptr<Observer> observer_;
  std::unique_ptr<Stopwatch> stopwatch_;
  std::shared_ptr<TfLiteOptions> options_;
  std::shared_ptr<TfLiteInterpreter> handle_;
  std::vector<LayerTime> times_;
  Placement placement_;
  bool resized_ = false;  // its shapes are not those of the file
};

}  // namespace edge::tflite
