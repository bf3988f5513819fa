// Host memory: alignment, zeroing, sizes at the edges, and the account that is kept of it.
#include "core/buffer.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <cstring>
#include <thread>
#include <vector>

#include "../support/recorder.h"

namespace edge::test {
namespace {

TEST(BufferTest, IsAlignedZeroedAndOfTheSizeAsked) {
  const auto allocator = make_host_allocator();
  for (int round = 0; round < 3; ++round) {
    std::vector<std::shared_ptr<Buffer>> held;
    for (const size_t size : {1, 2, 63, 64, 65, 127, 4096, 100'003}) {
      held.push_back(allocator->allocate(size));
      const Buffer& buffer = *held.back();
      EXPECT_EQ(buffer.size(), size);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % 64, 0u);
      EXPECT_EQ(buffer.kind(), Buffer::Kind::kHost);
      EXPECT_EQ(buffer.handle(), nullptr);
      const auto* bytes = static_cast<const uint8_t*>(buffer.data());
      for (size_t i = 0; i < size; ++i) ASSERT_EQ(bytes[i], 0) << "byte " << i << " of " << size;
      std::memset(buffer.data(), 0xff, size);  // what the next round must not see
    }
  }
}

TEST(BufferTest, ALittleMoreThanItsSizeCanBeRead) {
  const auto allocator = make_host_allocator();
  for (const size_t size : {0, 1, 64, 4096, 12 * 4096}) {
    const auto buffer = allocator->allocate(size);
    EXPECT_GE(malloc_usable_size(buffer->data()), size + Buffer::kReadableBeyond);
    const auto* beyond = static_cast<const uint8_t*>(buffer->data()) + size;
    for (size_t i = 0; i < Buffer::kReadableBeyond; ++i) EXPECT_EQ(beyond[i], 0);
  }
}

TEST(BufferTest, SizeZeroHasAnAddress) {
  const auto allocator = make_host_allocator();
  const auto one = allocator->allocate(0), two = allocator->allocate(0);
  EXPECT_NE(one->data(), nullptr);
  EXPECT_NE(one->data(), two->data());
  EXPECT_EQ(one->size(), 0u);
}

TEST(BufferTest, ImpossibleSizesAreRefused) {
  const auto allocator = make_host_allocator();
  for (const size_t size : {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 63, SIZE_MAX - 64, SIZE_MAX / 2, SIZE_MAX / 4}) {
    EXPECT_EQ(code_of([&] { allocator->allocate(size); }), ErrorCode::kOutOfMemory) << size;
  }
  EXPECT_EQ(allocator->bytes_held(), 0u);
}

TEST(BufferTest, TheAccountFollowsEveryBuffer) {
  const size_t before = host_bytes_held();
  auto allocator = make_host_allocator();
  const auto other = make_host_allocator();
  auto one = allocator->allocate(100);
  EXPECT_EQ(allocator->bytes_held(), 128u);
  EXPECT_EQ(other->bytes_held(), 0u);
  const auto two = other->allocate(64);
  EXPECT_EQ(host_bytes_held(), before + 192);
  const auto again = one;
  one.reset();
  EXPECT_EQ(allocator->bytes_held(), 128u);  // somebody still holds it
}

TEST(BufferTest, ABufferOutlivesItsAllocator) {
  const size_t before = host_bytes_held();
  auto allocator = make_host_allocator();
  auto buffer = allocator->allocate(1000);
  allocator.reset();
  std::memset(buffer->data(), 1, buffer->size());
  EXPECT_EQ(host_bytes_held(), before + 1024);
  buffer.reset();
  EXPECT_EQ(host_bytes_held(), before);
}

TEST(BufferTest, ManyThreadsMakeAndFree) {
  const size_t before = host_bytes_held();
  const auto allocator = make_host_allocator();
  std::vector<std::thread> threads;
  for (size_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::vector<std::shared_ptr<Buffer>> held(8);
      for (size_t i = 0; i < 2000; ++i) held[i % 8] = allocator->allocate(t * 100 + i % 300);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(allocator->bytes_held(), 0u);
  EXPECT_EQ(host_bytes_held(), before);
}

TEST(BufferTest, KindsHaveNames) {
  EXPECT_STREQ(buffer_kind_name(Buffer::Kind::kHost), "host");
  EXPECT_STREQ(buffer_kind_name(Buffer::Kind::kPinned), "pinned");
  EXPECT_STREQ(buffer_kind_name(Buffer::Kind::kMapped), "mapped");
  EXPECT_STREQ(buffer_kind_name(Buffer::Kind::kShared), "shared");
}

}  // namespace
}  // namespace edge::test
