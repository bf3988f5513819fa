#include "twin.h"

#include <dlfcn.h>
#include <link.h>

#include <string>

#include "failure.h"

namespace edgetpu_simulator {
namespace {

struct Close {
  void operator()(void* handle) const { dlclose(handle); }
};
using Handle = std::unique_ptr<void, Close>;

// The library of that name if it is loaded and has the C API.
Handle loaded(const char* name) {
  Handle handle(dlopen(name, RTLD_NOW | RTLD_NOLOAD));
  return handle && dlsym(handle.get(), "TfLiteModelCreate") != nullptr ? std::move(handle) : nullptr;
}

// The library that called us comes first: a process may hold two. Its C API may also lie in another one.
Handle find_runtime(const Context& context) {
  Dl_info caller{};
  if (dladdr(reinterpret_cast<void*>(context.execution_plan), &caller) != 0 && caller.dli_fname != nullptr) {
    if (Handle handle = loaded(caller.dli_fname)) return handle;
  }
  std::vector<std::string> names;
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* list) {
        static_cast<std::vector<std::string>*>(list)->emplace_back(info->dlpi_name);
        return 0;
      },
      &names);
  for (const std::string& name : names) {
    // The program itself has an empty name.
    if (Handle handle = loaded(name.empty() ? nullptr : name.c_str())) return handle;
  }
  throw Failure("edgetpu simulator: no library of this process exports TfLiteModelCreate, which the twin runs by.");
}

}  // namespace

struct Twin::Library {
  explicit Library(const Context& context) : handle(find_runtime(context)) {
    take(model_create, "TfLiteModelCreate");
    take(model_delete, "TfLiteModelDelete");
    take(interpreter_create, "TfLiteInterpreterCreate");
    take(interpreter_delete, "TfLiteInterpreterDelete");
    take(allocate, "TfLiteInterpreterAllocateTensors");
    take(input_count, "TfLiteInterpreterGetInputTensorCount");
    take(output_count, "TfLiteInterpreterGetOutputTensorCount");
    take(input, "TfLiteInterpreterGetInputTensor");
    take(output, "TfLiteInterpreterGetOutputTensor");
    take(invoke, "TfLiteInterpreterInvoke");
  }

  const Handle handle;
  void* (*model_create)(const void* bytes, size_t size);
  void (*model_delete)(void* model);
  void* (*interpreter_create)(const void* model, const void* options);
  void (*interpreter_delete)(void* interpreter);
  Status (*allocate)(void* interpreter);
  int (*input_count)(const void* interpreter);
  int (*output_count)(const void* interpreter);
  Tensor* (*input)(const void* interpreter, int at);
  const Tensor* (*output)(const void* interpreter, int at);
  Status (*invoke)(void* interpreter);

 private:
  template <typename Function>
  void take(Function& function, const char* name) {
    function = reinterpret_cast<Function>(dlsym(handle.get(), name));
    if (function == nullptr) throw Failure(std::string("edgetpu simulator: the runtime has no ") + name + ".");
  }
};

Twin::Twin(const Context& context, std::vector<char> model)
    : library_(std::make_unique<Library>(context)), bytes_(std::move(model)) {
  model_ = library_->model_create(bytes_.data(), bytes_.size());
  interpreter_ = model_ != nullptr ? library_->interpreter_create(model_, nullptr) : nullptr;
  if (interpreter_ != nullptr && library_->allocate(interpreter_) == kOk) return;
  if (interpreter_ != nullptr) library_->interpreter_delete(interpreter_);
  if (model_ != nullptr) library_->model_delete(model_);
  throw Failure("edgetpu simulator: the runtime does not take the twin.");
}

Twin::~Twin() {
  library_->interpreter_delete(interpreter_);
  library_->model_delete(model_);
}

size_t Twin::inputs() const { return static_cast<size_t>(library_->input_count(interpreter_)); }
size_t Twin::outputs() const { return static_cast<size_t>(library_->output_count(interpreter_)); }
Tensor& Twin::input(size_t at) const { return *library_->input(interpreter_, static_cast<int>(at)); }
const Tensor& Twin::output(size_t at) const { return *library_->output(interpreter_, static_cast<int>(at)); }

void Twin::invoke() {
  if (library_->invoke(interpreter_) != kOk) throw Failure("Internal: edgetpu simulator: the twin failed.");
}

}  // namespace edgetpu_simulator
