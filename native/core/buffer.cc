#include "core/buffer.h"

#include <cstdlib>
#include <cstring>

#include "core/error.h"

namespace edge {
namespace {

constexpr size_t kAlignment = 64;  // a cache line, and what OpenVINO and TFLite ask for

std::atomic<size_t> total_bytes{0};

using Account = std::atomic<size_t>;

class HostBuffer final : public Buffer {
 public:
  HostBuffer(void* data, size_t size, size_t allocated, std::shared_ptr<Account> account)
      : Buffer(Kind::kHost, data, size), allocated_(allocated), account_(std::move(account)) {
    account_->fetch_add(allocated_, std::memory_order_relaxed);
    total_bytes.fetch_add(allocated_, std::memory_order_relaxed);
  }
  ~HostBuffer() override {
    account_->fetch_sub(allocated_, std::memory_order_relaxed);
    total_bytes.fetch_sub(allocated_, std::memory_order_relaxed);
    std::free(data());
  }

 private:
  size_t allocated_;
  std::shared_ptr<Account> account_;
};

class HostAllocator final : public Allocator {
 public:
  std::shared_ptr<Buffer> allocate(size_t size) override {
    void* data = nullptr;
    if (size <= SIZE_MAX - kAlignment - Buffer::kReadableBeyond) {
      const size_t allocated = (size + kAlignment - 1) / kAlignment * kAlignment + (size == 0 ? kAlignment : 0);
      if (posix_memalign(&data, kAlignment, allocated + Buffer::kReadableBeyond) == 0) {
        // JavaScript sees this memory: never hand out what was in it before.
        std::memset(data, 0, allocated + Buffer::kReadableBeyond);
        return std::make_shared<HostBuffer>(data, size, allocated, account_);
      }
    }
    throw Error(ErrorCode::kOutOfMemory, "No memory for a buffer of " + std::to_string(size) + " bytes.",
                "Use smaller shapes or fewer requests, or give the process more memory.");
  }
  size_t bytes_held() const override { return account_->load(std::memory_order_relaxed); }

 private:
  std::shared_ptr<Account> account_ = std::make_shared<Account>(0);
};

}  // namespace

const char* buffer_kind_name(Buffer::Kind kind) {
  switch (kind) {
    case Buffer::Kind::kPinned:
      return "pinned";
    case Buffer::Kind::kMapped:
      return "mapped";
    case Buffer::Kind::kShared:
      return "shared";
    case Buffer::Kind::kHost:
      break;
  }
  return "host";
}

std::shared_ptr<Allocator> make_host_allocator() { return std::make_shared<HostAllocator>(); }

size_t host_bytes_held() { return total_bytes.load(std::memory_order_relaxed); }

}  // namespace edge
