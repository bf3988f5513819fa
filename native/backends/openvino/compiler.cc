#include "backends/openvino/compiler.h"

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "backends/openvino/devices.h"
#include "core/log.h"

namespace edge::openvino {
namespace {

constexpr size_t kMaxProperties = 16;
// What the device reports of a compiled model; those that it does not know are left out.
constexpr const char* kReportedProperties[] = {"INFERENCE_PRECISION_HINT", "EXECUTION_MODE_HINT",
                                               "PERFORMANCE_HINT",         "NUM_STREAMS",
                                               "INFERENCE_NUM_THREADS",    "OPTIMAL_NUMBER_OF_INFER_REQUESTS",
                                               "EXECUTION_DEVICES",        "ENABLE_CPU_PINNING",
                                               "SCHEDULING_CORE_TYPE",     "LOADED_FROM_CACHE",
                                               "DEVICE_PROPERTIES"};

bool has(const std::vector<std::string>& all, const std::string& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

// "GPU.0 CPU", with brackets in the names of MULTI's and AUTO's, as ids.
std::vector<std::string> ids_of(const std::string& devices) {
  std::string text = devices;
  std::replace_if(text.begin(), text.end(), [](char c) { return c == '(' || c == ')' || c == ','; }, ' ');
  std::istringstream words(text);
  std::vector<std::string> ids;
  for (std::string word; words >> word;) {
    if (!has(ids, to_id(word))) ids.push_back(to_id(word));
  }
  return ids;
}

// A composition tells only of its devices: "{CPU:{INFERENCE_PRECISION_HINT:f32,…},GPU:{…}}". Empty where they differ.
std::string precision_of_members(const std::string& properties) {
  const std::string key = "INFERENCE_PRECISION_HINT:";
  std::string found;
  for (size_t at = properties.find(key); at != std::string::npos; at = properties.find(key, at + 1)) {
    const size_t begin = at + key.size();
    const std::string one = properties.substr(begin, properties.find_first_of(",}", begin) - begin);
    if (!found.empty() && one != found) return {};
    found = one;
  }
  return found;
}

}  // namespace

Properties Compiler::properties() const {
  Properties all = options_.properties;
  const auto set = [&](const char* key, const std::string& value) {
    const bool given = std::any_of(all.begin(), all.end(), [&](const auto& pair) { return pair.first == key; });
    if (!given) all.emplace_back(key, value);  // what the caller says by the SDK's own name wins
  };
  const std::vector<std::string>& able = info_.capabilities.precisions;
  const bool floats = has(able, "f32") || has(able, "f16") || has(able, "bf16");
  // A device of one floating-point precision (MYRIAD, NPU: f16) has no hint to choose it by.
  const bool only_f16 = floats && !has(able, "f32") && !has(able, "bf16");
  if (options_.precision.empty() || options_.precision == "f32") {
    if (only_f16) {
      throw Error(ErrorCode::kUnsupported, device_ + " computes in f16, which is coarser than f32.",
                  "Allow it with `precision: 'f16'` (or 'auto'), or use another device.", "openvino");
    }
    // Left alone, OpenVINO lowers f32 models to bf16 or f16 where the device is faster that way. f32 executes every
    // floating-point model as exactly as it was written.
    set("INFERENCE_PRECISION_HINT", "f32");
  } else if (options_.precision == "i8") {
    throw Error(ErrorCode::kUnsupported, "OpenVINO computes in i8 what a model quantises itself, and nothing else.",
                "Leave `precision` out, and give a quantised model.", "openvino");
  } else if (options_.precision != "auto" && !(only_f16 && options_.precision == "f16")) {
    set("INFERENCE_PRECISION_HINT", options_.precision);
  }
  if (options_.threads > 0) set("INFERENCE_NUM_THREADS", std::to_string(options_.threads));
  if (options_.streams > 0) set("NUM_STREAMS", std::to_string(options_.streams));
  if (!options_.performance_hint.empty()) {
    set("PERFORMANCE_HINT", options_.performance_hint == "latency" ? "LATENCY" : "THROUGHPUT");
  }
  if (options_.profile) set("PERF_COUNT", "YES");
  if (all.size() > kMaxProperties) {
    throw Error(ErrorCode::kInvalidArgument,
                "More than " + std::to_string(kMaxProperties) + " properties cannot be passed to OpenVINO at once.",
                "Leave some of them out.", "openvino");
  }
  return all;
}

Status Compiler::try_compile(const OvModel* model, const std::string& device, const Properties& properties,
                             const std::string& cache, CompiledHandle& compiled) const {
  const char* words[2 * (kMaxProperties + 1)] = {};
  size_t count = 0;
  for (const auto& [key, value] : properties) {
    words[count++] = key.c_str();
    words[count++] = value.c_str();
  }
  if (!cache.empty()) {
    words[count++] = "CACHE_DIR";
    words[count++] = cache.c_str();
  }
  // The function reads as many words as it is told; passing all places spares a case for every number of properties.
  return api_.ov_core_compile_model(
      runtime_.core, model, device.c_str(), count, compiled.out(), words[0], words[1], words[2], words[3], words[4],
      words[5], words[6], words[7], words[8], words[9], words[10], words[11], words[12], words[13], words[14],
      words[15], words[16], words[17], words[18], words[19], words[20], words[21], words[22], words[23], words[24],
      words[25], words[26], words[27], words[28], words[29], words[30], words[31], words[32], words[33]);
}

CompiledHandle Compiler::compile(const OvModel* model, const Properties& properties, const std::string& cache) const {
  CompiledHandle compiled(api_);
  const Status status = try_compile(model, device_, properties, cache, compiled);
  if (status == kOk) return compiled;
  const std::string cause = runtime_.words_of(status);
  if (options_.allow_partial && device_.rfind("CPU", 0) != 0 && !is_composition(device_)) {
    // HETERO asks each device which layers it takes, in this order.
    if (try_compile(model, "HETERO:" + device_ + ",CPU", properties, cache, compiled) == kOk) {
      log(LogLevel::kWarning, "openvino", device_ + " refuses a part of the model, which runs on the CPU: " + cause);
      return compiled;
    }
  }
  throw_refused(cause);
}

void Compiler::throw_refused(const std::string& cause) const {
  const auto says = [&](const char* text) { return cause.find(text) != std::string::npos; };
  if (says("Unsupported property") || says("property was not found") || says("Wrong value") ||
      says("Option not found") || says("NotFound") || says("Could not read") || says("not supported property")) {
    throw Error(ErrorCode::kInvalidArgument, "OpenVINO's device " + device_ + " does not take a property or its value.",
                "The cause names it; correct `properties`, `precision`, `threads` or `streams`.", "openvino", cause);
  }
  if (says("bad_alloc") || says("out of memory") || says("OUT_OF_RESOURCES")) {
    throw Error(ErrorCode::kOutOfMemory, "Not enough memory to compile the model for " + device_ + ".",
                "Use a smaller model or a device with more memory.", "openvino", cause);
  }
  if (runtime_.lost(device_, cause)) {
    throw Error(ErrorCode::kDeviceLost, "The device " + device_ + " was lost while it took the model.",
                "Check its cable, power and driver, and that no other process holds it.", "openvino", cause);
  }
  const bool alone = info_.type != "cpu" && !is_composition(device_) && !options_.allow_partial;
  throw Error(ErrorCode::kUnsupported, "OpenVINO cannot compile the model for " + device_ + ".",
              std::string("The cause names the layer or option; try another device or precision") +
                  (alone ? ", leave what it refuses to the CPU with `partial: 'allow'`," : ",") +
                  " or export the model otherwise.",
              "openvino", cause);
}

ModelInfo Compiler::report(const CompiledHandle& compiled) const {
  ModelInfo info;
  for (const char* key : kReportedProperties) {
    char* value = nullptr;
    if (api_.ov_compiled_model_get_property(compiled.get(), key, &value) == kOk) {
      info.properties[key] = take_string(api_, value);
    }
  }
  const auto get = [&](const char* key) {
    const auto found = info.properties.find(key);
    return found == info.properties.end() ? std::string() : found->second;
  };
  info.precision = get("INFERENCE_PRECISION_HINT");
  const auto& able = info_.capabilities.precisions;
  if (info.precision.empty() && has(able, "f16") && !has(able, "f32") && !has(able, "bf16")) info.precision = "f16";
  if (info.precision.empty()) info.precision = precision_of_members(get("DEVICE_PROPERTIES"));
  info.properties.erase("DEVICE_PROPERTIES");
  if (info.precision.empty()) info.precision = "unknown";
  info.optimal_in_flight = static_cast<size_t>(std::max(1, std::atoi(get("OPTIMAL_NUMBER_OF_INFER_REQUESTS").c_str())));
  info.from_cache = get("LOADED_FROM_CACHE") == "YES";
  info.properties.erase("LOADED_FROM_CACHE");
  info.devices = ids_of(get("EXECUTION_DEVICES"));
  if (info.devices.empty()) info.devices = {to_id(device_)};
  check_precision(info.precision);
  return info;
}

// A device that lacks the precision asked for takes another one. A finer one is fine, a coarser one is not.
void Compiler::check_precision(const std::string& executed) const {
  const std::string& asked = options_.precision;
  if (asked.empty() || asked == "auto" || executed == asked || executed == "unknown") return;
  const std::string found = device_ + " executes " + executed + " where " + asked + " was asked for.";
  if (executed != "f32") {
    throw Error(ErrorCode::kUnsupported, found, "Ask for '" + executed + "', 'f32' or 'auto', or use another device.",
                "openvino");
  }
  log(LogLevel::kWarning, "openvino", found);
}

}  // namespace edge::openvino
