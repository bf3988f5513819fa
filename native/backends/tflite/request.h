// One inference slot of TFLite: an interpreter over buffers of ours.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "backends/tflite/interpreter.h"
#include "core/backend.h"

namespace edge::tflite {

// What requests need of their model.
struct Compiled {
  Plan plan;
  std::vector<TensorSpec> inputs, outputs;
  std::shared_ptr<Allocator> allocator;
  // The accelerator's driver changes signed inputs in place: it gets a copy before every run.
  bool copies_signed_inputs = false;
};

class TfliteRequest final : public Request {
 public:
  // `first`: an interpreter that is at hand already; may be null.
  TfliteRequest(std::shared_ptr<const Compiled> model, std::shared_ptr<Model> keep_alive,
                std::unique_ptr<Interpreter> first);

  void bind(const std::vector<Shape>& input_shapes) override;
  const std::vector<BoundTensor>& inputs() const override { return inputs_; }
  const std::vector<BoundTensor>& outputs() const override { return outputs_; }
  void run() override;
  void cancel() noexcept override;
  void reset_state() override;
  std::vector<LayerTime> profile() override;
  size_t bytes_copied() const override { return bytes_copied_; }

 private:
  // What is bound: replaced as a whole.
  struct Binding {
    std::vector<BoundTensor> inputs, outputs;
    std::vector<bool> input_in_place, output_in_place;
  };
  Binding make_binding(Interpreter& interpreter, const std::vector<Shape>& shapes) const;
  void adopt(Interpreter& interpreter, Binding& binding) const;
  void check_shapes(const std::vector<Shape>& shapes) const;
  void take_output(size_t index);

  const std::shared_ptr<const Compiled> model_;
  const std::shared_ptr<Model> keep_alive_;
  std::atomic<bool> cancelled_{false};
  std::mutex mutex_;  // guards interpreter_ between cancel() and its replacement
  std::unique_ptr<Interpreter> interpreter_;
  bool is_bound_ = false;      // interpreter_ works in the buffers below
  std::vector<Shape> shapes_;  // of interpreter_; empty: as the file has them
  std::vector<BoundTensor> inputs_, outputs_;
  std::vector<bool> input_in_place_, output_in_place_;
  size_t bytes_copied_ = 0;
};

// The shape of a tensor of TFLite's.
Shape tensor_shape(const Tensor& tensor);
// Whether its shape is that of every run. TFLite prepares nodes only as far as shapes are known: what comes after a
// dynamic tensor has the converter's dimensions and no memory yet.
bool is_settled(const Tensor& tensor);

}  // namespace edge::tflite
