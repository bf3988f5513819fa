// What a test's sink remembers, and sessions to test with.
#include "recorder.h"

#include <gtest/gtest.h>

#include <utility>

#include "backends/echo/echo.h"
#include "gate.h"

namespace edge::test {

void Recorder::run_ended(RunEnd end) noexcept {
  if (on_end) on_end(end);
  Heard heard;
  heard.token = end.token;
  if (end.error) heard.code = end.error->code();
  heard.times = end.times;
  if (end.delivery && deliveries_ != Deliveries::kDrop) {
    for (const BoundTensor& output : end.delivery->outputs()) {
      const auto* values = static_cast<const float*>(output.buffer->data());
      heard.outputs.emplace_back(values, values + output.bytes / sizeof(float));
      heard.shapes.push_back(output.shape);
    }
  }
  const bool hold = end.delivery && deliveries_ == Deliveries::kHold;
  if (!hold) end = RunEnd();  // back to the pool before the test hears of it
  std::lock_guard<std::mutex> lock(mutex_);
  if (hold) held_.push_back(std::move(end));
  heard_.push_back(std::move(heard));
}

bool Recorder::wait(size_t count) {
  return eventually([&] { return this->count() >= count; });
}

size_t Recorder::count() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return heard_.size();
}

std::vector<Recorder::Heard> Recorder::heard() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return heard_;
}

std::map<uint64_t, int> Recorder::times_told() const {
  std::lock_guard<std::mutex> lock(mutex_);
  std::map<uint64_t, int> times;
  for (const Heard& one : heard_) ++times[one.token];
  return times;
}

Recorder::Heard Recorder::only(uint64_t token) const {
  std::lock_guard<std::mutex> lock(mutex_);
  Heard found;
  int times = 0;
  for (const Heard& one : heard_) {
    if (one.token != token) continue;
    found = one;
    ++times;
  }
  EXPECT_EQ(times, 1) << "token " << token;
  return found;
}

size_t Recorder::count_of(std::optional<ErrorCode> code) const {
  std::lock_guard<std::mutex> lock(mutex_);
  size_t count = 0;
  for (const Heard& one : heard_) count += one.code == code ? 1 : 0;
  return count;
}

void Recorder::release_one() {
  RunEnd dead;  // dies after the lock: it calls back into the session
  std::lock_guard<std::mutex> lock(mutex_);
  if (held_.empty()) return;
  dead = std::move(held_.front());
  held_.erase(held_.begin());
}

void Recorder::release_all() {
  std::vector<RunEnd> dead;
  std::lock_guard<std::mutex> lock(mutex_);
  dead.swap(held_);
}

size_t Recorder::held() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return held_.size();
}

bool all_gone() {
  return eventually([] {
    const ProcessCounts counts = Session::process_counts();
    return counts.lanes == 0 && counts.requests == 0 && counts.sessions == 0 && counts.abandoned == 0;
  });
}

EchoSession echo_session(const std::string& text, SessionOptions options) {
  EchoSession made;
  made.allocator = make_host_allocator();
  const std::string whole = "echo 1\n" + text;
  const std::shared_ptr<Device> device = echo::open("")->open("cpu");
  ModelSource source;
  source.bytes = {reinterpret_cast<const uint8_t*>(whole.data()), whole.size()};
  LoadOptions load;
  load.allocator = made.allocator;
  made.model = device->load(source, load);
  made.session = Session::create(made.model, device->info(), options, made.allocator);
  return made;
}

EchoSession plus_one(const std::string& more, SessionOptions options, const std::string& shape) {
  return echo_session("input x f32 " + shape + "\noutput y = add x 1\n" + more, options);
}

InputView view_of(const std::vector<float>& values) {
  return {values.data(), values.size() * sizeof(float), {static_cast<int64_t>(values.size())}};
}

float* input_values(Session& session, const std::shared_ptr<Slot>& slot, size_t index) {
  return static_cast<float*>(session.inputs(slot).at(index).buffer->data());
}

float* output_values(Session& session, const std::shared_ptr<Slot>& slot, size_t index) {
  return static_cast<float*>(session.outputs(slot).at(index).buffer->data());
}

}  // namespace edge::test
