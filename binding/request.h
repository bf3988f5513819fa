// One inference request as a JavaScript object: its buffers as ArrayBuffers, its runs.
#pragma once

#include <napi.h>

#include <memory>
#include <vector>

#include "addon.h"
#include "core/session.h"

namespace edge::binding {

class RequestWrap final : public Napi::ObjectWrap<RequestWrap> {
 public:
  static Napi::Function define(Napi::Env env);
  static Napi::Object create(Addon& addon, std::shared_ptr<Session> session, std::shared_ptr<Slot> slot);

  explicit RequestWrap(const Napi::CallbackInfo& info);
  ~RequestWrap() override;

  const std::shared_ptr<Session>& session() const { return session_; }
  const std::shared_ptr<Slot>& slot() const { return slot_; }

 private:
  // An ArrayBuffer over one native buffer: there is never a second one over the same memory.
  struct View {
    std::shared_ptr<Buffer> buffer;
    Napi::Reference<Napi::ArrayBuffer> array;
  };

  Napi::Value inputs(const Napi::CallbackInfo& info);
  Napi::Value outputs(const Napi::CallbackInfo& info);
  Napi::Value reshape(const Napi::CallbackInfo& info);
  Napi::Value run(const Napi::CallbackInfo& info);
  Napi::Value run_sync(const Napi::CallbackInfo& info);
  Napi::Value busy(const Napi::CallbackInfo& info);
  Napi::Value cancel(const Napi::CallbackInfo& info);
  Napi::Value timings(const Napi::CallbackInfo& info);
  Napi::Value copy_in(const Napi::CallbackInfo& info);
  Napi::Value copy_out(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);
  Napi::Value reset_state(const Napi::CallbackInfo& info);
  Napi::Value profile(const Napi::CallbackInfo& info);

  Napi::Value ports(Napi::Env env, const std::vector<BoundTensor>& tensors, std::vector<View>& views);
  Napi::ArrayBuffer view_of(Napi::Env env, const std::shared_ptr<Buffer>& buffer);
  static void detach(View& view);

  Addon* addon_ = nullptr;
  std::shared_ptr<Session> session_;
  std::shared_ptr<Slot> slot_;
  std::vector<View> input_views_, output_views_;
};

}  // namespace edge::binding
