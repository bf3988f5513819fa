#include "runtime.h"

#include <dlfcn.h>

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace edge::test {
namespace {

using edgetpu_simulator::Context;
using edgetpu_simulator::Delegate;
using edgetpu_simulator::IntArray;
using edgetpu_simulator::kOk;
using edgetpu_simulator::Registration64;
using edgetpu_simulator::Registration88;
using edgetpu_simulator::Status;
using edgetpu_simulator::Tensor;

#if defined(__SANITIZE_ADDRESS__)
extern "C" void __lsan_disable();
extern "C" void __lsan_enable();
#else
void __lsan_disable() {}
void __lsan_enable() {}
#endif

void* open_library(const char* path) {
  __lsan_disable();  // TFLite's static initializers leave something behind that is of no interest here
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  __lsan_enable();
  if (library == nullptr) {
    std::fprintf(stderr, "%s\n", dlerror());
    std::abort();
  }
  return library;
}

template <typename Function>
void take(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  if (function == nullptr) {
    std::fprintf(stderr, "no %s\n", name);
    std::abort();
  }
}

struct Api {
  Api() {
    void* library = open_library(TFLITE_LIBRARY);
    take(library, "TfLiteModelCreate", model_create);
    take(library, "TfLiteModelDelete", model_delete);
    take(library, "TfLiteInterpreterOptionsCreate", options_create);
    take(library, "TfLiteInterpreterOptionsDelete", options_delete);
    take(library, "TfLiteInterpreterOptionsAddDelegate", add_delegate);
    take(library, "TfLiteInterpreterOptionsSetErrorReporter", set_reporter);
    take(library, "TfLiteInterpreterCreate", create);
    take(library, "TfLiteInterpreterDelete", remove);
    take(library, "TfLiteInterpreterAllocateTensors", allocate);
    take(library, "TfLiteInterpreterGetInputTensor", input);
    take(library, "TfLiteInterpreterGetOutputTensor", output);
    take(library, "TfLiteInterpreterInvoke", invoke);
    take(library, "TfLiteTensorByteSize", size_of);
    take(library, "TfLiteTensorData", data_of);
    take(library, "TfLiteTensorCopyFromBuffer", copy_in);
  }
  void* (*model_create)(const void* bytes, size_t size);
  void (*model_delete)(void* model);
  void* (*options_create)();
  void (*options_delete)(void* options);
  void (*add_delegate)(void* options, Delegate* delegate);
  void (*set_reporter)(void* options, void (*report)(void* user, const char* format, va_list values), void* user);
  void* (*create)(const void* model, const void* options);
  void (*remove)(void* interpreter);
  Status (*allocate)(void* interpreter);
  Tensor* (*input)(const void* interpreter, int at);
  const Tensor* (*output)(const void* interpreter, int at);
  Status (*invoke)(void* interpreter);
  size_t (*size_of)(const Tensor* tensor);
  void* (*data_of)(const Tensor* tensor);
  Status (*copy_in)(Tensor* tensor, const void* data, size_t size);
};
const Api& api() {
  static const auto* const loaded = new Api;
  return *loaded;
}

std::vector<uint8_t> bytes_of(const Tensor* tensor) {
  const auto* data = static_cast<const uint8_t*>(api().data_of(tensor));
  return {data, data + api().size_of(tensor)};
}

}  // namespace

Driver::Driver(const char* path) : layout(std::strcmp(path, OLD_SIMULATOR) == 0 ? Layout::old : Layout::current) {
  void* library = open_library(path);
  take(library, "edgetpu_list_devices", list_devices);
  take(library, "edgetpu_free_devices", free_devices);
  take(library, "edgetpu_create_delegate", create_delegate);
  take(library, "edgetpu_free_delegate", free_delegate);
  take(library, "edgetpu_verbosity", verbosity);
  take(library, "edgetpu_version", version);
  take(library, "tflite_plugin_create_delegate", plugin_create);
  take(library, "tflite_plugin_destroy_delegate", plugin_destroy);
}

std::vector<std::string> Driver::paths() const {
  size_t count = 0;
  ListedDevice* devices = list_devices(&count);
  std::vector<std::string> paths;
  for (size_t i = 0; i < count; ++i)
    paths.push_back((devices[i].type == 1 ? "usb " : "pci ") + std::string(devices[i].path));
  free_devices(devices);
  return paths;
}

// Stands between the runtime and a driver, and hands the driver a function that takes its own size of registration.
struct Interpreter::Wrapper : Delegate {
  using Replace = Status (*)(Context*, Registration88, const IntArray*, Delegate*);

  Wrapper(Delegate* wrapped, Layout spoken) : Delegate{}, driver(wrapped), layout(spoken) {
    data = this;
    flags = driver->flags;
    Delegate::prepare = [](Context* context, Delegate* self) { return static_cast<Wrapper*>(self)->ask(context); };
  }

  Status ask(Context* context) {
    const Replace kept = context->replace_nodes;
    runtimes = kept;
    asked = this;
    void* const ours =
        layout == Layout::old ? reinterpret_cast<void*>(replace_64) : reinterpret_cast<void*>(replace_88);
    context->replace_nodes = reinterpret_cast<Replace>(ours);
    const Status status = driver->prepare(context, driver);
    context->replace_nodes = kept;
    return status;
  }
  static Status replace_64(Context* context, Registration64 registration, const IntArray* nodes, Delegate*) {
    return replace_88(context, Registration88{registration, nullptr, nullptr, 0}, nodes, nullptr);
  }
  static Status replace_88(Context* context, Registration88 registration, const IntArray* nodes, Delegate*) {
    asked->claimed += nodes->size;
    return runtimes(context, registration, nodes, asked);
  }

  Delegate* const driver;
  const Layout layout;
  int claimed = 0;
  static thread_local Replace runtimes;
  static thread_local Wrapper* asked;
};
thread_local Interpreter::Wrapper::Replace Interpreter::Wrapper::runtimes = nullptr;
thread_local Interpreter::Wrapper* Interpreter::Wrapper::asked = nullptr;

Interpreter::Interpreter(std::string model, Delegate* delegate, Layout layout) : model_(std::move(model)) {
  loaded_ = api().model_create(model_.data(), model_.size());
  if (loaded_ == nullptr) return;
  void* options = api().options_create();
  api().set_reporter(
      options,
      [](void* errors, const char* format, va_list values) {
        char line[1024];
        std::vsnprintf(line, sizeof line, format, values);
        *static_cast<std::string*>(errors) += std::string(line) + "\n";
      },
      &errors_);
  if (delegate != nullptr && layout != Layout::unwrapped) wrapper_ = std::make_unique<Wrapper>(delegate, layout);
  if (delegate != nullptr) api().add_delegate(options, wrapper_ != nullptr ? wrapper_.get() : delegate);
  interpreter_ = api().create(loaded_, options);
  api().options_delete(options);
  ready_ = interpreter_ != nullptr && api().allocate(interpreter_) == kOk;
}

Interpreter::~Interpreter() {
  if (interpreter_ != nullptr) api().remove(interpreter_);
  if (loaded_ != nullptr) api().model_delete(loaded_);
}

std::string Interpreter::errors() { return std::exchange(errors_, ""); }
int Interpreter::claimed() const { return wrapper_ != nullptr ? wrapper_->claimed : 0; }
std::vector<uint8_t> Interpreter::input(int at) const { return bytes_of(api().input(interpreter_, at)); }
void Interpreter::set_input(int at, const std::vector<uint8_t>& values) {
  if (api().copy_in(api().input(interpreter_, at), values.data(), values.size()) != kOk) std::abort();
}
bool Interpreter::invoke() { return api().invoke(interpreter_) == kOk; }
std::vector<uint8_t> Interpreter::output(int at) const { return bytes_of(api().output(interpreter_, at)); }

}  // namespace edge::test
