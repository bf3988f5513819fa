// What the simulated TensorRT tells of its layers, one an output: their description, and their times to a profiler.
#pragma once

#include <chrono>
#include <vector>

#include "plan.h"

namespace nvinfer_simulator {

// An IEngineInspector of the plan, which lives longer.
void* make_inspector(const Plan& plan);

// When the GPU began with a run, and when it was done with each layer. Written on the GPU's thread, read after the run.
struct LayerEnds {
  using Time = std::chrono::steady_clock::time_point;
  explicit LayerEnds(size_t layers) : ends(layers) {}
  Time begin{};
  std::vector<Time> ends;
};

// Calls the profiler, an IProfiler, for each layer. False where not all of them are done.
bool report(const Plan& plan, const LayerEnds& times, void* profiler);

}  // namespace nvinfer_simulator
