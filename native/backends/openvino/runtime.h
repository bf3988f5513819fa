// One opened OpenVINO: its functions, its core, and small owners of its objects.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backends/openvino/api.h"
#include "backends/openvino/element_type.h"
#include "core/error.h"

namespace edge::openvino {

struct Runtime {
  Api api;
  Core* core = nullptr;  // never freed: one per process
  std::string library;   // its path
  std::string version;   // build number, "2026.4.1-…"
  Numbering numbering = Numbering::k2025;

  // The library's last words; empty where the release has none.
  std::string last_words() const;
  // The same, or what the status means.
  std::string words_of(Status status) const;
  // Throws unless `status` is OK.
  void check(Status status, ErrorCode code, const std::string& message, const std::string& remedy) const;
  // By OpenVINO's own names, such as "GPU.1".
  std::vector<std::string> devices() const;
  // Whether a failure with these words, or with none, means that the device is gone.
  bool lost(const std::string& device, const std::string& words) const;
};

// Owns one object of the library; `Free` is the member of Api that frees it.
template <typename T, auto Free>
class Owned {
 public:
  explicit Owned(const Api& api) : api_(&api) {}
  ~Owned() { reset(); }
  Owned(Owned&& other) noexcept : api_(other.api_), object_(std::exchange(other.object_, nullptr)) {}
  Owned& operator=(Owned&& other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  T* get() const { return object_; }
  // For functions that return through a parameter.
  T** out() {
    reset();
    return &object_;
  }
  void reset() {
    if (object_ != nullptr) (api_->*Free)(std::exchange(object_, nullptr));
  }

 private:
  const Api* api_;
  T* object_ = nullptr;
};

using ModelHandle = Owned<OvModel, &Api::ov_model_free>;
using CompiledHandle = Owned<CompiledModel, &Api::ov_compiled_model_free>;
using RequestHandle = Owned<InferRequest, &Api::ov_infer_request_free>;
using TensorHandle = Owned<Tensor, &Api::ov_tensor_free>;
using PortHandle = Owned<ConstPort, &Api::ov_output_const_port_free>;

// Takes a string of the library over.
std::string take_string(const Api& api, const char* text);

}  // namespace edge::openvino
