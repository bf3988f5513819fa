// The one exception that leaves native code: a stable code, words for a person, and what to do.
#pragma once

#include <exception>
#include <memory>
#include <string>
#include <utility>

namespace edge {

enum class ErrorCode {
  kUnavailable,
  kModelNotFound,
  kInvalidModel,
  kInvalidTensor,
  kInvalidArgument,
  kUnsupported,
  kPermission,
  kDeviceBusy,
  kDeviceLost,
  kOutOfMemory,
  kTimeout,
  kQueueFull,
  kBusy,
  kDisposed,
  kBackend,
  kAborted,  // a run that was cancelled; the caller who asked for it has had its answer
};

// The code as JavaScript sees it, such as "ERR_TIMEOUT".
const char* error_code_name(ErrorCode code);

class Error : public std::exception {
 public:
  // `cause` holds the SDK's own words, `backend` its name; both may be empty.
  Error(ErrorCode code, std::string message, std::string remedy = {}, std::string backend = {}, std::string cause = {});

  const char* what() const noexcept override { return fields_->message.c_str(); }
  ErrorCode code() const noexcept { return fields_->code; }
  const std::string& message() const noexcept { return fields_->message; }
  const std::string& remedy() const noexcept { return fields_->remedy; }
  const std::string& backend() const noexcept { return fields_->backend; }
  const std::string& cause() const noexcept { return fields_->cause; }

 private:
  struct Fields {
    ErrorCode code;
    std::string message, remedy, backend, cause;
  };
  // Shared, because copying an exception must not throw.
  std::shared_ptr<const Fields> fields_;
};

// The exception being handled as an Error, whatever it was. Call inside a catch block.
Error current_error(const char* backend = "");

}  // namespace edge
