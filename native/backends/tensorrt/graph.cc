#include "backends/tensorrt/graph.h"

#include <exception>

namespace edge::tensorrt {

Graph record_graph(const std::shared_ptr<const Gpu>& gpu, CuStream* stream, const std::function<void()>& submit) {
  const CudaApi& api = gpu->api();
  // Only this thread may not do meanwhile what a graph cannot hold: others go on.
  gpu->check(api.stream_begin_capture(stream, kCaptureThreadLocal), "begin to record a graph");
  std::exception_ptr failure;
  try {
    submit();
  } catch (...) {
    failure = std::current_exception();
  }
  // Whatever happened: until then the stream does no work.
  CuGraph* graph = nullptr;
  const CuResult ended = api.stream_end_capture(stream, &graph);
  const Held<CuGraph*, &CudaApi::graph_destroy> recorded(gpu, graph);
  if (failure) std::rethrow_exception(failure);
  gpu->check(ended, "record a graph");
  CuGraphExec* executable = nullptr;
  gpu->check(api.instantiate(&executable, graph), "make a graph ready to run");
  return {gpu, executable};
}

}  // namespace edge::tensorrt
