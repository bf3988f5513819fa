#include "values.h"

#include <cmath>

#include "core/clock.h"

namespace edge::binding {
namespace {

constexpr double kNsPerMs = 1e6;

Napi::Value to_js(Napi::Env env, const HistogramSummary& h) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("count", static_cast<double>(h.count));
  object.Set("mean", h.mean / kNsPerMs);
  object.Set("min", h.min / kNsPerMs);
  object.Set("max", h.max / kNsPerMs);
  object.Set("p50", h.p50 / kNsPerMs);
  object.Set("p90", h.p90 / kNsPerMs);
  object.Set("p95", h.p95 / kNsPerMs);
  object.Set("p99", h.p99 / kNsPerMs);
  object.Set("p999", h.p999 / kNsPerMs);
  return object;
}

Dispatch to_dispatch(const std::string& name) {
  if (name == "lane") return Dispatch::kLane;
  if (name == "inline") return Dispatch::kInline;
  if (name == "async") return Dispatch::kAsync;
  return Dispatch::kAuto;
}

}  // namespace

Napi::Value to_js(Napi::Env env, const std::vector<std::string>& texts) {
  Napi::Array array = Napi::Array::New(env, texts.size());
  for (uint32_t i = 0; i < texts.size(); ++i) array.Set(i, texts[i]);
  return array;
}

Napi::Value to_js(Napi::Env env, const std::vector<LayerInfo>& layers) {
  Napi::Array array = Napi::Array::New(env, layers.size());
  for (uint32_t i = 0; i < layers.size(); ++i) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("name", layers[i].name);
    object.Set("type", layers[i].type);
    object.Set("device", layers[i].device);
    object.Set("precision", layers[i].precision);
    object.Set("kernel", layers[i].kernel);
    array.Set(i, object);
  }
  return array;
}

Napi::Value to_js(Napi::Env env, const std::vector<LayerTime>& layers) {
  Napi::Array array = Napi::Array::New(env, layers.size());
  for (uint32_t i = 0; i < layers.size(); ++i) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("name", layers[i].name);
    object.Set("type", layers[i].type);
    object.Set("kernel", layers[i].kernel);
    object.Set("ms", static_cast<double>(layers[i].ns) / kNsPerMs);
    array.Set(i, object);
  }
  return array;
}

SessionOptions to_session_options(const Napi::Object& object) {
  const auto number = [&](const char* key) { return object.Get(key).As<Napi::Number>().Int32Value(); };
  SessionOptions options;
  options.in_flight = static_cast<size_t>(number("inFlight"));
  options.queue_limit = static_cast<size_t>(number("queueLimit"));
  options.dispatch = to_dispatch(object.Get("dispatch").As<Napi::String>());
  options.spin_us = number("spinUs");
  return options;
}

Napi::Value to_js(Napi::Env env, const Error& error) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("edge", true);
  object.Set("code", error_code_name(error.code()));
  object.Set("message", error.message());
  object.Set("remedy", error.remedy());
  object.Set("backend", error.backend());
  object.Set("cause", error.cause());
  return object;
}

Napi::Value to_js(Napi::Env env, const Shape& shape) {
  Napi::Array array = Napi::Array::New(env, shape.size());
  for (uint32_t i = 0; i < shape.size(); ++i) array.Set(i, static_cast<double>(shape[i]));
  return array;
}

Napi::Value to_js(Napi::Env env, const Quantization& quantization) {
  const auto numbers = [&](const auto& values) {
    Napi::Array array = Napi::Array::New(env, values.size());
    for (uint32_t i = 0; i < values.size(); ++i) array.Set(i, static_cast<double>(values[i]));
    return array;
  };
  Napi::Object object = Napi::Object::New(env);
  object.Set("scale", numbers(quantization.scales));
  object.Set("zeroPoint", numbers(quantization.zero_points));
  object.Set("axis", quantization.axis < 0 ? env.Null() : Napi::Number::New(env, quantization.axis));
  return object;
}

Napi::Value to_js(Napi::Env env, const std::vector<TensorSpec>& specs) {
  Napi::Array array = Napi::Array::New(env, specs.size());
  for (uint32_t i = 0; i < specs.size(); ++i) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("name", specs[i].name);
    object.Set("dtype", dtype_name(specs[i].dtype));
    object.Set("shape", specs[i].rank_known ? to_js(env, specs[i].shape) : env.Null());
    if (specs[i].quantization) object.Set("quantization", to_js(env, *specs[i].quantization));
    array.Set(i, object);
  }
  return array;
}

Napi::Value to_js(Napi::Env env, const DeviceInfo& info) {
  const Capabilities& facts = info.capabilities;
  Napi::Object capabilities = Napi::Object::New(env);
  capabilities.Set("memory", buffer_kind_name(facts.memory));
  capabilities.Set("async", facts.async);
  capabilities.Set("cancellable", facts.cancellable);
  capabilities.Set("dynamicShapes", facts.dynamic_shapes);
  capabilities.Set("hostCompute", facts.host_compute);
  capabilities.Set("precisions", to_js(env, facts.precisions));
  capabilities.Set("formats", to_js(env, facts.formats));
  capabilities.Set("inFlight", facts.in_flight);
  Napi::Object object = Napi::Object::New(env);
  object.Set("id", info.id);
  object.Set("name", info.name);
  object.Set("type", info.type);
  if (!info.driver.empty()) object.Set("driver", info.driver);
  object.Set("capabilities", capabilities);
  return object;
}

Napi::Value to_js(Napi::Env env, const Statistics& s) {
  Napi::Object object = Napi::Object::New(env);
  const auto number = [&](const char* name, auto value) { object.Set(name, static_cast<double>(value)); };
  number("submitted", s.submitted);
  number("completed", s.completed);
  number("failed", s.failed);
  number("aborted", s.aborted);
  number("timedOut", s.timed_out);
  number("refused", s.refused);
  number("inlineRuns", s.inline_runs);
  number("queueDepth", s.queue_depth);
  number("queueDepthMax", s.queue_depth_max);
  number("running", s.running);
  number("bytesCopied", s.bytes_copied);
  number("bytesTransferred", s.bytes_transferred);
  number("graphRuns", s.graph_runs);
  number("bytesHeld", s.bytes_held);
  object.Set("queued", to_js(env, s.queued));
  object.Set("compute", to_js(env, s.compute));
  object.Set("callback", to_js(env, s.callback));
  object.Set("total", to_js(env, s.total));
  return object;
}

Napi::Value to_js(Napi::Env env, const SegmentStatus& s) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("running", static_cast<double>(s.running));
  object.Set("waiting", static_cast<double>(s.waiting));
  object.Set("runs", static_cast<double>(s.runs));
  object.Set("failures", static_cast<double>(s.failures));
  object.Set("compute", to_js(env, s.compute));
  return object;
}

Napi::Value to_js(Napi::Env env, const RunTimes& times) {
  Napi::Array array = Napi::Array::New(env, times.stages ? 7 : 4);
  const auto ms = [](int64_t from, int64_t to) { return static_cast<double>(to - from) / kNsPerMs; };
  array.Set(0u, ms(times.submitted, times.started));
  array.Set(1u, ms(times.started, times.ended));
  array.Set(2u, ms(times.ended, times.told));
  array.Set(3u, ms(times.submitted, times.told));
  if (times.stages) {
    array.Set(4u, ms(0, times.stages->h2d));
    array.Set(5u, ms(0, times.stages->compute));
    array.Set(6u, ms(0, times.stages->d2h));
  }
  return array;
}

Shape to_shape(const Napi::Value& value) {
  const auto array = value.As<Napi::Array>();
  Shape shape(array.Length());
  for (uint32_t i = 0; i < shape.size(); ++i) shape[i] = array.Get(i).As<Napi::Number>().Int64Value();
  return shape;
}

std::vector<Shape> to_shapes(const Napi::Value& value) {
  const auto array = value.As<Napi::Array>();
  std::vector<Shape> shapes(array.Length());
  for (uint32_t i = 0; i < shapes.size(); ++i) shapes[i] = to_shape(array.Get(i));
  return shapes;
}

InputView to_view(const Napi::Value& value) {
  napi_typedarray_type type;
  size_t length = 0, offset = 0;
  void* data = nullptr;
  napi_value buffer;
  if (napi_get_typedarray_info(value.Env(), value, &type, &length, &data, &buffer, &offset) != napi_ok ||
      type != napi_uint8_array) {
    throw Error(ErrorCode::kInvalidArgument, "Expected the bytes of a tensor as a Uint8Array.");
  }
  InputView view;
  view.data = data;
  view.bytes = length;
  return view;
}

int64_t to_deadline(double milliseconds) {
  constexpr double kForEver = 1e12;  // 31 years: beyond what nanoseconds can count from now
  if (!(milliseconds >= 0) || milliseconds > kForEver) return 0;
  return now_ns() + static_cast<int64_t>(milliseconds * kNsPerMs);
}

}  // namespace edge::binding
