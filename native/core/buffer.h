// Memory that the host and an SDK share, and who makes it.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>

namespace edge {

// Host-readable memory that the SDK reads and writes in place. It lives as long as anybody holds it: the request that
// is bound to it, or a JavaScript ArrayBuffer over it. Whoever is last frees it, on any thread.
class Buffer {
 public:
  enum class Kind { kHost, kPinned, kMapped, kShared };

  // So many bytes behind every buffer can be read: vectorised kernels (XNNPACK's) read a little past the last element.
  static constexpr size_t kReadableBeyond = 64;

  virtual ~Buffer() = default;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  void* data() const { return data_; }
  size_t size() const { return size_; }
  Kind kind() const { return kind_; }
  // Opaque to everyone but the maker: a device pointer, a file descriptor.
  void* handle() const { return handle_; }

 protected:
  Buffer(Kind kind, void* data, size_t size, void* handle = nullptr)
      : kind_(kind), data_(data), size_(size), handle_(handle) {}

 private:
  Kind kind_;
  void* data_;
  size_t size_;
  void* handle_;
};

const char* buffer_kind_name(Buffer::Kind kind);

// Makes request buffers. A backend never allocates them itself, so that it works on ordinary, pinned and shared memory.
class Allocator {
 public:
  virtual ~Allocator() = default;
  // At least 64-byte aligned and zeroed, kReadableBeyond bytes behind it included; `size` 0 still gives a valid
  // address. Throws kOutOfMemory. Any thread.
  virtual std::shared_ptr<Buffer> allocate(size_t size) = 0;
  // Bytes of all live buffers that this allocator made.
  virtual size_t bytes_held() const = 0;
};

// Ordinary memory. Buffers may outlive their allocator.
std::shared_ptr<Allocator> make_host_allocator();

// Bytes of all live host buffers of this process.
size_t host_bytes_held();

}  // namespace edge
