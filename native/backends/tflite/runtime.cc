#include "backends/tflite/runtime.h"

#include <cstdio>
#include <utility>

namespace edge::tflite {

bool Runtime::at_least(int major, int minor) const {
  int own_major = 0, own_minor = 0;
  if (std::sscanf(version.c_str(), "%d.%d", &own_major, &own_minor) != 2) return true;  // a build without a number
  return own_major != major ? own_major > major : own_minor >= minor;
}

void Words::report(void* self, const char* format, va_list arguments) noexcept {
  char line[1024];
  std::vsnprintf(line, sizeof line, format, arguments);
  auto* words = static_cast<Words*>(self);
  try {
    std::lock_guard<std::mutex> lock(words->mutex_);
    constexpr size_t kEnough = 8192;  // a broken model may complain at every node
    if (words->text_.size() > kEnough) return;
    if (!words->text_.empty()) words->text_ += '\n';
    words->text_ += line;
  } catch (...) {
    // no memory for words: the status tells enough
  }
}

std::string Words::take() {
  std::lock_guard<std::mutex> lock(mutex_);
  std::string text = std::move(text_);
  text_.clear();
  text.erase(text.find_last_not_of(" \n\t") + 1);
  return text;
}

}  // namespace edge::tflite
