// What the library is compared with: the same model on the same OpenVINO in loops without JavaScript and without our
// core. Only the declarations and owners of native/backends/openvino are shared. Everything blocks the JS thread.
#include <napi.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "backends/openvino/runtime.h"
#include "core/buffer.h"
#include "core/clock.h"
#include "core/tensor.h"
#include "tensorrt_loop.h"

namespace edge::openvino {
namespace {

constexpr double kNsPerUs = 1e3;
constexpr size_t kMaxWords = 16;

// Opened once per process and never closed, as the library's own.
const Runtime& runtime(const std::string& library) {
  static Runtime* opened = nullptr;
  if (opened == nullptr) {
    auto* one = new Runtime;
    one->api = open_api(library);
    one->check(one->api.ov_core_create(&one->core), ErrorCode::kUnavailable, "OpenVINO does not start.", "");
    Version version{};
    one->check(one->api.ov_get_openvino_version(&version), ErrorCode::kUnavailable, "OpenVINO has no version.", "");
    one->version = version.build_number;
    one->api.ov_version_free(&version);
    one->numbering = numbering_of(one->version);
    opened = one;
  }
  return *opened;
}

// Values that neither vanish nor overflow, the same in every run.
void fill(float* data, size_t count) {
  uint32_t state = 1;
  for (size_t i = 0; i < count; ++i) {
    state = state * 1664525u + 1013904223u;
    data[i] = static_cast<float>(state >> 8) / static_cast<float>(1 << 24) - 0.5f;
  }
}

// A compiled model with its infer requests, driven by hand.
class Loop {
 public:
  using Words = std::vector<std::string>;  // key, value, key, value, …

  // `shape` fixes the first input where it is not empty.
  Loop(const std::string& library, const std::string& path, const Shape& shape, const Words& words, size_t requests)
      : runtime_(runtime(library)), api_(runtime_.api), compiled_(api_) {
    ModelHandle model(api_);
    check(api_.ov_core_read_model(runtime_.core, path.c_str(), nullptr, model.out()));
    if (!shape.empty()) fix_input(model.get(), shape);
    compile(model.get(), words);
    for (size_t i = 0; i < requests; ++i) slots_.push_back(make_slot(model.get()));
  }

  // Microseconds of each run, one after the other on this thread.
  void run_sync(Napi::Float64Array target) {
    int64_t begin = now_ns();
    for (size_t i = 0; i < target.ElementLength(); ++i) {
      check(api_.ov_infer_request_infer(slots_[0]->request.get()));
      begin = stamp(target, i, begin);
    }
  }

  // The same on another thread, with a condition variable there and back: what no lane can fall below.
  void run_handed_over(Napi::Float64Array target) {
    std::mutex mutex;
    std::condition_variable there, back;
    enum { kOurs, kTheirs, kOver } turn = kOurs;
    std::thread lane([&] {
      std::unique_lock<std::mutex> lock(mutex);
      for (;;) {
        there.wait(lock, [&] { return turn != kOurs; });
        if (turn == kOver) return;
        lock.unlock();
        api_.ov_infer_request_infer(slots_[0]->request.get());
        lock.lock();
        turn = kOurs;
        back.notify_one();
      }
    });
    {
      std::unique_lock<std::mutex> lock(mutex);
      int64_t begin = now_ns();
      for (size_t i = 0; i < target.ElementLength(); ++i) {
        turn = kTheirs;
        there.notify_one();
        back.wait(lock, [&] { return turn == kOurs; });
        begin = stamp(target, i, begin);
      }
      turn = kOver;
    }
    there.notify_one();
    lane.join();
  }

  // Microseconds for `total` runs on `threads` threads, each with a request of its own.
  double run_threads(int64_t total, size_t threads) {
    std::atomic<int64_t> left{total};
    std::atomic<bool> failed{false};
    const int64_t begin = now_ns();
    std::vector<std::thread> lanes;
    for (size_t i = 0; i < threads; ++i) {
      lanes.emplace_back([this, &left, &failed, request = slots_.at(i)->request.get()] {
        while (left.fetch_sub(1) > 0) {
          if (api_.ov_infer_request_infer(request) != kOk) failed = true;
        }
      });
    }
    for (std::thread& lane : lanes) lane.join();
    if (failed) throw Error(ErrorCode::kBackend, "A run of the native loop failed.", "");
    return static_cast<double>(now_ns() - begin) / kNsPerUs;
  }

  // Microseconds for `total` runs (at least one a request) of all requests, which start themselves again when they
  // complete.
  double run_async(int64_t total) {
    left_ = total;
    active_ = static_cast<int>(slots_.size());
    const int64_t begin = now_ns();
    for (const auto& slot : slots_) start(*slot);
    {
      std::unique_lock<std::mutex> lock(mutex_);
      idle_.wait(lock, [this] { return active_ == 0; });
    }
    const double microseconds = static_cast<double>(now_ns() - begin) / kNsPerUs;
    for (const auto& slot : slots_) check(api_.ov_infer_request_wait(slot->request.get()));
    return microseconds;
  }

  // What the device reports of a property, or null.
  Napi::Value property(Napi::Env env, const std::string& key) const {
    char* value = nullptr;
    if (api_.ov_compiled_model_get_property(compiled_.get(), key.c_str(), &value) != kOk) return env.Null();
    return Napi::String::New(env, take_string(api_, value));
  }

 private:
  struct Slot {
    Slot(Loop* owner, const Api& api) : request(api), callback{on_done, this}, loop(owner) {}
    RequestHandle request;
    std::vector<std::shared_ptr<Buffer>> buffers;
    Callback callback;  // the library keeps its address
    Loop* loop;
  };

  void check(Status status) const {
    runtime_.check(status, ErrorCode::kBackend, "The native loop failed.", "Look at the cause.");
  }

  static int64_t stamp(Napi::Float64Array& target, size_t index, int64_t begin) {
    const int64_t end = now_ns();
    target[index] = static_cast<double>(end - begin) / kNsPerUs;
    return end;
  }

  void fix_input(OvModel* model, const Shape& shape) const {
    PartialShape partial{};
    check(api_.ov_partial_shape_create_static(static_cast<int64_t>(shape.size()), shape.data(), &partial));
    const size_t first = 0;
    const Status status = api_.ov_model_reshape_by_port_indexes(model, &first, &partial, 1);
    api_.ov_partial_shape_free(&partial);
    check(status);
  }

  void compile(const OvModel* model, const Words& words) {
    if (words.size() > kMaxWords) throw Error(ErrorCode::kInvalidArgument, "Too many properties.", "");
    const char* w[kMaxWords] = {};
    for (size_t i = 0; i < words.size(); ++i) w[i] = words[i].c_str();
    // The function reads as many words as it is told.
    check(api_.ov_core_compile_model(runtime_.core, model, "CPU", words.size(), compiled_.out(), w[0], w[1], w[2], w[3],
                                     w[4], w[5], w[6], w[7], w[8], w[9], w[10], w[11], w[12], w[13], w[14], w[15]));
  }

  std::unique_ptr<Slot> make_slot(const OvModel* model) {
    auto slot = std::make_unique<Slot>(this, api_);
    check(api_.ov_compiled_model_create_infer_request(compiled_.get(), slot->request.out()));
    bind(*slot, model, false);
    bind(*slot, model, true);
    return slot;
  }

  void bind(Slot& slot, const OvModel* model, bool outputs) {
    size_t ports = 0;
    check((outputs ? api_.ov_model_outputs_size : api_.ov_model_inputs_size)(model, &ports));
    for (size_t i = 0; i < ports; ++i) {
      PortHandle port(api_);
      check((outputs ? api_.ov_model_const_output_by_index : api_.ov_model_const_input_by_index)(model, i, port.out()));
      PartialShape partial{};
      check(api_.ov_port_get_partial_shape(port.get(), &partial));
      Shape dims;
      for (int64_t d = 0; d < partial.rank.max; ++d) dims.push_back(partial.dims[d].max);
      api_.ov_partial_shape_free(&partial);
      std::shared_ptr<Buffer> buffer = allocator_->allocate(byte_size(Dtype::kF32, dims));  // f32 models only
      if (!outputs) fill(static_cast<float*>(buffer->data()), buffer->size() / sizeof(float));
      TensorHandle tensor(api_);
      const OvShape shape{static_cast<int64_t>(dims.size()), dims.data()};
      check(api_.ov_tensor_create_from_host_ptr(to_element_type(Dtype::kF32, runtime_.numbering), shape, buffer->data(),
                                                tensor.out()));
      check((outputs ? api_.ov_infer_request_set_output_tensor_by_index
                     : api_.ov_infer_request_set_input_tensor_by_index)(slot.request.get(), i, tensor.get()));
      slot.buffers.push_back(std::move(buffer));
    }
  }

  // On this thread first, then on threads of OpenVINO's.
  void start(Slot& slot) {
    // Before every start: OpenVINO takes the callback out while it runs, and a run that is started from it and ends
    // first would find none.
    Status status = api_.ov_infer_request_set_callback(slot.request.get(), &slot.callback);
    if (status == kOk) status = api_.ov_infer_request_start_async(slot.request.get());
    if (status != kOk) {
      left_ = 0;
      retire();
    }
  }

  static void on_done(void* args) {
    auto& slot = *static_cast<Slot*>(args);
    Loop& loop = *slot.loop;
    // What is in flight already counts: `left_` is what has not ended.
    if (loop.left_.fetch_sub(1) > static_cast<int64_t>(loop.slots_.size())) {
      loop.start(slot);
    } else {
      loop.retire();
    }
  }

  // One request less that goes on. Under the lock to its end: the waiter may free everything afterwards.
  void retire() {
    std::lock_guard<std::mutex> lock(mutex_);
    if (--active_ == 0) idle_.notify_one();
  }

  const Runtime& runtime_;
  const Api& api_;
  const std::shared_ptr<Allocator> allocator_ = make_host_allocator();
  CompiledHandle compiled_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::atomic<int64_t> left_{0};
  std::mutex mutex_;
  std::condition_variable idle_;
  int active_ = 0;  // guarded by mutex_
};

// The same for JavaScript. close() frees it; so does garbage collection.
class LoopWrap final : public Napi::ObjectWrap<LoopWrap> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "OpenVinoLoop",
        {InstanceMethod<&LoopWrap::run_sync>("runSync"), InstanceMethod<&LoopWrap::run_handed_over>("runHandedOver"),
         InstanceMethod<&LoopWrap::run_threads>("runThreads"), InstanceMethod<&LoopWrap::run_async>("runAsync"),
         InstanceMethod<&LoopWrap::property>("property"), InstanceMethod<&LoopWrap::close>("close")});
  }

  // (library, path, shape of the first input or [], [key, value, …], number of requests)
  explicit LoopWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<LoopWrap>(info) {
    guarded(info.Env(), [&] {
      Shape shape;
      const auto dims = info[2].As<Napi::Array>();
      for (uint32_t i = 0; i < dims.Length(); ++i) shape.push_back(dims.Get(i).As<Napi::Number>().Int64Value());
      Loop::Words words;
      const auto properties = info[3].As<Napi::Array>();
      for (uint32_t i = 0; i < properties.Length(); ++i) words.push_back(properties.Get(i).ToString());
      loop_ = std::make_unique<Loop>(info[0].ToString(), info[1].ToString(), shape, words,
                                     info[4].As<Napi::Number>().Uint32Value());
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
  void run_handed_over(const Napi::CallbackInfo& info) {
    guarded(info.Env(), [&] { loop_->run_handed_over(info[0].As<Napi::Float64Array>()); });
  }
  Napi::Value run_threads(const Napi::CallbackInfo& info) {
    double microseconds = 0;
    guarded(info.Env(), [&] {
      microseconds =
          loop_->run_threads(info[0].As<Napi::Number>().Int64Value(), info[1].As<Napi::Number>().Uint32Value());
    });
    return Napi::Number::New(info.Env(), microseconds);
  }
  Napi::Value run_async(const Napi::CallbackInfo& info) {
    double microseconds = 0;
    guarded(info.Env(), [&] { microseconds = loop_->run_async(info[0].As<Napi::Number>().Int64Value()); });
    return Napi::Number::New(info.Env(), microseconds);
  }
  Napi::Value property(const Napi::CallbackInfo& info) { return loop_->property(info.Env(), info[0].ToString()); }
  void close(const Napi::CallbackInfo&) { loop_.reset(); }

  std::unique_ptr<Loop> loop_;
};

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("OpenVinoLoop", LoopWrap::define(env));
  exports.Set("TensorRtLoop", tensorrt::define_loop(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(edge_bench, init)

}  // namespace edge::openvino
