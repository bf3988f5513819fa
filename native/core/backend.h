// The contract between the core and a backend: all that they know of each other.
//
// Ownership is a chain of shared_ptr upwards: Request -> Model -> Device -> Backend -> library. Whoever holds a request
// keeps everything above it alive. Backends, devices and libraries are per process and are never destroyed at exit.
// A backend throws edge::Error and nothing else. One that opens libraries calls guard_exit() (exit_guard.h) afterwards.
// What is said here must survive a process boundary: plain data, buffers by handle, no pointer into an SDK.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/buffer.h"
#include "core/error.h"
#include "core/tensor.h"

namespace edge {

// Facts about a device. The core branches on these, never on a backend's name.
struct Capabilities {
  Buffer::Kind memory = Buffer::Kind::kHost;  // where request buffers live
  bool async = false;                         // Request::start exists
  bool cancellable = false;                   // Request::cancel can end a run early
  bool dynamic_shapes = false;
  bool host_compute = false;            // computes on the host's CPU: an inline run costs nothing extra
  std::vector<std::string> precisions;  // that the device executes natively
  std::vector<std::string> formats;     // of model files, such as "onnx"
  int in_flight = 0;                    // most runs at once that a model can make use of; 0: only a loaded model tells
};

struct DeviceInfo {
  std::string id;      // inside the backend: "cpu", "gpu.1"
  std::string name;    // the vendor's full name
  std::string type;    // cpu, gpu, npu, edgetpu or other
  std::string driver;  // the driver's version, in its own words; empty where there is none, or it does not tell
  Capabilities capabilities;
};

// Bytes that somebody keeps alive while the model loads; a view.
struct Bytes {
  const uint8_t* data = nullptr;
  size_t size = 0;
};

// A model's file, or its bytes when `path` is empty. Backends recognise the format themselves.
struct ModelSource {
  std::string path;
  Bytes bytes;
  std::string weights_path;  // for formats in two files, when it is not beside the first
  Bytes weights;
};

// How far a load has come: what is being done, in the SDK's words, and how much of the whole is done, 0 to 1. It must
// not throw. Any thread.
using OnProgress = std::function<void(const std::string& phase, double fraction)>;

struct LoadOptions {
  std::string precision;         // "f32", "f16", "bf16", "auto"; empty: the model's own, never lowered silently
  bool strict = false;           // a layer in another precision than that one is an error, where the SDK leaves some
  int threads = 0;               // 0: the SDK decides
  int streams = 0;               // 0: the SDK decides
  std::string performance_hint;  // "latency", "throughput" or empty
  std::string signature;         // that is to be run, by its name in the file; empty: what the file puts first
  std::vector<std::pair<std::string, std::string>> properties;  // by the SDK's own names, untouched
  std::map<std::string, Shape> shapes;                          // fixes input shapes, by input name
  bool allow_partial = false;                                   // layers that the device refuses may run on another one
  bool profile = false;                                         // Request::profile() will be asked
  std::string cache_directory;           // of compiled models, private to the user; empty: no cache
  bool only_cached = false;              // what takes minutes to compile has to be in the cache already
  std::shared_ptr<Allocator> allocator;  // makes the request buffers
  // Becomes true when nobody waits for this load any more: who can stop, stops, and throws kAborted. May be null.
  std::shared_ptr<const std::atomic<bool>> cancelled;
  OnProgress on_progress;  // may be empty; only of what takes minutes
};

// What actually runs, where, and in which precision.
struct ModelInfo {
  std::string precision;  // as executed, in the device's own report
  size_t optimal_in_flight = 1;
  std::map<std::string, std::string> properties;  // in force, by the SDK's names
  bool from_cache = false;                        // compiled by an earlier load
  std::vector<std::string> devices;               // in the backend's ids: several where layers, or runs, are shared out
};

// One layer of the compiled model.
struct LayerInfo {
  std::string name, type;  // as the SDK calls them after compiling: layers may be fused or split
  std::string device;      // where it runs, in the backend's ids: "cpu"
  std::string precision;   // in which it runs
  std::string kernel;      // what computes it, by the SDK's name, where it tells; a delegate's: "XNNPACK"
};

// The time that one layer took in a run.
struct LayerTime {
  std::string name, type;
  std::string kernel;  // that was chosen for it, by the SDK's name
  int64_t ns = 0;
};

// Where the time of a run went on a device with memory of its own, by the device's clock; nanoseconds.
struct StageTimes {
  int64_t h2d = 0;      // inputs from the host's memory
  int64_t compute = 0;  // on the device
  int64_t d2h = 0;      // outputs back to it

  StageTimes& operator+=(const StageTimes& other) {
    h2d += other.h2d;
    compute += other.compute;
    d2h += other.d2h;
    return *this;
  }
};

// One input or output of a request.
struct BoundTensor {
  Shape shape;                     // concrete once known
  std::shared_ptr<Buffer> buffer;  // null while the shape is unknown
  size_t bytes = 0;
};

// Called once when a started run has ended, on any thread, possibly before start() returns; null = success.
using Done = std::function<void(const Error*)>;

// One inference slot, reused, never run twice at once. It owns the buffers of its inputs and outputs.
// Except cancel(), its functions are called by one thread at a time.
class Request {
 public:
  virtual ~Request() = default;

  // Binds buffers for these input shapes, in the model's order. Throws kInvalidTensor where the model does not take
  // them; the request then keeps its former binding. Buffers that others hold stay valid, but are no longer used.
  virtual void bind(const std::vector<Shape>& input_shapes) = 0;
  virtual const std::vector<BoundTensor>& inputs() const = 0;
  // Outputs whose shape is known only after the run are there when it has ended.
  virtual const std::vector<BoundTensor>& outputs() const = 0;

  // Runs on the calling thread and blocks. Throws kAborted if it was cancelled.
  virtual void run() = 0;
  // Only where capabilities.async: throws, or calls `done` exactly once. The caller holds no lock.
  virtual void start(Done done);
  // Any thread, also while no run is in progress; best effort. A cancelled run still ends.
  virtual void cancel() noexcept {}
  // Models with variables of their own (recurrent ones): back to their initial values. Not during a run.
  virtual void reset_state() {}
  // Of the last run, where LoadOptions::profile was set.
  virtual std::vector<LayerTime> profile() { return {}; }
  // Of the last run, where LoadOptions::profile was set and the device tells.
  virtual std::optional<StageTimes> stage_times() const { return std::nullopt; }
  // Bytes that the CPU had to copy during the last run because the SDK could not use the buffers in place.
  virtual size_t bytes_copied() const { return 0; }
  // Bytes that the hardware moved between the host's memory and the device's during the last run.
  virtual size_t bytes_transferred() const { return 0; }
  // How often the last run was a recorded one, launched as a whole: CUDA graphs.
  virtual size_t graph_runs() const { return 0; }
};

// A compiled model. All functions: any thread.
class Model {
 public:
  virtual ~Model() = default;
  virtual const std::vector<TensorSpec>& inputs() const = 0;
  virtual const std::vector<TensorSpec>& outputs() const = 0;
  virtual const ModelInfo& info() const = 0;
  // What runs where and in which precision, layer by layer. Empty where the SDK does not tell.
  virtual std::vector<LayerInfo> layers() { return {}; }
  // An unbound request: call bind() before the first run. Blocks. The request keeps the model alive.
  virtual std::unique_ptr<Request> create_request() = 0;
};

class Device {
 public:
  virtual ~Device() = default;
  virtual const DeviceInfo& info() const = 0;
  // A new allocator of request buffers of the kind in its capabilities; null: ordinary memory, or shared memory.
  virtual std::shared_ptr<Allocator> make_allocator() { return nullptr; }
  // Reads and compiles; blocks, for minutes where an SDK builds an engine. Any thread, several at once.
  virtual std::shared_ptr<Model> load(const ModelSource& source, const LoadOptions& options) = 0;
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string version() const = 0;
  virtual std::vector<DeviceInfo> devices() = 0;
  // Throws kUnavailable when there is no such device now.
  virtual std::shared_ptr<Device> open(const std::string& device_id) = 0;
};

// One line of the table of backends (native/backends/table.cc).
struct BackendEntry {
  const char* name;
  bool listed;  // false: only there for who asks by name
  // `library` is the SDK's library as the locator found it. Throws kUnavailable, with the reason and a remedy.
  std::shared_ptr<Backend> (*open)(const std::string& library);
};

}  // namespace edge
