#include "completion.h"

#include <cstring>
#include <thread>
#include <utility>

#include "core/clock.h"
#include "values.h"

namespace edge::binding {
namespace {

// What a listener of the caller's throws is an uncaught exception, and must not keep the next answers from coming.
void call(Napi::Env env, const Napi::FunctionReference& function, std::initializer_list<napi_value> arguments) {
  napi_value ignored, thrown;
  const napi_status status =
      napi_call_function(env, env.Undefined(), function.Value(), arguments.size(), arguments.begin(), &ignored);
  if (status == napi_pending_exception && napi_get_and_clear_last_exception(env, &thrown) == napi_ok) {
    napi_fatal_exception(env, thrown);
  }
}

// The outputs of a pooled run as arrays that JavaScript owns.
Napi::Value copy_outputs(Napi::Env env, const RunEnd& end) {
  const std::vector<BoundTensor>& tensors = end.delivery->outputs();
  Napi::Array outputs = Napi::Array::New(env, tensors.size());
  for (uint32_t i = 0; i < tensors.size(); ++i) {
    Napi::ArrayBuffer data = Napi::ArrayBuffer::New(env, tensors[i].bytes);
    if (tensors[i].bytes > 0) std::memcpy(data.Data(), tensors[i].buffer->data(), tensors[i].bytes);
    end.session->add_copied(tensors[i].bytes);
    Napi::Object output = Napi::Object::New(env);
    output.Set("data", data);
    output.Set("shape", to_js(env, tensors[i].shape));
    outputs.Set(i, output);
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("outputs", outputs);
  result.Set("timings", to_js(env, end.times));
  return result;
}

}  // namespace

std::shared_ptr<Completions> Completions::create(Napi::Env env, Napi::Function dispatch, Napi::Function log,
                                                 Napi::Function device_event, Napi::Function progress) {
  std::shared_ptr<Completions> self(new Completions);
  self->dispatch_ = Napi::Persistent(dispatch);
  self->log_ = Napi::Persistent(log);
  self->device_event_ = Napi::Persistent(device_event);
  self->progress_ = Napi::Persistent(progress);
  const napi_value name = Napi::String::New(env, "edge-infer");
  // The function holds a reference of its own until it is finalized, after the last call.
  auto* held = new std::shared_ptr<Completions>(self);
  const napi_status status = napi_create_threadsafe_function(
      env, nullptr, nullptr, name, 0, 1, held,
      [](napi_env, void* data, void*) { delete static_cast<std::shared_ptr<Completions>*>(data); }, self.get(),
      [](napi_env raw, napi_value, void* context, void*) {
        if (raw != nullptr) static_cast<Completions*>(context)->drain(raw);
      },
      &self->tsfn_);
  if (status != napi_ok) {
    delete held;
    throw Napi::Error::New(env, "cannot make a threadsafe function");
  }
  napi_unref_threadsafe_function(env, self->tsfn_);
  return self;
}

void Completions::expect() {
  if (expected_++ == 0) napi_ref_threadsafe_function(dispatch_.Env(), tsfn_);
}

void Completions::arrived() {
  if (--expected_ == 0) napi_unref_threadsafe_function(dispatch_.Env(), tsfn_);
}

void Completions::forget(uint64_t token) {
  if (forgotten_.insert(token).second) arrived();
}

void Completions::push(Item item) noexcept {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (closed_) return;
    items_.push_back(std::move(item));
    if (items_.size() > 1) return;  // the JS thread has been told already
    calling_.fetch_add(1);
  }
  // Not under the lock: the JS thread would wake only to wait for it. close() waits until this call has returned.
  napi_call_threadsafe_function(tsfn_, nullptr, napi_tsfn_nonblocking);
  calling_.fetch_sub(1);
}

void Completions::run_ended(RunEnd end) noexcept { push(std::move(end)); }
void Completions::answer(uint64_t token, MakeValue make) noexcept {
  push(Answer{token, std::nullopt, std::move(make)});
}
void Completions::fail(uint64_t token, Error error) noexcept { push(Answer{token, std::move(error), nullptr}); }
void Completions::log(LogLevel level, const std::string& backend, const std::string& message) noexcept {
  push(LogLine{level, backend, message});
}
void Completions::device_event(const DeviceEvent& event) noexcept { push(event); }
void Completions::progress(uint64_t token, const std::string& phase, double fraction) noexcept {
  push(Progress{token, phase, fraction});
}

void Completions::drain(Napi::Env env) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    draining_.swap(items_);
  }
  for (Item& item : draining_) {
    try {
      Napi::HandleScope scope(env);
      std::visit([&](auto& what) { deliver(env, what); }, item);
    } catch (const Napi::Error&) {
      // A worker that is being terminated makes no more values: nobody is left to tell. Nothing may leave a C callback.
    }
  }
  draining_.clear();
}

void Completions::settle(Napi::Env env, uint64_t token, napi_value error, napi_value value) {
  arrived();
  call(env, dispatch_, {Napi::Number::New(env, static_cast<double>(token)), error, value});
}

void Completions::deliver(Napi::Env env, RunEnd& end) {
  const napi_value undefined = env.Undefined();
  if (end.times.ended != 0) {
    end.times.told = now_ns();
    end.session->told(end.slot, end.times);
  }
  if (end.error) {
    settle(env, end.token, to_js(env, *end.error), undefined);
  } else if (end.delivery) {
    Napi::Value result;
    try {
      result = copy_outputs(env, end);
    } catch (const Napi::Error&) {  // no memory for an output
      if (env.IsExceptionPending()) env.GetAndClearPendingException();
      end.delivery.reset();
      return settle(env, end.token,
                    to_js(env, Error(ErrorCode::kOutOfMemory, "No memory for the outputs of the run.",
                                     "Use createRequest(), which allocates nothing per run.")),
                    undefined);
    }
    end.delivery.reset();  // the request goes back before JavaScript goes on
    settle(env, end.token, undefined, result);
  } else {
    settle(env, end.token, undefined, undefined);
  }
}

void Completions::deliver(Napi::Env env, Answer& answer) {
  if (forgotten_.erase(answer.token) > 0) return;
  const napi_value undefined = env.Undefined();
  if (answer.error) return settle(env, answer.token, to_js(env, *answer.error), undefined);
  napi_value value = undefined;
  try {
    if (answer.make) value = answer.make(env);
  } catch (const Napi::Error&) {
    return settle(env, answer.token, to_js(env, Error(ErrorCode::kBackend, "JavaScript took no more values.")),
                  undefined);
  }
  settle(env, answer.token, undefined, value);
}

void Completions::deliver(Napi::Env env, LogLine& line) {
  call(env, log_,
       {Napi::String::New(env, log_level_name(line.level)), Napi::String::New(env, line.backend),
        Napi::String::New(env, line.message)});
}

void Completions::deliver(Napi::Env env, DeviceEvent& event) {
  Napi::Object value = Napi::Object::New(env);
  value.Set("device", event.device);
  value.Set("backend", event.backend);
  value.Set("message", event.message);
  value.Set("count", static_cast<double>(event.count));
  if (event.kind == DeviceEventKind::kFailover) value.Set("from", event.from);
  call(env, device_event_, {Napi::String::New(env, device_event_name(event.kind)), value});
}

void Completions::deliver(Napi::Env env, Progress& progress) {
  if (forgotten_.count(progress.token) != 0) return;
  call(env, progress_,
       {Napi::Number::New(env, static_cast<double>(progress.token)), Napi::String::New(env, progress.phase),
        Napi::Number::New(env, progress.fraction)});
}

void Completions::close() {
  std::vector<Item> dropped;  // dies after the lock: a dropped load or delivery calls back into its session
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (closed_) return;
    closed_ = true;
    dropped.swap(items_);
  }
  while (calling_.load() > 0) std::this_thread::yield();  // the function must not be called after its release
  dispatch_.Reset();
  log_.Reset();
  device_event_.Reset();
  progress_.Reset();
  napi_release_threadsafe_function(tsfn_, napi_tsfn_abort);
}

}  // namespace edge::binding
