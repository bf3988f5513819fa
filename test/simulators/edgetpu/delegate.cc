#include "delegate.h"

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>

#include "custom_options.h"
#include "failure.h"
#include "twin.h"

namespace edgetpu_simulator {
namespace {

constexpr char kCompiledOperator[] = "edgetpu-custom-op";
constexpr char kSignBit = static_cast<char>(0x80);

// What the runtime keeps for a kernel's calls. They find the device by it and not by their delegate, so a delegate that
// is wrapped in another one works.
struct DeviceContext : ExternalContext {
  explicit DeviceContext(Device& opened) : ExternalContext{kEdgeTpuContext, nullptr}, device(opened) {}
  Device& device;
};

// As in the driver the context stands right behind the public part. A runtime with a longer public part takes it for
// the first member that it knows beyond: the second way in which an old driver fails there.
struct EdgeTpuDelegate : Delegate {
  std::unique_ptr<DeviceContext> context;
};
#if defined(EDGETPU_SIMULATOR_OLD_LAYOUT)
static_assert(sizeof(Delegate) == 48);
#else
static_assert(sizeof(Delegate) == 56);
#endif

std::vector<char> twin_of(const CustomOptions& options) {
  if (options.twin) return {options.twin->begin(), options.twin->end()};
  const char* path = std::getenv("EDGE_INFER_EDGETPU_TWIN");
  std::ifstream file(path != nullptr ? path : "", std::ios::binary);
  if (!file) {
    throw Failure(
        "edgetpu simulator: the model carries no twin, and EDGE_INFER_EDGETPU_TWIN names no file that can be read.");
  }
  return {std::istreambuf_iterator<char>(file), {}};
}

// One compiled node.
class Kernel {
 public:
  explicit Kernel(const Node& compiled)
      : inputs_(compiled.inputs->begin(), compiled.inputs->end()),
        outputs_(compiled.outputs->begin(), compiled.outputs->end()),
        options_(static_cast<const char*>(compiled.custom_initial_data),
                 static_cast<size_t>(compiled.custom_initial_data_size)) {}

  void prepare(const Context& context) {
    if (twin_ == nullptr) {
      const CustomOptions options = read_custom_options(options_);
      const int needed = minimum_runtime_version(options.package), ours = Control::current().runtime_version();
      if (needed > ours) {
        throw Failure("Failed precondition: Package requires runtime version (" + std::to_string(needed) +
                      "), which is newer than this runtime version (" + std::to_string(ours) + ").");
      }
      twin_ = std::make_unique<Twin>(context, twin_of(options));
    }
    if (twin_->inputs() != inputs_.size() || twin_->outputs() != outputs_.size()) {
      throw Failure("Internal: edgetpu simulator: the twin has another number of inputs or outputs.");
    }
    for (size_t i = 0; i < inputs_.size(); ++i) compare(tensor(context, inputs_[i]), twin_->input(i), "input", i);
    for (size_t i = 0; i < outputs_.size(); ++i) compare(tensor(context, outputs_[i]), twin_->output(i), "output", i);
  }

  // `inputs`: those of the node in the runtime's plan, where each stands once.
  void run(const Context& context, const IntArray& inputs, Device& device) const {
    Device::Run run(device);
    // The chip computes with unsigned numbers, and the driver translates where the values lie: they stay so.
    for (const int index : inputs) {
      if (tensor(context, index).type == kInt8) flip_signs(tensor(context, index), tensor(context, index).data);
    }
    run.start();
    for (size_t i = 0; i < inputs_.size(); ++i) {
      const Tensor& from = tensor(context, inputs_[i]);
      if (from.type == kInt8)
        flip_signs(from, twin_->input(i).data);
      else
        std::memcpy(twin_->input(i).data, from.data, from.bytes);
    }
    twin_->invoke();
    run.finish();
    for (size_t i = 0; i < outputs_.size(); ++i) {
      const Tensor& to = tensor(context, outputs_[i]);
      std::memcpy(to.data, twin_->output(i).data, to.bytes);
    }
  }

 private:
  static const Tensor& tensor(const Context& context, int index) {
    if (index < 0) throw Failure("Internal: edgetpu simulator: an optional tensor.");
    return context.tensors[index];
  }
  static void compare(const Tensor& ours, const Tensor& twins, const char* what, size_t at) {
    if (ours.type == twins.type && ours.bytes == twins.bytes) return;
    throw Failure("Internal: " + std::string(what) + " " + std::to_string(at) + " has " + std::to_string(ours.bytes) +
                  " bytes of type " + std::to_string(ours.type) + ", the executable has " +
                  std::to_string(twins.bytes) + " of type " + std::to_string(twins.type) + ".");
  }
  static void flip_signs(const Tensor& from, void* to) {
    const auto* source = static_cast<const char*>(from.data);
    auto* target = static_cast<char*>(to);
    for (size_t i = 0; i < from.bytes; ++i) target[i] = static_cast<char>(source[i] ^ kSignBit);
  }

  // In the order of the compiled node, which is the twin's: the runtime sorts those of the node it makes of it.
  const std::vector<int> inputs_, outputs_;
  const std::string_view options_;  // of the model's bytes, which outlive the interpreter
  std::unique_ptr<Twin> twin_;
};

void* init(Context* context, const char* buffer, size_t) {
  const auto* params = reinterpret_cast<const DelegateParams*>(buffer);
  Node* node = nullptr;
  Registration* registration = nullptr;
  if (params->nodes->size != 1 ||
      context->node_and_registration(context, (*params->nodes)[0], &node, &registration) != kOk) {
    fatal("Check failed: nodes->size == 1");
  }
  return new Kernel(*node);
}

void free_kernel(Context*, void* kernel) { delete static_cast<Kernel*>(kernel); }

Status prepare(Context* context, Node* node) {
  try {
    static_cast<Kernel*>(node->user_data)->prepare(*context);
    return kOk;
  } catch (const Failure& failure) {
    context->report_error(context, "Failed to prepare for TPU. %s", failure.what());
    return kError;
  }
}

Status invoke(Context* context, Node* node) {
  try {
    const auto* external = static_cast<DeviceContext*>(context->external_context(context, kEdgeTpuContext));
    if (external == nullptr) throw Failure("Failed to retrieve TPU context.");
    static_cast<const Kernel*>(node->user_data)->run(*context, *node->inputs, external->device);
    return kOk;
  } catch (const Failure& failure) {
    context->report_error(context, "Failed to execute request. %s", failure.what());
    return kError;
  }
}

Status claim(Context* context, Delegate* delegate) {
  context->set_external_context(context, kEdgeTpuContext, static_cast<DeviceContext*>(delegate->data));
  IntArray* plan = nullptr;
  if (context->execution_plan(context, &plan) != kOk) return kError;
  std::vector<int> compiled;
  for (const int index : *plan) {
    Node* node = nullptr;
    Registration* registration = nullptr;
    if (context->node_and_registration(context, index, &node, &registration) != kOk) return kError;
    // The name stands at the same place in both layouts.
    const char* name = reinterpret_cast<const Registration64*>(registration)->custom_name;
    if (name != nullptr && std::strcmp(name, kCompiledOperator) == 0) compiled.push_back(index);
  }
  Registration64 ours{};
  ours.init = init;
  ours.free = free_kernel;
  ours.prepare = prepare;
  ours.invoke = invoke;
  ours.custom_name = "EdgeTpuDelegateForCustomOp";
  ours.version = 1;
  // One kernel a node. Like the driver we do not look at the status: a wrapper that wants to know has to look itself.
  for (const int index : compiled) {
    const int nodes[] = {1, index};
#if defined(EDGETPU_SIMULATOR_OLD_LAYOUT)
    context->replace_nodes(context, ours, reinterpret_cast<const IntArray*>(nodes), delegate);
#else
    context->replace_nodes(context, Registration88{ours, nullptr, nullptr, 0}, reinterpret_cast<const IntArray*>(nodes),
                           delegate);
#endif
  }
  return kOk;
}

}  // namespace

Delegate* make_delegate(Device& device) {
  auto* const delegate = new EdgeTpuDelegate{};
  delegate->context = std::make_unique<DeviceContext>(device);
  delegate->data = delegate->context.get();
  delegate->prepare = claim;
  delegate->flags = kAllowDynamicTensors;
  return delegate;
}

void free_delegate(Delegate* delegate) {
  if (delegate == nullptr) return;
  Device& device = static_cast<EdgeTpuDelegate*>(delegate)->context->device;
  delete static_cast<EdgeTpuDelegate*>(delegate);
  device.release();
}

}  // namespace edgetpu_simulator
