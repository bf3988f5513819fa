#include "backends/tensorrt/memory.h"

#include <atomic>
#include <cstring>
#include <string>
#include <utility>

#include "core/error.h"
#include "core/reaper.h"

namespace edge::tensorrt {
namespace {

constexpr size_t kAlignment = 64;

using Account = std::atomic<size_t>;
using PinnedMemory = Held<void*, &CudaApi::host_free>;

class PinnedBuffer final : public Buffer {
 public:
  PinnedBuffer(Kind kind, PinnedMemory memory, size_t size, CuAddress address, size_t allocated,
               std::shared_ptr<Account> account)
      : Buffer(kind, memory.get(), size, reinterpret_cast<void*>(static_cast<uintptr_t>(address))),
        memory_(std::make_shared<PinnedMemory>(std::move(memory))),
        allocated_(allocated),
        account_(std::move(account)) {
    account_->fetch_add(allocated_, std::memory_order_relaxed);
  }
  ~PinnedBuffer() override {
    account_->fetch_sub(allocated_, std::memory_order_relaxed);
    let_go(std::move(memory_));
  }

 private:
  std::shared_ptr<PinnedMemory> memory_;
  const size_t allocated_;
  const std::shared_ptr<Account> account_;
};

class PinnedAllocator final : public Allocator {
 public:
  explicit PinnedAllocator(std::shared_ptr<const Gpu> gpu) : gpu_(std::move(gpu)) { start_reaper(); }

  std::shared_ptr<Buffer> allocate(size_t size) override {
    if (size > SIZE_MAX - kAlignment) {
      throw Error(ErrorCode::kOutOfMemory, "No memory for a buffer of " + std::to_string(size) + " bytes.",
                  "Use smaller shapes.", "tensorrt");
    }
    const size_t allocated = (size + kAlignment - 1) / kAlignment * kAlignment + (size == 0 ? kAlignment : 0);
    const Gpu::Current current(*gpu_);
    const bool mapped = gpu_->maps_buffers();
    void* data = nullptr;
    const unsigned flags = kHostPortable | (mapped ? kHostDeviceMap : 0);
    gpu_->check(gpu_->api().host_allocate(&data, allocated, flags), "allocate page-locked memory");
    PinnedMemory memory(gpu_, data);
    CuAddress address = 0;
    if (mapped) gpu_->check(gpu_->api().host_address(&address, data, 0), "map a buffer");
    std::memset(data, 0, allocated);  // JavaScript sees this memory
    return std::make_shared<PinnedBuffer>(buffer_kind(*gpu_), std::move(memory), size, address, allocated, account_);
  }
  size_t bytes_held() const override { return account_->load(std::memory_order_relaxed); }

 private:
  const std::shared_ptr<const Gpu> gpu_;
  const std::shared_ptr<Account> account_ = std::make_shared<Account>(0);
};

}  // namespace

Buffer::Kind buffer_kind(const Gpu& gpu) { return gpu.maps_buffers() ? Buffer::Kind::kMapped : Buffer::Kind::kPinned; }

std::shared_ptr<Allocator> make_pinned_allocator(std::shared_ptr<const Gpu> gpu) {
  return std::make_shared<PinnedAllocator>(std::move(gpu));
}

}  // namespace edge::tensorrt
