// Reads a model with OpenVINO and gives it the shapes that were asked for.
#pragma once

#include <string>
#include <vector>

#include "backends/openvino/runtime.h"
#include "core/backend.h"

namespace edge::openvino {

class Reader {
 public:
  Reader(const Runtime& runtime, const LoadOptions& options)
      : runtime_(runtime), api_(runtime.api), options_(options), model_(runtime.api) {}

  // Throws kInvalidModel, also for external data that is not in the model's folder.
  void read(const ModelSource& source);
  // Fixes the shapes that the caller asked for.
  void reshape();
  // Inputs, or outputs. Throws kUnsupported for types that no tensor of ours carries.
  std::vector<TensorSpec> specs(bool outputs) const;
  const OvModel* model() const { return model_.get(); }
  // Files beside the model that hold parts of it.
  const std::vector<std::string>& files() const { return files_; }

 private:
  TensorSpec spec(const ConstPort* port, bool output, size_t index) const;
  std::string port_name(const ConstPort* port, bool output, size_t index) const;

  const Runtime& runtime_;
  const Api& api_;
  const LoadOptions& options_;
  ModelHandle model_;
  std::vector<std::string> files_;
};

}  // namespace edge::openvino
