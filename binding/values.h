// JavaScript values <-> plain structs of the core.
#pragma once

#include <napi.h>

#include <string>
#include <vector>

#include "core/backend.h"
#include "core/pipeline.h"
#include "core/session.h"

namespace edge::binding {

// A plain object that lib/errors.ts makes an InferenceError of: an Error made here would be foreign to other realms.
Napi::Value to_js(Napi::Env env, const Error& error);
Napi::Value to_js(Napi::Env env, const std::vector<TensorSpec>& specs);
Napi::Value to_js(Napi::Env env, const Shape& shape);
Napi::Value to_js(Napi::Env env, const std::vector<std::string>& texts);
Napi::Value to_js(Napi::Env env, const std::vector<LayerInfo>& layers);
Napi::Value to_js(Napi::Env env, const std::vector<LayerTime>& layers);
Napi::Value to_js(Napi::Env env, const DeviceInfo& info);
Napi::Value to_js(Napi::Env env, const Statistics& statistics);
Napi::Value to_js(Napi::Env env, const SegmentStatus& status);
// queued, compute, callback, total in milliseconds.
Napi::Value to_js(Napi::Env env, const RunTimes& times);

// inFlight, queueLimit, dispatch and spinUs of an object.
SessionOptions to_session_options(const Napi::Object& object);
Shape to_shape(const Napi::Value& value);
std::vector<Shape> to_shapes(const Napi::Value& value);
// The bytes of a typed array; an InputView without a shape.
InputView to_view(const Napi::Value& value);
// now_ns() time of a deadline `milliseconds` from now; negative: none.
int64_t to_deadline(double milliseconds);

// Runs `work`; what it throws of ours becomes a pending exception of JavaScript.
template <typename Work>
Napi::Value guarded(Napi::Env env, Work&& work) {
  try {
    return work();
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    napi_throw(env, to_js(env, current_error()));
    return env.Undefined();
  }
}

}  // namespace edge::binding
