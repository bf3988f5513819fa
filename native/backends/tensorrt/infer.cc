#include "backends/tensorrt/infer.h"

#include <algorithm>
#include <utility>

#include "backends/tensorrt/bindings.h"
#include "backends/tensorrt/call.h"
#include "core/error.h"
#include "core/log.h"

namespace edge::tensorrt {

namespace {

thread_local Words* current_words = nullptr;

enum Severity : int { kInternalError, kErrorLine, kWarningLine, kInfoLine, kVerboseLine };  // ILogger::Severity

}  // namespace

constexpr LogLevel kLevels[] = {LogLevel::kError, LogLevel::kError, LogLevel::kWarning, LogLevel::kDebug};

// May come on any thread of TensorRT's.
void hear(int severity, const char* message) noexcept {
  if (severity < 0 || severity > kInfoLine || message == nullptr) return;
  try {
    if (current_words != nullptr && current_words->is_held_) {
      current_words->held_.emplace_back(severity, message);
    } else {
      log(kLevels[severity], "tensorrt", message);
    }
    constexpr size_t kEnough = 8192;
    if (current_words == nullptr || severity > kWarningLine || current_words->text_.size() > kEnough) return;
    std::string& text = current_words->text_;
    text += (text.empty() ? "" : "\n") + std::string(message);
  } catch (...) {
    // no memory for words: that it failed is told all the same
  }
}

namespace {

// These classes stand where TensorRT expects its own: the order of their virtual functions is that of its tables, which
// a test checks. They are never destroyed by it.

class Logger {  // ILogger up to 10
 public:
  virtual void log(int severity, const char* message) noexcept { hear(severity, message); }
  virtual ~Logger() = default;
};

class VersionedLogger {  // ILogger from 11 on
 public:
  virtual int32_t language() const noexcept { return 0; }  // C++
  virtual InterfaceInfo interface_info() const noexcept { return {"ILogger", 1, 0}; }
  virtual ~VersionedLogger() = default;
  virtual void log(int severity, const char* message) noexcept { hear(severity, message); }
};

class OutputAllocator {  // IOutputAllocator up to 9
 public:
  explicit OutputAllocator(OutputSink& sink) : sink_(sink) {}
  virtual int32_t interface_version() const noexcept { return 1; }
  virtual void* reallocate(const char*, void*, uint64_t size, uint64_t) noexcept {
    return reinterpret_cast<void*>(static_cast<uintptr_t>(sink_.place(size)));
  }
  virtual void notify(const char*, const Dims32& dims) noexcept { sink_.on_shape(to_shape(dims)); }
  virtual ~OutputAllocator() = default;

 private:
  OutputSink& sink_;
};

class VersionedOutputAllocator {  // IOutputAllocator from 10 on
 public:
  explicit VersionedOutputAllocator(OutputSink& sink) : sink_(sink) {}
  virtual int32_t language() const noexcept { return 0; }
  virtual InterfaceInfo interface_info() const noexcept { return {"IOutputAllocator", 1, 0}; }
  virtual ~VersionedOutputAllocator() = default;
  virtual void* reallocate(const char*, void*, uint64_t size, uint64_t) noexcept { return place(size); }
  virtual void* reallocate_async(const char*, void*, uint64_t size, uint64_t, CuStream*) noexcept {
    return place(size);
  }
  virtual void notify(const char*, const Dims64& dims) noexcept { sink_.on_shape(to_shape(dims)); }

 private:
  void* place(uint64_t size) noexcept { return reinterpret_cast<void*>(static_cast<uintptr_t>(sink_.place(size))); }
  OutputSink& sink_;
};

struct TypeName {
  const char* name;
  std::optional<Dtype> dtype;
};
// DataType, by number: the same from 8 to 11, as far as each has them.
const TypeName kTypes[] = {{"f32", Dtype::kF32},   {"f16", Dtype::kF16},   {"i8", Dtype::kI8},
                           {"i32", Dtype::kI32},   {"bool", Dtype::kBool}, {"u8", Dtype::kU8},
                           {"FP8", std::nullopt},  {"bf16", Dtype::kBF16}, {"i64", Dtype::kI64},
                           {"INT4", std::nullopt}, {"FP4", std::nullopt},  {"E8M0", std::nullopt}};

}  // namespace

void* logger_of(int major) {
  static auto* const logger = new Logger;
  static auto* const versioned = new VersionedLogger;
  return major < 11 ? static_cast<void*>(logger) : static_cast<void*>(versioned);
}

Words::Words(bool held) : is_held_(held), outer_(std::exchange(current_words, this)) {}
Words::~Words() { current_words = outer_; }
void Words::tell() {
  for (const auto& [severity, line] : std::exchange(held_, {})) log(kLevels[severity], "tensorrt", line);
}

void DeleteObject::operator()(void* object) const noexcept {
  constexpr int kDeletingDestructor = 1;
  call<void>(object, kDeletingDestructor);
}

// ---------------------------------------------------------------------------------------------------------- runtime

namespace {

[[noreturn]] void fail_start(const InferApi& api, const Words& words) {
  throw Error(ErrorCode::kUnavailable, "TensorRT " + api.version.text() + " does not start on this GPU.",
              "Look at the cause: this TensorRT may need a newer driver, or no longer know this GPU.", "tensorrt",
              words.text());
}

}  // namespace

void check_start(const InferApi& api, const GpuFacts& gpu) {
  // TensorRT 8 was built for CUDA 12 at most, and boards bring a driver that fits. createInferRuntime crashes there;
  // the builder returns null, but costs time and memory: it is asked only where it may.
  constexpr int kNewestCuda = 12000;
  if (api.version.major >= 10 || gpu.integrated || gpu.driver >= kNewestCuda) return;
  const Words words;
  const Object builder(api.create_builder(logger_of(api.version.major), api.number));
  // A builder can lack its own libraries, which an engine does not need.
  if (!builder && words.text().find("CUDA initialization failure") != std::string::npos) fail_start(api, words);
}

Runtime::Runtime(const InferApi& api, int dla_core)
    : api_(api), slots_(*slots_of(api.version.major)), dla_core_(dla_core) {
  const Words words;
  void* const made = api_.create_runtime(logger_of(api_.version.major), api_.number);
  // Where its CUDA runtime does not start, TensorRT 10 and 11 return null plus the offset of a member.
  constexpr uintptr_t kFirstPage = 4096;
  if (reinterpret_cast<uintptr_t>(made) < kFirstPage) fail_start(api_, words);
  object_.reset(made);
  if (dla_core < 0) return;
  const auto count = call<int32_t>(worker_of(object_.get()), slots_.dla_core_count);
  if (dla_core >= count) {
    throw Error(ErrorCode::kUnavailable,
                "There is no DLA core " + std::to_string(dla_core) + ": TensorRT sees " + std::to_string(count) + ".",
                "Xavier and Orin have two, Orin Nano and other GPUs none; TensorRT 10.8 to 11.3 drive none.",
                "tensorrt", words.text());
  }
  call<void>(worker_of(object_.get()), slots_.set_dla_core, int32_t{dla_core});
}

Object Runtime::deserialize(Bytes plan, bool host_code) const {
  void* const worker = worker_of(object_.get());
  std::lock_guard<std::mutex> lock(mutex_);
  if (api_.version.at_least(8, 6)) call<void>(worker, slots_.allow_host_code, host_code);
  const void* const data = plan.data;
  if (api_.version.major < 10) {
    return Object(call<void*>(worker, slots_.deserialize, data, plan.size, static_cast<void*>(nullptr)));
  }
  return Object(call<void*>(worker, slots_.deserialize, data, plan.size));
}

// ----------------------------------------------------------------------------------------------------------- engine

std::unique_ptr<Engine> make_engine(std::shared_ptr<const Runtime> runtime, Object object) {
  if (runtime->api().version.at_least(8, 5)) return std::make_unique<Engine>(std::move(runtime), std::move(object));
  return std::make_unique<BindingEngine>(std::move(runtime), std::move(object));
}

void* Engine::worker() const { return worker_of(object_.get()); }

bool Engine::has_implicit_batch() const {
  return runtime_->api().version.major < 10 && call<bool>(worker(), kBindingSlots.has_implicit_batch);
}

int Engine::tensor_count() const { return call<int32_t>(worker(), runtime_->slots().tensor_count); }

std::string Engine::tensor_name(int index) const {
  const char* name = call<const char*>(worker(), runtime_->slots().tensor_name, int32_t{index});
  return name != nullptr ? name : "";
}

bool Engine::is_input(const std::string& name) const {
  constexpr int32_t kInput = 1;  // TensorIOMode
  return call<int32_t>(worker(), runtime_->slots().mode, name.c_str()) == kInput;
}

Shape Engine::shape(const std::string& name) const {
  return call_shape(runtime_->api().version.major, worker(), runtime_->slots().engine_shape, name.c_str());
}

int32_t Engine::dtype_number(const std::string& name) const {
  return call<int32_t>(worker(), runtime_->slots().dtype, name.c_str());
}

std::optional<Dtype> Engine::dtype(const std::string& name) const {
  const int32_t number = dtype_number(name);
  if (number < 0 || static_cast<size_t>(number) >= std::size(kTypes)) return std::nullopt;
  return kTypes[number].dtype;
}

std::string Engine::type_name(const std::string& name) const {
  const int32_t number = dtype_number(name);
  if (number < 0 || static_cast<size_t>(number) >= std::size(kTypes)) return "type " + std::to_string(number);
  return kTypes[number].name;
}

bool Engine::is_on_host(const std::string& name) const {
  return call<int32_t>(worker(), runtime_->slots().location, name.c_str()) == kOnHost;
}

int32_t Engine::format(const std::string& name) const {
  return call<int32_t>(worker(), runtime_->slots().format, name.c_str());
}

int Engine::profile_count() const { return call<int32_t>(worker(), runtime_->slots().profile_count); }

Shape Engine::profile_shape(const std::string& name, int profile, Bound bound) const {
  return call_shape(runtime_->api().version.major, worker(), runtime_->slots().profile_shape, name.c_str(),
                    int32_t{profile}, static_cast<int32_t>(bound));
}

int Engine::aux_stream_count() const {
  if (!runtime_->api().version.at_least(8, 6)) return 0;
  return call<int32_t>(worker(), runtime_->slots().aux_stream_count);
}

size_t Engine::scratch_size() const {
  return static_cast<size_t>(std::max<int64_t>(0, call<int64_t>(worker(), runtime_->slots().scratch_size)));
}

std::unique_ptr<ExecutionContext> Engine::create_context(std::shared_ptr<const int> profile, bool own_scratch) const {
  constexpr int32_t kStatic = 0, kUserManaged = 2;  // ExecutionContextAllocationStrategy
  const Slots& slots = runtime_->slots();
  Object made(runtime_->api().version.major < 10
                  ? call<void*>(worker(), own_scratch ? slots.create_context : slots.create_bare_context)
                  : call<void*>(worker(), slots.create_context, own_scratch ? kStatic : kUserManaged));
  return made ? wrap(std::move(made), std::move(profile)) : nullptr;
}

std::unique_ptr<ExecutionContext> Engine::wrap(Object context, std::shared_ptr<const int> profile) const {
  return std::make_unique<ExecutionContext>(runtime(), std::move(context), std::move(profile));
}

std::vector<std::string> Engine::layer_texts() const {
  if (!runtime_->api().tells_layers()) return {};
  constexpr int32_t kJson = 1;  // LayerInformationFormat
  const Slots& slots = runtime_->slots();
  const Object inspector(call<void*>(worker(), slots.create_inspector));
  if (!inspector) return {};
  std::vector<std::string> texts(static_cast<size_t>(std::max(0, call<int32_t>(worker(), slots.layer_count))));
  for (size_t i = 0; i < texts.size(); ++i) {
    const auto* const text =
        call<const char*>(worker_of(inspector.get()), slots.layer_information, static_cast<int32_t>(i), kJson);
    if (text != nullptr) texts[i] = text;  // its own until the next call
  }
  return texts;
}

// ---------------------------------------------------------------------------------------------------------- context

std::shared_ptr<void> make_output_allocator(int major, OutputSink& sink) {
  if (major < 10) return std::make_shared<OutputAllocator>(sink);
  return std::make_shared<VersionedOutputAllocator>(sink);
}

void* ExecutionContext::worker() const { return worker_of(object_.get()); }

bool ExecutionContext::set_profile(CuStream* stream) {
  return call<bool>(worker(), runtime_.slots().set_profile, int32_t{*profile_}, stream);
}

bool ExecutionContext::set_profile(std::shared_ptr<const int> profile, CuStream* stream) {
  std::swap(profile_, profile);
  if (set_profile(stream)) return true;
  std::swap(profile_, profile);
  set_profile(stream);  // TensorRT 8 lets go of the former one first
  return false;
}

bool ExecutionContext::set_input_shape(const std::string& name, const Shape& shape) {
  const int slot = runtime_.slots().set_input_shape;
  if (runtime_.api().version.major >= 10) {
    if (shape.size() > kMostDims) return false;
    const auto dims = to_dims<Dims64>(shape);
    return call<bool>(worker(), slot, name.c_str(), &dims);
  }
  if (!fits_dims32(shape)) return false;
  const auto dims = to_dims<Dims32>(shape);
  return call<bool>(worker(), slot, name.c_str(), &dims);
}

Shape ExecutionContext::shape(const std::string& name) const {
  return call_shape(runtime_.api().version.major, worker(), runtime_.slots().context_shape, name.c_str());
}

bool ExecutionContext::set_address(const std::string& name, CuAddress address) {
  // Where it had a sink, that is asked first.
  if (allocators_.count(name) != 0) {
    call<bool>(worker(), runtime_.slots().set_allocator, name.c_str(), static_cast<void*>(nullptr));
    allocators_.erase(name);
  }
  return call<bool>(worker(), runtime_.slots().set_address, name.c_str(),
                    reinterpret_cast<void*>(static_cast<uintptr_t>(address)));
}

bool ExecutionContext::set_sink(const std::string& name, OutputSink& sink) {
  auto allocator = make_output_allocator(runtime_.api().version.major, sink);
  if (!call<bool>(worker(), runtime_.slots().set_allocator, name.c_str(), allocator.get())) return false;
  allocators_[name] = std::move(allocator);
  return true;
}

void ExecutionContext::set_scratch(CuAddress address, size_t bytes) {
  auto* const memory = reinterpret_cast<void*>(static_cast<uintptr_t>(address));
  if (runtime_.api().version.major < 11) return call<void>(worker(), runtime_.slots().set_scratch, memory);
  call<void>(worker(), runtime_.slots().set_scratch, memory, static_cast<int64_t>(bytes));
}

bool ExecutionContext::enqueue(CuStream* stream) { return call<bool>(worker(), runtime_.slots().enqueue, stream); }

void ExecutionContext::set_profiler(void* profiler) {
  call<void>(worker(), runtime_.slots().set_profiler, profiler);
  if (runtime_.api().version.at_least(8, 2)) call<void>(worker(), runtime_.slots().set_emits_profile, false);
}

bool ExecutionContext::report_profile() {
  return !runtime_.api().version.at_least(8, 2) || call<bool>(worker(), runtime_.slots().report_profile);
}

}  // namespace edge::tensorrt
