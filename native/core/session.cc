#include "core/session.h"

#include <algorithm>
#include <cstring>
#include <tuple>
#include <utility>

#include "core/clock.h"
#include "core/reaper.h"
#include "core/wake_up.h"

namespace edge {
namespace {

std::atomic<size_t> request_count{0}, session_count{0}, abandoned_count{0}, lane_count{0};

void destroy_later(std::unique_ptr<Request> request) {
  if (!request) return;
  request_count.fetch_sub(1, std::memory_order_relaxed);
  reap([dead = std::shared_ptr<Request>(std::move(request))]() mutable { dead.reset(); });
}

// What a request needs, such as memory or one of an engine's few profiles, may still be held by those that were
// disposed of just now. So where `work` fails, for want of something perhaps, it is tried once more when the reaper has
// done what it had to do.
template <typename Work>
auto after_the_disposed(Work work) {
  constexpr std::chrono::milliseconds kNone(0), kLimit(1000);
  const uint64_t before = await_reaper(kNone);
  try {
    return work();
  } catch (...) {
    const ErrorCode code = current_error().code();
    const bool for_want =
        code == ErrorCode::kOutOfMemory || code == ErrorCode::kUnsupported || code == ErrorCode::kBackend;
    if (!for_want || await_reaper(kLimit) == before) throw;  // nothing was freed meanwhile
  }
  return work();
}

Error early_end_error(ErrorCode code, bool started) {
  switch (code) {
    case ErrorCode::kTimeout:
      return Error(code,
                   started ? "The deadline passed while the run was in progress."
                           : "The deadline passed before the run could start; it was not started.",
                   "Allow more time, send fewer requests at once, or use a faster device or precision.");
    case ErrorCode::kDisposed:
      return Error(code,
                   started ? "The model was disposed before the run had ended."
                           : "The model was disposed before the run could start.",
                   "Wait for runs before dispose().");
    default:
      return Error(code, "The run was aborted.");
  }
}

}  // namespace

Delivery::Delivery(std::shared_ptr<Session> session, std::shared_ptr<Slot> slot)
    : session_(std::move(session)), slot_(std::move(slot)) {}
Delivery::~Delivery() { session_->release(slot_); }
const std::vector<BoundTensor>& Delivery::outputs() const { return slot_->request_->outputs(); }

Slot::~Slot() { destroy_later(std::move(request_)); }

std::shared_ptr<Session> Session::create(std::shared_ptr<Model> model, DeviceInfo device, SessionOptions options,
                                         std::shared_ptr<Allocator> allocator) {
  if (options.in_flight == 0) options.in_flight = std::max<size_t>(1, model->info().optimal_in_flight);
  if (options.dispatch == Dispatch::kAsync && !device.capabilities.async) {
    throw Error(ErrorCode::kUnsupported, "The device '" + device.id + "' has no asynchronous start of its own.",
                "Leave `dispatch` at 'auto' or use 'lane'.");
  }
  start_reaper();
  if (device.capabilities.host_compute && options.dispatch == Dispatch::kAuto && options.wake_up_ns == 0) {
    options.wake_up_ns = wake_up_ns();
  }
  // Joining lanes on a lane, or freeing SDK objects on the JS thread, would deadlock or block: the reaper does it.
  return {new Session(std::move(model), std::move(device), options, std::move(allocator)),
          [](Session* session) { reap([session] { delete session; }); }};
}

Session::Session(std::shared_ptr<Model> model, DeviceInfo device, SessionOptions options,
                 std::shared_ptr<Allocator> allocator)
    : allocator_(std::move(allocator)), model_(std::move(model)), device_(std::move(device)), options_(options) {
  session_count.fetch_add(1, std::memory_order_relaxed);
  listen();
}

Session::~Session() {
  unlisten();
  teardown();
  session_count.fetch_sub(1, std::memory_order_relaxed);
  if (abandoned_) abandoned_count.fetch_sub(1, std::memory_order_relaxed);
}

// ---------------------------------------------------------------------------------------------- callers' requests

std::vector<Shape> Session::static_shapes(const Model& model) {
  std::vector<Shape> shapes;
  for (const TensorSpec& spec : model.inputs()) {
    if (!spec.is_static()) {
      throw Error(ErrorCode::kInvalidTensor,
                  "The input '" + spec.name + "' has the dynamic shape " + shape_text(spec.shape) + ".",
                  "Give its shape: createRequest({ shapes: { … } }), or `shapes` when loading the model.");
    }
    shapes.push_back(spec.shape);
  }
  return shapes;
}

std::shared_ptr<Slot> Session::create_slot(const std::vector<Shape>& shapes) {
  std::shared_ptr<Model> model;
  {
    Lock lock(mutex_);
    if (disposed_) throw Error(ErrorCode::kDisposed, "The model is disposed.", "Load it again.");
    model = model_;
  }
  const std::vector<Shape> bound = shapes.empty() ? static_shapes(*model) : shapes;
  const auto slot = after_the_disposed([&] {
    auto made = std::make_shared<Slot>(false);
    made->shapes_ = bound;
    made->request_ = model->create_request();
    request_count.fetch_add(1, std::memory_order_relaxed);
    made->request_->bind(bound);
    made->bound_ = true;
    return made;
  });
  Lock lock(mutex_);
  if (disposed_) throw Error(ErrorCode::kDisposed, "The model is disposed.", "Load it again.");
  own_.erase(std::remove_if(own_.begin(), own_.end(), [](const auto& old) { return old.expired(); }), own_.end());
  own_.push_back(slot);
  return slot;
}

void Session::check_usable(const Slot& slot) const {
  if (disposed_ || slot.state_ == Slot::State::kDisposed) {
    throw Error(ErrorCode::kDisposed, disposed_ ? "The model is disposed." : "The request is disposed.",
                disposed_ ? "Load it again." : "Create another request.");
  }
  if (slot.state_ != Slot::State::kIdle) {
    throw Error(ErrorCode::kBusy,
                slot.answered_ ? "The device has not let go of this request's previous run yet."
                               : "This request is already running.",
                "Wait for the run to end, or use one request per run in flight.");
  }
}

void Session::borrow(const std::shared_ptr<Slot>& slot, const std::function<void(Request&)>& work) {
  Lock lock(mutex_);
  check_usable(*slot);
  slot->state_ = Slot::State::kRunning;  // nobody else may touch it while the lock is not held
  ++lent_;
  lock.unlock();
  std::optional<Error> error;
  try {
    work(*slot->request_);
  } catch (...) {
    error = current_error();
  }
  lock.lock();
  --lent_;
  settle(*slot);
  if (disposed_) schedule_teardown();
  if (error) throw *error;
}

std::shared_ptr<Model> Session::shared_model() const {
  Lock lock(mutex_);
  if (disposed_ || !model_) throw Error(ErrorCode::kDisposed, "The model is disposed.", "Load it again.");
  return model_;
}

void Session::reshape(const std::shared_ptr<Slot>& slot, const std::vector<Shape>& shapes) {
  borrow(slot, [&](Request& request) { after_the_disposed([&] { request.bind(shapes); }); });
}

const std::vector<BoundTensor>& Session::inputs(const std::shared_ptr<Slot>& slot) const {
  Lock lock(mutex_);
  check_usable(*slot);
  return slot->request_->inputs();
}

const std::vector<BoundTensor>& Session::outputs(const std::shared_ptr<Slot>& slot) const {
  Lock lock(mutex_);
  check_usable(*slot);
  return slot->request_->outputs();
}

bool Session::busy(const std::shared_ptr<Slot>& slot) const {
  Lock lock(mutex_);
  return slot->state_ == Slot::State::kReady || slot->state_ == Slot::State::kRunning;
}

RunTimes Session::times(const std::shared_ptr<Slot>& slot) const {
  Lock lock(mutex_);
  return slot->times_;
}

void Session::dispose_slot(const std::shared_ptr<Slot>& slot) noexcept {
  Lock lock(mutex_);
  switch (slot->state_) {
    case Slot::State::kDisposed:
      return;
    case Slot::State::kReady:
    case Slot::State::kRunning:
    case Slot::State::kDelivering:
      slot->dispose_ = true;  // settle() does the rest
      return;
    case Slot::State::kIdle:
      break;
  }
  slot->state_ = Slot::State::kDisposed;
  destroy_later(std::move(slot->request_));
}

// ------------------------------------------------------------------------------------------------------ submission

void Session::enqueue(Job job) {
  const size_t in_flight = running_.size() + ready_.size();
  if (in_flight >= options_.in_flight + options_.queue_limit) {
    ++stats_.refused;
    throw Error(ErrorCode::kQueueFull,
                "All places are taken: " + std::to_string(running_.size()) + " running, " +
                    std::to_string(ready_.size()) + " waiting.",
                "Send fewer requests at once, drop frames (stream with `overload`), or raise `queueLimit`.");
  }
  if (job.deadline != 0) {
    // The timer must not keep the session alive, and may fire after the run has ended: it names the run by its token.
    job.timer = timer_add(job.deadline, [weak = weak_from_this(), token = job.token] {
      if (auto session = weak.lock()) session->end_early(token, ErrorCode::kTimeout);
    });
  }
  ++stats_.submitted;
  if (job.slot) {
    job.slot->state_ = Slot::State::kReady;
    job.slot->answered_ = false;
  }
  ready_.push_back(std::move(job));
  ready_count_.store(ready_.size(), std::memory_order_release);
  const size_t waiting = in_flight + 1 > options_.in_flight ? in_flight + 1 - options_.in_flight : 0;
  stats_.queue_depth_max = std::max(stats_.queue_depth_max, waiting);
}

void Session::wake_lane(Lock lock) {
  if (idle_lanes_ > 0) {
    claim_idle_lane();
    lock.unlock();  // or the lane would wake only to wait for it
    wake_.notify_one();
  } else if (spinning_.load(std::memory_order_relaxed) == 0 && lanes_.size() < options_.in_flight && !stopping_) {
    start_lane(std::move(lock));
  }
}

// Without a single lane the run that was just accepted could never start: it is taken back.
void Session::start_lane(Lock lock) {
  try {
    lanes_.emplace_back([this] { lane_main(); });
    return;
  } catch (const std::exception&) {
    if (!lanes_.empty()) return;  // fewer lanes do
  }
  const Job job = std::move(ready_.back());
  ready_.pop_back();
  ready_count_.store(ready_.size(), std::memory_order_release);
  --stats_.submitted;
  if (job.slot) settle(*job.slot);
  lock.unlock();
  timer_remove(job.timer);
  throw Error(ErrorCode::kOutOfMemory, "The system gives no thread to run the model on.",
              "Raise the limit of threads of this user or container (ulimit -u, pids.max).");
}

// Counted by who wakes, not by the lane when it has woken: a second submission until then must not count on it too.
void Session::claim_idle_lane() {
  --idle_lanes_;
  ++woken_lanes_;
}

bool Session::submit(const std::shared_ptr<Slot>& slot, uint64_t token, std::shared_ptr<Sink> sink, int64_t deadline,
                     bool may_inline) {
  Lock lock(mutex_);
  check_usable(*slot);
  if (may_inline && inline_now()) {
    ++stats_.submitted;
    ++stats_.inline_runs;
    run_here(lock, slot, true);
    return true;
  }
  Job job;
  job.token = token;
  job.sink = std::move(sink);
  job.session = shared_from_this();
  job.slot = slot;
  job.deadline = deadline;
  job.submitted = now_ns();
  enqueue(std::move(job));
  if (options_.dispatch == Dispatch::kAsync) {
    lock.unlock();
    pump();
  } else {
    wake_lane(std::move(lock));
  }
  return false;
}

void Session::run_sync(const std::shared_ptr<Slot>& slot) {
  Lock lock(mutex_);
  check_usable(*slot);
  ++stats_.submitted;
  run_here(lock, slot, false);
}

// On the calling thread, from start to end.
void Session::run_here(Lock& lock, const std::shared_ptr<Slot>& slot, bool inlined) {
  slot->state_ = Slot::State::kRunning;
  slot->answered_ = false;
  running_.push_back(slot);
  lock.unlock();
  std::optional<Error> error;
  const int64_t started = now_ns();
  try {
    slot->request_->run();
  } catch (...) {
    error = current_error();
  }
  const int64_t ended = now_ns();
  add_counts_of(*slot->request_);
  lock.lock();
  slot->times_ = {started, started, ended, ended, error ? std::nullopt : slot->request_->stage_times()};
  if (error) {
    ++stats_.failed;
  } else {
    ++stats_.completed;
    compute_.record(ended - started);
    total_.record(ended - started);
    inline_.note(ended - started, inlined, options_.wake_up_ns);
  }
  running_.erase(std::find(running_.begin(), running_.end(), slot));
  settle(*slot);
  if (disposed_) schedule_teardown();
  const bool pump_now = options_.dispatch == Dispatch::kAsync && !ready_.empty();
  lock.unlock();
  if (pump_now) pump();
  if (error) throw *error;
}

void Session::submit_copy(const std::vector<InputView>& inputs, uint64_t token, std::shared_ptr<Sink> sink,
                          int64_t deadline) {
  Job job;
  job.token = token;
  job.sink = std::move(sink);
  job.session = shared_from_this();
  job.deadline = deadline;
  job.submitted = now_ns();
  job.shapes.reserve(inputs.size());
  for (const InputView& input : inputs) job.shapes.push_back(input.shape);

  Lock lock(mutex_);
  if (disposed_) throw Error(ErrorCode::kDisposed, "The model is disposed.", "Load it again.");
  std::shared_ptr<Slot> slot;
  if (ready_.empty()) slot = idle_pooled();
  if (slot && slot->bound_ && slot->shapes_ == job.shapes) {
    slot->state_ = Slot::State::kReady;  // ours: the lock may go while the copy is made
    ++lent_;
    lock.unlock();
    for (size_t i = 0; i < inputs.size(); ++i) copy_in(*slot->request_, i, inputs[i].data, inputs[i].bytes);
    job.slot = slot;
    lock.lock();
    --lent_;
    if (disposed_) {
      settle(*slot);
      schedule_teardown();
      throw Error(ErrorCode::kDisposed, "The model is disposed.", "Load it again.");
    }
  } else {
    lock.unlock();
    for (const InputView& input : inputs) {
      job.staged.push_back(allocator_->allocate(input.bytes));
      std::memcpy(job.staged.back()->data(), input.data, input.bytes);
      add_copied(input.bytes);
    }
    slot.reset();
    lock.lock();
    if (disposed_) throw Error(ErrorCode::kDisposed, "The model is disposed.", "Load it again.");
  }
  try {
    enqueue(std::move(job));
  } catch (...) {
    if (slot) settle(*slot);  // others may wait for it
    throw;
  }
  wake_lane(std::move(lock));
}

void Session::copy_in(Request& request, size_t index, const void* data, size_t bytes) {
  const BoundTensor& tensor = request.inputs()[index];
  std::memcpy(tensor.buffer->data(), data, std::min(bytes, tensor.bytes));
  add_copied(bytes);
}

// --------------------------------------------------------------------------------------------------- inline or not

bool Session::inline_now() const {
  if (options_.dispatch == Dispatch::kInline) return true;
  return options_.dispatch == Dispatch::kAuto && device_.capabilities.host_compute && ready_.empty() &&
         running_.empty() && inline_.allows(options_.wake_up_ns);
}

// ----------------------------------------------------------------------------------------------------------- lanes

std::shared_ptr<Slot> Session::idle_pooled() {
  for (const auto& slot : pool_) {
    if (slot->state_ == Slot::State::kIdle) return slot;
  }
  return nullptr;
}

// The next run, in order, skipping those that wait for a pooled request while none is free. It counts as running from
// here on. Null: nothing can run now.
std::shared_ptr<Slot> Session::take(bool for_lane) {
  const bool async = options_.dispatch == Dispatch::kAsync;
  for (auto job = ready_.begin(); job != ready_.end(); ++job) {
    std::shared_ptr<Slot> slot = job->slot;
    // With the SDK's own start, lanes serve only pooled runs, which need to be filled and emptied.
    if (async && for_lane != (slot == nullptr || slot->pooled_)) continue;
    if (!slot) {
      // Twice as many as run at once: while JavaScript copies the outputs of some, the others keep the device busy.
      slot = idle_pooled();
      if (!slot && pool_.size() < 2 * options_.in_flight) {
        slot = std::make_shared<Slot>(true);
        pool_.push_back(slot);
      }
      if (!slot) continue;
    }
    slot->state_ = Slot::State::kRunning;
    slot->answered_ = false;
    slot->job_ = std::move(*job);
    slot->job_.slot = slot;
    ready_.erase(job);
    ready_count_.store(ready_.size(), std::memory_order_release);
    running_.push_back(slot);
    return slot;
  }
  return nullptr;
}

void Session::lane_main() {
  lane_count.fetch_add(1, std::memory_order_relaxed);
  Lock lock(mutex_);
  while (!stopping_) {
    if (std::shared_ptr<Slot> slot = take(true)) {
      // A lane that spun may have been counted on for several runs.
      if (options_.spin_us > 0 && !ready_.empty()) {
        wake_lane(std::move(lock));
        lock = Lock();
      } else {
        lock.unlock();
      }
      execute(slot);
      slot.reset();
      lock = Lock(mutex_);
      continue;
    }
    // One lane may spin; more would take the CPU from the computation.
    int nobody = 0;
    if (options_.spin_us > 0 && ready_.empty() && spinning_.compare_exchange_strong(nobody, 1)) {
      lock.unlock();
      const int64_t limit = now_ns() + int64_t{1000} * options_.spin_us;
      while (ready_count_.load(std::memory_order_acquire) == 0 && now_ns() < limit) cpu_relax();
      lock.lock();
      spinning_.store(0);
      if (ready_count_.load(std::memory_order_relaxed) > 0) continue;
    }
    if (stopping_) break;
    ++idle_lanes_;
    wake_.wait(lock, [this] { return woken_lanes_ > 0 || stopping_; });
    if (woken_lanes_ > 0) --woken_lanes_;
  }
  lane_count.fetch_sub(1, std::memory_order_relaxed);
}

bool Session::prepare(const std::shared_ptr<Slot>& slot) {
  if (!slot->request_) {
    std::unique_ptr<Request> request = after_the_disposed([&] { return model_->create_request(); });
    request_count.fetch_add(1, std::memory_order_relaxed);
    Lock lock(mutex_);
    slot->request_ = std::move(request);
  }
  Job& job = slot->job_;
  if (!job.staged.empty() || slot->pooled_) {
    if (!slot->bound_ || slot->shapes_ != job.shapes) {
      slot->bound_ = false;
      after_the_disposed([&] { slot->request_->bind(job.shapes); });
      slot->shapes_ = job.shapes;
      slot->bound_ = true;
    }
    for (size_t i = 0; i < job.staged.size(); ++i) {
      copy_in(*slot->request_, i, job.staged[i]->data(), job.staged[i]->size());
    }
    job.staged.clear();
  }
  Lock lock(mutex_);
  if (slot->answered_) return false;
  if (job.deadline != 0 && now_ns() >= job.deadline) {
    throw early_end_error(ErrorCode::kTimeout, false);  // the timer is late: the run must not start all the same
  }
  return true;
}

void Session::execute(const std::shared_ptr<Slot>& slot) {
  std::optional<Error> error;
  int64_t started = 0, ended = 0;
  {
    SdkCall inside;
    try {
      if (prepare(slot)) {
        started = now_ns();
        slot->request_->run();
      }
    } catch (...) {
      error = current_error();
    }
    if (started != 0) ended = now_ns();
  }
  finish(slot, std::move(error), started, ended);
}

// -------------------------------------------------------------------------------------- the SDK's asynchronous start

// Gives the SDK what waits, up to twice what it can run at once. One thread pumps at a time: a run may end before its
// start has returned, and must not recurse.
void Session::pump() {
  Lock lock(mutex_);
  if (pumping_) {
    pump_again_ = true;
    return;
  }
  pumping_ = true;
  do {
    pump_again_ = false;
    while (running_.size() < 2 * options_.in_flight) {
      std::shared_ptr<Slot> slot = take(false);
      if (!slot) break;
      lock.unlock();
      start_async(slot);
      lock.lock();
    }
  } while (pump_again_);
  pumping_ = false;
}

void Session::start_async(const std::shared_ptr<Slot>& slot) {
  std::optional<Error> error;
  int64_t started = 0, ended = 0;
  try {
    if (prepare(slot)) {
      started = now_ns();
      SdkCall::enter();
      {
        Lock lock(mutex_);
        slot->starting_ = true;
      }
      try {
        slot->request_->start([self = shared_from_this(), slot, started](const Error* failed) {
          const int64_t now = now_ns();
          SdkCall::leave();
          std::optional<Error> copy = failed ? std::optional<Error>(*failed) : std::nullopt;
          {
            Lock lock(self->mutex_);
            if (slot->starting_) {  // start() is still using the request: it ends the run when it has returned
              slot->early_end_ = {std::move(copy), now};
              return;
            }
          }
          self->finish(slot, std::move(copy), started, now);
          self->pump();
        });
      } catch (...) {
        SdkCall::leave();
        Lock lock(mutex_);
        slot->starting_ = false;
        started = 0;
        throw;
      }
      Lock lock(mutex_);
      slot->starting_ = false;
      if (!slot->early_end_) return;
      std::tie(error, ended) = *std::exchange(slot->early_end_, std::nullopt);
    }
  } catch (...) {
    error = current_error();
  }
  finish(slot, std::move(error), started, ended);
}

// ------------------------------------------------------------------------------------------------------------- ends

void Session::finish(const std::shared_ptr<Slot>& slot, std::optional<Error> error, int64_t started, int64_t ended) {
  RunEnd end;
  std::shared_ptr<Sink> sink;
  Job job;  // dies last, outside the lock: it may hold the session's last reference
  std::optional<StageTimes> stages;
  if (started != 0 && slot->request_) {
    add_counts_of(*slot->request_);
    if (!error) stages = slot->request_->stage_times();
  }
  {
    Lock lock(mutex_);
    job = std::move(slot->job_);
    slot->job_ = Job();
    if (!slot->answered_) {
      sink = job.sink;
      end.token = job.token;
      end.session = job.session;
      end.times = {job.submitted, started, ended, 0, stages};
      slot->times_ = end.times;
      if (!error) {
        ++stats_.completed;
        queued_.record(started - job.submitted);
      } else if (error->code() == ErrorCode::kTimeout) {
        ++stats_.timed_out;
      } else if (error->code() == ErrorCode::kAborted) {
        ++stats_.aborted;
      } else {
        ++stats_.failed;
      }
    }
    if (!error && started != 0) {
      compute_.record(ended - started);
      inline_.note(ended - started, false, options_.wake_up_ns);
    }
    running_.erase(std::find(running_.begin(), running_.end(), slot));
    if (sink && !error && slot->pooled_) {
      slot->state_ = Slot::State::kDelivering;
      end.delivery = std::make_unique<Delivery>(job.session, slot);
    } else if (slot->cancelling_) {
      slot->ended_ = true;  // cancel() settles it when the SDK's has returned
    } else {
      settle(*slot);
    }
    if (sink && !slot->pooled_) end.slot = slot;
    ++telling_;
  }
  timer_remove(job.timer);
  if (sink) {
    end.error = std::move(error);
    sink->run_ended(std::move(end));
  }
  told_all();
}

// Callers hear of their runs before they hear of the end of dispose().
void Session::told_all() {
  Lock lock(mutex_);
  --telling_;
  if (disposed_) schedule_teardown();
}

// The device has let go of the request, and nobody else uses it: it is free again, or goes.
void Session::settle(Slot& slot) {
  slot.ended_ = false;
  if (slot.dispose_ || torn_down_) {
    slot.state_ = Slot::State::kDisposed;
    destroy_later(std::move(slot.request_));
    return;
  }
  slot.state_ = Slot::State::kIdle;
  slot.answered_ = false;
  if (slot.pooled_ && !ready_.empty() && idle_lanes_ > 0) {
    claim_idle_lane();
    wake_.notify_one();
  }
}

void Session::release(const std::shared_ptr<Slot>& slot) noexcept {
  Lock lock(mutex_);
  settle(*slot);
  if (disposed_) schedule_teardown();
}

void Session::end_early(uint64_t token, ErrorCode code) noexcept {
  Job waiting;
  std::shared_ptr<Slot> running;
  RunEnd end;
  std::shared_ptr<Sink> sink;
  Request* request = nullptr;
  {
    Lock lock(mutex_);
    const auto count = [&] { code == ErrorCode::kTimeout ? ++stats_.timed_out : ++stats_.aborted; };
    const auto job = std::find_if(ready_.begin(), ready_.end(), [&](const Job& j) { return j.token == token; });
    if (job != ready_.end()) {
      waiting = std::move(*job);
      ready_.erase(job);
      ready_count_.store(ready_.size(), std::memory_order_release);
      if (waiting.slot) settle(*waiting.slot);
      sink = waiting.sink;
      end.session = waiting.session;
      count();
    } else {
      for (const auto& slot : running_) {
        if (slot->job_.token != token || slot->job_.sink == nullptr || slot->answered_) continue;
        slot->answered_ = true;
        // A pooled request that has not been made yet has nothing to cancel; it will not start.
        slot->cancelling_ = slot->request_ != nullptr;
        request = slot->request_.get();
        running = slot;
        sink = slot->job_.sink;
        end.session = slot->job_.session;
        count();
        break;
      }
    }
    if (!sink) return;
    ++telling_;
  }
  end.token = token;
  end.error = early_end_error(code, running != nullptr);
  timer_remove(waiting.timer);
  sink->run_ended(std::move(end));
  told_all();
  if (request != nullptr) cancel(running, 1'000'000);
}

// A cancel that comes after a lane's decision to run and before the SDK's beginning finds nothing to cancel, so it is
// repeated, ever more rarely, until the device has let go.
void Session::cancel(const std::shared_ptr<Slot>& slot, int64_t again_ns) noexcept {
  slot->request_->cancel();
  Lock lock(mutex_);
  slot->cancelling_ = false;
  if (slot->ended_) {
    settle(*slot);
    if (disposed_) schedule_teardown();
    return;
  }
  try {
    timer_add(now_ns() + again_ns, [weak = weak_from_this(), slot, token = slot->job_.token, again_ns] {
      const auto session = weak.lock();
      if (!session) return;
      {
        Lock still(session->mutex_);
        if (slot->job_.token != token || !slot->answered_ || slot->cancelling_ || slot->job_.sink == nullptr) return;
        slot->cancelling_ = true;
      }
      session->cancel(slot, std::min<int64_t>(2 * again_ns, 1'000'000'000));
    });
  } catch (...) {
    // No memory for another try.
  }
}

// --------------------------------------------------------------------------------------------------------- disposal

void Session::dispose(std::function<void()> done) {
  std::deque<Job> dropped;
  {
    Lock lock(mutex_);
    if (torn_down_) {
      if (done) reap(std::move(done));
      return;
    }
    disposed_ = true;
    if (done) dispose_waiters_.push_back(std::move(done));
    dropped.swap(ready_);
    ready_count_.store(0, std::memory_order_release);
    for (Job& job : dropped) {
      if (job.slot) settle(*job.slot);
      ++stats_.aborted;
    }
    ++telling_;
  }
  for (Job& job : dropped) {
    timer_remove(job.timer);
    RunEnd end;
    end.token = job.token;
    end.error = early_end_error(ErrorCode::kDisposed, false);
    end.session = job.session;
    job.sink->run_ended(std::move(end));
  }
  told_all();
}

void Session::shut_down() noexcept {
  dispose({});
  std::vector<uint64_t> tokens;
  {
    Lock lock(mutex_);
    for (const auto& slot : running_) tokens.push_back(slot->job_.token);
  }
  for (const uint64_t token : tokens) end_early(token, ErrorCode::kDisposed);
}

// Hands what is left to the reaper once nothing is in the device any more.
void Session::schedule_teardown() {
  if (teardown_scheduled_ || !running_.empty() || lent_ > 0 || telling_ > 0) return;
  for (const auto& slot : pool_) {
    if (slot->state_ == Slot::State::kDelivering || slot->ended_) return;
  }
  for (const auto& weak : own_) {
    const auto slot = weak.lock();
    if (slot && slot->ended_) return;
  }
  teardown_scheduled_ = true;
  reap([self = shared_from_this()] { self->teardown(); });
}

// On the reaper's thread.
void Session::teardown() {
  std::vector<std::thread> lanes;
  {
    Lock lock(mutex_);
    if (torn_down_) return;
    stopping_ = true;
    lanes.swap(lanes_);
  }
  wake_.notify_all();
  for (std::thread& lane : lanes) lane.join();
  std::vector<std::function<void()>> waiters;
  std::shared_ptr<Model> model;
  {
    Lock lock(mutex_);
    torn_down_ = true;
    for (const auto& slot : pool_) destroy_later(std::move(slot->request_));
    pool_.clear();
    for (const auto& weak : own_) {
      if (const auto slot = weak.lock()) {
        slot->state_ = Slot::State::kDisposed;
        destroy_later(std::move(slot->request_));
      }
    }
    own_.clear();
    waiters.swap(dispose_waiters_);
    model = std::move(model_);
  }
  // The requests above are destroyed next on this thread, then the model goes, then callers hear of it.
  reap([model = std::move(model), waiters = std::move(waiters)]() mutable {
    model.reset();
    for (const auto& done : waiters) done();
  });
}

void Session::abandon() noexcept {
  {
    Lock lock(mutex_);
    if (torn_down_ || std::exchange(abandoned_, true)) return;
    abandoned_count.fetch_add(1, std::memory_order_relaxed);
  }
  shut_down();
}

void Session::cancel_for_exit() noexcept {
  Lock lock(mutex_, std::try_to_lock);
  if (!lock.owns_lock()) return;
  for (const auto& slot : running_) {
    if (slot->request_) slot->request_->cancel();
  }
}

// ------------------------------------------------------------------------------------------------------- statistics

void Session::told(const std::shared_ptr<Slot>& slot, RunTimes times) {
  Lock lock(mutex_);
  if (slot) slot->times_ = times;
  callback_.record(times.told - times.ended);
  total_.record(times.told - times.submitted);
}

Statistics Session::statistics() const {
  Lock lock(mutex_);
  Statistics s = stats_;
  s.queue_depth = ready_.size();
  s.running = running_.size();
  s.bytes_copied = bytes_copied_.load(std::memory_order_relaxed);
  s.bytes_transferred = bytes_transferred_.load(std::memory_order_relaxed);
  s.graph_runs = graph_runs_.load(std::memory_order_relaxed);
  s.bytes_held = allocator_->bytes_held();
  s.queued = queued_.summary();
  s.compute = compute_.summary();
  s.callback = callback_.summary();
  s.total = total_.summary();
  return s;
}

ProcessCounts Session::process_counts() {
  ProcessCounts counts;
  counts.lanes = lane_count.load(std::memory_order_relaxed);
  counts.requests = request_count.load(std::memory_order_relaxed);
  counts.sessions = session_count.load(std::memory_order_relaxed);
  counts.abandoned = abandoned_count.load(std::memory_order_relaxed);
  return counts;
}

}  // namespace edge
