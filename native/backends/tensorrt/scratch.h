// Scratch memory that the runs of a model lend each other: there are as many blocks as runs at once, however many
// requests there are.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include "backends/tensorrt/gpu.h"

namespace edge::tensorrt {

// Any thread; the GPU's context is current.
class ScratchPool {
 public:
  // Throws kOutOfMemory where there is no memory for one block of so many bytes.
  ScratchPool(std::shared_ptr<const Gpu> gpu, size_t bytes);
  size_t bytes() const { return bytes_; }

  // Gives its block back when it goes. The pool outlives it.
  class Lease {
   public:
    Lease(ScratchPool& pool, DeviceMemory block) : pool_(&pool), block_(std::move(block)) {}
    ~Lease();
    Lease(Lease&& other) noexcept : pool_(other.pool_), block_(std::move(other.block_)) {}
    Lease& operator=(Lease&&) = delete;
    CuAddress address() const { return block_.get(); }

   private:
    ScratchPool* pool_;
    DeviceMemory block_;
  };
  // A block that nobody has, the one at `wanted` if possible. Where there is no memory for another one it waits until a
  // run gives its own back. Throws kAborted once `cancelled` is true; wake() has it looked at.
  Lease take(CuAddress wanted, const std::atomic<bool>& cancelled);
  void wake() noexcept;

 private:
  const std::shared_ptr<const Gpu> gpu_;
  const size_t bytes_;
  std::mutex mutex_;
  std::condition_variable returned_;
  std::vector<DeviceMemory> free_;
  size_t made_ = 1;       // blocks
  bool is_told_ = false;  // that runs take turns
};

}  // namespace edge::tensorrt
