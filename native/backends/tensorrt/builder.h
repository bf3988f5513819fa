// Builds engines from ONNX models, by TensorRT's builder and its ONNX parser.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "backends/tensorrt/build_options.h"
#include "backends/tensorrt/gpu.h"
#include "backends/tensorrt/infer.h"
#include "backends/tensorrt/progress.h"
#include "core/backend.h"

namespace edge::tensorrt {

// Blocks for seconds to minutes. The GPU's context is current. `path` is where the model was
// read from, or empty: files of weights lie beside it. Throws kInvalidModel with the parser's words, kUnavailable where
// the parser's library is missing, kInvalidArgument where an open shape has no range or a calibration does not fit,
// kUnsupported and kBackend with the builder's.
// `progress` tells how far it is and may give it up, which is kAborted, from TensorRT 10 on.
std::vector<uint8_t> build_engine(const std::shared_ptr<const Gpu>& gpu, const Runtime& runtime, Bytes onnx,
                                  const std::string& path, const BuildOptions& options, BuildProgress& progress);

}  // namespace edge::tensorrt
