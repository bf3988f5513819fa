// A loaded model as a JavaScript object.
#pragma once

#include <napi.h>

#include <memory>
#include <string>

#include "addon.h"
#include "core/group.h"
#include "core/pipeline.h"
#include "core/session.h"
#include "host/isolated.h"

namespace edge::binding {

// What a load found out beside the session.
struct LoadedModel {
  std::shared_ptr<Session> session;
  std::weak_ptr<GroupModel> group;              // the session's model, if it is on several devices
  std::weak_ptr<PipelineModel> pipeline;        // the session's model, if it is in segments
  std::weak_ptr<host::IsolatedModel> isolated;  // the session's model, if it is in a host process
  std::string sdk_version, library;
  double load_ms = 0;
};

class ModelWrap final : public Napi::ObjectWrap<ModelWrap> {
 public:
  static Napi::Function define(Napi::Env env);
  static Napi::Object create(Addon& addon, const LoadedModel& loaded);

  explicit ModelWrap(const Napi::CallbackInfo& info);
  ~ModelWrap() override;

  const std::shared_ptr<Session>& session() const { return session_; }
  // Null: it is on one device, or disposed.
  std::shared_ptr<GroupModel> group() const { return group_.lock(); }

 private:
  Napi::Value create_request(const Napi::CallbackInfo& info);
  Napi::Value run(const Napi::CallbackInfo& info);
  Napi::Value cancel(const Napi::CallbackInfo& info);
  Napi::Value statistics(const Napi::CallbackInfo& info);
  Napi::Value host(const Napi::CallbackInfo& info);
  Napi::Value devices(const Napi::CallbackInfo& info);
  Napi::Value segments(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);
  Napi::Value abandon(const Napi::CallbackInfo& info);
  Napi::Value layers(const Napi::CallbackInfo& info);

  Addon* addon_ = nullptr;
  std::shared_ptr<Session> session_;
  std::weak_ptr<GroupModel> group_;              // none: one device, or disposed
  std::weak_ptr<PipelineModel> pipeline_;        // none: not in segments, or disposed
  std::weak_ptr<host::IsolatedModel> isolated_;  // none: the model is in this process, or disposed
  std::vector<TensorSpec> input_specs_;
};

}  // namespace edge::binding
