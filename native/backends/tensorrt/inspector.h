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

// The types that layers compute in, the most frequent first: "i8+f16". Empty where none tells.
std::string precision_of(const std::vector<LayerInfo>& layers);

// Throws kUnsupported where a layer computes in another type than was asked for, or none tells in which.
void check_precision(const std::vector<LayerInfo>& layers, const std::string& asked);

}  // namespace edge::tensorrt
