// What an engine tells of its layers: TensorRT's engine inspector, whose JSON is read here.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "backends/tensorrt/infer.h"
#include "core/backend.h"

namespace edge::tensorrt {

// One layer of what the inspector says about it: an object where the engine was built with detailed verbosity, else
// its name alone. The device is not in it. From a text that makes no sense it takes what came before that.
LayerInfo parse_layer(std::string_view json);

// All layers of an engine that was loaded for the device `id`; `gpu` is that GPU's without a DLA core. The GPU's
// context is current.
std::vector<LayerInfo> inspect(const Engine& engine, const std::string& id, const std::string& gpu);

}  // namespace edge::tensorrt
