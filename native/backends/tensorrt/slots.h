// Where TensorRT's functions are in the virtual-function tables of each major version. Its classes are called by these
// numbers instead of through headers: inside a major the tables only grow at their end. test/native has the table of
// facts that they are checked against.
#pragma once

namespace edge::tensorrt {

struct Slots {
  // VRuntime
  int deserialize, set_dla_core, dla_core_count, allow_host_code;  // the last from 8.6 on
  // VCudaEngine
  int create_context, profile_count, engine_shape, dtype, location, mode, format, profile_shape, tensor_count,
      tensor_name;
  // VExecutionContext
  int set_profile, set_input_shape, context_shape, set_address, set_allocator, enqueue;
  // Layers and their times: VExecutionContext, VCudaEngine and, last, VEngineInspector
  int set_profiler, set_emits_profile, report_profile, layer_count, create_inspector, layer_information;
  // Scratch memory of the caller's: VCudaEngine (the first up to 9; later create_context takes a strategy) and, last,
  // VExecutionContext
  int create_bare_context, scratch_size, set_scratch;
  int aux_stream_count;  // VCudaEngine, from 8.6 on
};

// Tensors by name from 8.5 on, the inspector from 8.4.1, profiles that a run does not wait for from 8.2.
constexpr Slots kSlots8{2,  3,  5,  20, 11, 22, 34, 35, 36, 38, 41, 44, 45, 46, 25,
                        29, 30, 32, 39, 44, 6,  26, 28, 9,  33, 4,  13, 14, 11, 49};
constexpr Slots kSlots10{3,  5,  7,  21, 5,  10, 19, 20, 21, 23, 26, 29, 30, 31, 17,
                         21, 22, 24, 32, 37, 5,  18, 20, 3,  18, 5,  -1, 7,  10, 33};
constexpr Slots kSlots11{3,  4,  6,  20, 5,  8, 15, 16, 17, 19, 22, 25, 26, 27, 16,
                         20, 21, 23, 31, 36, 5, 17, 19, 3,  14, 5,  -1, 44, 48, 29};

// What has bindings instead of tensors by name: inputs and outputs by number, once for each optimisation profile.
struct BindingSlots {
  // VCudaEngine
  int count, name, is_input, shape, dtype, location, format, profile_shape, is_of_shapes, is_executed,
      has_implicit_batch;
  // VExecutionContext
  int set_shape, context_shape, set_shape_values, shape_values, enqueue;
};
constexpr BindingSlots kBindingSlots{2, 4, 5, 6, 7, 12, 18, 23, 25, 26, 30, 15, 16, 17, 18, 24};  // 8.0 to 8.6

// The major versions that this build has an adapter for.
#define EDGE_TENSORRT_MAJORS(F) F(8) F(10) F(11)

// Those of a major version; null where there is no adapter for it.
inline const Slots* slots_of(int major) {
#define EDGE_CASE(number) \
  if (major == number) return &kSlots##number;
  EDGE_TENSORRT_MAJORS(EDGE_CASE)
#undef EDGE_CASE
  return nullptr;
}

// Read off the binary's file, also of one for another platform.
#define EDGE_NUMBER(number) " " #number
inline constexpr char kAdapters[] = "edge-infer adapters: tensorrt" EDGE_TENSORRT_MAJORS(EDGE_NUMBER);
#undef EDGE_NUMBER

}  // namespace edge::tensorrt
