// An engine in a loop without JavaScript and without our requests, as a plain program would drive it: a stream,
// page-locked memory, the copies, enqueueV3 or the launch of a recorded graph, and an event on which the thread sleeps.
// Only the owners of native/backends/tensorrt are shared. Everything blocks the JS thread. Static shapes only.
#include "tensorrt_loop.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "backends/tensorrt/graph.h"
#include "backends/tensorrt/infer.h"
#include "core/clock.h"
#include "core/error.h"

namespace edge::tensorrt {
namespace {

constexpr double kNsPerUs = 1e3;
using HostMemory = Held<void*, &CudaApi::host_free>;

// Opened once per process and never closed, as the library's own.
const std::shared_ptr<const Gpu>& first_gpu(const std::string& cuda) {
  static auto* const gpu = new std::shared_ptr<const Gpu>([&] {
    const CudaApi api = open_cuda(cuda);
    return std::make_shared<Gpu>(api, list_gpus(api).at(0));
  }());
  return *gpu;
}

class Loop {
 public:
  Loop(const std::string& cuda, const std::string& tensorrt, Bytes plan, size_t requests, bool graphs)
      : gpu_(first_gpu(cuda)) {
    const Gpu::Current current(*gpu_);
    runtime_ = std::make_shared<Runtime>(open_infer(tensorrt), -1);
    const Words words;
    Object engine = runtime_->deserialize(plan);
    if (!engine) throw Error(ErrorCode::kInvalidModel, "TensorRT does not take the engine.", "", "", words.text());
    engine_ = std::make_unique<Engine>(runtime_, std::move(engine));
    for (size_t i = 0; i < requests; ++i) slots_.push_back(make_slot(graphs));
  }
  ~Loop() {
    const Gpu::Current current(*gpu_);
    slots_.clear();
    engine_.reset();
  }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Microseconds of each run, one after the other on this thread.
  void run_sync(Napi::Float64Array target) {
    const Gpu::Current current(*gpu_);
    int64_t begin = now_ns();
    for (size_t i = 0; i < target.ElementLength(); ++i) {
      run(*slots_[0]);
      const int64_t end = now_ns();
      target[i] = static_cast<double>(end - begin) / kNsPerUs;
      begin = end;
    }
  }

  // Microseconds for `total` runs of all slots, each on a thread of its own.
  double run_threads(int64_t total) {
    std::atomic<int64_t> left{total};
    std::atomic<bool> failed{false};
    const int64_t begin = now_ns();
    std::vector<std::thread> lanes;
    for (const auto& slot : slots_) {
      lanes.emplace_back([this, &left, &failed, &slot = *slot] {
        try {
          const Gpu::Current current(*gpu_);
          while (left.fetch_sub(1) > 0) run(slot);
        } catch (...) {
          failed = true;
        }
      });
    }
    for (std::thread& lane : lanes) lane.join();
    if (failed) throw Error(ErrorCode::kBackend, "A run of the native loop failed.", "");
    return static_cast<double>(now_ns() - begin) / kNsPerUs;
  }

 private:
  struct Tensor {
    HostMemory host;
    DeviceMemory device;
    size_t bytes;
    bool is_input;
  };
  struct Slot {
    Stream stream;
    Event done;
    std::vector<Tensor> tensors;
    std::unique_ptr<ExecutionContext> context;
    Graph graph;
  };

  HostMemory host_memory(size_t bytes) const {
    void* memory = nullptr;
    gpu_->check(gpu_->api().host_allocate(&memory, bytes, kHostPortable), "allocate page-locked memory");
    std::fill_n(static_cast<char*>(memory), bytes, '\0');
    return {gpu_, memory};
  }

  std::unique_ptr<Slot> make_slot(bool graphs) {
    auto slot = std::make_unique<Slot>();
    slot->stream = make_stream(gpu_);
    slot->done = make_event(gpu_);
    const Words words;
    Object context = engine_->create_context();
    if (!context) throw Error(ErrorCode::kOutOfMemory, "TensorRT makes no context.", "", "", words.text());
    slot->context = std::make_unique<ExecutionContext>(*runtime_, std::move(context), std::make_shared<const int>(0));
    for (int i = 0; i < engine_->tensor_count(); ++i) {
      const std::string name = engine_->tensor_name(i);
      const size_t bytes = byte_size(engine_->dtype(name).value(), engine_->shape(name));
      slot->tensors.push_back({host_memory(bytes), make_device_memory(gpu_, bytes), bytes, engine_->is_input(name)});
      if (!slot->context->set_address(name, slot->tensors.back().device.get()))
        throw Error(ErrorCode::kBackend, "TensorRT does not take memory.", "", "", words.text());
    }
    run(*slot);  // TensorRT does some things only once
    if (graphs) slot->graph = record_graph(gpu_, slot->stream.get(), [&] { submit(*slot); });
    return slot;
  }

  void submit(const Slot& slot) const {
    const CudaApi& api = gpu_->api();
    for (const Tensor& one : slot.tensors) {
      if (one.is_input)
        gpu_->check(api.copy_to_device(one.device.get(), one.host.get(), one.bytes, slot.stream.get()), "copy");
    }
    if (!slot.context->enqueue(slot.stream.get())) throw Error(ErrorCode::kBackend, "TensorRT failed to run.", "");
    for (const Tensor& one : slot.tensors) {
      if (!one.is_input)
        gpu_->check(api.copy_to_host(one.host.get(), one.device.get(), one.bytes, slot.stream.get()), "copy");
    }
  }

  void run(const Slot& slot) const {
    const CudaApi& api = gpu_->api();
    if (slot.graph.get() != nullptr) {
      gpu_->check(api.graph_launch(slot.graph.get(), slot.stream.get()), "launch a graph");
    } else {
      submit(slot);
    }
    gpu_->check(api.event_record(slot.done.get(), slot.stream.get()), "record an event");
    gpu_->check(api.event_synchronize(slot.done.get()), "wait for an event");
  }

  const std::shared_ptr<const Gpu> gpu_;
  std::shared_ptr<Runtime> runtime_;
  std::unique_ptr<Engine> engine_;
  std::vector<std::unique_ptr<Slot>> slots_;
};

// The same for JavaScript. close() frees it; so does garbage collection.
class LoopWrap final : public Napi::ObjectWrap<LoopWrap> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "TensorRtLoop",
        {InstanceMethod<&LoopWrap::run_sync>("runSync"), InstanceMethod<&LoopWrap::run_threads>("runThreads"),
         InstanceMethod<&LoopWrap::close>("close")});
  }

  explicit LoopWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<LoopWrap>(info) {
    guarded(info.Env(), [&] {
      const auto plan = info[2].As<Napi::Uint8Array>();
      loop_ = std::make_unique<Loop>(info[0].ToString(), info[1].ToString(), Bytes{plan.Data(), plan.ByteLength()},
                                     info[3].As<Napi::Number>().Uint32Value(), info[4].As<Napi::Boolean>());
    });
  }

 private:
  template <typename Work>
  static void guarded(Napi::Env env, Work&& work) {
    try {
      work();
    } catch (const Error& error) {
      throw Napi::Error::New(env, std::string(error.what()) + " " + error.cause());
    }
  }

  void run_sync(const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&] { loop_->run_sync(info[0].As<Napi::Float64Array>()); });
  }
  Napi::Value run_threads(const Napi::CallbackInfo& info) {
    double microseconds = 0;
    guarded(info.Env(), [&] { microseconds = loop_->run_threads(info[0].As<Napi::Number>().Int64Value()); });
    return Napi::Number::New(info.Env(), microseconds);
  }
  void close(const Napi::CallbackInfo&) { loop_.reset(); }

  std::unique_ptr<Loop> loop_;
};

}  // namespace

Napi::Function define_loop(Napi::Env env) { return LoopWrap::define(env); }

}  // namespace edge::tensorrt
