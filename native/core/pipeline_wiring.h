// How the segments of a pipeline hang together: which output of which segment is which input of which.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace edge {

// What a segment takes and gives, and its file's name for messages, if it has one.
struct SegmentPorts {
  std::string name;
  const std::vector<TensorSpec>* inputs;
  const std::vector<TensorSpec>* outputs;
};

// Where a tensor comes from: an output of a segment, or an input of the whole pipeline.
struct TensorSource {
  static constexpr size_t kCaller = static_cast<size_t>(-1);
  size_t segment = kCaller;
  size_t index = 0;
};

struct PipelineWiring {
  std::vector<TensorSpec> inputs, outputs;                // of the whole
  std::vector<std::vector<TensorSource>> segment_inputs;  // by segment, by its input
  std::vector<TensorSource> output_sources;               // by output of the whole
};

// An input is the output of that name of the last segment before it that has one; the only input of a segment is else
// the only output of the one before it. What no segment gives is an input of the whole, shared by those that call it
// the same; outputs that no segment takes are those of the whole. Throws kInvalidModel, naming both segments, where
// tensors that meet differ in dtype, shape or quantization, or where a segment takes nothing of those before it.
PipelineWiring wire_segments(const std::vector<SegmentPorts>& segments);

}  // namespace edge
