// Lets a second device bind the very buffers that a request has already, so that failover copies nothing.
#pragma once

#include <memory>
#include <vector>

#include "core/buffer.h"

namespace edge {

// While it lives, replay allocators hand out these buffers on this thread, each once, in order and by size.
class ReplayScope {
 public:
  explicit ReplayScope(std::vector<std::shared_ptr<Buffer>> buffers);
  ~ReplayScope();
  ReplayScope(const ReplayScope&) = delete;
  ReplayScope& operator=(const ReplayScope&) = delete;

  // The next buffer of this size that suits a device whose buffers live in `kind` memory; null where there is none.
  std::shared_ptr<Buffer> take(size_t size, Buffer::Kind kind);
  // The scope of this thread, or null.
  static ReplayScope* current();

 private:
  std::vector<std::shared_ptr<Buffer>> buffers_;
  ReplayScope* const outer_;
};

// For a device whose request buffers live in `kind` memory. What the current scope does not have, `inner` makes.
// Buffers of one kind are taken to be usable by every device of that kind, and any of them by a device that takes host
// memory.
std::shared_ptr<Allocator> make_replay_allocator(std::shared_ptr<Allocator> inner, Buffer::Kind kind);

}  // namespace edge
