// OpenVINO's devices, and the compositions of them: names, kinds, facts.
#pragma once

#include <string>
#include <vector>

#include "backends/openvino/runtime.h"
#include "core/backend.h"

namespace edge::openvino {

// Ids are OpenVINO's names in lower case: "gpu.1", "hetero:gpu,cpu".
std::string to_id(const std::string& name);

// OpenVINO's name for an id: a device that it reports, or AUTO, HETERO, MULTI or BATCH over such devices. Throws
// kUnavailable where one of them is not there now.
std::string resolve_device(const Runtime& runtime, const std::string& id);

// Whether it is made of other devices: "AUTO", "HETERO:GPU,CPU".
bool is_composition(const std::string& name);
// The devices after the colon; none for a composition that chooses among all.
std::vector<std::string> members(const std::string& name);

DeviceInfo describe_device(const Runtime& runtime, const std::string& name);

}  // namespace edge::openvino
