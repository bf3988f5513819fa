// How an engine is to be built, as far as `precision`, `shapes`, `partial` and the properties say it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "backends/tensorrt/api.h"
#include "core/backend.h"

namespace edge::tensorrt {

// The shapes of one input that an engine takes, and the one that it is made for.
struct ShapeRange {
  Shape smallest, best, largest;
};

struct BuildOptions {
  std::string precision;        // "", "f32", "f16", "bf16", "i8", "auto"
  bool strongly_typed = false;  // the model has this precision itself
  bool gpu_fallback = false;    // what the DLA does not take runs on the GPU
  bool version_compatible = false, sparse_weights = false, refit = false;
  uint64_t workspace = 0;    // bytes; 0: all that the GPU has
  int max_aux_streams = -1;  // −1: as many as TensorRT thinks good
  int level = -1;            // of optimisation, 0 to 5; −1: TensorRT's own
  int hardware_level = 0;    // HardwareCompatibilityLevel
  std::vector<std::map<std::string, ShapeRange>> profiles;
  std::string converted_from;  // the model is made of this one: what an engine is known by; empty: it is itself
  // Files. The calibration cache is read where it is there, and else written with what the inputs give (calibrator.h).
  std::string calibration_cache, calibration_inputs, timing_cache;

  bool calibrates() const { return !calibration_cache.empty() || !calibration_inputs.empty(); }

  // Every option but the files in one line a piece, for a key.
  std::string text() const;
};

// Takes the options that are about building. Throws kInvalidArgument where one is wrong, kUnsupported where this
// TensorRT cannot follow it.
BuildOptions read_build_options(const LoadOptions& options, const Version& version);
// Whether the property is one of them.
bool is_build_property(const std::string& name);

}  // namespace edge::tensorrt
