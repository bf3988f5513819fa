// One loaded model at work: its requests, a bounded queue, lanes, deadlines, cancellation and statistics.
//
// A run is submitted on the JS thread, taken by a lane (a native thread), and told to its Sink exactly once. The lane
// then goes on with the next one; it never waits for JavaScript. All functions: any thread, unless said otherwise.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "core/backend.h"
#include "core/exit_guard.h"
#include "core/histogram.h"
#include "core/inline_policy.h"
#include "core/timer.h"

namespace edge {

class Session;
class Slot;

enum class Dispatch { kAuto, kLane, kInline, kAsync };

struct SessionOptions {
  size_t in_flight = 0;  // 0: what the device calls optimal
  size_t queue_limit = 64;
  Dispatch dispatch = Dispatch::kAuto;
  int spin_us = 0;         // 0: an idle lane sleeps at once
  int64_t wake_up_ns = 0;  // 0: measured on this machine; kAuto runs inline what takes less
};

// Monotonic nanoseconds (now_ns); `told` is when JavaScript heard of the end.
struct RunTimes {
  int64_t submitted = 0, started = 0, ended = 0, told = 0;
  std::optional<StageTimes> stages = std::nullopt;  // of models that are profiled, where the device tells
};

// A pooled request whose outputs wait to be copied out; goes back to the pool when this dies.
class Delivery {
 public:
  Delivery(std::shared_ptr<Session> session, std::shared_ptr<Slot> slot);
  ~Delivery();
  const std::vector<BoundTensor>& outputs() const;

 private:
  std::shared_ptr<Session> session_;
  std::shared_ptr<Slot> slot_;
};

// How a run ended for its caller.
struct RunEnd {
  uint64_t token = 0;
  std::optional<Error> error;
  std::shared_ptr<Session> session;
  std::shared_ptr<Slot> slot;          // the caller's own request, if the run was one of these
  std::unique_ptr<Delivery> delivery;  // the outputs of submit_copy
  RunTimes times;                      // zero when the run never started
};

// Who is told. One per JavaScript environment.
class Sink {
 public:
  virtual ~Sink() = default;
  // Any thread, no lock held; exactly once for every accepted submission.
  virtual void run_ended(RunEnd end) noexcept = 0;
};

// A waiting or running inference.
struct Job {
  uint64_t token = 0;
  std::shared_ptr<Sink> sink;
  std::shared_ptr<Session> session;  // keeps the session alive until the run has ended
  std::shared_ptr<Slot> slot;        // null: any pooled request will do
  int64_t deadline = 0;              // now_ns() time, 0: none
  TimerEntry timer;
  int64_t submitted = 0;
  std::vector<Shape> shapes;                    // of the staged inputs
  std::vector<std::shared_ptr<Buffer>> staged;  // to be copied into the request by the lane
};

// One request of the session. Opaque to callers but for what it is bound to.
class Slot {
 public:
  explicit Slot(bool pooled) : pooled_(pooled) {}
  ~Slot();

 private:
  friend class Session;
  friend class Delivery;
  enum class State { kIdle, kReady, kRunning, kDelivering, kDisposed };

  // Everything is guarded by the session's mutex, except what the thread that runs the request reads of it.
  std::unique_ptr<Request> request_;
  const bool pooled_;
  State state_ = State::kIdle;
  bool answered_ = false;    // the caller has its answer, the device has not let go yet
  bool cancelling_ = false;  // cancel() is being called: the request must not be reused
  bool starting_ = false;    // start() has not returned yet
  bool ended_ = false;       // the run ended while cancel() was being called
  bool dispose_ = false;     // the caller gave it up during the run
  Job job_;
  std::optional<std::pair<std::optional<Error>, int64_t>> early_end_;  // of a run that ended before start() returned
  bool bound_ = false;
  std::vector<Shape> shapes_;  // what it is bound to
  RunTimes times_;
};

struct Statistics {
  uint64_t submitted = 0, completed = 0, failed = 0, aborted = 0, timed_out = 0, refused = 0, inline_runs = 0;
  size_t queue_depth = 0, queue_depth_max = 0, running = 0;
  uint64_t bytes_copied = 0, bytes_transferred = 0, graph_runs = 0;
  size_t bytes_held = 0;
  HistogramSummary queued, compute, callback, total;
};

// Values for one input of submit_copy; read before it returns.
struct InputView {
  const void* data = nullptr;
  size_t bytes = 0;
  Shape shape;
};

struct ProcessCounts {
  size_t lanes = 0, requests = 0, sessions = 0, abandoned = 0;
};

class Session final : public std::enable_shared_from_this<Session>, public ExitListener {
 public:
  static std::shared_ptr<Session> create(std::shared_ptr<Model> model, DeviceInfo device, SessionOptions options,
                                         std::shared_ptr<Allocator> allocator);
  static ProcessCounts process_counts();

  const Model& model() const { return *model_; }
  // For work beside the runs. Throws kDisposed.
  std::shared_ptr<Model> shared_model() const;
  const DeviceInfo& device() const { return device_; }
  const SessionOptions& options() const { return options_; }
  const std::shared_ptr<Allocator>& allocator() const { return allocator_; }

  // A request of the caller's own, bound to these input shapes (empty: the model's static ones). Blocks in the SDK.
  std::shared_ptr<Slot> create_slot(const std::vector<Shape>& shapes);
  // Binds it to other shapes. Throws kBusy during a run. Blocks in the SDK.
  void reshape(const std::shared_ptr<Slot>& slot, const std::vector<Shape>& shapes);
  // What it is bound to. Throws kBusy during a run, because the outputs may be moving.
  const std::vector<BoundTensor>& inputs(const std::shared_ptr<Slot>& slot) const;
  const std::vector<BoundTensor>& outputs(const std::shared_ptr<Slot>& slot) const;
  bool busy(const std::shared_ptr<Slot>& slot) const;
  // Lends the request itself to `work`, on the calling thread; to everybody else it is running meanwhile.
  void borrow(const std::shared_ptr<Slot>& slot, const std::function<void(Request&)>& work);
  RunTimes times(const std::shared_ptr<Slot>& slot) const;
  // Gives the request up; it is destroyed on the reaper once its run has ended. Idempotent.
  void dispose_slot(const std::shared_ptr<Slot>& slot) noexcept;

  // Runs the caller's request; the sink hears of the end. Returns true when the run was made inline and is over (the
  // sink then hears nothing); throws what an inline run threw, or kBusy, kQueueFull, kDisposed.
  bool submit(const std::shared_ptr<Slot>& slot, uint64_t token, std::shared_ptr<Sink> sink, int64_t deadline,
              bool may_inline);
  // Runs on the calling thread; throws what the run throws.
  void run_sync(const std::shared_ptr<Slot>& slot);
  // Copies the inputs into a pooled request (or a staging buffer when none is free) and runs it.
  void submit_copy(const std::vector<InputView>& inputs, uint64_t token, std::shared_ptr<Sink> sink, int64_t deadline);

  // Ends the caller's wait: a waiting run is never started, a running one is cancelled as far as the SDK can.
  void end_early(uint64_t token, ErrorCode code) noexcept;
  // Waiting runs end with kDisposed, running ones go on to their end; then everything is destroyed on the reaper and
  // `done` is called there. Idempotent; `done` may be empty.
  void dispose(std::function<void()> done);
  // dispose() that also cancels what is running: the environment that wanted it is going.
  void shut_down() noexcept;
  // Counts this session as one that will never end, and answers the callers of what is still running.
  void abandon() noexcept;

  // For the JS thread: the caller has heard of a run's end just now.
  void told(const std::shared_ptr<Slot>& slot, RunTimes times);
  void add_copied(size_t bytes) noexcept { bytes_copied_.fetch_add(bytes, std::memory_order_relaxed); }
  // What the request says of its last run.
  void add_counts_of(const Request& request) noexcept {
    add_copied(request.bytes_copied());
    bytes_transferred_.fetch_add(request.bytes_transferred(), std::memory_order_relaxed);
    graph_runs_.fetch_add(request.graph_runs(), std::memory_order_relaxed);
  }
  Statistics statistics() const;

  void cancel_for_exit() noexcept override;

 private:
  friend class Delivery;
  using Lock = std::unique_lock<std::mutex>;

  Session(std::shared_ptr<Model> model, DeviceInfo device, SessionOptions options,
          std::shared_ptr<Allocator> allocator);
  ~Session();

  // The mutex is held by who calls these; run_here() gives it up meanwhile, wake_lane() for good.
  void check_usable(const Slot& slot) const;
  void enqueue(Job job);
  void wake_lane(Lock lock);
  void start_lane(Lock lock);
  void claim_idle_lane();
  bool inline_now() const;
  void run_here(Lock& lock, const std::shared_ptr<Slot>& slot, bool inlined);
  void settle(Slot& slot);
  std::shared_ptr<Slot> take(bool for_lane);
  std::shared_ptr<Slot> idle_pooled();
  void schedule_teardown();

  void lane_main();
  void pump();
  void start_async(const std::shared_ptr<Slot>& slot);
  // Makes, binds and fills the request. Returns false when the run must not start any more.
  bool prepare(const std::shared_ptr<Slot>& slot);
  void execute(const std::shared_ptr<Slot>& slot);
  void finish(const std::shared_ptr<Slot>& slot, std::optional<Error> error, int64_t started, int64_t ended);
  void release(const std::shared_ptr<Slot>& slot) noexcept;
  void told_all();
  void cancel(const std::shared_ptr<Slot>& slot, int64_t again_ns) noexcept;
  void teardown();
  static std::vector<Shape> static_shapes(const Model& model);
  void copy_in(Request& request, size_t index, const void* data, size_t bytes);

  const std::shared_ptr<Allocator> allocator_;
  std::shared_ptr<Model> model_;
  const DeviceInfo device_;
  SessionOptions options_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> ready_;
  std::vector<std::shared_ptr<Slot>> running_;
  std::vector<std::shared_ptr<Slot>> pool_;
  std::vector<std::weak_ptr<Slot>> own_;  // callers' requests, to take their SDK objects at dispose
  std::vector<std::thread> lanes_;
  size_t idle_lanes_ = 0, woken_lanes_ = 0;
  size_t lent_ = 0, telling_ = 0;  // uses of requests, and callers to be told, that are not in running_
  std::atomic<int> spinning_{0};
  std::atomic<size_t> ready_count_{0};  // what spinning lanes watch
  bool stopping_ = false, disposed_ = false, torn_down_ = false, teardown_scheduled_ = false, abandoned_ = false;
  bool pumping_ = false, pump_again_ = false;
  std::vector<std::function<void()>> dispose_waiters_;

  Statistics stats_;
  Histogram queued_, compute_, callback_, total_;
  std::atomic<uint64_t> bytes_copied_{0}, bytes_transferred_{0}, graph_runs_{0};

  InlinePolicy inline_;
};

}  // namespace edge
