// One inference request of OpenVINO over buffers of ours.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "backends/openvino/runtime.h"
#include "core/backend.h"

namespace edge::openvino {

// What requests need of their model.
struct Compiled {
  std::shared_ptr<const Runtime> runtime;
  std::string device;  // OpenVINO's name of it
  CompiledHandle handle;
  std::vector<TensorSpec> inputs, outputs;
  std::shared_ptr<Allocator> allocator;
  bool one_thread = false;  // computes on a single thread
  bool profile = false;     // measures its layers
};

class OpenVinoRequest final : public Request {
 public:
  OpenVinoRequest(std::shared_ptr<const Compiled> model, std::shared_ptr<Model> keep_alive);
  ~OpenVinoRequest() override;

  void bind(const std::vector<Shape>& input_shapes) override;
  const std::vector<BoundTensor>& inputs() const override { return inputs_; }
  const std::vector<BoundTensor>& outputs() const override { return outputs_; }
  void run() override;
  void start(Done done) override;
  void cancel() noexcept override;
  void reset_state() override;
  std::vector<LayerTime> profile() override;
  size_t bytes_copied() const override { return bytes_copied_; }

 private:
  static void on_done(void* self) noexcept;
  void finish() noexcept;
  TensorHandle wrap(Dtype dtype, const Shape& shape, const Buffer& buffer) const;
  RequestHandle make_handle() const;
  void set_inputs(const std::vector<BoundTensor>& inputs);
  void set_output(size_t index, const BoundTensor& output);
  void set_static_outputs();
  Status infer();
  void throw_run_error(Status status) const;
  void fetch_dynamic_outputs();

  const std::shared_ptr<const Compiled> model_;
  const std::shared_ptr<Model> keep_alive_;
  const Runtime& runtime_;
  std::mutex mutex_;  // guards handle_ between cancel() and reset_state()
  RequestHandle handle_;
  Callback callback_;  // the library keeps its address
  Done done_;
  std::vector<BoundTensor> inputs_, outputs_;
  size_t bytes_copied_ = 0;
  int64_t last_run_ns_ = INT64_MAX;  // unknown: take it for long
};

}  // namespace edge::openvino
