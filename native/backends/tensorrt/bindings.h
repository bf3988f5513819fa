// Engines of TensorRT 8.0 to 8.4, which have bindings instead of tensors by name.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "backends/tensorrt/infer.h"

namespace edge::tensorrt {

// Each optimisation profile has all bindings again, in the same order.
class BindingEngine final : public Engine {
 public:
  BindingEngine(std::shared_ptr<const Runtime> runtime, Object object);
  int tensor_count() const override { return static_cast<int>(names_.size()); }
  std::string tensor_name(int index) const override { return names_[static_cast<size_t>(index)]; }
  bool is_input(const std::string& name) const override;
  Shape shape(const std::string& name) const override;
  bool is_on_host(const std::string& name) const override;
  bool decides_shapes(const std::string& name) const override;
  Shape profile_shape(const std::string& name, int profile, Bound bound) const override;

  // The binding's number in a profile.
  int32_t index_of(const std::string& name, int profile = 0) const;

 protected:
  int32_t dtype_number(const std::string& name) const override;
  int32_t format(const std::string& name) const override;
  std::unique_ptr<ExecutionContext> wrap(Object context, std::shared_ptr<const int> profile) const override;

 private:
  std::vector<std::string> names_;
};

class BindingContext final : public ExecutionContext {
 public:
  BindingContext(const BindingEngine& engine, Object object, std::shared_ptr<const int> profile);
  bool set_input_shape(const std::string& name, const Shape& shape) override;
  bool set_shape_values(const std::string& name, const void* values) override;
  Shape shape(const std::string& name) const override;
  bool set_address(const std::string& name, CuAddress address) override;
  bool set_sink(const std::string& name, OutputSink& sink) override;
  bool enqueue(CuStream* stream) override;
  bool fetch_shape_values(const std::string& name, void* values) override;

 private:
  Shape known_shape(const std::string& name) const;
  void*& pointer_of(const std::string& name);
  const BindingEngine& engine_;
  std::map<std::string, OutputSink*> sinks_;
  std::vector<void*> pointers_;  // of all bindings; those of other profiles are null
  bool values_decide_ = false;   // an input's values decide shapes
};

}  // namespace edge::tensorrt
