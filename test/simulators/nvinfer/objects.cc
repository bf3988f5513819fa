#include "objects.h"

#include <cstdio>

extern "C" int cuCtxGetCurrent(void** context);
extern "C" int cuDriverGetVersion(int* version);

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

bool start_cuda(const char* caller) {
  constexpr int kCuda = 12000;
  int driver = 0;
  if (cuDriverGetVersion(&driver) == 0 && driver >= kCuda) return true;
  const std::string text = "CUDA initialization failure with error: 35";  // cudaErrorInsufficientDriver
  if (kMajor < 10)
    call_log(2, text);
  else
    error(std::string(caller) + ": Error Code 6: API Usage Error (" + text + ")");
  return false;
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
