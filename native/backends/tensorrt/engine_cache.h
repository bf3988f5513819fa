// The engine of an ONNX model: built, or found where an earlier build was kept.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "backends/tensorrt/gpu.h"
#include "backends/tensorrt/infer.h"
#include "core/artifact_cache.h"
#include "core/backend.h"

namespace edge::tensorrt {

// The bytes of the engine. One that was kept, and that `takes` returns false for, is built again. `onnx` are those of
// the source, `plugins` the libraries that are loaded for it. Blocks for
// minutes where it is built; the GPU's context is current. Throws what build_engine() throws, kInvalidModel where the
// model's files of weights are not in its folder, kAborted when `options.cancelled` becomes true while another process
// builds the same engine, what `takes` throws, and kBackend where an engine must be there (`options.only_cached`) and
// is not.
std::vector<uint8_t> engine_of(const std::shared_ptr<const Gpu>& gpu, const Runtime& runtime, const ModelSource& source,
                               Bytes onnx, const LoadOptions& options, const std::vector<std::string>& plugins,
                               const Takes& takes, bool& from_cache);

}  // namespace edge::tensorrt
