// A simulator of libcuda.so.1: the functions of the driver API that edge-infer and the simulated TensorRT call.
// README.md says what it is and is not.
#include "cuda_simulator.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "control.h"
#include "memory.h"
#include "streams.h"

namespace {

using cuda_simulator::Address;
using cuda_simulator::Control;
using cuda_simulator::Event;
using cuda_simulator::GpuEntry;
using cuda_simulator::Graph;
using cuda_simulator::Memory;
using cuda_simulator::Stream;
using cuda_simulator::Streams;

constexpr int kInvalidValue = 1, kOutOfMemory = 2, kNotInitialized = 3, kNoDevice = 100, kInvalidDevice = 101,
              kInvalidContext = 201, kInvalidHandle = 400, kIllegalAddress = 700, kAlreadyRegistered = 712,
              kNotRegistered = 713;

struct Context {
  int device;
};

Memory& memory() {
  static auto* const instance = new Memory;
  return *instance;
}

std::atomic<bool> initialized{false};
thread_local std::vector<Context*> current;

// The driver tears itself down in a static destructor; whoever calls it then, or waits in it, is told.
struct Teardown {
  ~Teardown() {
    if (initialized) Streams::instance().deinitialize();
  }
} teardown;

// What every function begins with. `context`: it needs a current one. Those that no recording allows, ENTER_UNRECORDED.
int enter(const char* function, bool context) {
  if (!initialized) return kNotInitialized;
  if (const int fault = cuda_simulator::fault_of(function)) return fault;
  if (!context) return 0;
  if (current.empty()) return kInvalidContext;
  return Streams::instance().sticky();
}

const GpuEntry* gpu_of(const Control& control, int device) {
  const auto index = static_cast<size_t>(device);
  return device < 0 || index >= control.gpus.size() ? nullptr : &control.gpus[index];
}

struct Word {
  int code;
  const char *name, *text;
};
constexpr Word kWords[] = {{0, "CUDA_SUCCESS", "no error"},
                           {1, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
                           {2, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
                           {3, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
                           {4, "CUDA_ERROR_DEINITIALIZED", "driver shutting down"},
                           {46, "CUDA_ERROR_DEVICE_UNAVAILABLE", "CUDA-capable device(s) is/are busy or unavailable"},
                           {100, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
                           {101, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
                           {201, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
                           {400, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
                           {700, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
                           {719, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
                           {803, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH", "system has unsupported display driver"},
                           {999, "CUDA_ERROR_UNKNOWN", "unknown error"}};

int word_of(int code, const char** text, bool name) {
  *text = nullptr;
  for (const Word& word : kWords) {
    if (word.code != code) continue;
    *text = name ? word.name : word.text;
    return 0;
  }
  return kInvalidValue;
}

void put_text(const std::string& text, char* to, int size) {
  std::snprintf(to, static_cast<size_t>(size), "%s", text.c_str());
}

}  // namespace

#define EXPORT extern "C" __attribute__((visibility("default")))
#define ENTER(needs_context)                                                \
  do {                                                                      \
    if (const int entered = enter(__func__, needs_context)) return entered; \
  } while (false)
#define ENTER_UNRECORDED()                                                           \
  do {                                                                               \
    ENTER(true);                                                                     \
    if (const int recording = Streams::instance().spoil_capture()) return recording; \
  } while (false)

EXPORT int cuInit(unsigned) {
  const Control control = Control::current();
  if (control.init_error != 0) return control.init_error;
  if (control.gpus.empty()) return kNoDevice;
  Streams::instance();
  initialized = true;
  return 0;
}

EXPORT int cuDriverGetVersion(int* version) {
  *version = Control::current().driver;
  return 0;
}
EXPORT int cuGetErrorName(int code, const char** text) { return word_of(code, text, true); }
EXPORT int cuGetErrorString(int code, const char** text) { return word_of(code, text, false); }

EXPORT int cuDeviceGetCount(int* count) {
  ENTER(false);
  *count = static_cast<int>(Control::current().gpus.size());
  return 0;
}

EXPORT int cuDeviceGet(int* device, int ordinal) {
  ENTER(false);
  if (gpu_of(Control::current(), ordinal) == nullptr) return kInvalidDevice;
  *device = ordinal;
  return 0;
}

EXPORT int cuDeviceGetName(char* text, int size, int device) {
  ENTER(false);
  const Control control = Control::current();
  const GpuEntry* gpu = gpu_of(control, device);
  if (gpu == nullptr) return kInvalidDevice;
  put_text(gpu->name, text, size);
  return 0;
}

EXPORT int cuDeviceGetUuid(unsigned char* uuid, int device) {
  ENTER(false);
  const Control control = Control::current();
  const GpuEntry* gpu = gpu_of(control, device);
  if (gpu == nullptr) return kInvalidDevice;
  for (unsigned i = 0; i < 16; ++i) uuid[i] = static_cast<unsigned char>(i * 17);
  uuid[15] = static_cast<unsigned char>(gpu->number);
  return 0;
}

EXPORT int cuDeviceGetPCIBusId(char* text, int size, int device) {
  ENTER(false);
  const Control control = Control::current();
  const GpuEntry* gpu = gpu_of(control, device);
  if (gpu == nullptr) return kInvalidDevice;
  put_text("0000:0" + std::to_string(gpu->number + 1) + ":00.0", text, size);
  return 0;
}

EXPORT int cuDeviceGetAttribute(int* value, int attribute, int device) {
  ENTER(false);
  const Control control = Control::current();
  const GpuEntry* gpu = gpu_of(control, device);
  if (gpu == nullptr) return kInvalidDevice;
  switch (attribute) {
    case 18:
      *value = gpu->integrated;
      return 0;
    case 19:
      *value = gpu->map;
      return 0;
    case 75:
      *value = gpu->major;
      return 0;
    case 76:
      *value = gpu->minor;
      return 0;
    default:
      return kInvalidValue;
  }
}

EXPORT int cuDeviceTotalMem_v2(size_t* bytes, int device) {
  ENTER(false);
  const Control control = Control::current();
  const GpuEntry* gpu = gpu_of(control, device);
  if (gpu == nullptr) return kInvalidDevice;
  *bytes = gpu->memory;
  return 0;
}

EXPORT int cuDevicePrimaryCtxRetain(Context** context, int device) {
  ENTER(false);
  static std::mutex mutex;
  static auto* const contexts = new std::vector<Context*>;
  if (gpu_of(Control::current(), device) == nullptr) return kInvalidDevice;
  const std::lock_guard<std::mutex> lock(mutex);
  while (contexts->size() <= static_cast<size_t>(device)) {
    contexts->push_back(new Context{static_cast<int>(contexts->size())});
  }
  *context = (*contexts)[static_cast<size_t>(device)];
  return 0;
}

EXPORT int cuCtxPushCurrent_v2(Context* context) {
  ENTER(false);
  if (context == nullptr) return kInvalidContext;
  current.push_back(context);
  return 0;
}

EXPORT int cuCtxPopCurrent_v2(Context** context) {
  ENTER(false);
  if (current.empty()) return kInvalidContext;
  *context = current.back();
  current.pop_back();
  return 0;
}

EXPORT int cuCtxGetCurrent(Context** context) {
  ENTER(false);
  *context = current.empty() ? nullptr : current.back();
  return 0;
}

EXPORT int cuMemAlloc_v2(Address* address, size_t size) {
  ENTER_UNRECORDED();
  if (size == 0) return kInvalidValue;
  const Control control = Control::current();
  const GpuEntry* gpu = gpu_of(control, current.back()->device);
  *address = memory().allocate(size, gpu == nullptr ? 0 : gpu->memory);
  return *address == 0 ? kOutOfMemory : 0;
}

EXPORT int cuMemFree_v2(Address address) {
  ENTER_UNRECORDED();
  return memory().free(address) ? 0 : kInvalidValue;
}

EXPORT int cuMemHostAlloc(void** data, size_t size, unsigned flags) {
  ENTER_UNRECORDED();
  if (size == 0) return kInvalidValue;
  *data = memory().allocate_host(size, (flags & 2) != 0);
  return *data == nullptr ? kOutOfMemory : 0;
}

EXPORT int cuMemFreeHost(void* data) {
  ENTER(true);
  return memory().free_host(data) ? 0 : kInvalidValue;
}

EXPORT int cuMemHostGetDevicePointer_v2(Address* address, void* data, unsigned flags) {
  ENTER(true);
  *address = flags == 0 ? memory().address_of(data) : 0;
  return *address == 0 ? kInvalidValue : 0;
}

EXPORT int cuMemHostRegister_v2(void* data, size_t size, unsigned) {
  ENTER(true);
  if (data == nullptr || size == 0) return kInvalidValue;
  return memory().register_host(data, size) ? 0 : kAlreadyRegistered;
}

EXPORT int cuMemHostUnregister(void* data) {
  ENTER(true);
  return memory().unregister_host(data) ? 0 : kNotRegistered;
}

// From page-locked memory the GPU reads when its turn comes; other memory is staged now, as the driver does.
EXPORT int cuMemcpyHtoDAsync_v2(Address to, const void* from, size_t size, Stream* stream) {
  ENTER(true);
  if (from == nullptr || memory().resolve(to, size) == nullptr) return kInvalidValue;
  if (memory().is_pinned(from, size)) {
    const auto copy = [to, from, size] {
      void* const target = memory().resolve(to, size);
      if (target == nullptr || !memory().is_pinned(from, size)) return kIllegalAddress;
      std::memcpy(target, from, size);
      return 0;
    };
    return Streams::instance().add(stream, copy, std::chrono::microseconds(0));
  }
  if (const int recording = Streams::instance().spoil_capture()) return recording;
  const auto* bytes = static_cast<const uint8_t*>(from);
  const auto copy = [to, staged = std::vector<uint8_t>(bytes, bytes + size)] {
    void* const target = memory().resolve(to, staged.size());
    if (target == nullptr) return kIllegalAddress;
    std::memcpy(target, staged.data(), staged.size());
    return 0;
  };
  return Streams::instance().add(stream, copy, std::chrono::microseconds(0));
}

// Into memory that is not page-locked it is there when the call returns.
EXPORT int cuMemcpyDtoHAsync_v2(void* to, Address from, size_t size, Stream* stream) {
  ENTER(true);
  if (to == nullptr || memory().resolve(from, size) == nullptr) return kInvalidValue;
  const bool pinned = memory().is_pinned(to, size);
  if (!pinned) {
    if (const int recording = Streams::instance().spoil_capture()) return recording;
  }
  const auto copy = [to, from, size, pinned] {
    const void* const source = memory().resolve(from, size);
    if (source == nullptr || (pinned && !memory().is_pinned(to, size))) return kIllegalAddress;
    std::memcpy(to, source, size);
    return 0;
  };
  const int result = Streams::instance().add(stream, copy, std::chrono::microseconds(0));
  return result != 0 || pinned ? result : Streams::instance().wait(stream);
}

EXPORT int cuStreamCreate(Stream** stream, unsigned) {
  ENTER(true);
  *stream = Streams::instance().create_stream();
  return 0;
}

EXPORT int cuStreamSynchronize(Stream* stream) {
  ENTER_UNRECORDED();
  return Streams::instance().wait(stream);
}

EXPORT int cuStreamDestroy_v2(Stream* stream) {
  ENTER(true);
  return Streams::instance().destroy_stream(stream) ? 0 : kInvalidHandle;
}

EXPORT int cuStreamBeginCapture_v2(Stream* stream, int mode) {
  ENTER(true);
  return mode == 1 ? Streams::instance().begin_capture(stream) : kInvalidValue;  // thread-local: the only one here
}

EXPORT int cuStreamEndCapture(Stream* stream, Graph** graph) {
  // It ends, also where it fails.
  const int ended = Streams::instance().end_capture(stream, graph);
  const int entered = enter(__func__, true);
  if (entered != 0 && ended == 0) {
    Streams::instance().destroy(*graph);
    *graph = nullptr;
  }
  return entered != 0 ? entered : ended;
}

EXPORT int cuGraphInstantiateWithFlags(Graph** executable, Graph* graph, unsigned long long flags) {
  ENTER(true);
  const Graph* const found = Streams::instance().find(graph);
  if (found == nullptr || flags != 0) return kInvalidValue;
  *executable = Streams::instance().keep(*found);
  return 0;
}

EXPORT int cuGraphLaunch(Graph* executable, Stream* stream) {
  ENTER(true);
  const Graph* const found = Streams::instance().find(executable);
  return found == nullptr ? kInvalidHandle : Streams::instance().launch(*found, stream);
}

EXPORT int cuGraphDestroy(Graph* graph) {
  ENTER(true);
  return Streams::instance().destroy(graph) ? 0 : kInvalidHandle;
}

EXPORT int cuGraphExecDestroy(Graph* executable) {
  ENTER(true);
  return Streams::instance().destroy(executable) ? 0 : kInvalidHandle;
}

EXPORT int cuEventCreate(Event** event, unsigned flags) {
  ENTER(true);
  *event = Streams::instance().create_event(flags);
  return 0;
}

EXPORT int cuEventRecord(Event* event, Stream* stream) {
  ENTER(true);
  return Streams::instance().record(event, stream);
}

EXPORT int cuEventSynchronize(Event* event) {
  ENTER_UNRECORDED();
  return Streams::instance().wait(event);
}

EXPORT int cuEventElapsedTime(float* ms, Event* begin, Event* end) {
  ENTER(true);
  return Streams::instance().elapsed(begin, end, ms);
}

EXPORT int cuEventDestroy_v2(Event* event) {
  ENTER(true);
  return Streams::instance().destroy_event(event) ? 0 : kInvalidHandle;
}

EXPORT int cuda_simulator_launch(void* stream, int (*run)(void*), void (*destroy)(void*), void* argument,
                                 uint64_t duration_us) {
  const std::shared_ptr<void> owner(argument, destroy);
  if (const int entered = enter("launch", true)) return entered;
  const auto work = [run, owner] {
    const int fault = cuda_simulator::fault_of("kernel");
    const int result = run(owner.get());
    return fault != 0 ? fault : result;
  };
  return Streams::instance().add(static_cast<Stream*>(stream), work, std::chrono::microseconds(duration_us));
}

EXPORT void* cuda_simulator_resolve(uint64_t address, size_t size) { return memory().resolve(address, size); }

EXPORT size_t cuda_simulator_live(const char* what) {
  const std::string name = what;
  if (name == "device") return memory().device_blocks();
  if (name == "host") return memory().host_blocks();
  if (name == "streams") return Streams::instance().streams();
  if (name == "events") return Streams::instance().events();
  if (name == "graphs") return Streams::instance().graphs();
  return SIZE_MAX;
}
