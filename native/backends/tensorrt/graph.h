// A run's work on the GPU, recorded once and then launched as one: a CUDA graph.
#pragma once

#include <functional>
#include <memory>

#include "backends/tensorrt/gpu.h"

namespace edge::tensorrt {

using Graph = Held<CuGraphExec*, &CudaApi::graph_exec_destroy>;

// Records what `submit` puts into the stream, which the GPU does not do then: launch_graph() does. The addresses of
// that moment stay those of the graph. The GPU's context is current. Throws, also what `submit` throws, where it cannot
// be recorded; the stream is usable all the same.
Graph record_graph(const std::shared_ptr<const Gpu>& gpu, CuStream* stream, const std::function<void()>& submit);

}  // namespace edge::tensorrt
