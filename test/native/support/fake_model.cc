// The request of the fake model, and the threads that stand for its device.
#include "fake_model.h"

#include <utility>

namespace edge::test {

class FakeRequest final : public Request {
 public:
  explicit FakeRequest(std::shared_ptr<FakeModel> model) : model_(std::move(model)) {}
  ~FakeRequest() override {
    if (users_.load() != 0 || working_.load()) model_->violations.fetch_add(1);
    if (model_->hooks.destroy) model_->hooks.destroy();
    model_->destroyer.store(std::this_thread::get_id());
    model_->destroyed.fetch_add(1);
  }

  void bind(const std::vector<Shape>& shapes) override {
    const Use use(*this);
    model_->binds.fetch_add(1);
    if (model_->hooks.bind) model_->hooks.bind();
    if (shapes.size() != 1 || !model_->inputs()[0].accepts(shapes[0])) {
      throw Error(ErrorCode::kInvalidTensor, "The fake model does not take these shapes.");
    }
    const size_t bytes = byte_size(Dtype::kF32, shapes[0]);
    inputs_ = {{shapes[0], model_->allocator_->allocate(bytes), bytes}};
    outputs_ = {{shapes[0], model_->allocator_->allocate(bytes), bytes}};
  }
  const std::vector<BoundTensor>& inputs() const override {
    if (model_->hooks.inputs) model_->hooks.inputs();
    return inputs_;
  }
  const std::vector<BoundTensor>& outputs() const override { return outputs_; }

  void run() override {
    const Use use(*this);
    work();
  }

  void reset_state() override {
    const Use use(*this);
    if (model_->hooks.reset_state) model_->hooks.reset_state();
  }

  void start(Done done) override {
    const Use use(*this);
    model_->starts.fetch_add(1);
    if (model_->hooks.start) model_->hooks.start();
    working_.store(true);
    model_->add([this, done = std::move(done)] {
      // Not a use of its own: start() may not have returned. Nothing of this request is touched after done().
      std::optional<Error> error;
      try {
        work();
      } catch (...) {
        error = current_error();
      }
      working_.store(false);
      done(error ? &*error : nullptr);
    });
    // A device may hold the caller here while the run goes on, and ends, elsewhere.
    if (model_->hooks.started) model_->hooks.started();
  }

  void cancel() noexcept override {
    model_->cancels.fetch_add(1);
    if (model_->hooks.cancel) model_->hooks.cancel();
  }

 private:
  // Marks the request as in use by one thread.
  struct Use {
    explicit Use(FakeRequest& used) : request(used), model(used.model_) {
      if (request.users_.fetch_add(1) != 0 || request.working_.load()) model->violations.fetch_add(1);
    }
    ~Use() { request.users_.fetch_sub(1); }
    FakeRequest& request;
    const std::shared_ptr<FakeModel> model;
  };

  void work() {
    model_->runs.fetch_add(1);
    if (model_->hooks.run) model_->hooks.run();
    const auto* from = static_cast<const float*>(inputs_[0].buffer->data());
    auto* to = static_cast<float*>(outputs_[0].buffer->data());
    for (size_t i = 0; i < element_count(inputs_[0].shape); ++i) to[i] = from[i] + 1;
  }

  const std::shared_ptr<FakeModel> model_;
  std::vector<BoundTensor> inputs_, outputs_;
  std::atomic<int> users_{0};
  std::atomic<bool> working_{false};  // the device has it
};

std::shared_ptr<FakeModel> FakeModel::create(FakeHooks hooks, Shape shape, size_t device_threads) {
  std::shared_ptr<FakeModel> model(new FakeModel(std::move(hooks), std::move(shape)));
  for (size_t i = 0; i < device_threads; ++i) {
    model->threads_.emplace_back([raw = model.get()] { raw->device_main(); });
  }
  return model;
}

FakeModel::FakeModel(FakeHooks given, Shape shape) : hooks(std::move(given)) {
  TensorSpec spec;
  spec.name = "x";
  spec.shape = std::move(shape);
  inputs_ = {spec};
  spec.name = "y";
  outputs_ = {spec};
}

FakeModel::~FakeModel() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    wake_.notify_all();
  }
  for (std::thread& thread : threads_) thread.join();
}

std::unique_ptr<Request> FakeModel::create_request() {
  if (hooks.create) hooks.create();
  created.fetch_add(1);
  return std::make_unique<FakeRequest>(shared_from_this());
}

DeviceInfo FakeModel::device(bool async, bool host_compute) {
  DeviceInfo info;
  info.id = "fake";
  info.name = "Fake";
  info.type = "cpu";
  info.capabilities.async = async;
  info.capabilities.cancellable = true;
  info.capabilities.host_compute = host_compute;
  return info;
}

void FakeModel::add(std::function<void()> work) {
  std::lock_guard<std::mutex> lock(mutex_);
  work_.push_back(std::move(work));
  wake_.notify_one();
}

void FakeModel::device_main() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !work_.empty(); });
    if (work_.empty()) return;
    std::function<void()> work = std::move(work_.front());
    work_.pop_front();
    lock.unlock();
    work();
    work = nullptr;
    lock.lock();
  }
}

}  // namespace edge::test
