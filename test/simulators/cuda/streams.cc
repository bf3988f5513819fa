#include "streams.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "control.h"

namespace cuda_simulator {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kInvalidHandle = 400, kIllegalState = 401, kDeinitialized = 4, kNotReady = 600, kCaptureUnsupported = 900,
              kCaptureInvalidated = 901;

}  // namespace

class Stream {
 public:
  std::deque<Operation> operations;
  std::unique_ptr<Graph> recording;
  std::thread::id recorder;
  bool spoilt = false;
};

Streams& Streams::instance() {
  static auto* const streams = new Streams;  // leaked: its thread never ends
  return *streams;
}

Streams::Streams() {
  std::thread([this] { run(); }).detach();
}

Stream* Streams::create_stream() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return *streams_.insert(new Stream).first;
}

bool Streams::destroy_stream(Stream* stream) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (streams_.erase(stream) == 0) return false;
  if (at_work_ == stream) at_work_ = nullptr;
  delete stream;
  return true;
}

Event* Streams::create_event(unsigned flags) {
  const std::lock_guard<std::mutex> lock(mutex_);
  return *events_.insert(new Event(flags)).first;
}

bool Streams::destroy_event(Event* event) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (events_.erase(event) == 0) return false;
  delete event;
  return true;
}

int Streams::add(Stream* stream, Work work, std::chrono::microseconds duration) {
  duration += std::chrono::microseconds(Control::current().latency_us);
  const std::lock_guard<std::mutex> lock(mutex_);
  if (deinitialized_) return kDeinitialized;
  if (sticky_ != 0) return sticky_;
  if (streams_.count(stream) == 0) return kInvalidHandle;
  if (stream->recording) {
    stream->recording->operations.push_back({std::move(work), duration});
    return stream->spoilt ? kCaptureInvalidated : 0;
  }
  stream->operations.push_back({std::move(work), duration});
  changed_.notify_all();
  return 0;
}

int Streams::begin_capture(Stream* stream) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (streams_.count(stream) == 0) return kInvalidHandle;
  if (stream->recording) return kIllegalState;
  stream->recording = std::make_unique<Graph>();
  stream->recorder = std::this_thread::get_id();
  stream->spoilt = false;
  return 0;
}

int Streams::end_capture(Stream* stream, Graph** graph) {
  const std::lock_guard<std::mutex> lock(mutex_);
  *graph = nullptr;
  if (streams_.count(stream) == 0) return kInvalidHandle;
  if (!stream->recording) return kIllegalState;
  std::unique_ptr<Graph> recorded = std::move(stream->recording);
  if (stream->spoilt) return kCaptureInvalidated;
  *graph = *graphs_.insert(recorded.release()).first;
  return 0;
}

int Streams::spoil_capture() {
  const std::lock_guard<std::mutex> lock(mutex_);
  int result = 0;
  for (Stream* stream : streams_) {
    if (!stream->recording || stream->recorder != std::this_thread::get_id()) continue;
    stream->spoilt = true;
    result = kCaptureUnsupported;
  }
  return result;
}

int Streams::launch(const Graph& graph, Stream* stream) {
  for (const Operation& operation : graph.operations) {
    if (const int result = add(stream, operation.work, operation.duration)) return result;
  }
  return 0;
}

Graph* Streams::keep(Graph graph) {
  const std::lock_guard<std::mutex> lock(mutex_);
  return *graphs_.insert(new Graph(std::move(graph))).first;
}

bool Streams::destroy(Graph* graph) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (graphs_.erase(graph) == 0) return false;
  delete graph;
  return true;
}

const Graph* Streams::find(Graph* graph) {
  const std::lock_guard<std::mutex> lock(mutex_);
  return graphs_.count(graph) == 0 ? nullptr : graph;
}

size_t Streams::graphs() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return graphs_.size();
}

int Streams::record(Event* event, Stream* stream) {
  uint64_t number;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (events_.count(event) == 0) return kInvalidHandle;
    number = ++event->recorded_;
  }
  return add(
      stream,
      [this, event, number] {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (events_.count(event) == 0) return 0;
        event->completed_ = std::max(event->completed_, number);
        event->reached_ = Clock::now();
        return 0;
      },
      std::chrono::microseconds(0));
}

int Streams::elapsed(Event* begin, Event* end, float* ms) {
  constexpr unsigned kDisableTiming = 2;
  const std::lock_guard<std::mutex> lock(mutex_);
  for (Event* const event : {begin, end}) {
    if (events_.count(event) == 0 || (event->flags() & kDisableTiming) != 0 || event->recorded_ == 0) {
      return kInvalidHandle;
    }
  }
  for (const Event* const event : {begin, end}) {
    if (event->completed_ < event->recorded_) return kNotReady;
  }
  *ms = std::chrono::duration<float, std::milli>(end->reached_ - begin->reached_).count();
  return 0;
}

int Streams::wait(Event* event) {
  std::unique_lock<std::mutex> lock(mutex_);
  if (events_.count(event) == 0) return kInvalidHandle;
  const uint64_t number = event->recorded_;
  changed_.wait(
      lock, [&] { return deinitialized_ || sticky_ != 0 || events_.count(event) == 0 || event->completed_ >= number; });
  return deinitialized_ ? kDeinitialized : sticky_;
}

int Streams::wait(Stream* stream) {
  std::unique_lock<std::mutex> lock(mutex_);
  if (streams_.count(stream) == 0) return kInvalidHandle;
  changed_.wait(lock, [&] {
    return deinitialized_ || sticky_ != 0 || streams_.count(stream) == 0 || stream->operations.empty();
  });
  return deinitialized_ ? kDeinitialized : sticky_;
}

int Streams::sticky() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return deinitialized_ ? kDeinitialized : sticky_;
}

void Streams::deinitialize() {
  const std::lock_guard<std::mutex> lock(mutex_);
  deinitialized_ = true;
  changed_.notify_all();
}

size_t Streams::streams() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return streams_.size();
}

size_t Streams::events() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return events_.size();
}

void Streams::run() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    Stream* next = nullptr;
    const Clock::time_point now = Clock::now();
    for (Stream* stream : streams_) {
      if (stream->operations.empty()) continue;
      Operation& first = stream->operations.front();
      if (first.done == Clock::time_point{}) first.done = now + first.duration;
      if (next == nullptr || first.done < next->operations.front().done) next = stream;
    }
    if (next == nullptr || sticky_ != 0) {
      changed_.wait(lock);
      continue;
    }
    if (next->operations.front().done > now) {
      // A copy: the operation may go with its stream meanwhile.
      const Clock::time_point until = next->operations.front().done;
      changed_.wait_until(lock, until);
      continue;
    }
    // It stays the first of its stream while it runs, so that nobody takes the stream for idle.
    const Work work = next->operations.front().work;
    at_work_ = next;
    lock.unlock();
    const int result = work();
    lock.lock();
    if (result != 0) sticky_ = result;
    if (at_work_ != nullptr) at_work_->operations.pop_front();
    at_work_ = nullptr;
    changed_.notify_all();
  }
}

}  // namespace cuda_simulator
