// How the ends of runs and loads cross from native threads to the JavaScript thread of their environment.
#pragma once

#include <napi.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "core/device_events.h"
#include "core/log.h"
#include "core/session.h"

namespace edge::binding {

// One per environment. Ends that arrive while the JS thread is busy cross together, in one call. After the environment
// has begun to close everything is dropped, which gives pooled requests and finished loads back.
class Completions final : public Sink, public std::enable_shared_from_this<Completions> {
 public:
  // Made on the JS thread. `dispatch(token, error, value)` is called once for every expected answer, `log(level,
  // backend, message)` for log lines, `device_event(name, event)` for what happens to devices, `progress(token, phase,
  // fraction)` before the answer of a load that takes its time.
  static std::shared_ptr<Completions> create(Napi::Env env, Napi::Function dispatch, Napi::Function log,
                                             Napi::Function device_event, Napi::Function progress);

  // JS thread: one more answer is to come; the event loop stays alive until then.
  void expect();
  // JS thread: nobody waits for this answer any more; it is dropped when it comes, and keeps nothing alive.
  void forget(uint64_t token);

  // Any thread.
  void run_ended(RunEnd end) noexcept override;
  // The value is made on the JS thread.
  using MakeValue = std::function<Napi::Value(Napi::Env)>;
  void answer(uint64_t token, MakeValue make) noexcept;
  void fail(uint64_t token, Error error) noexcept;
  void progress(uint64_t token, const std::string& phase, double fraction) noexcept;
  void log(LogLevel level, const std::string& backend, const std::string& message) noexcept;
  void device_event(const DeviceEvent& event) noexcept;

  // JS thread, from the environment's cleanup hook.
  void close();

 private:
  struct Answer {
    uint64_t token;
    std::optional<Error> error;
    MakeValue make;
  };
  struct LogLine {
    LogLevel level;
    std::string backend, message;
  };
  struct Progress {
    uint64_t token;
    std::string phase;
    double fraction;
  };
  using Item = std::variant<RunEnd, Answer, LogLine, DeviceEvent, Progress>;

  Completions() = default;
  void push(Item item) noexcept;
  void drain(Napi::Env env);
  void deliver(Napi::Env env, RunEnd& end);
  void deliver(Napi::Env env, Answer& answer);
  void deliver(Napi::Env env, LogLine& line);
  void deliver(Napi::Env env, DeviceEvent& event);
  void deliver(Napi::Env env, Progress& progress);
  // One expected answer less.
  void arrived();
  void settle(Napi::Env env, uint64_t token, napi_value error, napi_value value);

  std::mutex mutex_;  // guards items_ and closed_
  std::vector<Item> items_;
  bool closed_ = false;
  std::atomic<int> calling_{0};  // threads inside a call on tsfn_
  napi_threadsafe_function tsfn_ = nullptr;
  size_t expected_ = 0;  // this and the next: JS thread only
  std::set<uint64_t> forgotten_;
  Napi::FunctionReference dispatch_, log_, device_event_, progress_;
  std::vector<Item> draining_;  // kept for its capacity
};

}  // namespace edge::binding
