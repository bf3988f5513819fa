#include "backends/tensorrt/gpu.h"

#include <algorithm>

#include "core/error.h"

namespace edge::tensorrt {
namespace {

std::string uuid_text(const CuUuid& uuid) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text = "GPU-";
  for (size_t i = 0; i < sizeof uuid.bytes; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += kDigits[uuid.bytes[i] >> 4];
    text += kDigits[uuid.bytes[i] & 15];
  }
  return text;
}

}  // namespace

std::vector<GpuFacts> list_gpus(const CudaApi& api) {
  int count = 0;
  api.check(api.device_count(&count), "count the GPUs");
  int driver = 0;
  if (api.driver_version(&driver) != kCuOk) driver = 0;
  std::vector<GpuFacts> all;
  for (int ordinal = 0; ordinal < count; ++ordinal) {
    CuDevice device = 0;
    api.check(api.device_get(&device, ordinal), "find a GPU that it has counted");
    GpuFacts facts;
    facts.ordinal = ordinal;
    facts.driver = driver;
    char text[256] = "";
    api.check(api.device_name(text, sizeof text, device), "tell a GPU's name");
    facts.name = text;
    CuUuid uuid{};
    if (api.device_uuid(&uuid, device) == kCuOk) facts.uuid = uuid_text(uuid);
    char pci[32] = "";
    if (api.device_pci(pci, sizeof pci, device) == kCuOk) facts.pci = pci;
    const auto attribute = [&](int which) {
      int value = 0;
      api.check(api.device_attribute(&value, which, device), "tell a GPU's attributes");
      return value;
    };
    facts.major = attribute(kAttributeComputeCapabilityMajor);
    facts.minor = attribute(kAttributeComputeCapabilityMinor);
    facts.integrated = attribute(kAttributeIntegrated) != 0;
    facts.can_map = attribute(kAttributeCanMapHostMemory) != 0;
    api.check(api.device_memory(&facts.memory, device), "tell a GPU's memory");
    all.push_back(std::move(facts));
  }
  return all;
}

Gpu::Gpu(const CudaApi& api, GpuFacts facts) : api_(api), facts_(std::move(facts)) {
  CuDevice device = 0;
  check(api_.device_get(&device, facts_.ordinal), "find the GPU");
  check(api_.retain_context(&context_, device), "make a context");
}

void Gpu::check(CuResult result, const char* doing) const {
  if (result == kCuOk) return;
  if (is_sticky(result)) sticky_ = result;
  api_.fail(result, doing, facts_.name);
}

void Gpu::check_alive() const {
  const CuResult sticky = sticky_;
  if (sticky != kCuOk) api_.fail(sticky, "go on after an earlier error", facts_.name);
}

Gpu::Current::Current(const Gpu& gpu) : gpu_(gpu) {
  gpu_.check(gpu_.api_.push_context(gpu_.context_), "switch to the context");
}

Gpu::Current::~Current() {
  CuContext* popped = nullptr;
  gpu_.api_.pop_context(&popped);
}

Stream make_stream(const std::shared_ptr<const Gpu>& gpu) {
  CuStream* stream = nullptr;
  gpu->check(gpu->api().stream_create(&stream, kStreamNonBlocking), "make a stream");
  return {gpu, stream};
}

static Event make_event_with(const std::shared_ptr<const Gpu>& gpu, unsigned flags) {
  CuEvent* event = nullptr;
  gpu->check(gpu->api().event_create(&event, flags), "make an event");
  return {gpu, event};
}

Event make_event(const std::shared_ptr<const Gpu>& gpu) {
  return make_event_with(gpu, kEventBlockingSync | kEventDisableTiming);
}

Event make_time_mark(const std::shared_ptr<const Gpu>& gpu) { return make_event_with(gpu, 0); }

DeviceMemory make_device_memory(const std::shared_ptr<const Gpu>& gpu, size_t size) {
  CuAddress address = 0;
  gpu->check(gpu->api().memory_allocate(&address, std::max<size_t>(size, 1)), "allocate memory");
  return {gpu, address};
}

Registration register_memory(const std::shared_ptr<const Gpu>& gpu, void* memory, size_t size) {
  if (size == 0) return {};
  const CuResult result = gpu->api().host_register(memory, size, kHostPortable);
  if (is_sticky(result)) gpu->check(result, "lock a buffer's pages");
  return result == kCuOk ? Registration(gpu, memory) : Registration();
}

}  // namespace edge::tensorrt
