// Compiles a model with OpenVINO by the caller's options, and tells what came of it.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "backends/openvino/runtime.h"
#include "core/backend.h"

namespace edge::openvino {

using Properties = std::vector<std::pair<std::string, std::string>>;  // by OpenVINO's names

class Compiler {
 public:
  Compiler(const Runtime& runtime, const std::string& device, const DeviceInfo& info, const LoadOptions& options)
      : runtime_(runtime), api_(runtime.api), device_(device), info_(info), options_(options) {}

  // What the options mean to this device. Throws kUnsupported where it lacks the precision, kInvalidArgument for too
  // many.
  Properties properties() const;
  // Compiles with these properties and no cache (empty), or OpenVINO's own one in this folder. With `allow_partial`, a
  // device that refuses the model shares it with the CPU. Throws kUnsupported with the refused layer in the cause.
  CompiledHandle compile(const OvModel* model, const Properties& properties, const std::string& cache) const;
  // Throws kUnsupported where it executes another precision than the one asked for.
  ModelInfo report(const CompiledHandle& compiled) const;

 private:
  Status try_compile(const OvModel* model, const std::string& device, const Properties& properties,
                     const std::string& cache, CompiledHandle& compiled) const;
  [[noreturn]] void throw_refused(const std::string& cause) const;
  void check_precision(const std::string& executed) const;

  const Runtime& runtime_;
  const Api& api_;
  const std::string& device_;
  const DeviceInfo& info_;
  const LoadOptions& options_;
};

}  // namespace edge::openvino
