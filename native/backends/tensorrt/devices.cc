#include "backends/tensorrt/devices.h"

#include <algorithm>
#include <cctype>

namespace edge::tensorrt {
namespace {

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

}  // namespace

DeviceInfo describe(const GpuFacts& gpu, int dla_core) {
  DeviceInfo info;
  info.id = std::to_string(gpu.ordinal) + (dla_core < 0 ? "" : ":dla" + std::to_string(dla_core));
  info.name = gpu.name + " (compute capability " + std::to_string(gpu.major) + "." + std::to_string(gpu.minor) + ", " +
              std::to_string(gpu.memory >> 20) + " MiB";
  if (!gpu.uuid.empty()) info.name += ", " + gpu.uuid;
  info.name += ")";
  if (dla_core >= 0) info.name = "DLA core " + std::to_string(dla_core) + " of " + info.name;
  info.type = "gpu";
  if (gpu.driver > 0)
    info.driver = "CUDA " + std::to_string(gpu.driver / 1000) + "." + std::to_string(gpu.driver % 1000 / 10);
  Capabilities& facts = info.capabilities;
  facts.memory = gpu.integrated && gpu.can_map ? Buffer::Kind::kMapped : Buffer::Kind::kPinned;
  facts.dynamic_shapes = true;
  facts.formats = {"engine", "onnx"};
  if (dla_core >= 0) {
    facts.precisions = {"f16", "int8"};
    return info;
  }
  facts.precisions = {"f32"};
  const bool is_tx1 = gpu.major == 5 && gpu.minor == 3, is_tx2 = gpu.major == 6 && gpu.minor == 2;
  if (gpu.at_least(6, 0) || is_tx1) facts.precisions.emplace_back("f16");
  if (gpu.at_least(8, 0)) facts.precisions.emplace_back("bf16");
  if (gpu.at_least(6, 1) && !is_tx2) facts.precisions.emplace_back("int8");
  return info;
}

Selected select(const std::vector<GpuFacts>& gpus, const std::string& device_id) {
  const std::string id = lower(device_id);
  const std::string selector = id.substr(0, id.find(':'));
  const auto found = std::find_if(gpus.begin(), gpus.end(), [&](const GpuFacts& gpu) {
    return selector == std::to_string(gpu.ordinal) || (!gpu.uuid.empty() && selector == lower(gpu.uuid));
  });
  if (found == gpus.end()) {
    std::string list;
    for (const GpuFacts& gpu : gpus) list += (list.empty() ? "" : ", ") + std::to_string(gpu.ordinal);
    throw Error(ErrorCode::kUnavailable, "The CUDA driver sees no GPU '" + device_id + "'; it sees: " + list + ".",
                "Use one of those, or a GPU's UUID as `edge-infer devices` shows it.", "tensorrt");
  }
  if (selector == id) return {*found, -1};
  const std::string part = id.substr(selector.size() + 1);
  // One digit: no chip has more.
  if (part.size() == 4 && part.rfind("dla", 0) == 0 && part[3] >= '0' && part[3] <= '9') return {*found, part[3] - '0'};
  throw Error(ErrorCode::kUnavailable, "A GPU has no part '" + part + "'.",
              "Use `tensorrt:" + selector + "`, or `tensorrt:" + selector + ":dla0` for a DLA core.", "tensorrt");
}

}  // namespace edge::tensorrt
