#include "core/error.h"

#include <new>
#include <system_error>

namespace edge {

const char* error_code_name(ErrorCode code) {
  switch (code) {
    case ErrorCode::kUnavailable:
      return "ERR_UNAVAILABLE";
    case ErrorCode::kModelNotFound:
      return "ERR_MODEL_NOT_FOUND";
    case ErrorCode::kInvalidModel:
      return "ERR_INVALID_MODEL";
    case ErrorCode::kInvalidTensor:
      return "ERR_INVALID_TENSOR";
    case ErrorCode::kInvalidArgument:
      return "ERR_INVALID_ARGUMENT";
    case ErrorCode::kUnsupported:
      return "ERR_UNSUPPORTED";
    case ErrorCode::kPermission:
      return "ERR_PERMISSION";
    case ErrorCode::kDeviceBusy:
      return "ERR_DEVICE_BUSY";
    case ErrorCode::kDeviceLost:
      return "ERR_DEVICE_LOST";
    case ErrorCode::kOutOfMemory:
      return "ERR_OUT_OF_MEMORY";
    case ErrorCode::kTimeout:
      return "ERR_TIMEOUT";
    case ErrorCode::kQueueFull:
      return "ERR_QUEUE_FULL";
    case ErrorCode::kBusy:
      return "ERR_BUSY";
    case ErrorCode::kDisposed:
      return "ERR_DISPOSED";
    case ErrorCode::kAborted:
      return "ERR_ABORTED";
    case ErrorCode::kBackend:
      break;
  }
  return "ERR_BACKEND";
}

Error::Error(ErrorCode code, std::string message, std::string remedy, std::string backend, std::string cause)
    : fields_(std::make_shared<const Fields>(
          Fields{code, std::move(message), std::move(remedy), std::move(backend), std::move(cause)})) {}

namespace {

Error unexpected(const char* backend, const char* cause) {
  return Error(ErrorCode::kBackend, "The backend failed unexpectedly.",
               "Look at the cause; `edge-infer doctor --report FILE` collects what a bug report needs.", backend,
               cause);
}

}  // namespace

Error current_error(const char* backend) {
  try {
    throw;
  } catch (const Error& error) {
    return error;
  } catch (const std::bad_alloc&) {
    return Error(ErrorCode::kOutOfMemory, "Not enough memory for this model or request.",
                 "Use a smaller model, fewer requests in flight, or a device with more memory.", backend);
  } catch (const std::system_error& error) {
    // What std::thread throws.
    if (error.code() == std::errc::resource_unavailable_try_again || error.code() == std::errc::not_enough_memory) {
      return Error(ErrorCode::kOutOfMemory, "The system gives no thread or no memory for one.",
                   "Raise the limits of this user or container (ulimit -u, ulimit -v, pids.max), or free memory.",
                   backend, error.what());
    }
    return unexpected(backend, error.what());
  } catch (const std::exception& error) {
    return unexpected(backend, error.what());
  } catch (...) {
    return unexpected(backend, "something that is no exception of C++");
  }
}

}  // namespace edge
