#include "backends/openvino/cache.h"

#include <unistd.h>

#include <utility>

#include "core/log.h"
#include "core/sha256.h"

namespace edge::openvino {
namespace {

void warn(const std::string& message) { log(LogLevel::kWarning, "openvino", "cache: " + message); }

}  // namespace

CacheKey cache_key(const Runtime& runtime, const std::string& device, const DeviceInfo& info, const ModelSource& source,
                   const std::vector<std::string>& files, const LoadOptions& options, const Properties& properties) {
  Sha256 hash;
  bool whole = true;
  const auto add_sum = [&](const std::string& sum) {
    whole = whole && !sum.empty();
    hash.add_text(sum);
  };
  const auto add_file = [&](const std::string& path) { add_sum(sha256_of_file(path)); };
  const std::string model =
      source.path.empty() ? sha256_of(source.bytes.data, source.bytes.size) : sha256_of_file(source.path);
  add_sum(model);
  // The weights of IR lie beside it under its own name where no other one is given.
  const std::string& path = source.path;
  const bool is_ir = path.size() > 4 && path.compare(path.size() - 4, 4, ".xml") == 0;
  const std::string beside = is_ir ? path.substr(0, path.size() - 4) + ".bin" : std::string();
  if (!source.weights_path.empty())
    add_file(source.weights_path);
  else if (!beside.empty() && ::access(beside.c_str(), F_OK) == 0)
    add_file(beside);
  add_sum(sha256_of(source.weights.data, source.weights.size));
  for (const std::string& file : files) add_file(file);
  for (const std::string& text : {runtime.version, device, info.name, options.precision}) hash.add_text(text);
  for (const char* key :
       {"DRIVER_VERSION", "NPU_DRIVER_VERSION", "GPU_DEVICE_ID", "DEVICE_ARCHITECTURE", "DEVICE_UUID"}) {
    char* value = nullptr;
    const Status status = runtime.api.ov_core_get_property(runtime.core, device.c_str(), key, &value);
    hash.add_text(status == kOk ? take_string(runtime.api, value) : std::string());
  }
  for (const auto& [key, value] : properties) hash.add_text(key), hash.add_text(value);
  for (const auto& [name, shape] : options.shapes) hash.add_text(name), hash.add_text(shape_text(shape));
  hash.add_text(options.allow_partial ? "partial" : "whole");
  Facts facts = {{"model", model},
                 {"device", device},
                 {"name", info.name},
                 {"release", runtime.version},
                 {"precision", options.precision.empty() ? "own" : options.precision}};
  if (!source.path.empty()) facts.insert(facts.begin(), {"file", source.path});
  return {whole ? hash.hex() : std::string(), std::move(facts)};
}

void compile_cached(const CacheKey& key, const std::string& directory, const std::atomic<bool>* cancelled,
                    const std::function<bool(const std::string& folder)>& compile) {
  bool from_cache = false;
  const auto compile_in = [&](const std::string& folder) {
    try {
      from_cache = compile(folder);
      return true;
    } catch (const Error& error) {
      // Not the model's fault as long as it compiles without a cache; else the caller hears it from that attempt.
      warn(std::string("compiling with it failed: ") + (error.cause().empty() ? error.message() : error.cause()));
      return false;
    }
  };
  const auto use = [&](const std::string& folder) { return compile_in(folder) && from_cache; };
  if (key.text.empty())
    warn("not used: the model cannot be read again.");
  else if (kept_folder({directory, "openvino"}, key.text, key.facts, use, compile_in, cancelled))
    return;
  compile({});
}

}  // namespace edge::openvino
