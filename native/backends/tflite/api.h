// The part of TFLite's C API that we call: own declarations, resolved at run time, so that no TensorFlow header and no
// library is needed to build. Source of the facts: the C API of TensorFlow Lite 2.9 to 2.21, which kept these
// signatures and the order of these members. What an older release lacks is optional.
#pragma once

#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <string>

namespace edge::tflite {

// Opaque objects of the library.
struct TfLiteModel;
struct TfLiteOptions;      // TfLiteInterpreterOptions
struct TfLiteInterpreter;  // one inference slot
struct TfLiteSparsity;
struct TfLiteExternalContext;

using Status = int;  // TfLiteStatus
constexpr Status kOk = 0;
constexpr Status kCancelled = 8;

// Arrays with their length in front (TfLiteIntArray, TfLiteFloatArray).
struct IntArray {
  int size;
  int data[1];
};
struct FloatArray {
  int size;
  float data[1];
};

enum Type : int {  // TfLiteType
  kNoType = 0,
  kFloat32 = 1,
  kInt32 = 2,
  kUInt8 = 3,
  kInt64 = 4,
  kString = 5,
  kBool = 6,
  kInt16 = 7,
  kComplex64 = 8,
  kInt8 = 9,
  kFloat16 = 10,
  kFloat64 = 11,
  kComplex128 = 12,
  kUInt64 = 13,
  kResource = 14,
  kVariant = 15,
  kUInt32 = 16,
  kUInt16 = 17,
  kInt4 = 18,
  kBFloat16 = 19,
};

enum AllocationType : int { kMemNone = 0, kMmapRo, kArenaRw, kArenaRwPersistent, kDynamic, kPersistentRo, kCustom };

struct QuantizationParams {  // TfLiteQuantizationParams
  float scale;
  int32_t zero_point;
};

struct AffineQuantization {  // TfLiteAffineQuantization
  FloatArray* scale;
  IntArray* zero_point;
  int32_t quantized_dimension;
};

struct TensorQuantization {  // TfLiteQuantization; type 1: params is an AffineQuantization
  int type;
  void* params;
};

struct Delegate;
struct Context;

struct Tensor {  // TfLiteTensor
  Type type;
  void* data;
  IntArray* dims;
  QuantizationParams params;
  AllocationType allocation_type;
  size_t bytes;
  const void* allocation;
  const char* name;
  Delegate* delegate;
  int buffer_handle;
  bool data_is_stale;
  bool is_variable;
  TensorQuantization quantization;
  TfLiteSparsity* sparsity;
  const IntArray* dims_signature;  // −1 where the model leaves the dimension open
};

struct Node {  // TfLiteNode
  IntArray* inputs;
  IntArray* outputs;
  IntArray* intermediates;
  IntArray* temporaries;
  void* user_data;
  void* builtin_data;  // of a delegate's node: DelegateParams
  const void* custom_initial_data;
  int custom_initial_data_size;
  Delegate* delegate;
  bool might_have_side_effect;
};

// TfLiteRegistration as drivers built against TensorFlow up to 2.11 know it: 64 bytes. Today's has three pointers more.
struct OldRegistration {
  void* (*init)(Context* context, const char* buffer, size_t length);
  void (*free)(Context* context, void* buffer);
  Status (*prepare)(Context* context, Node* node);
  Status (*invoke)(Context* context, Node* node);
  const char* (*profiling_string)(const Context* context, const Node* node);
  int32_t builtin_code;
  const char* custom_name;
  int version;
};
struct Registration {
  OldRegistration old;
  void* registration_external;
  void* async_kernel;
  uint64_t inplace_operator;
};
static_assert(sizeof(void*) != 8 || (sizeof(OldRegistration) == 64 && sizeof(Registration) == 88));

struct DelegateParams {  // TfLiteDelegateParams
  Delegate* delegate;
  IntArray* nodes_to_replace;
  IntArray* input_tensors;
  IntArray* output_tensors;
};

struct Context {  // TfLiteContext, as far as we look
  size_t tensors_size;
  Status (*GetExecutionPlan)(Context* context, IntArray** plan);
  Tensor* tensors;
  void* impl;
  Status (*ResizeTensor)(Context* context, Tensor* tensor, IntArray* new_size);
  void (*ReportError)(Context* context, const char* format, ...);
  Status (*AddTensors)(Context* context, int tensors_to_add, int* first_new_tensor_index);
  Status (*GetNodeAndRegistration)(Context* context, int node_index, Node** node, Registration** registration);
  Status (*ReplaceNodeSubsetsWithDelegateKernels)(Context* context, Registration registration,
                                                  const IntArray* nodes_to_replace, Delegate* delegate);
};

struct Delegate {  // TfLiteDelegate; the last member came with 2.11 and is null for delegates like ours
  void* data;
  Status (*Prepare)(Context* context, Delegate* delegate);
  Status (*CopyFromBufferHandle)(Context* context, Delegate* delegate, int handle, Tensor* tensor);
  Status (*CopyToBufferHandle)(Context* context, Delegate* delegate, int handle, Tensor* tensor);
  void (*FreeBufferHandle)(Context* context, Delegate* delegate, int* handle);
  int64_t flags;
  void* opaque_delegate_builder;
};
constexpr int64_t kAllowDynamicTensors = 1;

struct CustomAllocation {  // TfLiteCustomAllocation
  void* data;
  size_t bytes;
};

// TfLiteXNNPackDelegateOptions: the members that we set; later ones differ between releases.
struct XnnpackOptions {
  int32_t num_threads;
  uint32_t flags;
  char rest[248];
};

// TfLiteTelemetryProfilerStruct: how TFLite tells what it runs.
struct Profiler {
  void* data;
  void (*ReportTelemetryEvent)(Profiler* profiler, const char* event, uint64_t status);
  void (*ReportTelemetryOpEvent)(Profiler* profiler, const char* event, int64_t op, int64_t subgraph, uint64_t status);
  void (*ReportSettings)(Profiler* profiler, const char* setting, const void* settings);
  uint32_t (*ReportBeginOpInvokeEvent)(Profiler* profiler, const char* name, int64_t op, int64_t subgraph);
  void (*ReportEndOpInvokeEvent)(Profiler* profiler, uint32_t event);
  // Of a part of a delegate's node, which the delegate has measured.
  void (*ReportOpInvokeEvent)(Profiler* profiler, const char* name, uint64_t us, int64_t op, int64_t subgraph);
};

using ErrorReporter = void (*)(void* user_data, const char* format, va_list arguments);

// F(name, return type, parameters)
#define EDGE_TFLITE_FUNCTIONS(F)                                                                                      \
  F(TfLiteVersion, const char*, ())                                                                                   \
  F(TfLiteModelCreate, TfLiteModel*, (const void* data, size_t size))                                                 \
  F(TfLiteModelDelete, void, (TfLiteModel * model))                                                                   \
  F(TfLiteInterpreterOptionsCreate, TfLiteOptions*, ())                                                               \
  F(TfLiteInterpreterOptionsDelete, void, (TfLiteOptions * options))                                                  \
  F(TfLiteInterpreterOptionsSetNumThreads, void, (TfLiteOptions * options, int32_t threads))                          \
  F(TfLiteInterpreterOptionsSetErrorReporter, void, (TfLiteOptions * options, ErrorReporter report, void* user_data)) \
  F(TfLiteInterpreterCreate, TfLiteInterpreter*, (const TfLiteModel* model, const TfLiteOptions* options))            \
  F(TfLiteInterpreterDelete, void, (TfLiteInterpreter * interpreter))                                                 \
  F(TfLiteInterpreterGetInputTensorCount, int32_t, (const TfLiteInterpreter* interpreter))                            \
  F(TfLiteInterpreterGetInputTensor, Tensor*, (const TfLiteInterpreter* interpreter, int32_t index))                  \
  F(TfLiteInterpreterGetOutputTensorCount, int32_t, (const TfLiteInterpreter* interpreter))                           \
  F(TfLiteInterpreterGetOutputTensor, const Tensor*, (const TfLiteInterpreter* interpreter, int32_t index))           \
  F(TfLiteInterpreterResizeInputTensor, Status,                                                                       \
    (TfLiteInterpreter * interpreter, int32_t index, const int* dims, int32_t rank))                                  \
  F(TfLiteInterpreterModifyGraphWithDelegate, Status, (TfLiteInterpreter * interpreter, Delegate * delegate))         \
  F(TfLiteInterpreterAllocateTensors, Status, (TfLiteInterpreter * interpreter))                                      \
  F(TfLiteInterpreterInvoke, Status, (TfLiteInterpreter * interpreter))

// Without these: no XNNPACK, copies instead of our memory, no cancel, and so on.
#define EDGE_TFLITE_OPTIONAL_FUNCTIONS(F)                                                                  \
  F(TfLiteModelCreateWithErrorReporter, TfLiteModel*,                                                      \
    (const void* data, size_t size, ErrorReporter report, void* user_data))                                \
  F(TfLiteXNNPackDelegateOptionsDefault, XnnpackOptions, ())                                               \
  F(TfLiteXNNPackDelegateCreate, Delegate*, (const XnnpackOptions* options))                               \
  F(TfLiteXNNPackDelegateDelete, void, (Delegate * delegate))                                              \
  F(TfLiteInterpreterOptionsEnableCancellation, Status, (TfLiteOptions * options, bool enable))            \
  F(TfLiteInterpreterCancel, Status, (const TfLiteInterpreter* interpreter))                               \
  F(TfLiteInterpreterGetInputTensorIndex, int32_t, (const TfLiteInterpreter* interpreter, int32_t index))  \
  F(TfLiteInterpreterGetOutputTensorIndex, int32_t, (const TfLiteInterpreter* interpreter, int32_t index)) \
  F(TfLiteInterpreterSetCustomAllocationForTensor, Status,                                                 \
    (TfLiteInterpreter * interpreter, int index, const CustomAllocation* allocation, int64_t flags))       \
  F(TfLiteInterpreterResetVariableTensors, Status, (TfLiteInterpreter * interpreter))                      \
  F(TfLiteInterpreterOptionsSetTelemetryProfiler, void, (TfLiteOptions * options, Profiler * profiler))

struct Api {
#define EDGE_DECLARE(name, result, parameters) result(*name) parameters = nullptr;
  EDGE_TFLITE_FUNCTIONS(EDGE_DECLARE)
  EDGE_TFLITE_OPTIONAL_FUNCTIONS(EDGE_DECLARE)
#undef EDGE_DECLARE
  // C++ of the library, exported by most builds: how much it writes to stderr
  // (tflite::logging_internal::MinimalLogger).
  int (*set_minimum_log_severity)(int severity) = nullptr;
};

// Opens the library; throws kUnavailable with what is missing. It is never closed.
Api open_api(const std::string& path);

}  // namespace edge::tflite
