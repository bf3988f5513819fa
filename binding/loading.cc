// Opening backends and loading models: each on a thread of its own, since SDKs block there for up to minutes.
#include <dlfcn.h>
#include <napi.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "addon.h"
#include "core/clock.h"
#include "core/exit_guard.h"
#include "core/registry.h"
#include "core/replay.h"
#include "group.h"
#include "host/isolated.h"
#include "host/shared_memory.h"
#include "model.h"
#include "values.h"

namespace edge::binding {
namespace {

// A load request with everything copied out of JavaScript.
struct Load {
  std::string backend, library, device;
  ModelSource source;
  std::vector<uint8_t> bytes, weights;  // what `source` points to
  LoadOptions options;
  SessionOptions session;
  std::optional<host::HostOptions> host;  // load it in a host process
  bool alone = false;                     // in one that serves nobody else while it loads
  bool adopt = false;                     // that then serves others too
  bool trial = false;                     // it runs once and is thrown away
  std::shared_ptr<GroupBuilder> group;    // it becomes a member of this one, as `id` in `tier`
  std::string id;
  size_t tier = 0;
};

// The host program lies beside the addon and is called like it: `NAME.node` has `NAME-host`.
std::string host_program() {
  Dl_info facts{};
  if (dladdr(reinterpret_cast<void*>(&host_program), &facts) == 0 || facts.dli_fname == nullptr) return "";
  std::string name = facts.dli_fname;
  const std::string extension = ".node";
  if (name.size() > extension.size() &&
      name.compare(name.size() - extension.size(), extension.size(), extension) == 0) {
    name.erase(name.size() - extension.size());
  }
  return name + "-host";
}

std::string text(const Napi::Object& object, const char* key) { return object.Get(key).As<Napi::String>(); }
int number(const Napi::Object& object, const char* key) { return object.Get(key).As<Napi::Number>().Int32Value(); }

std::vector<uint8_t> copy_bytes(const Napi::Value& value) {
  if (value.IsNull()) return {};
  const InputView view = to_view(value);
  const auto* data = static_cast<const uint8_t*>(view.data);
  return {data, data + view.bytes};
}

void read_host(Load& load, const Napi::Object& object) {
  if (!object.Get("isolate").IsObject()) return;
  const auto given = object.Get("isolate").As<Napi::Object>();
  host::HostOptions options;
  options.executable = host_program();
  options.max_memory = static_cast<size_t>(given.Get("maxMemory").As<Napi::Number>().Int64Value());
  options.hang_timeout_ms = number(given, "hangTimeoutMs");
  options.first_timeout_ms = number(given, "firstRunTimeoutMs");
  options.retry = given.Get("retry").As<Napi::Boolean>();
  options.strict = given.Get("strict").As<Napi::Boolean>();
  load.alone = given.Get("alone").As<Napi::Boolean>();
  load.adopt = load.alone && given.Get("adopt").As<Napi::Boolean>();
  load.trial = given.Get("trial").As<Napi::Boolean>();
  load.host = std::move(options);
}

std::shared_ptr<Load> to_load(const Napi::Object& object) {
  auto load = std::make_shared<Load>();
  load->backend = text(object, "backend");
  load->library = text(object, "library");
  load->device = text(object, "device");
  load->bytes = copy_bytes(object.Get("data"));
  load->weights = copy_bytes(object.Get("weights"));
  load->source.path = text(object, "path");
  load->source.bytes = {load->bytes.data(), load->bytes.size()};
  load->source.weights_path = text(object, "weightsPath");
  load->source.weights = {load->weights.data(), load->weights.size()};
  load->options.precision = text(object, "precision");
  load->options.strict = object.Get("strict").As<Napi::Boolean>();
  load->options.threads = number(object, "threads");
  load->options.streams = number(object, "streams");
  load->options.performance_hint = text(object, "performanceHint");
  load->options.signature = text(object, "signature");
  load->options.allow_partial = object.Get("allowPartial").As<Napi::Boolean>();
  load->options.profile = object.Get("profile").As<Napi::Boolean>();
  load->options.cache_directory = text(object, "cacheDirectory");
  load->options.only_cached = object.Get("onlyCached").As<Napi::Boolean>();
  const auto properties = object.Get("properties").As<Napi::Array>();
  for (uint32_t i = 0; i < properties.Length(); ++i) {
    const auto pair = properties.Get(i).As<Napi::Array>();
    load->options.properties.emplace_back(pair.Get(0u).As<Napi::String>(), pair.Get(1u).As<Napi::String>());
  }
  const auto shapes = object.Get("shapes").As<Napi::Array>();
  for (uint32_t i = 0; i < shapes.Length(); ++i) {
    const auto pair = shapes.Get(i).As<Napi::Array>();
    load->options.shapes[pair.Get(0u).As<Napi::String>()] = to_shape(pair.Get(1u));
  }
  load->session = to_session_options(object);
  read_host(*load, object);
  load->group = to_group(object.Get("group"));
  if (load->group) {
    load->id = text(object, "id");
    load->tier = static_cast<size_t>(number(object, "tier"));
  }
  return load;
}

// What a load needs of its device, wherever that lives.
struct OpenDevice {
  std::shared_ptr<Device> device;
  std::string sdk_version, library;
};

OpenDevice open_device(const Load& load) {
  if (!load.host) {
    const OpenBackend open = open_backend(load.backend, load.library);
    return {open.backend->open(load.device), open.backend->version(), open.library};
  }
  const auto hosted = host::open_device(load.backend, load.library, load.device, *load.host, load.alone);
  return {hosted, hosted->sdk_version(), hosted->library()};
}

using Cancelled = std::shared_ptr<const std::atomic<bool>>;

std::shared_ptr<Model> load_on(const OpenDevice& open, const Load& load, Cancelled cancelled,
                               std::shared_ptr<Allocator> allocator) {
  LoadOptions options = load.options;
  options.cancelled = std::move(cancelled);
  options.allocator = std::move(allocator);
  std::shared_ptr<Model> model = open.device->load(load.source, options);
  if (load.adopt) host::adopt(std::static_pointer_cast<host::IsolatedDevice>(open.device));
  return model;
}

void perform_trial(const Load& load, Cancelled cancelled) {
  const OpenDevice open = open_device(load);
  const std::shared_ptr<Model> model = load_on(open, load, std::move(cancelled), host::make_shared_allocator());
  std::static_pointer_cast<host::IsolatedModel>(model)->try_out();
}

LoadedModel perform(const Load& load, Cancelled cancelled) {
  const int64_t begin = now_ns();
  const OpenDevice open = open_device(load);
  const Buffer::Kind kind = open.device->info().capabilities.memory;
  std::shared_ptr<Allocator> own = open.device->make_allocator();
  if (!own) own = kind == Buffer::Kind::kShared ? host::make_shared_allocator() : make_host_allocator();
  // A pipeline may bind it to memory of its neighbours.
  const std::shared_ptr<Allocator> allocator = make_replay_allocator(std::move(own), kind);
  std::shared_ptr<Model> model = load_on(open, load, std::move(cancelled), allocator);
  LoadedModel loaded;
  loaded.isolated = std::dynamic_pointer_cast<host::IsolatedModel>(model);
  loaded.session = Session::create(std::move(model), open.device->info(), load.session, allocator);
  loaded.sdk_version = open.sdk_version;
  loaded.library = open.library;
  loaded.load_ms = static_cast<double>(now_ns() - begin) / 1e6;
  return loaded;
}

// Adds a member to a group that is being put together. What is not there now is a member too, which the group tries to
// load again later; its error is thrown all the same.
void perform_member(const std::shared_ptr<Load>& load, const Cancelled& cancelled) {
  const int64_t begin = now_ns();
  const std::shared_ptr<GroupBuilder> group = std::move(load->group);  // or they would hold each other
  std::string sdk_version, library;
  const auto attempt = [load, memory = group->memory](const Cancelled& flag, std::string* version, std::string* path) {
    const OpenDevice open = open_device(*load);
    if (version != nullptr) *version = open.sdk_version;
    if (path != nullptr) *path = open.library;
    const DeviceInfo& info = open.device->info();
    const auto allocator = memory->of(*open.device);
    return LoadedMember{info, load_on(open, *load, flag, allocator), allocator};
  };
  MemberSpec member;
  member.id = load->id;
  member.backend = load->backend;
  member.tier = load->tier;
  member.load = [attempt] { return attempt(nullptr, nullptr, nullptr); };
  try {
    member.loaded = attempt(cancelled, &sdk_version, &library);
  } catch (const Error& error) {
    if (!is_loss(error.code())) throw;
    member.error = error;
  }
  const std::optional<Error> error = member.error;
  group->add(std::move(member), sdk_version, library, static_cast<double>(now_ns() - begin) / 1e6);
  if (error) throw *error;
}

// Runs `work` on a thread of its own; its result or what it throws answers the token.
template <typename Work>
void on_own_thread(Addon& addon, uint64_t token, Work work) {
  ++*addon.loads;
  // Counted down when the thread is over, or could not be made.
  std::shared_ptr<void> loading(nullptr, [loads = addon.loads](void*) { --*loads; });
  std::thread([completions = addon.completions, loading = std::move(loading), token, work = std::move(work)] {
    Completions::MakeValue make;
    try {
      SdkCall inside;
      make = work();
    } catch (...) {
      return completions->fail(token, current_error());
    }
    completions->answer(token, std::move(make));
  }).detach();
  addon.completions->expect();
}

Napi::Value open_backend_js(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto token = static_cast<uint64_t>(info[0].As<Napi::Number>().Int64Value());
    std::string name = info[1].As<Napi::String>(), library = info[2].As<Napi::String>();
    on_own_thread(*info.Env().GetInstanceData<Addon>(), token, [name = std::move(name), library = std::move(library)] {
      const OpenBackend open = open_backend(name, library);
      return Completions::MakeValue([version = open.backend->version(), library = open.library,
                                     devices = open.backend->devices()](Napi::Env env) -> Napi::Value {
        Napi::Object object = Napi::Object::New(env);
        object.Set("version", version);
        object.Set("library", library);
        Napi::Array list = Napi::Array::New(env, devices.size());
        for (uint32_t i = 0; i < devices.size(); ++i) list.Set(i, to_js(env, devices[i]));
        object.Set("devices", list);
        return object;
      });
    });
    return info.Env().Undefined();
  });
}

// The flag by which this load is given up; the caller's side keeps it only while the load needs it.
std::shared_ptr<std::atomic<bool>> make_cancellation(Addon& addon, uint64_t token) {
  auto cancelled = std::make_shared<std::atomic<bool>>(false);
  auto& all = addon.cancellations;
  for (auto one = all.begin(); one != all.end();) one = one->second.expired() ? all.erase(one) : std::next(one);
  all[token] = cancelled;
  return cancelled;
}

Napi::Value load_model_js(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const auto token = static_cast<uint64_t>(info[0].As<Napi::Number>().Int64Value());
    auto& addon = *info.Env().GetInstanceData<Addon>();
    auto load = to_load(info[1].As<Napi::Object>());
    load->options.on_progress = [completions = addon.completions, token](const std::string& phase, double fraction) {
      completions->progress(token, phase, fraction);
    };
    on_own_thread(addon, token, [load = std::move(load), cancelled = make_cancellation(addon, token)] {
      if (load->trial) {
        perform_trial(*load, cancelled);
        return Completions::MakeValue();
      }
      if (load->group) {
        perform_member(load, cancelled);
        return Completions::MakeValue();
      }
      return Completions::MakeValue([loaded = perform(*load, cancelled)](Napi::Env env) -> Napi::Value {
        return ModelWrap::create(*env.GetInstanceData<Addon>(), loaded);
      });
    });
    return info.Env().Undefined();
  });
}

Napi::Value forget_js(const Napi::CallbackInfo& info) {
  const auto token = static_cast<uint64_t>(info[0].As<Napi::Number>().Int64Value());
  auto& addon = *info.Env().GetInstanceData<Addon>();
  addon.completions->forget(token);
  const auto found = addon.cancellations.find(token);
  if (found != addon.cancellations.end()) {
    if (const auto cancelled = found->second.lock()) *cancelled = true;
  }
  return info.Env().Undefined();
}

Napi::Value backends_js(const Napi::CallbackInfo& info) {
  const std::vector<std::string> names = backend_names(true);
  Napi::Array array = Napi::Array::New(info.Env(), names.size());
  for (uint32_t i = 0; i < names.size(); ++i) array.Set(i, names[i]);
  return array;
}

}  // namespace

void define_loading(Napi::Env env, Napi::Object exports) {
  exports.Set("backends", Napi::Function::New<backends_js>(env, "backends"));
  exports.Set("openBackend", Napi::Function::New<open_backend_js>(env, "openBackend"));
  exports.Set("forget", Napi::Function::New<forget_js>(env, "forget"));
  exports.Set("loadModel", Napi::Function::New<load_model_js>(env, "loadModel"));
}

}  // namespace edge::binding
