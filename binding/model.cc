#include "model.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "core/exit_guard.h"
#include "core/reaper.h"
#include "request.h"
#include "values.h"

namespace edge::binding {

Napi::Function ModelWrap::define(Napi::Env env) {
  return DefineClass(
      env, "NativeModel",
      {InstanceMethod<&ModelWrap::create_request>("createRequest"), InstanceMethod<&ModelWrap::run>("run"),
       InstanceMethod<&ModelWrap::cancel>("cancel"), InstanceMethod<&ModelWrap::statistics>("statistics"),
       InstanceMethod<&ModelWrap::host>("host"), InstanceMethod<&ModelWrap::devices>("devices"),
       InstanceMethod<&ModelWrap::segments>("segments"), InstanceMethod<&ModelWrap::dispose>("dispose"),
       InstanceMethod<&ModelWrap::abandon>("abandon"), InstanceMethod<&ModelWrap::layers>("layers")});
}

Napi::Object ModelWrap::create(Addon& addon, const LoadedModel& loaded) {
  const Napi::Env env = addon.env;
  std::shared_ptr<Session> session = loaded.session;
  Napi::Object model = addon.model_class.New({Napi::External<std::shared_ptr<Session>>::New(env, &session)});
  Unwrap(model)->isolated_ = loaded.isolated;
  Unwrap(model)->group_ = loaded.group;
  Unwrap(model)->pipeline_ = loaded.pipeline;
  model.Set("inputs", to_js(env, session->model().inputs()));
  model.Set("outputs", to_js(env, session->model().outputs()));
  Napi::Object info = Napi::Object::New(env);
  info.Set("deviceName", session->device().name);
  info.Set("deviceType", session->device().type);
  info.Set("precision", session->model().info().precision);
  info.Set("sdkVersion", loaded.sdk_version);
  info.Set("library", loaded.library);
  info.Set("inFlight", static_cast<double>(session->options().in_flight));
  info.Set("queueLimit", static_cast<double>(session->options().queue_limit));
  info.Set("zeroCopy", !addon.external_forbidden);
  Napi::Object properties = Napi::Object::New(env);
  for (const auto& [key, value] : session->model().info().properties) properties.Set(key, value);
  info.Set("properties", properties);
  info.Set("loadMs", loaded.load_ms);
  info.Set("isolated", !loaded.isolated.expired());
  info.Set("fromCache", session->model().info().from_cache);
  info.Set("devices", to_js(env, session->model().info().devices));
  model.Set("info", info);
  return model;
}

ModelWrap::ModelWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ModelWrap>(info) {
  addon_ = info.Env().GetInstanceData<Addon>();
  if (info.Length() != 1 || !info[0].IsExternal()) throw Napi::TypeError::New(info.Env(), "Use loadModel().");
  session_ = *info[0].As<Napi::External<std::shared_ptr<Session>>>().Data();
  input_specs_ = session_->model().inputs();
  auto& sessions = addon_->sessions;
  sessions.erase(std::remove_if(sessions.begin(), sessions.end(), [](const auto& old) { return old.expired(); }),
                 sessions.end());
  sessions.push_back(session_);
}

ModelWrap::~ModelWrap() {
  if (session_) session_->shut_down();
}

Napi::Value ModelWrap::create_request(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const std::vector<Shape> shapes = info[0].IsArray() ? to_shapes(info[0]) : std::vector<Shape>();
    return RequestWrap::create(*addon_, session_, session_->create_slot(shapes));
  });
}

Napi::Value ModelWrap::run(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto token = static_cast<uint64_t>(info[0].As<Napi::Number>().Int64Value());
    const auto data = info[1].As<Napi::Array>();
    const auto shapes = info[2].As<Napi::Array>();
    std::vector<InputView> views(input_specs_.size());
    for (uint32_t i = 0; i < views.size(); ++i) {
      views[i] = to_view(data.Get(i));
      views[i].shape = to_shape(shapes.Get(i));
      if (views[i].bytes != byte_size(input_specs_[i].dtype, views[i].shape)) {
        throw Error(ErrorCode::kInvalidTensor, "The input '" + input_specs_[i].name + "' has " +
                                                   std::to_string(views[i].bytes) + " bytes, which do not fill " +
                                                   shape_text(views[i].shape) + ".");
      }
    }
    session_->submit_copy(views, token, addon_->completions, to_deadline(info[3].As<Napi::Number>().DoubleValue()));
    addon_->completions->expect();
    return info.Env().Undefined();
  });
}

Napi::Value ModelWrap::cancel(const Napi::CallbackInfo& info) {
  session_->end_early(static_cast<uint64_t>(info[0].As<Napi::Number>().Int64Value()), ErrorCode::kAborted);
  return info.Env().Undefined();
}

Napi::Value ModelWrap::statistics(const Napi::CallbackInfo& info) { return to_js(info.Env(), session_->statistics()); }

Napi::Value ModelWrap::host(const Napi::CallbackInfo& info) {
  auto isolated = isolated_.lock();
  if (!isolated) return info.Env().Null();
  const host::HostStatus status = isolated->host();
  let_go(std::move(isolated));
  Napi::Object object = Napi::Object::New(info.Env());
  object.Set("pid", static_cast<double>(status.pid));
  object.Set("up", status.up);
  object.Set("restarts", static_cast<double>(status.restarts));
  object.Set("sandbox", status.sandbox);
  return object;
}

Napi::Value ModelWrap::devices(const Napi::CallbackInfo& info) {
  std::shared_ptr<GroupModel> group = group_.lock();
  if (!group) return info.Env().Null();
  const std::vector<MemberStatus> members = group->members();
  let_go(std::move(group));
  Napi::Array array = Napi::Array::New(info.Env(), members.size());
  for (uint32_t i = 0; i < members.size(); ++i) {
    const MemberStatus& member = members[i];
    Napi::Object object = Napi::Object::New(info.Env());
    object.Set("device", member.id);
    object.Set("tier", static_cast<double>(member.tier));
    object.Set("state", health_name(member.state));
    object.Set("inFlight", static_cast<double>(member.in_flight));
    object.Set("runs", static_cast<double>(member.runs));
    object.Set("failures", static_cast<double>(member.failures));
    object.Set("losses", static_cast<double>(member.losses));
    object.Set("lastError", member.last_error.empty()
                                ? info.Env().Null()
                                : Napi::String::New(info.Env(), member.last_error).As<Napi::Value>());
    array.Set(i, object);
  }
  return array;
}

// By segment: { running, waiting, runs, failures, compute }; null where there are none.
Napi::Value ModelWrap::segments(const Napi::CallbackInfo& info) {
  std::shared_ptr<PipelineModel> pipeline = pipeline_.lock();
  if (!pipeline) return info.Env().Null();
  const std::vector<SegmentStatus> segments = pipeline->status();
  let_go(std::move(pipeline));
  Napi::Array array = Napi::Array::New(info.Env(), segments.size());
  for (uint32_t i = 0; i < segments.size(); ++i) array.Set(i, to_js(info.Env(), segments[i]));
  return array;
}

Napi::Value ModelWrap::dispose(const Napi::CallbackInfo& info) {
  const auto token = static_cast<uint64_t>(info[0].As<Napi::Number>().Int64Value());
  addon_->completions->expect();
  session_->dispose([completions = addon_->completions, token] { completions->answer(token, nullptr); });
  return info.Env().Undefined();
}

// On a thread of its own: a backend may have to run the model to know.
Napi::Value ModelWrap::layers(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto token = static_cast<uint64_t>(info[0].As<Napi::Number>().Int64Value());
    std::thread([completions = addon_->completions, model = session_->shared_model(), token]() mutable {
      SdkCall inside;
      try {
        completions->answer(token, [layers = model->layers()](Napi::Env env) { return to_js(env, layers); });
      } catch (...) {
        completions->fail(token, current_error());
      }
      model.reset();  // perhaps the last to hold it
    }).detach();
    addon_->completions->expect();
    return info.Env().Undefined();
  });
}

Napi::Value ModelWrap::abandon(const Napi::CallbackInfo& info) {
  session_->abandon();
  return info.Env().Undefined();
}

}  // namespace edge::binding
