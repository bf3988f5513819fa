// What benchmarks compare with: runs and wake-ups without JavaScript. All of it blocks the JS thread. And counts of
// what is alive in the process.
#include <napi.h>

#include <atomic>
#include <future>
#include <vector>

#include "addon.h"
#include "core/clock.h"
#include "core/session.h"
#include "core/wake_up.h"
#include "request.h"
#include "values.h"

namespace edge::binding {
namespace {

constexpr double kNsPerUs = 1e3;

void to_microseconds(const std::vector<int64_t>& nanoseconds, Napi::Float64Array target) {
  for (size_t i = 0; i < nanoseconds.size(); ++i) target[i] = static_cast<double>(nanoseconds[i]) / kNsPerUs;
}

// Runs the request again and again: microseconds of each run.
Napi::Value bench_sync(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    auto* wrap = RequestWrap::Unwrap(info[0].As<Napi::Object>());
    auto target = info[1].As<Napi::Float64Array>();
    std::vector<int64_t> nanoseconds(target.ElementLength());
    wrap->session()->borrow(wrap->slot(), [&](Request& request) {
      int64_t begin = now_ns();
      for (int64_t& one : nanoseconds) {
        request.run();
        const int64_t end = now_ns();
        one = end - begin;
        begin = end;
      }
    });
    to_microseconds(nanoseconds, target);
    return info.Env().Undefined();
  });
}

// Runs the requests side by side, each on a thread of its own: microseconds for `runs` runs of all together.
Napi::Value bench_threads(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto requests = info[0].As<Napi::Array>();
    std::atomic<int64_t> left = info[1].As<Napi::Number>().Int64Value();
    std::vector<std::future<void>> threads;  // each waits for its thread when it is destroyed
    const int64_t begin = now_ns();
    for (uint32_t i = 0; i < requests.Length(); ++i) {
      const auto* wrap = RequestWrap::Unwrap(requests.Get(i).As<Napi::Object>());
      threads.push_back(std::async(std::launch::async, [&left, session = wrap->session(), slot = wrap->slot()] {
        session->borrow(slot, [&](Request& request) {
          while (left.fetch_sub(1) > 0) request.run();
        });
      }));
    }
    for (auto& thread : threads) thread.get();
    return Napi::Number::New(info.Env(), static_cast<double>(now_ns() - begin) / kNsPerUs);
  });
}

Napi::Value bench_ping_pong(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    auto target = info[0].As<Napi::Float64Array>();
    std::vector<int64_t> nanoseconds(target.ElementLength());
    ping_pong(nanoseconds.data(), nanoseconds.size());
    to_microseconds(nanoseconds, target);
    return info.Env().Undefined();
  });
}

Napi::Value process_js(const Napi::CallbackInfo& info) {
  const ProcessCounts counts = Session::process_counts();
  Napi::Object object = Napi::Object::New(info.Env());
  object.Set("lanes", static_cast<double>(counts.lanes));
  object.Set("requests", static_cast<double>(counts.requests));
  object.Set("models", static_cast<double>(counts.sessions));
  object.Set("abandoned", static_cast<double>(counts.abandoned));
  object.Set("bytesHeld", static_cast<double>(host_bytes_held()));
  object.Set("wakeUpUs", static_cast<double>(known_wake_up_ns()) / kNsPerUs);
  return object;
}

}  // namespace

void define_benchmarks(Napi::Env env, Napi::Object exports) {
  exports.Set("benchSync", Napi::Function::New<bench_sync>(env, "benchSync"));
  exports.Set("benchThreads", Napi::Function::New<bench_threads>(env, "benchThreads"));
  exports.Set("benchPingPong", Napi::Function::New<bench_ping_pong>(env, "benchPingPong"));
  exports.Set("process", Napi::Function::New<process_js>(env, "process"));
}

}  // namespace edge::binding
