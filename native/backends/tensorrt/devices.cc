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

DeviceInfo describe(const GpuFacts& gpu) {
  DeviceInfo info;
  info.id = std::to_string(gpu.ordinal);
  info.name = gpu.name + " (compute capability " + std::to_string(gpu.major) + "." + std::to_string(gpu.minor) + ", " +
              std::to_string(gpu.memory >> 20) + " MiB";
  if (!gpu.uuid.empty()) info.name += ", " + gpu.uuid;
  info.name += ")";
  info.type = "gpu";
  if (gpu.driver > 0)
    info.driver = "CUDA " + std::to_string(gpu.driver / 1000) + "." + std::to_string(gpu.driver % 1000 / 10);
  Capabilities& facts = info.capabilities;
  facts.memory = gpu.integrated && gpu.can_map ? Buffer::Kind::kMapped : Buffer::Kind::kPinned;
  facts.dynamic_shapes = true;
  facts.precisions = {"f32"};
  const bool is_tx1 = gpu.major == 5 && gpu.minor == 3, is_tx2 = gpu.major == 6 && gpu.minor == 2;
  if (gpu.at_least(6, 0) || is_tx1) facts.precisions.emplace_back("f16");
  if (gpu.at_least(8, 0)) facts.precisions.emplace_back("bf16");
  if (gpu.at_least(6, 1) && !is_tx2) facts.precisions.emplace_back("int8");
  facts.formats = {"engine"};
  return info;
}

const GpuFacts& find_gpu(const std::vector<GpuFacts>& gpus, const std::string& device_id) {
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
  if (selector != id) {
    throw Error(ErrorCode::kUnsupported, "'" + id.substr(selector.size() + 1) + "' of a GPU cannot be used yet.",
                "Use `tensorrt:" + selector + "`.", "tensorrt");
  }
  return *found;
}

}  // namespace edge::tensorrt
