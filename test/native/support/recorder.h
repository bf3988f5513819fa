// A Sink that remembers what it was told, and can hold deliveries back.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "core/session.h"

namespace edge {

// Lets GoogleTest print codes by their names.
inline void PrintTo(ErrorCode code, std::ostream* out) { *out << error_code_name(code); }

}  // namespace edge

namespace edge::test {

class Recorder final : public Sink {
 public:
  struct Heard {
    uint64_t token = 0;
    std::optional<ErrorCode> code;  // nothing: the run succeeded
    std::vector<std::vector<float>> outputs;
    std::vector<Shape> shapes;
    RunTimes times;
  };
  enum class Deliveries { kTake, kHold, kDrop };  // copied and given back; copied and kept; given back unread

  explicit Recorder(Deliveries deliveries = Deliveries::kTake) : deliveries_(deliveries) {}
  // Called first in run_ended, on its thread.
  std::function<void(const RunEnd&)> on_end;

  void run_ended(RunEnd end) noexcept override;

  // False when fewer were heard in time.
  bool wait(size_t count);
  size_t count() const;
  std::vector<Heard> heard() const;
  // How often each token was told.
  std::map<uint64_t, int> times_told() const;
  // What was heard of one token. Fails the test when it was not told exactly once.
  Heard only(uint64_t token) const;
  size_t count_of(std::optional<ErrorCode> code) const;
  // Gives the oldest delivery back that is held.
  void release_one();
  void release_all();
  size_t held() const;

 private:
  const Deliveries deliveries_;
  mutable std::mutex mutex_;
  std::vector<Heard> heard_;
  std::vector<RunEnd> held_;
};

// Waits until no session, request or lane of an earlier test is left. False when some stay.
bool all_gone();

// A session over the echo model `text`, which follows the line "echo 1".
struct EchoSession {
  std::shared_ptr<Allocator> allocator;
  std::shared_ptr<Model> model;
  std::shared_ptr<Session> session;
};
EchoSession echo_session(const std::string& text, SessionOptions options = {});
// `input x f32 SHAPE` and `output y = add x 1`.
EchoSession plus_one(const std::string& more = "", SessionOptions options = {}, const std::string& shape = "4");

// A view on values that lives as long as they do.
InputView view_of(const std::vector<float>& values);

// The values of the n-th input or output of a caller's request.
float* input_values(Session& session, const std::shared_ptr<Slot>& slot, size_t index = 0);
float* output_values(Session& session, const std::shared_ptr<Slot>& slot, size_t index = 0);

// The code of the edge::Error that `work` throws; nothing when it throws none.
template <typename Work>
std::optional<ErrorCode> code_of(Work&& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.code();
  }
  return std::nullopt;
}

// The edge::Error that `work` throws; the test fails when it throws none.
template <typename Work>
std::optional<Error> error_of(Work&& work) {
  try {
    work();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no error";
  return Error(ErrorCode::kBackend, "no error");  // what looks into it must not crash, and hide that there is none
}

}  // namespace edge::test
