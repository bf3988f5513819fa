// The simulated GPU at work: streams whose operations one thread completes late, in the order of each stream.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

namespace cuda_simulator {

// One operation; returns a CUresult. A failure poisons everything that comes after it.
using Work = std::function<int()>;

class Stream;

struct Operation {
  Work work;
  std::chrono::microseconds duration;
  std::chrono::steady_clock::time_point done{};  // set when it is the first of its stream
};

// What was put into a stream while it was recorded. Launched as a whole, any number of times.
struct Graph {
  std::vector<Operation> operations;
};

class Event {
 public:
  explicit Event(unsigned flags) : flags_(flags) {}
  unsigned flags() const { return flags_; }

 private:
  friend class Streams;
  const unsigned flags_;
  uint64_t recorded_ = 0, completed_ = 0;
  std::chrono::steady_clock::time_point reached_{};  // when it was completed last
};

class Streams {
 public:
  static Streams& instance();

  Stream* create_stream();
  bool destroy_stream(Stream* stream);
  Event* create_event(unsigned flags);
  bool destroy_event(Event* event);

  // Each of these: 400 (INVALID_HANDLE) where the handle is none. `duration`: how long the GPU is at it.
  int add(Stream* stream, Work work, std::chrono::microseconds duration);
  int record(Event* event, Stream* stream);
  // 400 where one of the two is no event, measures no time or was not recorded, 600 where it is not done yet.
  int elapsed(Event* begin, Event* end, float* ms);
  // Sleep until it is done; then the error that poisoned the GPU, if one did.
  int wait(Event* event);
  int wait(Stream* stream);

  // From here on the stream records what is put into it. 401: it does already.
  int begin_capture(Stream* stream);
  // 901, and no graph, where something happened meanwhile that cannot be recorded.
  int end_capture(Stream* stream, Graph** graph);
  // The calling thread does what no recording allows: those that it has begun are spoilt. 900 where there is one, else
  // 0.
  int spoil_capture();
  int launch(const Graph& graph, Stream* stream);
  size_t graphs();
  Graph* keep(Graph graph);
  bool destroy(Graph* graph);
  // Null where the handle is none.
  const Graph* find(Graph* graph);

  int sticky();
  // Everybody who waits is told CUDA_ERROR_DEINITIALIZED, and so is everybody who comes later.
  void deinitialize();
  size_t streams();
  size_t events();

 private:
  Streams();
  void run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<Stream*> streams_;
  std::set<Event*> events_;
  std::set<Graph*> graphs_;
  // Whose first operation runs; null once it is destroyed meanwhile. Its address does not tell: the next may have it.
  Stream* at_work_ = nullptr;
  int sticky_ = 0;
  bool deinitialized_ = false;
};

}  // namespace cuda_simulator
