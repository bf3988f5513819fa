// The part of the CUDA driver API that we call: own declarations, resolved at run time, so that no CUDA toolkit is
// needed to build or to run. Source of the facts: the driver API of CUDA 10.2 to 13, which kept these symbols and
// signatures.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace edge::tensorrt {

using CuResult = int;        // CUresult
using CuDevice = int;        // CUdevice
using CuAddress = uint64_t;  // CUdeviceptr: memory as the GPU sees it
struct CuContext;            // CUctx_st
struct CuStream;             // CUstream_st
struct CuEvent;              // CUevent_st
struct CuGraph;              // CUgraph_st
struct CuGraphExec;          // CUgraphExec_st
struct CuGraphNode;          // CUgraphNode_st
struct CuUuid {
  unsigned char bytes[16];
};

constexpr CuResult kCuOk = 0;
constexpr CuResult kCuOutOfMemory = 2;
constexpr CuResult kCuNotInitialized = 3;
constexpr CuResult kCuDeinitialized = 4;  // the process exits
constexpr CuResult kCuDeviceUnavailable = 46;
constexpr CuResult kCuNoDevice = 100;

// CUdevice_attribute
constexpr int kAttributeIntegrated = 18;
constexpr int kAttributeCanMapHostMemory = 19;
constexpr int kAttributeComputeCapabilityMajor = 75;
constexpr int kAttributeComputeCapabilityMinor = 76;

// Flags.
constexpr unsigned kHostPortable = 1, kHostDeviceMap = 2;  // CU_MEMHOSTALLOC_…, CU_MEMHOSTREGISTER_…
constexpr unsigned kStreamNonBlocking = 1;
constexpr int kCaptureThreadLocal = 1;  // CU_STREAM_CAPTURE_MODE_…
constexpr unsigned kEventBlockingSync = 1, kEventDisableTiming = 2;

// F(member, symbol, parameters): all return a CUresult.
#define EDGE_CUDA_FUNCTIONS(F)                                                                             \
  F(init, cuInit, (unsigned flags))                                                                        \
  F(driver_version, cuDriverGetVersion, (int* version))                                                    \
  F(error_name, cuGetErrorName, (CuResult error, const char** text))                                       \
  F(error_text, cuGetErrorString, (CuResult error, const char** text))                                     \
  F(device_count, cuDeviceGetCount, (int* count))                                                          \
  F(device_get, cuDeviceGet, (CuDevice * device, int ordinal))                                             \
  F(device_name, cuDeviceGetName, (char* text, int size, CuDevice device))                                 \
  F(device_uuid, cuDeviceGetUuid, (CuUuid * uuid, CuDevice device))                                        \
  F(device_attribute, cuDeviceGetAttribute, (int* value, int attribute, CuDevice device))                  \
  F(device_memory, cuDeviceTotalMem_v2, (size_t* bytes, CuDevice device))                                  \
  F(device_pci, cuDeviceGetPCIBusId, (char* text, int size, CuDevice device))                              \
  F(retain_context, cuDevicePrimaryCtxRetain, (CuContext * *context, CuDevice device))                     \
  F(push_context, cuCtxPushCurrent_v2, (CuContext * context))                                              \
  F(pop_context, cuCtxPopCurrent_v2, (CuContext * *context))                                               \
  F(memory_allocate, cuMemAlloc_v2, (CuAddress * address, size_t size))                                    \
  F(memory_free, cuMemFree_v2, (CuAddress address))                                                        \
  F(host_allocate, cuMemHostAlloc, (void** memory, size_t size, unsigned flags))                           \
  F(host_free, cuMemFreeHost, (void* memory))                                                              \
  F(host_address, cuMemHostGetDevicePointer_v2, (CuAddress * address, void* memory, unsigned flags))       \
  F(host_register, cuMemHostRegister_v2, (void* memory, size_t size, unsigned flags))                      \
  F(host_unregister, cuMemHostUnregister, (void* memory))                                                  \
  F(copy_to_device, cuMemcpyHtoDAsync_v2, (CuAddress to, const void* from, size_t size, CuStream* stream)) \
  F(copy_to_host, cuMemcpyDtoHAsync_v2, (void* to, CuAddress from, size_t size, CuStream* stream))         \
  F(stream_create, cuStreamCreate, (CuStream * *stream, unsigned flags))                                   \
  F(stream_synchronize, cuStreamSynchronize, (CuStream * stream))                                          \
  F(stream_destroy, cuStreamDestroy_v2, (CuStream * stream))                                               \
  F(stream_begin_capture, cuStreamBeginCapture_v2, (CuStream * stream, int mode))                          \
  F(stream_end_capture, cuStreamEndCapture, (CuStream * stream, CuGraph * *graph))                         \
  F(graph_launch, cuGraphLaunch, (CuGraphExec * graph, CuStream * stream))                                 \
  F(graph_destroy, cuGraphDestroy, (CuGraph * graph))                                                      \
  F(graph_exec_destroy, cuGraphExecDestroy, (CuGraphExec * graph))                                         \
  F(event_create, cuEventCreate, (CuEvent * *event, unsigned flags))                                       \
  F(event_record, cuEventRecord, (CuEvent * event, CuStream * stream))                                     \
  F(event_synchronize, cuEventSynchronize, (CuEvent * event))                                              \
  F(event_elapsed, cuEventElapsedTime, (float* ms, CuEvent* begin, CuEvent* end))                          \
  F(event_destroy, cuEventDestroy_v2, (CuEvent * event))

struct CudaApi {
#define EDGE_DECLARE(member, symbol, parameters) CuResult(*member) parameters = nullptr;
  EDGE_CUDA_FUNCTIONS(EDGE_DECLARE)
#undef EDGE_DECLARE
  // cuGraphInstantiateWithFlags, from CUDA 11.4; before, cuGraphInstantiate, which 11.0 changed into …_v2.
  CuResult (*instantiate_with_flags)(CuGraphExec** made, CuGraph* graph, unsigned long long flags) = nullptr;
  CuResult (*instantiate_with_log)(CuGraphExec** made, CuGraph* graph, CuGraphNode** failed, char* log,
                                   size_t log_size) = nullptr;

  CuResult instantiate(CuGraphExec** made, CuGraph* graph) const {
    return instantiate_with_flags != nullptr ? instantiate_with_flags(made, graph, 0)
                                             : instantiate_with_log(made, graph, nullptr, nullptr, 0);
  }
  // "CUDA_ERROR_OUT_OF_MEMORY: out of memory".
  std::string words(CuResult result) const;
  // Throws what the failure means for a caller; `doing` ends the sentence "CUDA could not …". `where` names the GPU.
  [[noreturn]] void fail(CuResult result, const std::string& doing, const std::string& where = "") const;
  void check(CuResult result, const char* doing) const {
    if (result != kCuOk) fail(result, doing);
  }
};

// Whether this error leaves the context unusable: everything that is called on it later fails in the same way.
bool is_sticky(CuResult result);

// Opens the driver's library and initialises it; throws kUnavailable where there is no driver or it sees no GPU. The
// library is never closed.
CudaApi open_cuda(const std::string& path);

}  // namespace edge::tensorrt
