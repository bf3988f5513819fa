// The part of OpenVINO's C API that we call: own declarations, resolved at run time, so that no OpenVINO header and no
// library is needed to build. A test compares every line with the headers of the pinned releases.
// Source of the declarations' facts: the C API reference of OpenVINO 2022.3 to 2026.4, which kept these signatures.
// What came later than 2022.3, or went since, is optional.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace edge::openvino {

// Opaque objects of the library.
struct Core;
struct OvModel;
struct CompiledModel;
struct InferRequest;
struct ConstPort;
struct Tensor;

using Status = int;  // ov_status_e
constexpr Status kOk = 0;
constexpr Status kInferCancelled = -13;

struct Version {
  const char* build_number;
  const char* description;
};

struct AvailableDevices {
  char** devices;
  size_t size;
};

struct OvShape {
  int64_t rank;
  int64_t* dims;
};

struct Dimension {
  int64_t min;
  int64_t max;  // −1: no limit
};

struct PartialShape {
  Dimension rank;
  Dimension* dims;
};

struct Callback {
  void (*function)(void* args);
  void* args;
};

struct ProfilingInfo {
  int status;                   // 2: executed
  int64_t real_time, cpu_time;  // µs
  const char *node_name, *exec_type, *node_type;
};

struct ProfilingInfoList {
  ProfilingInfo* infos;
  size_t size;
};

using ElementType = unsigned;  // ov_element_type_e; its numbers depend on the release, see element_type.h

// F(required name, return type, parameters)
#define EDGE_OPENVINO_FUNCTIONS(F)                                                                               \
  F(ov_get_openvino_version, Status, (Version * version))                                                        \
  F(ov_version_free, void, (Version * version))                                                                  \
  F(ov_get_error_info, const char*, (Status status))                                                             \
  F(ov_free, void, (const char* content))                                                                        \
  F(ov_core_create, Status, (Core * *core))                                                                      \
  F(ov_core_get_available_devices, Status, (const Core* core, AvailableDevices* devices))                        \
  F(ov_available_devices_free, void, (AvailableDevices * devices))                                               \
  F(ov_core_get_property, Status, (const Core* core, const char* device, const char* key, char** value))         \
  F(ov_core_read_model, Status, (const Core* core, const char* path, const char* weights_path, OvModel** model)) \
  F(ov_core_compile_model, Status,                                                                               \
    (const Core* core, const OvModel* model, const char* device, const size_t property_words,                    \
     CompiledModel** compiled, ...))                                                                             \
  F(ov_model_free, void, (OvModel * model))                                                                      \
  F(ov_model_inputs_size, Status, (const OvModel* model, size_t* size))                                          \
  F(ov_model_outputs_size, Status, (const OvModel* model, size_t* size))                                         \
  F(ov_model_const_input_by_index, Status, (const OvModel* model, const size_t index, ConstPort** port))         \
  F(ov_model_const_output_by_index, Status, (const OvModel* model, const size_t index, ConstPort** port))        \
  F(ov_model_reshape_by_port_indexes, Status,                                                                    \
    (const OvModel* model, const size_t* indexes, const PartialShape* shapes, size_t size))                      \
  F(ov_port_get_any_name, Status, (const ConstPort* port, char** name))                                          \
  F(ov_port_get_element_type, Status, (const ConstPort* port, ElementType* type))                                \
  F(ov_port_get_partial_shape, Status, (const ConstPort* port, PartialShape* shape))                             \
  F(ov_output_const_port_free, void, (ConstPort * port))                                                         \
  F(ov_partial_shape_create_static, Status, (const int64_t rank, const int64_t* dims, PartialShape* shape))      \
  F(ov_partial_shape_free, void, (PartialShape * shape))                                                         \
  F(ov_shape_free, Status, (OvShape * shape))                                                                    \
  F(ov_compiled_model_inputs_size, Status, (const CompiledModel* model, size_t* size))                           \
  F(ov_compiled_model_outputs_size, Status, (const CompiledModel* model, size_t* size))                          \
  F(ov_compiled_model_get_property, Status, (const CompiledModel* model, const char* key, char** value))         \
  F(ov_compiled_model_create_infer_request, Status, (const CompiledModel* model, InferRequest** request))        \
  F(ov_compiled_model_free, void, (CompiledModel * model))                                                       \
  F(ov_tensor_create, Status, (const ElementType type, const OvShape shape, Tensor** tensor))                    \
  F(ov_tensor_create_from_host_ptr, Status,                                                                      \
    (const ElementType type, const OvShape shape, void* host, Tensor** tensor))                                  \
  F(ov_tensor_get_shape, Status, (const Tensor* tensor, OvShape* shape))                                         \
  F(ov_tensor_get_byte_size, Status, (const Tensor* tensor, size_t* size))                                       \
  F(ov_tensor_data, Status, (const Tensor* tensor, void** data))                                                 \
  F(ov_tensor_free, void, (Tensor * tensor))                                                                     \
  F(ov_infer_request_set_input_tensor_by_index, Status,                                                          \
    (InferRequest * request, const size_t index, const Tensor* tensor))                                          \
  F(ov_infer_request_set_output_tensor_by_index, Status,                                                         \
    (InferRequest * request, const size_t index, const Tensor* tensor))                                          \
  F(ov_infer_request_get_output_tensor_by_index, Status,                                                         \
    (const InferRequest* request, const size_t index, Tensor** tensor))                                          \
  F(ov_infer_request_infer, Status, (InferRequest * request))                                                    \
  F(ov_infer_request_start_async, Status, (InferRequest * request))                                              \
  F(ov_infer_request_wait, Status, (InferRequest * request))                                                     \
  F(ov_infer_request_cancel, Status, (InferRequest * request))                                                   \
  F(ov_infer_request_set_callback, Status, (InferRequest * request, const Callback* callback))                   \
  F(ov_infer_request_free, void, (InferRequest * request))

// Null where a release does not have them: the last words came with 2023.3 (the caller frees them), reading from memory
// by size with 2023.2, the log with 2025.
#define EDGE_OPENVINO_OPTIONAL_FUNCTIONS(F)                                                              \
  F(ov_get_last_err_msg, const char*, ())                                                                \
  F(ov_core_read_model_from_memory_buffer, Status,                                                       \
    (const Core* core, const char* data, const size_t size, const Tensor* weights, OvModel** model))     \
  F(ov_infer_request_get_profiling_info, Status, (const InferRequest* request, ProfilingInfoList* list)) \
  F(ov_profiling_info_list_free, void, (ProfilingInfoList * list))                                       \
  F(ov_util_set_log_callback, void, (void (*callback)(const char* message)))

// Only in old releases, so that no header of a pinned one declares them.
#define EDGE_OPENVINO_LEGACY_FUNCTIONS(F)   \
  F(ov_core_read_model_from_memory, Status, \
    (const Core* core, const char* text, const Tensor* weights, OvModel** model))

struct Api {
#define EDGE_DECLARE(name, result, parameters) result(*name) parameters = nullptr;
  EDGE_OPENVINO_FUNCTIONS(EDGE_DECLARE)
  EDGE_OPENVINO_OPTIONAL_FUNCTIONS(EDGE_DECLARE)
  EDGE_OPENVINO_LEGACY_FUNCTIONS(EDGE_DECLARE)
#undef EDGE_DECLARE
};

// Opens the library for good and resolves the functions. Throws kUnavailable with what is missing.
Api open_api(const std::string& path);

}  // namespace edge::openvino
