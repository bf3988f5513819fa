// Buffers that are handed out once more: to whom, in which order, and when not.
#include "core/replay.h"

#include <gtest/gtest.h>

#include <thread>

namespace edge::test {
namespace {

class PinnedBuffer final : public Buffer {
 public:
  explicit PinnedBuffer(size_t size) : Buffer(Kind::kPinned, &byte_, size) {}

 private:
  char byte_ = 0;
};

TEST(ReplayTest, EachOnceInOrderAndBySize) {
  const auto inner = make_host_allocator();
  const auto allocator = make_replay_allocator(inner, Buffer::Kind::kHost);
  const auto a = inner->allocate(8), b = inner->allocate(8), c = inner->allocate(0);
  const ReplayScope scope({nullptr, a, b, c});
  EXPECT_EQ(allocator->allocate(8), a);
  EXPECT_EQ(allocator->allocate(0), c);
  EXPECT_EQ(allocator->allocate(8), b);
  const auto fresh = allocator->allocate(8);
  EXPECT_TRUE(fresh != a && fresh != b);
  EXPECT_EQ(allocator->bytes_held(), inner->bytes_held());
}

TEST(ReplayTest, OnlyInTheScopeAndOnItsThread) {
  const auto allocator = make_replay_allocator(make_host_allocator(), Buffer::Kind::kHost);
  const auto a = allocator->allocate(8);
  {
    const ReplayScope scope({a});
    std::thread([&] { EXPECT_NE(allocator->allocate(8), a); }).join();
    {
      const ReplayScope inner({});
      EXPECT_NE(allocator->allocate(8), a);
    }
    EXPECT_EQ(allocator->allocate(8), a);
  }
  EXPECT_EQ(ReplayScope::current(), nullptr);
  EXPECT_NE(allocator->allocate(8), a);
}

TEST(ReplayTest, ParticularMemorySuitsEverybodyAndHostMemoryOnlyTheHost) {
  const auto host = make_replay_allocator(make_host_allocator(), Buffer::Kind::kHost);
  const auto pinned = make_replay_allocator(make_host_allocator(), Buffer::Kind::kPinned);
  const std::shared_ptr<Buffer> ordinary = make_host_allocator()->allocate(8),
                                special = std::make_shared<PinnedBuffer>(8);
  {
    const ReplayScope scope({ordinary, special});
    EXPECT_EQ(pinned->allocate(8), special);
    EXPECT_EQ(host->allocate(8), ordinary);
  }
  const ReplayScope scope({special});
  EXPECT_EQ(host->allocate(8), special);
}

}  // namespace
}  // namespace edge::test
