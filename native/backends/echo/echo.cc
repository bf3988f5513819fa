#include "backends/echo/echo.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "backends/echo/device_health.h"
#include "backends/echo/parse.h"
#include "core/clock.h"
#include "core/half.h"

namespace edge::echo {
namespace {

class EchoModel;

// Applies `rule` to one element of any dtype.
double apply(const OutputRule& rule, double value) {
  switch (rule.op) {
    case Op::kAdd:
      return value + rule.number;
    case Op::kMultiply:
      return value * rule.number;
    default:
      return value;
  }
}

template <typename T>
void map_elements(const OutputRule& rule, const void* source, void* target, size_t count) {
  const T* from = static_cast<const T*>(source);
  T* to = static_cast<T*>(target);
  for (size_t i = 0; i < count; ++i) to[i] = static_cast<T>(apply(rule, static_cast<double>(from[i])));
}

void map_half(const OutputRule& rule, bool bf16, const void* source, void* target, size_t count) {
  const auto* from = static_cast<const uint16_t*>(source);
  auto* to = static_cast<uint16_t*>(target);
  for (size_t i = 0; i < count; ++i) {
    float value;
    (bf16 ? bf16_to_f32 : f16_to_f32)(from + i, &value, 1);
    value = static_cast<float>(apply(rule, value));
    (bf16 ? f32_to_bf16 : f32_to_f16)(&value, to + i, 1);
  }
}

void compute(const OutputRule& rule, Dtype dtype, const void* source, void* target, size_t count) {
  if (rule.op == Op::kIdentity) {
    std::memcpy(target, source, count * dtype_size(dtype));
    return;
  }
  switch (dtype) {
    case Dtype::kF32:
      return map_elements<float>(rule, source, target, count);
    case Dtype::kF64:
      return map_elements<double>(rule, source, target, count);
    case Dtype::kI8:
      return map_elements<int8_t>(rule, source, target, count);
    case Dtype::kU8:
    case Dtype::kBool:
      return map_elements<uint8_t>(rule, source, target, count);
    case Dtype::kI16:
      return map_elements<int16_t>(rule, source, target, count);
    case Dtype::kU16:
      return map_elements<uint16_t>(rule, source, target, count);
    case Dtype::kI32:
      return map_elements<int32_t>(rule, source, target, count);
    case Dtype::kU32:
      return map_elements<uint32_t>(rule, source, target, count);
    case Dtype::kI64:
      return map_elements<int64_t>(rule, source, target, count);
    case Dtype::kU64:
      return map_elements<uint64_t>(rule, source, target, count);
    case Dtype::kF16:
    case Dtype::kBF16:
      return map_half(rule, dtype == Dtype::kBF16, source, target, count);
  }
}

// Does to this process what bad drivers do.
void strike(Fault fault, const std::string& once) {
  if (fault == Fault::kNone) return;
  if (!once.empty()) {
    if (std::ifstream(once).good()) return;
    std::ofstream(once).put('\n');
  }
  switch (fault) {
    case Fault::kCrash:
      std::signal(SIGSEGV, SIG_DFL);
      std::raise(SIGSEGV);
      break;
    case Fault::kAbort:
      std::fputs("echo: fatal: aborting, as it was told to\n", stderr);
      std::abort();
    case Fault::kExit:
      std::_Exit(3);
    case Fault::kLeak:
      static auto* kept = new std::vector<std::string>;
      kept->emplace_back(size_t{64} << 20, 'x');
      break;
    case Fault::kNone:
      break;
  }
}

class EchoRequest final : public Request {
 public:
  explicit EchoRequest(std::shared_ptr<EchoModel> model);
  ~EchoRequest() override {
    if (runner_.joinable()) runner_.join();
  }

  void bind(const std::vector<Shape>& input_shapes) override;
  const std::vector<BoundTensor>& inputs() const override { return inputs_; }
  const std::vector<BoundTensor>& outputs() const override { return outputs_; }
  void run() override;
  void start(Done done) override;
  void cancel() noexcept override;
  size_t bytes_copied() const override { return bytes_copied_; }

 private:
  void begin();
  void finish();
  void wait_out(uint64_t run, uint64_t losses);
  void produce(size_t index);

  const std::shared_ptr<EchoModel> model_;
  std::vector<BoundTensor> inputs_, outputs_;
  size_t bytes_copied_ = 0;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool running_ = false, cancelled_ = false;
  std::mutex start_mutex_;  // guards runner_
  std::thread runner_;      // of start()
};

class EchoModel final : public Model, public std::enable_shared_from_this<EchoModel> {
 public:
  EchoModel(Program program, std::shared_ptr<Allocator> allocator, std::shared_ptr<DeviceHealth> health)
      : program_(std::move(program)),
        allocator_(std::move(allocator)),
        health_(std::move(health)),
        losses_(health_->losses()) {
    info_.precision = "f32";
    info_.optimal_in_flight = program_.optimal;
  }
  ~EchoModel() override { strike(program_.end_fault, program_.once); }
  const std::vector<TensorSpec>& inputs() const override { return program_.inputs; }
  const std::vector<TensorSpec>& outputs() const override { return program_.outputs; }
  const ModelInfo& info() const override { return info_; }
  std::unique_ptr<Request> create_request() override { return std::make_unique<EchoRequest>(shared_from_this()); }

  const Program& program() const { return program_; }
  Allocator& allocator() { return *allocator_; }
  uint64_t next_run() { return runs_.fetch_add(1) + 1; }
  DeviceHealth& health() { return *health_; }
  // The device's losses that this model survives.
  uint64_t losses() const { return program_.needs_reload ? losses_ : health_->losses(); }

 private:
  const Program program_;
  const std::shared_ptr<Allocator> allocator_;
  const std::shared_ptr<DeviceHealth> health_;
  const uint64_t losses_;
  ModelInfo info_;
  std::atomic<uint64_t> runs_{0};
};

EchoRequest::EchoRequest(std::shared_ptr<EchoModel> model) : model_(std::move(model)) {
  model_->health().check(model_->losses());
}

void EchoRequest::bind(const std::vector<Shape>& input_shapes) {
  const Program& program = model_->program();
  model_->health().check(model_->losses());
  if (input_shapes.size() != program.inputs.size()) {
    throw Error(ErrorCode::kInvalidTensor,
                "The model has " + std::to_string(program.inputs.size()) + " inputs, not " +
                    std::to_string(input_shapes.size()) + ".",
                "Give a shape for every input.", "echo");
  }
  std::vector<BoundTensor> inputs, outputs;
  for (size_t i = 0; i < input_shapes.size(); ++i) {
    const TensorSpec& spec = program.inputs[i];
    if (!spec.accepts(input_shapes[i])) {
      throw Error(ErrorCode::kInvalidTensor,
                  "The input '" + spec.name + "' takes " + shape_text(spec.shape) + ", not " +
                      shape_text(input_shapes[i]) + ".",
                  "Give a shape that the model takes.", "echo");
    }
    const size_t bytes = byte_size(spec.dtype, input_shapes[i]);
    inputs.push_back({input_shapes[i], model_->allocator().allocate(bytes), bytes});
  }
  for (size_t i = 0; i < program.outputs.size(); ++i) {
    if (program.rules[i].op == Op::kNonZero) {
      outputs.push_back({});  // known after the run
      continue;
    }
    const Shape& shape = input_shapes[program.rules[i].input];
    const size_t bytes = byte_size(program.outputs[i].dtype, shape);
    outputs.push_back({shape, model_->allocator().allocate(bytes), bytes});
  }
  inputs_ = std::move(inputs);
  outputs_ = std::move(outputs);
}

// Delays and hangs as the model says; throws kAborted when cancelled meanwhile, kDeviceLost when the device goes.
void EchoRequest::wait_out(uint64_t run, uint64_t losses) {
  const Program& program = model_->program();
  std::unique_lock<std::mutex> lock(mutex_);
  if (run == program.stuck_at) {
    for (;;) wake_.wait(lock);
  }
  const int64_t limit = run == program.hang_at ? INT64_MAX : now_ns() + int64_t{1'000'000} * program.delay_ms;
  // Nobody wakes the requests of a device that is lost: they look now and then.
  constexpr int64_t kLook = 2'000'000;
  while (!cancelled_ && now_ns() < limit) {
    model_->health().check(losses);
    wake_.wait_for(lock, std::chrono::nanoseconds(std::min(limit - now_ns(), kLook)));
  }
  if (cancelled_) throw Error(ErrorCode::kAborted, "The run was cancelled.", "", "echo");
}

void EchoRequest::produce(size_t index) {
  const Program& program = model_->program();
  const OutputRule& rule = program.rules[index];
  const BoundTensor& input = inputs_[rule.input];
  const size_t count = element_count(input.shape);
  BoundTensor& output = outputs_[index];
  if (rule.op != Op::kNonZero) {
    compute(rule, program.outputs[index].dtype, input.buffer->data(), output.buffer->data(), count);
    if (program.copy) bytes_copied_ += output.bytes;
    return;
  }
  const Dtype dtype = program.inputs[rule.input].dtype;
  const size_t size = dtype_size(dtype);
  const bool floating = dtype == Dtype::kF32 || dtype == Dtype::kF64 || dtype == Dtype::kF16 || dtype == Dtype::kBF16;
  const auto* bytes = static_cast<const uint8_t*>(input.buffer->data());
  std::vector<int64_t> found;
  for (size_t i = 0; i < count; ++i) {
    static const uint8_t zero[8] = {};
    uint8_t element[8];
    std::memcpy(element, bytes + i * size, size);
    if (floating) element[size - 1] &= 0x7f;  // −0 is 0; the format is little-endian, as every supported machine is
    if (std::memcmp(element, zero, size) != 0) found.push_back(static_cast<int64_t>(i));
  }
  const size_t needed = found.size() * sizeof(int64_t);
  if (!output.buffer || output.buffer->size() < needed) output.buffer = model_->allocator().allocate(needed);
  std::memcpy(output.buffer->data(), found.data(), needed);
  output.shape = {static_cast<int64_t>(found.size())};
  output.bytes = needed;
  bytes_copied_ += needed;
}

void EchoRequest::run() {
  begin();
  finish();
}

// From here on cancel() has something to cancel.
void EchoRequest::begin() {
  std::lock_guard<std::mutex> lock(mutex_);
  running_ = true;
  cancelled_ = false;
}

void EchoRequest::finish() {
  const Program& program = model_->program();
  const uint64_t run = model_->next_run();
  bytes_copied_ = 0;
  struct Ended {
    EchoRequest* self;
    ~Ended() {
      std::lock_guard<std::mutex> lock(self->mutex_);
      self->running_ = false;
    }
  } ended{this};
  if (run == program.lost_at) model_->health().lose(program.lost_ms);
  const uint64_t losses = model_->losses();
  model_->health().check(losses);
  wait_out(run, losses);
  if (run == program.fault_at || (program.fault == Fault::kLeak && program.fault_at != 0 && run > program.fault_at)) {
    strike(program.fault, program.once);
  }
  if (program.spin_us > 0) {
    const int64_t limit = now_ns() + int64_t{1000} * program.spin_us;
    while (now_ns() < limit) cpu_relax();
  }
  if (run == program.fail_at) {
    throw Error(program.fail_code, "The echo model fails at run " + std::to_string(run) + ", as it was told to.",
                "Run it again.", "echo", "echo says no");
  }
  for (size_t i = 0; i < outputs_.size(); ++i) produce(i);
  model_->health().check(losses);
}

void EchoRequest::start(Done done) {
  // The new thread's completion may start the next run before `runner_` is assigned here.
  std::lock_guard<std::mutex> lock(start_mutex_);
  if (runner_.joinable()) {
    if (runner_.get_id() == std::this_thread::get_id()) {
      runner_.detach();  // started again by its own completion
    } else {
      runner_.join();
    }
  }
  begin();  // here already: a cancel may come before the thread does
  runner_ = std::thread([this, done = std::move(done)] {
    try {
      finish();
    } catch (...) {
      const Error error = current_error("echo");
      return done(&error);
    }
    done(nullptr);
  });
}

void EchoRequest::cancel() noexcept {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!running_) return;
    cancelled_ = true;
  }
  wake_.notify_all();
  std::this_thread::sleep_for(std::chrono::milliseconds(model_->program().cancel_ms));
}

class EchoDevice final : public Device {
 public:
  explicit EchoDevice(const std::string& id) : health_(std::make_shared<DeviceHealth>(id)) {
    info_.id = id;
    info_.name = "Echo: no SDK, for tests";
    info_.type = "cpu";
    info_.capabilities = {Buffer::Kind::kHost, true, true, true, true, {"f32"}, {"echo"}};
  }
  const DeviceInfo& info() const override { return info_; }

  std::shared_ptr<Model> load(const ModelSource& source, const LoadOptions& options) override {
    if (!options.signature.empty()) {
      throw Error(ErrorCode::kUnsupported, "The echo backend runs a model as a whole: it has no signatures.",
                  "Load a TFLite model on `tflite:cpu`, or leave `signature` out.", "echo");
    }
    std::string text(reinterpret_cast<const char*>(source.bytes.data), source.bytes.size);
    if (!source.path.empty()) {
      std::ifstream file(source.path, std::ios::binary);
      char piece[4096];
      text.clear();
      while (file.read(piece, sizeof piece) || file.gcount() > 0)
        text.append(piece, static_cast<size_t>(file.gcount()));
      if (!file.eof())
        throw Error(ErrorCode::kModelNotFound, "Cannot read " + source.path + ".", "Check the path.", "echo");
    }
    Program program = parse(text, options.properties, info_.id);
    for (const auto& [name, shape] : options.shapes) {
      const auto input = std::find_if(program.inputs.begin(), program.inputs.end(),
                                      [&wanted = name](const TensorSpec& spec) { return spec.name == wanted; });
      if (input == program.inputs.end()) {
        throw Error(ErrorCode::kInvalidArgument, "The model has no input '" + name + "' to give a shape to.",
                    "Name an input of the model.", "echo");
      }
      if (!input->accepts(shape)) {
        throw Error(ErrorCode::kInvalidArgument, "The input '" + name + "' cannot be given " + shape_text(shape) + ".",
                    "Give a shape that the model takes.", "echo");
      }
      input->shape = shape;
    }
    for (size_t i = 0; i < program.outputs.size(); ++i) {
      if (program.rules[i].op != Op::kNonZero) program.outputs[i].shape = program.inputs[program.rules[i].input].shape;
    }
    if (program.restore) health_->restore();
    if (program.lose) health_->lose(program.lose_ms);
    std::this_thread::sleep_for(std::chrono::milliseconds(program.load_ms));
    health_->check(health_->losses());
    strike(program.load_fault, program.once);
    if (program.refuse) {
      throw Error(*program.refuse, "The echo model refuses to load, as it was told to.", "Load another.", "echo");
    }
    return std::make_shared<EchoModel>(std::move(program), options.allocator, health_);
  }

 private:
  const std::shared_ptr<DeviceHealth> health_;
  DeviceInfo info_;
};

class EchoBackend final : public Backend {
 public:
  std::string version() const override { return "1"; }
  std::vector<DeviceInfo> devices() override { return {devices_.at("cpu")->info()}; }
  std::shared_ptr<Device> open(const std::string& device_id) override {
    const auto found = devices_.find(device_id);
    if (found != devices_.end()) return found->second;
    throw Error(ErrorCode::kUnavailable, "Echo has no device '" + device_id + "'.", "Use 'echo:cpu'.", "echo");
  }

 private:
  static std::map<std::string, std::shared_ptr<EchoDevice>> make_devices() {
    std::map<std::string, std::shared_ptr<EchoDevice>> devices;
    for (const char* id : {"cpu", "1", "2", "3", "4", "5", "6", "7", "8", "9"}) {
      devices[id] = std::make_shared<EchoDevice>(id);
    }
    return devices;
  }
  const std::map<std::string, std::shared_ptr<EchoDevice>> devices_ = make_devices();
};

}  // namespace

std::shared_ptr<Backend> open(const std::string&) { return std::make_shared<EchoBackend>(); }

}  // namespace edge::echo
