#include "request.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "values.h"

namespace edge::binding {
namespace {

struct Parts {
  std::shared_ptr<Session> session;
  std::shared_ptr<Slot> slot;
};

}  // namespace

Napi::Function RequestWrap::define(Napi::Env env) {
  return DefineClass(
      env, "NativeRequest",
      {InstanceMethod<&RequestWrap::inputs>("inputs"), InstanceMethod<&RequestWrap::outputs>("outputs"),
       InstanceMethod<&RequestWrap::reshape>("reshape"), InstanceMethod<&RequestWrap::run>("run"),
       InstanceMethod<&RequestWrap::run_sync>("runSync"), InstanceMethod<&RequestWrap::busy>("busy"),
       InstanceMethod<&RequestWrap::cancel>("cancel"), InstanceMethod<&RequestWrap::timings>("timings"),
       InstanceMethod<&RequestWrap::copy_in>("copyIn"), InstanceMethod<&RequestWrap::copy_out>("copyOut"),
       InstanceMethod<&RequestWrap::dispose>("dispose"), InstanceMethod<&RequestWrap::reset_state>("resetState"),
       InstanceMethod<&RequestWrap::profile>("profile")});
}

Napi::Object RequestWrap::create(Addon& addon, std::shared_ptr<Session> session, std::shared_ptr<Slot> slot) {
  Parts parts{std::move(session), std::move(slot)};
  return addon.request_class.New({Napi::External<Parts>::New(addon.env, &parts)});
}

RequestWrap::RequestWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<RequestWrap>(info) {
  addon_ = info.Env().GetInstanceData<Addon>();
  if (info.Length() != 1 || !info[0].IsExternal()) throw Napi::TypeError::New(info.Env(), "Use createRequest().");
  auto* parts = info[0].As<Napi::External<Parts>>().Data();
  session_ = parts->session;
  slot_ = parts->slot;
}

RequestWrap::~RequestWrap() {
  if (session_) session_->dispose_slot(slot_);
}

// Native memory is freed when the ArrayBuffer's finalizer has run and no request is bound to it any more.
Napi::ArrayBuffer RequestWrap::view_of(Napi::Env env, const std::shared_ptr<Buffer>& buffer) {
  if (!addon_->external_forbidden) {
    auto* held = new std::shared_ptr<Buffer>(buffer);
    napi_value value;
    const napi_status status = napi_create_external_arraybuffer(
        env, buffer->data(), buffer->size(),
        [](napi_env, void*, void* hint) { delete static_cast<std::shared_ptr<Buffer>*>(hint); }, held, &value);
    if (status == napi_ok) return Napi::ArrayBuffer(env, value);
    delete held;
    if (status != napi_no_external_buffers_allowed) throw Napi::Error::New(env, "cannot make an ArrayBuffer");
    addon_->external_forbidden = true;
  }
  return Napi::ArrayBuffer::New(env, buffer->size());
}

void RequestWrap::detach(View& view) {
  // One that JavaScript has transferred away, or that its runtime refuses to detach, stays valid memory until it is
  // collected: the finalizer frees it.
  if (!view.array.IsEmpty()) napi_detach_arraybuffer(view.array.Env(), view.array.Value());
  view.array.Reset();
  view.buffer.reset();
}

Napi::Value RequestWrap::ports(Napi::Env env, const std::vector<BoundTensor>& tensors, std::vector<View>& views) {
  views.resize(tensors.size());
  Napi::Array array = Napi::Array::New(env, tensors.size());
  for (uint32_t i = 0; i < tensors.size(); ++i) {
    View& view = views[i];
    if (view.buffer != tensors[i].buffer) {
      detach(view);
      if (tensors[i].buffer) view.array = Napi::Persistent(view_of(env, tensors[i].buffer));
      view.buffer = tensors[i].buffer;
    }
    Napi::Object port = Napi::Object::New(env);
    port.Set("buffer", view.buffer ? view.array.Value() : env.Null());
    port.Set("shape", view.buffer ? to_js(env, tensors[i].shape) : env.Null());
    array.Set(i, port);
  }
  return array;
}

Napi::Value RequestWrap::inputs(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return ports(info.Env(), session_->inputs(slot_), input_views_); });
}

Napi::Value RequestWrap::outputs(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return ports(info.Env(), session_->outputs(slot_), output_views_); });
}

Napi::Value RequestWrap::reshape(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    session_->reshape(slot_, to_shapes(info[0]));
    return info.Env().Undefined();
  });
}

Napi::Value RequestWrap::run(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&]() -> Napi::Value {
    const auto token = static_cast<uint64_t>(info[0].As<Napi::Number>().Int64Value());
    const int64_t deadline = to_deadline(info[1].As<Napi::Number>().DoubleValue());
    const bool over = session_->submit(slot_, token, addon_->completions, deadline, info[2].As<Napi::Boolean>());
    if (!over) addon_->completions->expect();
    return Napi::Boolean::New(info.Env(), over);
  });
}

Napi::Value RequestWrap::run_sync(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    session_->run_sync(slot_);
    return info.Env().Undefined();
  });
}

Napi::Value RequestWrap::busy(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), session_->busy(slot_));
}

Napi::Value RequestWrap::cancel(const Napi::CallbackInfo& info) {
  session_->end_early(static_cast<uint64_t>(info[0].As<Napi::Number>().Int64Value()), ErrorCode::kAborted);
  return info.Env().Undefined();
}

Napi::Value RequestWrap::timings(const Napi::CallbackInfo& info) { return to_js(info.Env(), session_->times(slot_)); }

Napi::Value RequestWrap::copy_in(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const BoundTensor& tensor = session_->inputs(slot_).at(info[0].As<Napi::Number>().Uint32Value());
    auto source = info[1].As<Napi::ArrayBuffer>();
    const size_t bytes = std::min(source.ByteLength(), tensor.bytes);
    std::memcpy(tensor.buffer->data(), source.Data(), bytes);
    session_->add_copied(bytes);
    return info.Env().Undefined();
  });
}

Napi::Value RequestWrap::copy_out(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const BoundTensor& tensor = session_->outputs(slot_).at(info[0].As<Napi::Number>().Uint32Value());
    auto target = info[1].As<Napi::ArrayBuffer>();
    const size_t bytes = std::min(target.ByteLength(), tensor.bytes);
    std::memcpy(target.Data(), tensor.buffer->data(), bytes);
    session_->add_copied(bytes);
    return info.Env().Undefined();
  });
}

Napi::Value RequestWrap::reset_state(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    session_->borrow(slot_, [](Request& request) { request.reset_state(); });
    return info.Env().Undefined();
  });
}

Napi::Value RequestWrap::profile(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    std::vector<LayerTime> layers;
    session_->borrow(slot_, [&](Request& request) { layers = request.profile(); });
    return to_js(info.Env(), layers);
  });
}

Napi::Value RequestWrap::dispose(const Napi::CallbackInfo& info) {
  for (View& view : input_views_) detach(view);
  for (View& view : output_views_) detach(view);
  session_->dispose_slot(slot_);
  return info.Env().Undefined();
}

}  // namespace edge::binding
