#include "host/isolated_request.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "core/clock.h"
#include "host/shared_memory.h"

namespace edge::host {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;

class IsolatedRequest final : public Request {
 public:
  explicit IsolatedRequest(RequestParts parts) : parts_(std::move(parts)), process_(*parts_.process) { connect(); }
  // What it holds on the device is free where this has ended.
  ~IsolatedRequest() override { connection_.channel.part(); }

  void bind(const std::vector<Shape>& input_shapes) override;
  const std::vector<BoundTensor>& inputs() const override { return inputs_; }
  const std::vector<BoundTensor>& outputs() const override { return outputs_; }
  void run() override;
  void cancel() noexcept override;
  void reset_state() override {
    follow();
    ask(Writer(Kind::kResetState), process_.options().first_timeout_ms);
  }
  std::vector<LayerTime> profile() override {
    if (connection_.generation != process_.generation()) return {};
    Reader answer = ask(Writer(Kind::kProfile), process_.options().first_timeout_ms);
    return read_layer_times(answer);
  }
  size_t bytes_copied() const override { return bytes_copied_; }
  void release() { ask(Writer(Kind::kRelease), process_.options().first_timeout_ms); }
  size_t bytes_transferred() const override { return bytes_transferred_; }
  size_t graph_runs() const override { return graph_runs_; }
  std::optional<StageTimes> stage_times() const override { return stage_times_; }

 private:
  using Buffers = std::vector<std::shared_ptr<SharedBuffer>>;

  void connect();
  void bind_in_host();
  void follow();
  Reader ask(const Writer& question, int64_t limit_ms);
  void give_buffer(Reader& question);
  std::vector<BoundTensor> read_bound(Reader& answer, const std::vector<TensorSpec>& specs) const;
  std::shared_ptr<SharedBuffer> find(uint64_t number) const;
  void run_once();
  void keep_only_used();

  const RequestParts parts_;
  HostProcess& process_;
  HostProcess::Connection connection_;
  std::atomic<uint64_t> id_{0}, runs_{0};
  std::atomic<bool> cancelled_{false};
  std::vector<Shape> shapes_;
  bool bound_ = false, ran_ = false, sent_ = false;
  std::vector<BoundTensor> inputs_, outputs_;
  Buffers buffers_;        // all that the host has of this request
  Buffers bound_buffers_;  // of the last binding, in the order in which it asked for them
  Buffers again_;          // to be given out once more, after a restart
  size_t next_again_ = 0;
  size_t bytes_copied_ = 0, bytes_transferred_ = 0, graph_runs_ = 0;
  std::optional<StageTimes> stage_times_;
};

void IsolatedRequest::connect() {
  static std::atomic<uint64_t> next{1};
  connection_ = process_.connect();
  id_ = next++;
  ran_ = false;
  Writer question(Kind::kCreateRequest);
  question.put(parts_.model);
  question.put(id_.load());
  ask(question, process_.options().first_timeout_ms);
}

// Says something to the host and gives it what it asks for meanwhile, until it answers. A host that takes longer than
// the limit counts as hung: it is ended.
Reader IsolatedRequest::ask(const Writer& question, int64_t limit_ms) {
  const Channel& channel = connection_.channel;
  if (!channel.send(question)) throw process_.loss(connection_.generation);
  const int64_t limit = now_ns() + limit_ms * kNsPerMs;
  for (;;) {
    auto message = channel.receive([&] { return now_ns() > limit; });
    if (!message) {
      if (now_ns() > limit) {
        process_.kill(connection_.generation, "it did not answer for " + std::to_string(limit_ms) + " ms");
      }
      throw process_.loss(connection_.generation);
    }
    switch (message->kind) {
      case Kind::kAllocate:
        give_buffer(message->body);
        break;
      case Kind::kFailed: {
        const Error error = read_error(message->body);
        // What the SDK calls lost stays lost in that process: a new one looks for the device again.
        if (error.code() == ErrorCode::kDeviceLost) process_.kill(connection_.generation, error.message());
        throw error;
      }
      case Kind::kAnswer:
        return std::move(message->body);
      default:
        process_.kill(connection_.generation, "it wrote a message that makes no sense");
        throw process_.loss(connection_.generation);
    }
  }
}

// After a restart the host gets the very buffers that it had before, which JavaScript still sees.
void IsolatedRequest::give_buffer(Reader& question) {
  const auto size = static_cast<size_t>(question.get<uint64_t>());
  std::shared_ptr<SharedBuffer> buffer;
  if (next_again_ < again_.size() && again_[next_again_]->size() == size) {
    buffer = again_[next_again_++];
  } else {
    try {
      buffer = std::dynamic_pointer_cast<SharedBuffer>(parts_.allocator->allocate(size));
    } catch (const Error& error) {
      Writer refusal(Kind::kFailed);
      write(refusal, error);
      connection_.channel.send(refusal);
      return;
    }
  }
  buffers_.push_back(buffer);
  Writer answer(Kind::kBuffer);
  answer.put(buffer->number());
  answer.put(static_cast<uint64_t>(size));
  if (!connection_.channel.send(answer, {buffer->descriptor()})) throw process_.loss(connection_.generation);
}

std::shared_ptr<SharedBuffer> IsolatedRequest::find(uint64_t number) const {
  const auto found =
      std::find_if(buffers_.begin(), buffers_.end(), [&](const auto& buffer) { return buffer->number() == number; });
  return found == buffers_.end() ? nullptr : *found;
}

// Checked against what the buffers really hold: JavaScript will read as far as this says.
std::vector<BoundTensor> IsolatedRequest::read_bound(Reader& answer, const std::vector<TensorSpec>& specs) const {
  size_t index = 0;
  auto tensors = answer.list([&] {
    const auto number = answer.get<uint64_t>();
    const bool known = number != 0;
    BoundTensor tensor;
    tensor.shape = answer.list([&] { return answer.get<int64_t>(); });
    if (known) {
      tensor.buffer = find(number);
      tensor.bytes = index < specs.size() ? byte_size(specs[index].dtype, tensor.shape) : 0;
    }
    ++index;
    if (index > specs.size() || (known && (!tensor.buffer || tensor.buffer->size() < tensor.bytes))) {
      process_.kill(connection_.generation, "it spoke of a buffer that it does not have");
      throw process_.loss(connection_.generation);
    }
    return tensor;
  });
  if (tensors.size() != specs.size()) {
    process_.kill(connection_.generation, "it named a wrong number of tensors");
    throw process_.loss(connection_.generation);
  }
  return tensors;
}

// What the host asked for and neither binding nor outputs use any more.
void IsolatedRequest::keep_only_used() {
  const auto used = [this](const std::shared_ptr<SharedBuffer>& buffer) {
    const auto is = [&](const BoundTensor& tensor) { return tensor.buffer == buffer; };
    return std::any_of(inputs_.begin(), inputs_.end(), is) || std::any_of(outputs_.begin(), outputs_.end(), is) ||
           std::find(bound_buffers_.begin(), bound_buffers_.end(), buffer) != bound_buffers_.end();
  };
  buffers_.erase(std::stable_partition(buffers_.begin(), buffers_.end(), used), buffers_.end());
}

void IsolatedRequest::bind(const std::vector<Shape>& input_shapes) {
  follow();
  std::vector<Shape> before = std::exchange(shapes_, input_shapes);
  const Buffers buffers_before = buffers_;
  again_.clear();
  try {
    bind_in_host();
  } catch (...) {
    shapes_ = std::move(before);
    buffers_ = buffers_before;
    throw;
  }
  bound_ = true;
}

void IsolatedRequest::bind_in_host() {
  next_again_ = 0;
  const size_t before = buffers_.size();
  Writer question(Kind::kBind);
  write(question, shapes_);
  Reader answer = ask(question, process_.options().first_timeout_ms);
  inputs_ = read_bound(answer, *parts_.inputs);
  outputs_ = read_bound(answer, *parts_.outputs);
  bound_buffers_.assign(buffers_.begin() + static_cast<std::ptrdiff_t>(before), buffers_.end());
  // Some backends keep the buffers of outputs that do not change: these belong to the binding too.
  for (const auto& tensors : {inputs_, outputs_}) {
    for (const BoundTensor& tensor : tensors) {
      const auto shared = std::dynamic_pointer_cast<SharedBuffer>(tensor.buffer);
      if (shared && std::find(bound_buffers_.begin(), bound_buffers_.end(), shared) == bound_buffers_.end()) {
        bound_buffers_.push_back(shared);
      }
    }
  }
  ran_ = false;
  keep_only_used();
}

// Makes the request anew where the host was restarted. Throws kDeviceLost while it is down.
void IsolatedRequest::follow() {
  if (connection_.generation == process_.generation()) return;
  connect();
  if (!bound_) return;
  again_ = std::exchange(bound_buffers_, {});
  buffers_.clear();
  const std::vector<BoundTensor> inputs = inputs_, outputs = outputs_;
  bind_in_host();
  const auto same = [](const BoundTensor& a, const BoundTensor& b) { return !b.buffer || a.buffer == b.buffer; };
  if (!std::equal(inputs.begin(), inputs.end(), inputs_.begin(), same) ||
      !std::equal(outputs_.begin(), outputs_.end(), outputs.begin(),
                  [&](const BoundTensor& now, const BoundTensor& then) { return same(then, now); })) {
    throw Error(ErrorCode::kDeviceLost, "The restarted host process bound the request to other memory.",
                "Dispose this request and create another.");
  }
}

void IsolatedRequest::run_once() {
  follow();
  const HostOptions& options = process_.options();
  sent_ = true;
  Writer question(Kind::kRun);
  question.put(++runs_);
  Reader answer = ask(question, ran_ ? options.hang_timeout_ms : options.first_timeout_ms);
  ran_ = true;
  bytes_copied_ = static_cast<size_t>(answer.get<uint64_t>());
  bytes_transferred_ = static_cast<size_t>(answer.get<uint64_t>());
  graph_runs_ = static_cast<size_t>(answer.get<uint64_t>());
  stage_times_ = read_stage_times(answer);
  if (answer.flag()) {
    outputs_ = read_bound(answer, *parts_.outputs);
    keep_only_used();
  }
}

void IsolatedRequest::run() {
  cancelled_ = false;
  bytes_copied_ = bytes_transferred_ = graph_runs_ = 0;
  stage_times_.reset();
  const HostOptions& options = process_.options();
  const int64_t limit = now_ns() + options.first_timeout_ms * kNsPerMs;
  const auto give_up = [&] { return cancelled_ || now_ns() > limit; };
  for (int losses = 0;;) {
    sent_ = false;
    try {
      return run_once();
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kDeviceLost || !options.retry || cancelled_) throw;
      // Under a run the host may be lost once; what was not begun only waits until the host is back.
      if (sent_ && ++losses > 1) throw;
      if (!process_.wait_until_after(connection_.generation, give_up)) throw;
    }
  }
}

void IsolatedRequest::cancel() noexcept {
  cancelled_ = true;
  process_.cancel(id_, runs_);
}

}  // namespace

std::unique_ptr<Request> make_request(RequestParts parts) {
  return std::make_unique<IsolatedRequest>(std::move(parts));
}

void release(Request& request) { static_cast<IsolatedRequest&>(request).release(); }

}  // namespace edge::host
