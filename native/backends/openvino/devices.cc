#include "backends/openvino/devices.h"

#include <dirent.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <utility>

namespace edge::openvino {
namespace {

std::string upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::toupper(c); });
  return text;
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

std::string property(const Runtime& runtime, const std::string& device, const char* key) {
  char* value = nullptr;
  const Status status = runtime.api.ov_core_get_property(runtime.core, device.c_str(), key, &value);
  return status == kOk ? take_string(runtime.api, value) : std::string();
}

// A device as it is listed, whatever the case of the id; "GPU" stands for "GPU.0". Empty where it is not there.
std::string listed(const std::vector<std::string>& known, const std::string& id) {
  for (const std::string& name : known) {
    if (to_id(name) == id) return name;
  }
  for (const std::string& name : known) {
    if (to_id(name).rfind(id + ".", 0) == 0) return upper(id);
  }
  return {};
}

[[noreturn]] void throw_unknown(const std::vector<std::string>& known, const std::string& id) {
  std::string list;
  for (const std::string& one : known) list += (list.empty() ? "" : ", ") + to_id(one);
  throw Error(ErrorCode::kUnavailable,
              "OpenVINO sees no device '" + id + "' here; it sees: " + (list.empty() ? "none" : list) + ".",
              "Check that the device is plugged in and its driver installed, or use another device.", "openvino");
}

// The formats that this installation reads: one library each, beside the C library.
std::vector<std::string> formats(const Runtime& runtime) {
  static constexpr const char* kFrontends[][2] = {
      {"onnx", "onnx"}, {"ir", "ir"}, {"tensorflow_lite", "tflite"}, {"paddle", "paddle"}, {"tensorflow", "tensorflow"},
      {"gguf", "gguf"}};
  const std::unique_ptr<char, void (*)(void*)> real(::realpath(runtime.library.c_str(), nullptr), std::free);
  const std::string path = real ? real.get() : runtime.library;
  std::vector<std::string> names;
  if (DIR* folder = ::opendir(path.substr(0, path.rfind('/') + 1).c_str())) {
    while (const dirent* entry = ::readdir(folder)) names.emplace_back(entry->d_name);
    ::closedir(folder);
  }
  std::vector<std::string> found;
  for (const auto& [library, format] : kFrontends) {
    const std::string prefix = std::string("libopenvino_") + library + "_frontend.";
    const bool there =
        std::any_of(names.begin(), names.end(), [&](const auto& one) { return one.rfind(prefix, 0) == 0; });
    if (there) found.emplace_back(format);
  }
  if (found.empty()) found = {"onnx", "ir"};  // one library of everything: what every build reads
  return found;
}

// The largest of "1 2" (streams) or "1 4 1" (requests: from, to, step).
int largest(const std::string& range) {
  std::istringstream words(range);
  int from = 0, to = 0;
  return words >> from >> to ? to : 0;
}

// In our spelling: "f32", "bf16", "int8"; other capabilities (IMPORT, WINOGRAD, BIN) are none.
std::vector<std::string> precisions(const std::string& capabilities) {
  std::vector<std::string> found;
  std::istringstream words(capabilities);
  for (std::string word; words >> word;) {
    word = to_id(word);
    if (word.rfind("fp", 0) == 0) word.erase(1, 1);  // OpenVINO writes FP32
    if (word == "f32" || word == "f16" || word == "bf16" || word == "int8") found.push_back(word);
  }
  return found;
}

}  // namespace

std::string to_id(const std::string& name) {
  std::string id = name;
  std::transform(id.begin(), id.end(), id.begin(), [](unsigned char c) { return std::tolower(c); });
  return id;
}

bool is_composition(const std::string& name) {
  const std::string kind = name.substr(0, name.find(':'));
  return kind == "AUTO" || kind == "HETERO" || kind == "MULTI" || kind == "BATCH";
}

std::vector<std::string> members(const std::string& name) {
  const size_t colon = name.find(':');
  return colon == std::string::npos ? std::vector<std::string>() : split(name.substr(colon + 1), ',');
}

std::string resolve_device(const Runtime& runtime, const std::string& device_id) {
  const std::string id = to_id(device_id);
  const std::vector<std::string> known = runtime.devices();
  const std::string kind = upper(id.substr(0, id.find(':')));
  if (!is_composition(kind)) {
    const std::string name = listed(known, id);
    if (name.empty()) throw_unknown(known, device_id);
    return name;
  }
  std::string name = kind;
  for (const std::string& one : members(id)) {
    // "-gpu" takes a device out of AUTO's choice, "gpu(2)" gives it two requests: both are OpenVINO's to understand.
    const size_t begin = one.rfind('-', 0) == 0 ? 1 : 0;
    const size_t end = std::min(one.find('('), one.size());
    const std::string inner = listed(known, one.substr(begin, end - begin));
    if (inner.empty() && begin == 0) throw_unknown(known, one);
    name += (name == kind ? ":" : ",") + one.substr(0, begin) + (inner.empty() ? upper(one.substr(begin)) : inner) +
            (inner.empty() ? "" : one.substr(end));
  }
  if (name == kind && kind != "AUTO") {
    throw Error(ErrorCode::kUnavailable, "OpenVINO's " + kind + " needs devices: '" + to_id(kind) + ":gpu,cpu'.",
                "Name the devices that it is made of.", "openvino");
  }
  return name;
}

DeviceInfo describe_device(const Runtime& runtime, const std::string& name) {
  DeviceInfo info;
  info.id = to_id(name);
  info.name = property(runtime, name, "FULL_DEVICE_NAME");
  info.name.erase(info.name.find_last_not_of(" \t") + 1);
  if (info.name.empty()) info.name = name;
  const std::string kind = info.id.substr(0, info.id.find('.'));
  info.type = kind == "cpu" || kind == "gpu" || kind == "npu" ? kind : "other";
  Capabilities& facts = info.capabilities;
  facts.async = true;
  facts.cancellable = true;
  facts.dynamic_shapes = kind != "npu" && kind != "myriad";
  facts.host_compute = kind == "cpu";
  facts.formats = formats(runtime);
  if (is_composition(name)) {
    // As a whole only what each of them can do.
    bool first = true;
    for (const std::string& one : members(name)) {
      if (one.rfind('-', 0) == 0) continue;
      const auto of_one = precisions(property(runtime, one.substr(0, one.find('(')), "OPTIMIZATION_CAPABILITIES"));
      auto& all = facts.precisions;
      if (std::exchange(first, false)) {
        all = of_one;
      } else {
        all.erase(
            std::remove_if(all.begin(), all.end(),
                           [&](const auto& p) { return std::find(of_one.begin(), of_one.end(), p) == of_one.end(); }),
            all.end());
      }
    }
    return info;
  }
  facts.precisions = precisions(property(runtime, name, "OPTIMIZATION_CAPABILITIES"));
  facts.in_flight = std::max(largest(property(runtime, name, "RANGE_FOR_ASYNC_INFER_REQUESTS")),
                             largest(property(runtime, name, "RANGE_FOR_STREAMS")));
  return info;
}

}  // namespace edge::openvino
