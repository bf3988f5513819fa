#include "core/replay.h"

#include <utility>

namespace edge {
namespace {

thread_local ReplayScope* current_scope = nullptr;

class ReplayAllocator final : public Allocator {
 public:
  ReplayAllocator(std::shared_ptr<Allocator> inner, Buffer::Kind kind) : inner_(std::move(inner)), kind_(kind) {}
  std::shared_ptr<Buffer> allocate(size_t size) override {
    if (ReplayScope* scope = ReplayScope::current()) {
      if (auto buffer = scope->take(size, kind_)) return buffer;
    }
    return inner_->allocate(size);
  }
  size_t bytes_held() const override { return inner_->bytes_held(); }

 private:
  const std::shared_ptr<Allocator> inner_;
  const Buffer::Kind kind_;
};

}  // namespace

ReplayScope::ReplayScope(std::vector<std::shared_ptr<Buffer>> buffers)
    : buffers_(std::move(buffers)), outer_(std::exchange(current_scope, this)) {}

ReplayScope::~ReplayScope() { current_scope = outer_; }

ReplayScope* ReplayScope::current() { return current_scope; }

std::shared_ptr<Buffer> ReplayScope::take(size_t size, Buffer::Kind kind) {
  for (auto& buffer : buffers_) {
    if (!buffer || buffer->size() != size) continue;
    if (kind == Buffer::Kind::kHost || buffer->kind() == kind) return std::exchange(buffer, nullptr);
  }
  return nullptr;
}

std::shared_ptr<Allocator> make_replay_allocator(std::shared_ptr<Allocator> inner, Buffer::Kind kind) {
  return std::make_shared<ReplayAllocator>(std::move(inner), kind);
}

}  // namespace edge
