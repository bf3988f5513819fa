#include "host/shared_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <string>

namespace edge::host {
namespace {

constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

// The first number in a file after a word; `otherwise` where there is none.
uint64_t number_in(const char* file, const std::string& word, uint64_t otherwise) {
  std::ifstream from(file);
  std::string text;
  while (!word.empty() && from >> text && text != word) {
  }
  uint64_t value = 0;
  return from >> value ? value : otherwise;
}

// Bytes that can still be had, of this machine and of this container. The kernel would hand out shared memory beyond
// that, and then end processes for it.
uint64_t available_memory() {
  const uint64_t machine = number_in("/proc/meminfo", "MemAvailable:", UINT64_MAX >> 10) << 10;
  const uint64_t limit = number_in("/sys/fs/cgroup/memory.max", "", UINT64_MAX);  // "max" is no number
  const uint64_t used = number_in("/sys/fs/cgroup/memory.current", "", 0);
  return std::min(machine, limit > used ? limit - used : 0);
}

class SharedAllocator final : public Allocator {
 public:
  std::shared_ptr<Buffer> allocate(size_t size) override {
    static std::atomic<uint64_t> next{1};
    FileDescriptor memory = make_memory(mapped_size(size));
    auto mapping = std::make_unique<Mapping>(memory, mapped_size(size));
    if (mapping->data() == nullptr) {
      throw Error(ErrorCode::kOutOfMemory, "No address space for a buffer of " + std::to_string(size) + " bytes.",
                  "Use smaller shapes or fewer requests, or give the process more memory.");
    }
    return std::make_shared<SharedBuffer>(std::move(memory), std::move(mapping), size, next++, account_);
  }
  size_t bytes_held() const override { return account_->load(std::memory_order_relaxed); }

 private:
  const std::shared_ptr<std::atomic<size_t>> account_ = std::make_shared<std::atomic<size_t>>(0);
};

}  // namespace

Mapping::Mapping(const FileDescriptor& memory, size_t size) : size_(size) {
  struct stat facts{};
  // Memory that the other side could shrink would end this process with SIGBUS.
  const int seals = fcntl(memory.get(), F_GET_SEALS);
  if (seals < 0 || (seals & F_SEAL_SHRINK) == 0) return;
  if (fstat(memory.get(), &facts) != 0 || static_cast<uint64_t>(facts.st_size) < size) return;
  void* address = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, memory.get(), 0);
  if (address != MAP_FAILED) data_ = address;
}

Mapping::~Mapping() {
  if (data_ != nullptr) munmap(data_, size_);
}

FileDescriptor make_memory(size_t size) {
  FileDescriptor memory(memfd_create("edge-infer", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  constexpr size_t kLarge = size_t{16} << 20;
  int error = memory ? 0 : errno;
  if (error == 0 && size > kLarge && size > available_memory()) {
    error = ENOMEM;
  }
  // Taken here, so that a machine without memory says so now and not by a signal at the first touch.
  if (error == 0) error = posix_fallocate(memory.get(), 0, static_cast<off_t>(size));
  if (error == 0 && fcntl(memory.get(), F_ADD_SEALS, kSeals) != 0) error = errno;
  if (error != 0) {
    throw Error(
        ErrorCode::kOutOfMemory,
        "No shared memory of " + std::to_string(size) + " bytes: " + std::strerror(error) + ".",
        "Use smaller shapes or fewer requests, give the process more memory, or raise its limit of open files.");
  }
  return memory;
}

FileDescriptor memory_with(Bytes bytes) {
  FileDescriptor memory = make_memory(mapped_size(bytes.size));
  const Mapping mapping(memory, mapped_size(bytes.size));
  if (mapping.data() == nullptr) {
    throw Error(ErrorCode::kOutOfMemory, "No address space for " + std::to_string(bytes.size) + " bytes.",
                "Give the process more memory.");
  }
  if (bytes.size > 0) std::memcpy(mapping.data(), bytes.data, bytes.size);
  return memory;
}

SharedBuffer::SharedBuffer(FileDescriptor memory, std::unique_ptr<Mapping> mapping, size_t size, uint64_t number,
                           std::shared_ptr<std::atomic<size_t>> account)
    : Buffer(Kind::kShared, mapping->data(), size),
      memory_(std::move(memory)),
      mapping_(std::move(mapping)),
      number_(number),
      account_(std::move(account)) {
  account_->fetch_add(this->size(), std::memory_order_relaxed);
}

SharedBuffer::~SharedBuffer() { account_->fetch_sub(size(), std::memory_order_relaxed); }

std::shared_ptr<Allocator> make_shared_allocator() { return std::make_shared<SharedAllocator>(); }

std::shared_ptr<SharedBuffer> map_buffer(FileDescriptor memory, size_t size, uint64_t number) {
  auto mapping = std::make_unique<Mapping>(memory, mapped_size(size));
  if (mapping->data() == nullptr) return nullptr;
  return std::make_shared<SharedBuffer>(FileDescriptor(), std::move(mapping), size, number,
                                        std::make_shared<std::atomic<size_t>>(0));
}

size_t mapped_size(size_t size) {
  return size > SIZE_MAX - Buffer::kReadableBeyond ? size : size + Buffer::kReadableBeyond;
}

}  // namespace edge::host
