// An SDK's shared library, opened at run time, and the functions found in it.
#pragma once

#include <string>

namespace edge {

// Never closed: SDKs leave threads and exit handlers behind. Blocks while the library's constructors run.
class Library {
 public:
  // `what` it is, for messages: "OpenVINO's library". Throws kUnavailable, with the loader's words as the cause.
  Library(std::string path, const std::string& what, const std::string& remedy, std::string backend);

  // A function that may not be there; then null.
  template <typename Function>
  void find(const char* name, Function*& function) const {
    function = reinterpret_cast<Function*>(symbol(name));
  }
  // One that has to be: check() says which were not.
  template <typename Function>
  void resolve(const char* name, Function*& function) {
    find(name, function);
    if (function == nullptr) miss(name);
  }
  void miss(const std::string& name) { missing_ += (missing_.empty() ? "" : ", ") + name; }
  // Throws kUnavailable where something is missing: "The library PATH `message`".
  void check(const std::string& message, const std::string& remedy) const;

 private:
  void* symbol(const char* name) const;

  const std::string path_, backend_;
  void* handle_;
  std::string missing_;
};

}  // namespace edge
