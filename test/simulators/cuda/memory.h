// The simulated memory: what the GPU sees of its own and of the host's. Device addresses cannot be read by the CPU.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

namespace cuda_simulator {

using Address = uint64_t;

class Memory {
 public:
  // 0 where more than `limit` bytes would be in use.
  Address allocate(size_t size, size_t limit);
  bool free(Address address);

  // Null where there is no memory.
  void* allocate_host(size_t size, bool mapped);
  bool free_host(void* memory);
  // False where a part of it is page-locked already.
  bool register_host(void* memory, size_t size);
  bool unregister_host(void* memory);
  // Of mapped memory; 0 where it is none.
  Address address_of(void* memory);
  bool is_pinned(const void* memory, size_t size);

  // The bytes behind a range of device addresses, or null where a part of it is not allocated.
  void* resolve(Address address, size_t size);

  size_t device_blocks();
  size_t host_blocks();

 private:
  struct Block {
    size_t size = 0;
    std::unique_ptr<uint8_t[]> storage;  // null for the host's memory
    void* data = nullptr;
    size_t reserved = 0;
  };
  struct HostBlock {
    size_t size = 0;
    Address address = 0;
    bool registered = false;
  };
  static Address reserve(size_t size, size_t& reserved);

  std::mutex mutex_;
  std::map<Address, Block> device_;
  std::map<uintptr_t, HostBlock> host_;
  size_t used_ = 0, device_count_ = 0;
};

}  // namespace cuda_simulator
