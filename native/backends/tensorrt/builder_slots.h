// Where the functions are by which engines are built, as in slots.h. −1: this major version has no such function.
#pragma once

namespace edge::tensorrt {

struct BuilderSlots {
  // VBuilder
  int create_config, create_network, create_profile, build;
  // VBuilderConfig
  int clear_flag, set_flag, set_dla_core, set_device_type, add_profile, set_pool_limit, set_verbosity;
  int set_level, set_hardware_level;  // from 8.6 on
  // VNetworkDefinition
  int input_count, input;
  // VTensor
  int tensor_name, tensor_shape;
  // VOptimizationProfile
  int set_dimensions;
  // VHostMemory
  int data, size;
  // IParser
  int parse, error_count, error, parser_destructor;
  // IParserError
  int description, node, node_name, node_operator;
};
constexpr BuilderSlots kBuilderSlots8{9,  11, 12, 17, 14, 15, 22, 24, 29, 47, 31, 51, 53, 19,
                                      20, 3,  5,  2,  2,  3,  0,  6,  7,  10, 1,  5,  -1, -1};
constexpr BuilderSlots kBuilderSlots10{7,  8, 9, 14, 10, 11, 18, 20, 25, 43, 27, 47, 49, 14,
                                       15, 3, 5, 2,  2,  3,  0,  5,  6,  9,  1,  5,  6,  7};
constexpr BuilderSlots kBuilderSlots11{5,  6, 7, 11, 8, 9, 16, 18, 23, 32, 25, 36, 38, 14,
                                       15, 3, 5, 2,  2, 3, 0,  3,  4,  7,  1,  5,  6,  7};

// BuilderFlag: other numbers in each major version. −1: it has no such flag.
struct BuilderFlags {
  int f16, int8, bf16, gpu_fallback, refit, tf32, sparse_weights, version_compatible;
};
constexpr BuilderFlags kBuilderFlags8{0, 1, -1, 3, 5, 7, 8, 15};  // version_compatible: from 8.6 on
constexpr BuilderFlags kBuilderFlags10{0, 1, 17, 3, 4, 6, 7, 13};
constexpr BuilderFlags kBuilderFlags11{-1, -1, -1, 3, 4, 6, 7, 12};

inline const BuilderSlots& builder_slots_of(int major) {
  return major < 10 ? kBuilderSlots8 : major == 10 ? kBuilderSlots10 : kBuilderSlots11;
}
inline const BuilderFlags& builder_flags_of(int major) {
  return major < 10 ? kBuilderFlags8 : major == 10 ? kBuilderFlags10 : kBuilderFlags11;
}

}  // namespace edge::tensorrt
