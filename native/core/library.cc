#include "core/library.h"

#include <dlfcn.h>

#include <utility>

#include "core/error.h"

namespace edge {

// RTLD_LOCAL: the symbols of another build of the same SDK in this process must not mix with these.
Library::Library(std::string path, const std::string& what, const std::string& remedy, std::string backend)
    : path_(std::move(path)), backend_(std::move(backend)), handle_(dlopen(path_.c_str(), RTLD_NOW | RTLD_LOCAL)) {
  if (handle_ != nullptr) return;
  const char* reason = dlerror();
  throw Error(ErrorCode::kUnavailable, what + ' ' + path_ + " cannot be opened.", remedy, backend_,
              reason != nullptr ? reason : "");
}

void* Library::symbol(const char* name) const { return dlsym(handle_, name); }

void Library::check(const std::string& message, const std::string& remedy) const {
  if (missing_.empty()) return;
  throw Error(ErrorCode::kUnavailable, "The library " + path_ + ' ' + message, remedy, backend_,
              "missing: " + missing_);
}

}  // namespace edge
