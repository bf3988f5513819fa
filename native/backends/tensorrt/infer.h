// TensorRT's objects, whatever its major version: the runtime of one GPU, engines, execution contexts, and what
// TensorRT calls back. The GPU's context is current in all of these functions.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "backends/tensorrt/api.h"
#include "backends/tensorrt/gpu.h"
#include "backends/tensorrt/slots.h"
#include "core/backend.h"

namespace edge::tensorrt {

// Collects what TensorRT says on this thread while it lives: errors and warnings. Everything goes to the log as well,
// or, where it is `held`, only by tell(): what may yet turn out well is no error.
class Words {
 public:
  explicit Words(bool held = false);
  ~Words();
  void tell();
  Words(const Words&) = delete;
  Words& operator=(const Words&) = delete;
  std::string text() const { return text_; }

 private:
  friend void hear(int severity, const char* message) noexcept;
  std::string text_;
  std::vector<std::pair<int, std::string>> held_;  // severity and line
  const bool is_held_;
  Words* const outer_;
};

// What TensorRT is given to say it to: an ILogger of this major version, which lives as long as the process.
void* logger_of(int major);

// What the objects that TensorRT calls, and that have versions, say they are.
struct InterfaceInfo {
  const char* kind;
  int32_t major, minor;
};

// An object of TensorRT's: deleted by its own virtual destructor.
struct DeleteObject {
  void operator()(void* object) const noexcept;
};
using Object = std::unique_ptr<void, DeleteObject>;

// Throws kUnavailable where TensorRT's own CUDA runtime does not take this GPU's driver, and creating its runtime would
// crash.
void check_start(const InferApi& api, const GpuFacts& gpu);

// One a GPU, and one for each of its DLA cores that is used, for as long as the process lives.
class Runtime {
 public:
  // `dla_core`: −1 for none. Throws kUnavailable where TensorRT does not start, or there is no such core.
  Runtime(const InferApi& api, int dla_core);
  const InferApi& api() const { return api_; }
  const Slots& slots() const { return slots_; }
  int dla_core() const { return dla_core_; }
  // Null where TensorRT does not take it: Words has the reason. `host_code`: the engine may bring code for the CPU, as
  // version-compatible ones do; from 8.6 on.
  Object deserialize(Bytes plan, bool host_code = false) const;

 private:
  const InferApi api_;
  const Slots& slots_;
  const int dla_core_;
  Object object_;
  mutable std::mutex mutex_;  // what is allowed to one engine is not to another
};

constexpr int32_t kOnHost = 1;  // TensorLocation

enum class Bound { kMin = 0, kOptimal = 1, kMax = 2 };  // of an optimisation profile

class ExecutionContext;

// What an engine says of its inputs and outputs. Names are those of the engine. As TensorRT 8.5 and newer have it: by
// name; bindings.h is what came before.
class Engine {
 public:
  Engine(std::shared_ptr<const Runtime> runtime, Object object)
      : runtime_(std::move(runtime)), object_(std::move(object)) {}
  virtual ~Engine() = default;
  const Runtime& runtime() const { return *runtime_; }
  // Of TensorRT 8 and older converters: such an engine takes no shapes, and does not run by what is called here.
  bool has_implicit_batch() const;
  virtual int tensor_count() const;
  virtual std::string tensor_name(int index) const;
  virtual bool is_input(const std::string& name) const;
  // −1 where it is open.
  virtual Shape shape(const std::string& name) const;
  // In the contract's types, or none; `type_name` has the word for both.
  std::optional<Dtype> dtype(const std::string& name) const;
  std::string type_name(const std::string& name) const;
  // In the host's memory: a tensor whose values are shapes, or decide some.
  virtual bool is_on_host(const std::string& name) const;
  // Whether an input's values decide shapes, wherever they are.
  virtual bool decides_shapes(const std::string& name) const { return is_on_host(name); }
  // Row-major and not vectorised.
  bool is_linear(const std::string& name) const { return format(name) == kLinear; }
  int profile_count() const;
  virtual Shape profile_shape(const std::string& name, int profile, Bound bound) const;
  // Streams beside the caller's that a context runs in, and makes itself; 0 before 8.6.
  int aux_stream_count() const;
  // Bytes of scratch memory that a context needs at most.
  size_t scratch_size() const;
  // `profile`: its index, which is free again when the last copy of the pointer is gone. `own_scratch`: it has scratch
  // memory of its own, and else is given some before it runs. Null where TensorRT makes none: Words has the reason. The
  // engine outlives it.
  std::unique_ptr<ExecutionContext> create_context(std::shared_ptr<const int> profile, bool own_scratch = true) const;
  // What its inspector says of each layer, in JSON. Empty where it says nothing.
  std::vector<std::string> layer_texts() const;
  // Before the GPU's context stops being current.
  void reset() { object_.reset(); }

 protected:
  void* worker() const;
  virtual int32_t dtype_number(const std::string& name) const;
  static constexpr int32_t kLinear = 0;  // TensorFormat
  virtual int32_t format(const std::string& name) const;
  virtual std::unique_ptr<ExecutionContext> wrap(Object context, std::shared_ptr<const int> profile) const;

 private:
  const std::shared_ptr<const Runtime> runtime_;
  Object object_;
};

// As its release has it.
std::unique_ptr<Engine> make_engine(std::shared_ptr<const Runtime> runtime, Object object);

// Where TensorRT puts an output whose size only the run tells.
class OutputSink {
 public:
  virtual ~OutputSink() = default;
  // Memory for so many bytes until the next call, or 0. Must not throw.
  virtual CuAddress place(size_t size) noexcept = 0;
  virtual void on_shape(Shape shape) noexcept = 0;
};

// What TensorRT calls in a sink's place.
std::shared_ptr<void> make_output_allocator(int major, OutputSink& sink);

// One execution context. The functions return false where TensorRT refuses: Words has the reason. By name, as in
// Engine.
class ExecutionContext {
 public:
  ExecutionContext(const Runtime& runtime, Object object, std::shared_ptr<const int> profile)
      : runtime_(runtime), profile_(std::move(profile)), object_(std::move(object)) {}
  virtual ~ExecutionContext() = default;
  int profile() const { return *profile_; }
  // Chooses its profile, in this stream. All shapes have to be set again.
  bool set_profile(CuStream* stream);
  // The same with another one; where TensorRT refuses it is as before.
  bool set_profile(std::shared_ptr<const int> profile, CuStream* stream);
  virtual bool set_input_shape(const std::string& name, const Shape& shape);
  // The values of an input that decides shapes, as they are for the next run. By name, TensorRT reads them itself.
  virtual bool set_shape_values(const std::string&, const void*) { return true; }
  // −1 where only the run tells.
  virtual Shape shape(const std::string& name) const;
  virtual bool set_address(const std::string& name, CuAddress address);
  // Of an output whose shape only the run tells. `sink` outlives the runs.
  virtual bool set_sink(const std::string& name, OutputSink& sink);
  // Of one that has none of its own: may be another block for each run, and is its own until that has ended.
  void set_scratch(CuAddress address, size_t bytes);
  virtual bool enqueue(CuStream* stream);
  // Puts the values of an output that is on the host there, where enqueue() does not.
  virtual bool fetch_shape_values(const std::string&, void*) { return true; }
  // An IProfiler, which is told the times of the layers by report_profile() alone: enqueue() does not wait for them.
  // Before 8.2 it is told within enqueue(), which waits.
  void set_profiler(void* profiler);
  // Of the last run, which has ended; its stream is still there.
  bool report_profile();

 protected:
  const Runtime& runtime() const { return runtime_; }
  void* worker() const;

 private:
  const Runtime& runtime_;
  std::shared_ptr<const int> profile_;
  std::map<std::string, std::shared_ptr<void>> allocators_;  // the object knows them until it goes
  const Object object_;
};

}  // namespace edge::tensorrt
