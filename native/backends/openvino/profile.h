// What OpenVINO measures of each layer in a run.
#pragma once

#include <string>
#include <vector>

#include "backends/openvino/runtime.h"
#include "core/backend.h"

namespace edge::openvino {

// Of the last run of this request, for models compiled with PERF_COUNT. Layers that were not executed are left out.
// Throws kUnsupported where the release has no such function.
std::vector<LayerTime> profile_of(const Runtime& runtime, const InferRequest* request);

// The precision in a kernel's name, such as "jit_avx512_f32" or "gemm_tiled_opt__f16"; empty where it tells none.
std::string kernel_precision(const std::string& kernel);

}  // namespace edge::openvino
