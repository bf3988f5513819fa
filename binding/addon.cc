// The addon's entry: what every environment gets, and what happens when it goes.
#include "addon.h"

#include <atomic>
#include <chrono>
#include <thread>

#include "core/clock.h"
#include "core/device_events.h"
#include "core/exit_guard.h"
#include "core/log.h"
#include "model.h"
#include "request.h"
#include "values.h"

#ifndef EDGE_INFER_VERSION
#error "EDGE_INFER_VERSION comes from package.json through CMake"
#endif

namespace edge::binding {
namespace {

// Whether this runtime lets native memory be an ArrayBuffer (Electron does not).
bool probe_external_forbidden(Napi::Env env) {
  static char byte;
  napi_value value;
  return napi_create_external_arraybuffer(env, &byte, 1, nullptr, nullptr, &value) == napi_no_external_buffers_allowed;
}

// A load that goes on registers destructors of the SDK after our exit handler, and they would run under it if the
// process exits next. It gets a second to end; terminating a worker takes that long only while it loads a model.
void wait_for_loads(const Addon& addon) {
  const int64_t limit = now_ns() + 1'000'000'000;
  while (addon.loads->load() > 0 && now_ns() < limit) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

Napi::Value initialize(const Napi::CallbackInfo& info) {
  auto* addon = info.Env().GetInstanceData<Addon>();
  addon->completions = Completions::create(info.Env(), info[0].As<Napi::Function>(), info[1].As<Napi::Function>(),
                                           info[2].As<Napi::Function>(), info[3].As<Napi::Function>());
  addon->log_listener = add_log_listener(
      [completions = addon->completions](LogLevel level, const std::string& backend, const std::string& message) {
        completions->log(level, backend, message);
      });
  addon->device_event_listener = add_device_event_listener(
      [completions = addon->completions](const DeviceEvent& event) { completions->device_event(event); });
  addon->external_forbidden = probe_external_forbidden(info.Env());
  // Registered after the threadsafe function was made, so it runs before that one's own hook.
  info.Env().AddCleanupHook(
      [](Addon* closing) {
        closing->log_listener.reset();
        closing->device_event_listener.reset();
        closing->completions->close();
        for (const auto& weak : closing->sessions) {
          if (const auto session = weak.lock()) session->shut_down();
        }
        for (const auto& [token, weak] : closing->cancellations) {
          if (const auto cancelled = weak.lock()) *cancelled = true;
        }
        wait_for_loads(*closing);
        guard_exit_of_thread();
      },
      addon);
  return info.Env().Undefined();
}

// True once in a process: its caller tells when the process is about to exit.
Napi::Value claim_exit(const Napi::CallbackInfo& info) {
  static std::atomic<bool> claimed{false};
  return Napi::Boolean::New(info.Env(), !claimed.exchange(true));
}

Napi::Value about_to_exit_js(const Napi::CallbackInfo& info) {
  about_to_exit();
  return info.Env().Undefined();
}

Napi::Value forbid_external_buffers(const Napi::CallbackInfo& info) {
  info.Env().GetInstanceData<Addon>()->external_forbidden = info[0].As<Napi::Boolean>();
  return info.Env().Undefined();
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  auto* addon = new Addon(env);
  env.SetInstanceData(addon);
  addon->model_class = Napi::Persistent(ModelWrap::define(env));
  addon->request_class = Napi::Persistent(RequestWrap::define(env));
  exports.Set("version", EDGE_INFER_VERSION);
  exports.Set("initialize", Napi::Function::New<initialize>(env, "initialize"));
  exports.Set("claimExit", Napi::Function::New<claim_exit>(env, "claimExit"));
  exports.Set("aboutToExit", Napi::Function::New<about_to_exit_js>(env, "aboutToExit"));
  exports.Set("forbidExternalBuffers", Napi::Function::New<forbid_external_buffers>(env, "forbidExternalBuffers"));
  define_loading(env, exports);
  define_groups(env, exports);
  define_pipelines(env, exports);
  define_conversions(env, exports);
  define_benchmarks(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(edge_infer, init)

}  // namespace edge::binding
