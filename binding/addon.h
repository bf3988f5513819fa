// What one JavaScript environment (the main thread, a worker, a jest realm) has of the addon.
#pragma once

#include <napi.h>

#include <atomic>
#include <map>
#include <memory>
#include <vector>

#include "completion.h"
#include "core/session.h"

namespace edge::binding {

struct Addon {
  explicit Addon(Napi::Env environment) : env(environment) {}

  Napi::Env env;
  Napi::FunctionReference model_class, request_class;
  std::shared_ptr<Completions> completions;
  std::shared_ptr<void> log_listener, device_event_listener;
  std::vector<std::weak_ptr<Session>> sessions;  // to end their runs when the environment goes
  std::shared_ptr<std::atomic<int>> loads = std::make_shared<std::atomic<int>>(0);  // in progress, on their own threads
  // Set when nobody waits for that load any more; by token. JS thread only.
  std::map<uint64_t, std::weak_ptr<std::atomic<bool>>> cancellations;
  bool external_forbidden = false;
};

void define_loading(Napi::Env env, Napi::Object exports);
void define_groups(Napi::Env env, Napi::Object exports);
void define_pipelines(Napi::Env env, Napi::Object exports);
void define_conversions(Napi::Env env, Napi::Object exports);
void define_benchmarks(Napi::Env env, Napi::Object exports);

}  // namespace edge::binding
