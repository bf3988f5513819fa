// Where the functions are by which engines are built, as in slots.h. −1: this major version has no such function.
#pragma once

namespace edge::tensorrt {

struct BuilderSlots {
  // VBuilder
  int create_config, create_network, create_profile, build, has_fast_int8;
  // VBuilderConfig
  int clear_flag, set_flag, set_dla_core, set_device_type, add_profile, set_pool_limit, set_verbosity;
  int set_workspace;                                       // before 8.5, in the place of set_pool_limit
  int set_level, set_hardware_level, set_max_aux_streams;  // from 8.6 on
  int set_calibrator, set_calibration_profile;
  int create_timing_cache, set_timing_cache, timing_cache;
  int set_progress_monitor;  // from 9.1 on
  // VNetworkDefinition
  int input_count, input, layer_count, layer;
  // VLayer
  int layer_type;
  // VTensor
  int tensor_name, tensor_shape, tensor_type;
  // VOptimizationProfile
  int set_dimensions;
  // VHostMemory
  int data, size;
  // VTimingCache
  int serialize;
  // IParser
  int parse, error_count, error, parser_destructor;
  // IParserError
  int description, node, node_name, node_operator;
};
constexpr BuilderSlots kBuilderSlots8{9,  11, 12, 17, 5,  14, 15, 22, 24, 29, 47, 31, 10, 51,
                                      53, 58, 8,  35, 44, 45, 46, 60, 19, 20, 17, 18, 2,  3,
                                      5,  7,  2,  2,  3,  2,  0,  6,  7,  10, 1,  5,  -1, -1};
constexpr BuilderSlots kBuilderSlots10{7,  8,  9, 14, 3,  10, 11, 18, 20, 25, 43, 27, -1, 47,
                                       49, 54, 6, 31, 40, 41, 42, 56, 14, 15, 12, 13, 2,  3,
                                       5,  7,  2, 2,  3,  2,  0,  5,  6,  9,  1,  5,  6,  7};
constexpr BuilderSlots kBuilderSlots11{5,  6,  7,  11, -1, 8, 9, 16, 18, 23, 32, 25, -1, 36, 38, 43, -1, -1, 29, 30, 31,
                                       45, 14, 15, 12, 13, 2, 3, 5,  6,  2,  2,  3,  2,  0,  3,  4,  7,  1,  5,  6,  7};

// BuilderFlag: other numbers in each major version. −1: it has no such flag.
struct BuilderFlags {
  int f16, int8, bf16, gpu_fallback, refit, tf32, sparse_weights, version_compatible;
};
constexpr BuilderFlags kBuilderFlags8{0, 1, -1, 3, 5, 7, 8, 15};  // version_compatible: from 8.6 on
constexpr BuilderFlags kBuilderFlags10{0, 1, 17, 3, 4, 6, 7, 13};
constexpr BuilderFlags kBuilderFlags11{-1, -1, -1, 3, 4, 6, 7, 12};

// LayerType: those that quantise and dequantise.
struct LayerTypes {
  int quantize, dequantize;
};
constexpr LayerTypes kLayerTypes8{33, 34};
constexpr LayerTypes kLayerTypes10{32, 33};  // also those of 11

inline const BuilderSlots& builder_slots_of(int major) {
  return major < 10 ? kBuilderSlots8 : major == 10 ? kBuilderSlots10 : kBuilderSlots11;
}
inline const LayerTypes& layer_types_of(int major) { return major < 10 ? kLayerTypes8 : kLayerTypes10; }
inline const BuilderFlags& builder_flags_of(int major) {
  return major < 10 ? kBuilderFlags8 : major == 10 ? kBuilderFlags10 : kBuilderFlags11;
}

}  // namespace edge::tensorrt
