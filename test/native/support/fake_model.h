// A model whose requests do what a test says, and notice when the core breaks the contract of edge::Request.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "core/backend.h"

namespace edge::test {

// What a test puts in the place of a request's work; null = nothing special. Called on the thread that calls the
// request; may block and throw where the request may.
struct FakeHooks {
  std::function<void()> create = nullptr, bind = nullptr, run = nullptr, cancel = nullptr, destroy = nullptr;
  std::function<void()> inputs = nullptr;  // inputs() was called
  std::function<void()> reset_state = nullptr;
  // Called inside start(), before and after the device has the work.
  std::function<void()> start = nullptr, started = nullptr;
};

// One input and one output of f32 with a dynamic shape; a run copies the input to the output and adds 1.
class FakeModel final : public Model, public std::enable_shared_from_this<FakeModel> {
 public:
  // `device_threads`: how many runs that were started asynchronously go on at once.
  static std::shared_ptr<FakeModel> create(FakeHooks hooks = {}, Shape shape = {4}, size_t device_threads = 2);
  ~FakeModel() override;

  const std::vector<TensorSpec>& inputs() const override { return inputs_; }
  const std::vector<TensorSpec>& outputs() const override { return outputs_; }
  const ModelInfo& info() const override { return info_; }
  std::unique_ptr<Request> create_request() override;

  // Capabilities of a device that this model is on.
  static DeviceInfo device(bool async = true, bool host_compute = true);

  const FakeHooks hooks;
  std::atomic<size_t> created{0}, destroyed{0}, binds{0}, runs{0}, starts{0}, cancels{0};
  // Times that a request was used by two threads at once, or destroyed in use. Must be 0.
  std::atomic<size_t> violations{0};
  // The thread that destroyed a request last.
  std::atomic<std::thread::id> destroyer{};

 private:
  friend class FakeRequest;
  FakeModel(FakeHooks given, Shape shape);
  void add(std::function<void()> work);
  void device_main();

  std::vector<TensorSpec> inputs_, outputs_;
  ModelInfo info_;
  const std::shared_ptr<Allocator> allocator_ = make_host_allocator();
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> work_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace edge::test
