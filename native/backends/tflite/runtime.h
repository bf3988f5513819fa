// One opened TFLite: its functions, and the words in which it complains.
#pragma once

#include <cstdarg>
#include <mutex>
#include <string>

#include "backends/tflite/api.h"

namespace edge::tflite {

struct Runtime {
  Api api;
  std::string library;  // its path
  std::string version;  // "2.21.0"

  // By release: at_least(2, 12).
  bool at_least(int major, int minor) const;
};

// What TFLite reported since the last take(); it does so on the thread that called it, or on its own.
class Words {
 public:
  // An ErrorReporter; `self` is a Words.
  static void report(void* self, const char* format, va_list arguments) noexcept;
  std::string take();

 private:
  std::mutex mutex_;
  std::string text_;
};

}  // namespace edge::tflite
