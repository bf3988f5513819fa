// One GPU: facts, its primary context, and small owners of what lives in it.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "backends/tensorrt/cuda.h"

namespace edge::tensorrt {

struct GpuFacts {
  int ordinal = 0;
  std::string name;          // the vendor's
  std::string uuid;          // "GPU-8-4-4-4-12 hexadecimal digits", as nvidia-smi writes it
  int driver = 0;            // the newest CUDA that the driver can do: 12040 for 12.4; 0: it does not tell
  std::string pci;           // "0000:01:00.0"; empty where the driver does not tell
  int major = 0, minor = 0;  // compute capability
  bool integrated = false;   // shares the host's memory
  bool can_map = false;      // reads and writes host memory in place
  size_t memory = 0;         // bytes

  // Whether the compute capability is this one or newer.
  bool at_least(int wanted_major, int wanted_minor) const {
    return major != wanted_major ? major > wanted_major : minor >= wanted_minor;
  }
};

// What the driver sees, in its order. Makes no context.
std::vector<GpuFacts> list_gpus(const CudaApi& api);

// Shared by all that lives in its memory. Any thread.
class Gpu {
 public:
  // Retains the primary context, which is never released: it is the process's, and other libraries may use it too.
  Gpu(const CudaApi& api, GpuFacts facts);
  Gpu(const Gpu&) = delete;
  Gpu& operator=(const Gpu&) = delete;

  const CudaApi& api() const { return api_; }
  const GpuFacts& facts() const { return facts_; }
  // Request buffers are mapped into the GPU's address space rather than only pinned.
  bool maps_buffers() const { return facts_.integrated && facts_.can_map; }
  // Outputs may be written into mapped buffers: below 7.2 the CPU would read such memory uncached.
  bool maps_outputs() const { return maps_buffers() && facts_.at_least(7, 2); }

  // Throws unless `result` is OK. A sticky error loses the GPU for this process.
  void check(CuResult result, const char* doing) const;
  // Throws kDeviceLost once it is lost.
  void check_alive() const;

  // Makes the GPU's context the calling thread's while it lives.
  class Current {
   public:
    explicit Current(const Gpu& gpu);
    ~Current();
    Current(const Current&) = delete;
    Current& operator=(const Current&) = delete;

   private:
    const Gpu& gpu_;
  };

 private:
  const CudaApi api_;
  const GpuFacts facts_;
  CuContext* context_ = nullptr;
  mutable std::atomic<CuResult> sticky_{kCuOk};
};

// Owns a handle of the driver. `Free` is the member of CudaApi that frees it. Freed with the GPU's context current.
template <typename T, auto Free>
class Held {
 public:
  Held() = default;
  Held(std::shared_ptr<const Gpu> gpu, T handle) : gpu_(std::move(gpu)), handle_(handle) {}
  ~Held() { reset(); }
  Held(Held&& other) noexcept : gpu_(std::move(other.gpu_)), handle_(std::exchange(other.handle_, T{})) {}
  Held& operator=(Held&& other) noexcept {
    std::swap(gpu_, other.gpu_);
    std::swap(handle_, other.handle_);
    return *this;
  }
  T get() const { return handle_; }
  void reset() noexcept {
    if (handle_ == T{}) return;
    try {
      const Gpu::Current current(*gpu_);
      (gpu_->api().*Free)(handle_);
    } catch (...) {
      // a lost GPU frees nothing any more
    }
    handle_ = T{};
  }

 private:
  std::shared_ptr<const Gpu> gpu_;
  T handle_{};
};

using Stream = Held<CuStream*, &CudaApi::stream_destroy>;
using Event = Held<CuEvent*, &CudaApi::event_destroy>;
using DeviceMemory = Held<CuAddress, &CudaApi::memory_free>;
// Memory of somebody else's that is page-locked meanwhile.
using Registration = Held<void*, &CudaApi::host_unregister>;

// All of these: the GPU's context is current. They throw.
Stream make_stream(const std::shared_ptr<const Gpu>& gpu);
// The waiting thread sleeps, and nothing is timed.
Event make_event(const std::shared_ptr<const Gpu>& gpu);
// Says when the GPU came to it. Nobody waits for it.
Event make_time_mark(const std::shared_ptr<const Gpu>& gpu);
// `size` 0 is valid too.
DeviceMemory make_device_memory(const std::shared_ptr<const Gpu>& gpu, size_t size);
// Empty where the driver does not take this memory: it can be copied from and to all the same, by way of the driver's.
Registration register_memory(const std::shared_ptr<const Gpu>& gpu, void* memory, size_t size);

}  // namespace edge::tensorrt
