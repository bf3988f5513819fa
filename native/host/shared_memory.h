// Memory that the parent makes and its host maps: anonymous, so that nothing is left behind however either of them
// ends.
#pragma once

#include <cstddef>
#include <memory>

#include "core/backend.h"
#include "core/buffer.h"
#include "host/file_descriptor.h"

namespace edge::host {

// Maps shared memory for reading and writing, and unmaps it at its end. data() is null where it could not be mapped:
// the memory is smaller than `size`, or could be made smaller (and would then end who reads it).
class Mapping {
 public:
  Mapping(const FileDescriptor& memory, size_t size);
  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  void* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  void* data_ = nullptr;
  size_t size_;
};

// Memory of a fixed size, all of it there (touching it cannot fail later), zeroed. Throws kOutOfMemory.
FileDescriptor make_memory(size_t size);
// The same with a copy of these bytes in it.
FileDescriptor memory_with(Bytes bytes);

// Request buffers in shared memory.
class SharedBuffer final : public Buffer {
 public:
  // Owns both. `number` names it between parent and host.
  SharedBuffer(FileDescriptor memory, std::unique_ptr<Mapping> mapping, size_t size, uint64_t number,
               std::shared_ptr<std::atomic<size_t>> account);
  ~SharedBuffer() override;
  int descriptor() const { return memory_.get(); }
  uint64_t number() const { return number_; }

 private:
  const FileDescriptor memory_;
  const std::unique_ptr<Mapping> mapping_;
  const uint64_t number_;
  const std::shared_ptr<std::atomic<size_t>> account_;
};

// For devices in another process. Its buffers are SharedBuffers, and may outlive it.
std::shared_ptr<Allocator> make_shared_allocator();

// In the host: the parent's buffer under its number. Null where the memory is not what it should be.
std::shared_ptr<SharedBuffer> map_buffer(FileDescriptor memory, size_t size, uint64_t number);

// Bytes to map for a buffer of `size`: a little more can be read.
size_t mapped_size(size_t size);

}  // namespace edge::host
