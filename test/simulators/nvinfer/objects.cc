#include "objects.h"

#include <cstdio>

extern "C" int cuCtxGetCurrent(void** context);

namespace nvinfer_simulator {
namespace {

void* logger = nullptr;

}  // namespace

void need_context() {
  void* context = nullptr;
  if (cuCtxGetCurrent(&context) == 0 && context != nullptr) return;
  std::fputs("nvinfer simulator: no CUDA context; the real library crashes here\n", stderr);
  std::abort();
}

bool accept_logger(void* given, int32_t version) {
  logger = given;
  if (version == kVersion) return true;
  error("The loaded library does not have the version of its caller");
  return false;
}

void call_log(int severity, const std::string& text) {
  static const int slot = slot_of("ILogger", "log(ILogger::Severity, char const*)");
  void** const table = *static_cast<void***>(logger);
  reinterpret_cast<void (*)(void*, int, const char*)>(table[slot])(logger, severity, text.c_str());
}

}  // namespace nvinfer_simulator
