#include "memory.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <new>

namespace cuda_simulator {
namespace {

constexpr size_t kPage = 4096;
size_t pages(size_t size) { return (size + kPage - 1) / kPage * kPage; }

}  // namespace

// Addresses that nobody may touch, and a page more behind them: a CPU that takes them for its own crashes.
Address Memory::reserve(size_t size, size_t& reserved) {
  reserved = pages(size) + kPage;
  void* const place = mmap(nullptr, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return place == MAP_FAILED ? 0 : reinterpret_cast<Address>(place);
}

Address Memory::allocate(size_t size, size_t limit) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (size > limit || used_ > limit - size) return 0;
  Block block;
  block.size = size;
  block.storage.reset(new (std::nothrow) uint8_t[size]);
  if (!block.storage) return 0;
  std::memset(block.storage.get(), 0xA5, size);  // what was in it before is nobody's business
  block.data = block.storage.get();
  const Address address = reserve(size, block.reserved);
  if (address == 0) return 0;
  used_ += size;
  ++device_count_;
  device_.emplace(address, std::move(block));
  return address;
}

bool Memory::free(Address address) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = device_.find(address);
  if (found == device_.end() || !found->second.storage) return false;
  munmap(reinterpret_cast<void*>(address), found->second.reserved);
  used_ -= found->second.size;
  --device_count_;
  device_.erase(found);
  return true;
}

void* Memory::allocate_host(size_t size, bool mapped) {
  void* memory = nullptr;
  if (posix_memalign(&memory, kPage, pages(size)) != 0) return nullptr;
  std::memset(memory, 0x5A, size);
  const std::lock_guard<std::mutex> lock(mutex_);
  HostBlock host;
  host.size = size;
  if (mapped) {
    Block block;
    block.size = size;
    block.data = memory;
    host.address = reserve(size, block.reserved);
    device_.emplace(host.address, std::move(block));
  }
  host_.emplace(reinterpret_cast<uintptr_t>(memory), host);
  return memory;
}

bool Memory::free_host(void* memory) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = host_.find(reinterpret_cast<uintptr_t>(memory));
    if (found == host_.end() || found->second.registered) return false;
    const auto mapped = device_.find(found->second.address);
    if (mapped != device_.end()) {
      munmap(reinterpret_cast<void*>(mapped->first), mapped->second.reserved);
      device_.erase(mapped);
    }
    host_.erase(found);
  }
  std::free(memory);
  return true;
}

bool Memory::register_host(void* memory, size_t size) {
  const std::lock_guard<std::mutex> lock(mutex_);
  // Whole pages, as the driver: two small buffers in one page cannot both be locked.
  const uintptr_t begin = reinterpret_cast<uintptr_t>(memory) / kPage * kPage;
  const uintptr_t end = pages(reinterpret_cast<uintptr_t>(memory) + size);
  for (const auto& [start, block] : host_) {
    if (start / kPage * kPage < end && begin < pages(start + block.size)) return false;
  }
  HostBlock block;
  block.size = size;
  block.registered = true;
  host_.emplace(reinterpret_cast<uintptr_t>(memory), block);
  return true;
}

bool Memory::unregister_host(void* memory) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = host_.find(reinterpret_cast<uintptr_t>(memory));
  if (found == host_.end() || !found->second.registered) return false;
  host_.erase(found);
  return true;
}

Address Memory::address_of(void* memory) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = host_.find(reinterpret_cast<uintptr_t>(memory));
  return found == host_.end() ? 0 : found->second.address;
}

bool Memory::is_pinned(const void* memory, size_t size) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto place = reinterpret_cast<uintptr_t>(memory);
  auto found = host_.upper_bound(place);
  if (found == host_.begin()) return false;
  --found;
  return place + size <= found->first + found->second.size;
}

void* Memory::resolve(Address address, size_t size) {
  const std::lock_guard<std::mutex> lock(mutex_);
  auto found = device_.upper_bound(address);
  if (found == device_.begin()) return nullptr;
  --found;
  const size_t offset = address - found->first;
  const Block& block = found->second;
  if (offset > block.size || size > block.size - offset) return nullptr;
  return static_cast<uint8_t*>(block.data) + offset;
}

size_t Memory::device_blocks() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return device_count_;
}

size_t Memory::host_blocks() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return host_.size();
}

}  // namespace cuda_simulator
