#include "backends/tensorrt/cuda.h"

#include "core/error.h"
#include "core/exit_guard.h"
#include "core/library.h"

namespace edge::tensorrt {
namespace {

constexpr const char* kDriverRemedy =
    "Install the NVIDIA driver of this GPU (on Jetson boards it comes with JetPack, in containers by the NVIDIA "
    "container "
    "toolkit: `--gpus all` or `--runtime nvidia`); `nvidia-smi` shows whether it works.";

// CUresult by what it means to a caller.
ErrorCode code_of(CuResult result) {
  switch (result) {
    case kCuOutOfMemory:
      return ErrorCode::kOutOfMemory;
    case kCuDeinitialized:
      return ErrorCode::kAborted;  // the process exits: nobody waits for this any more
    case kCuDeviceUnavailable:
      return ErrorCode::kDeviceBusy;
    case kCuNotInitialized:
    case 34:  // STUB_LIBRARY
    case kCuNoDevice:
    case 101:  // INVALID_DEVICE
    case 802:  // SYSTEM_NOT_READY
    case 803:  // SYSTEM_DRIVER_MISMATCH
    case 804:  // COMPAT_NOT_SUPPORTED_ON_DEVICE
      return ErrorCode::kUnavailable;
    default:
      return is_sticky(result) ? ErrorCode::kDeviceLost : ErrorCode::kBackend;
  }
}

std::string remedy_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kOutOfMemory:
      return "Use a smaller model, smaller shapes or fewer requests, or end what else uses the GPU's memory.";
    case ErrorCode::kDeviceBusy:
      return "Another process has this GPU for itself (its compute mode is exclusive): end that, or use another GPU.";
    case ErrorCode::kUnavailable:
      return kDriverRemedy;
    case ErrorCode::kDeviceLost:
      return "The GPU works no more in this process: start it again. With `isolate: true` only the model's host "
             "process "
             "has to, and does so by itself.";
    default:
      return "Look at the cause.";
  }
}

}  // namespace

bool is_sticky(CuResult result) {
  switch (result) {
    case 214:  // ECC_UNCORRECTABLE
    case 220:  // NVLINK_UNCORRECTABLE
    case 226:  // CONTAINED
    case 700:  // ILLEGAL_ADDRESS
    case 702:  // LAUNCH_TIMEOUT
    case 709:  // CONTEXT_IS_DESTROYED
    case 710:  // ASSERT
    case 714:  // HARDWARE_STACK_ERROR
    case 715:  // ILLEGAL_INSTRUCTION
    case 716:  // MISALIGNED_ADDRESS
    case 717:  // INVALID_ADDRESS_SPACE
    case 718:  // INVALID_PC
    case 719:  // LAUNCH_FAILED
    case 721:  // TENSOR_MEMORY_LEAK
    case 999:  // UNKNOWN
      return true;
    default:
      return false;
  }
}

std::string CudaApi::words(CuResult result) const {
  const char *name = nullptr, *text = nullptr;
  if (error_name(result, &name) != kCuOk || name == nullptr) return "CUresult " + std::to_string(result);
  if (error_text(result, &text) != kCuOk || text == nullptr) return name;
  return std::string(name) + ": " + text;
}

void CudaApi::fail(CuResult result, const std::string& doing, const std::string& where) const {
  const ErrorCode code = code_of(result);
  const std::string message = code == ErrorCode::kDeviceLost && !where.empty()
                                  ? "The GPU " + where + " was lost: CUDA could not " + doing + "."
                                  : "CUDA could not " + doing + (where.empty() ? "." : " on " + where + ".");
  throw Error(code, message, remedy_of(code), "tensorrt", words(result));
}

CudaApi open_cuda(const std::string& path) {
  Library library(path, "The CUDA driver", kDriverRemedy, "tensorrt");
  guard_exit();
  CudaApi api;
#define EDGE_RESOLVE(member, symbol, parameters) library.resolve(#symbol, api.member);
  EDGE_CUDA_FUNCTIONS(EDGE_RESOLVE)
#undef EDGE_RESOLVE
  library.find("cuGraphInstantiateWithFlags", api.instantiate_with_flags);
  library.find("cuGraphInstantiate_v2", api.instantiate_with_log);
  if (api.instantiate_with_flags == nullptr && api.instantiate_with_log == nullptr) {
    library.resolve("cuGraphInstantiate", api.instantiate_with_log);
  }
  library.check("is not a CUDA driver of version 10.2 or newer.", "Update the NVIDIA driver.");
  int count = 0;
  CuResult result = api.init(0);
  if (result == kCuOk) result = api.device_count(&count);
  if (result == kCuNoDevice || (result == kCuOk && count == 0)) {
    throw Error(ErrorCode::kUnavailable, "The CUDA driver is there, but it sees no GPU.",
                "Check the GPU's power and slot, CUDA_VISIBLE_DEVICES and, in a container, that it was given a GPU; "
                "`nvidia-smi` shows those that the driver has.",
                "tensorrt", api.words(kCuNoDevice));
  }
  if (result != kCuOk) {
    throw Error(ErrorCode::kUnavailable, "The CUDA driver does not start.", kDriverRemedy, "tensorrt",
                api.words(result));
  }
  return api;
}

}  // namespace edge::tensorrt
