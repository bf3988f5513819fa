// Channels: whole messages of any size, descriptors with them, and what happens when the other side goes.
#include "host/channel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <thread>

#include "../support/gate.h"
#include "host/shared_memory.h"

namespace edge::test {
namespace {

using host::Channel;
using host::Kind;
using host::Writer;

TEST(ChannelTest, MessagesOfEverySizeArriveWhole) {
  const auto [ours, theirs] = Channel::pair();
  for (const size_t size : {size_t{0}, size_t{1}, size_t{16'000}, size_t{20'000}, size_t{5'000'000}}) {
    Writer writer(Kind::kLog);
    writer.put(std::string(size, 'x'));
    ASSERT_TRUE(ours.send(writer));
    auto message = theirs.receive();
    ASSERT_TRUE(message);
    EXPECT_EQ(message->kind, Kind::kLog);
    EXPECT_EQ(message->body.text(), std::string(size, 'x'));
    EXPECT_TRUE(message->descriptors.empty());
  }
}

TEST(ChannelTest, MemoryTravels) {
  const auto [ours, theirs] = Channel::pair();
  const std::string content = "seen on both sides";
  const auto memory = host::memory_with({reinterpret_cast<const uint8_t*>(content.data()), content.size()});
  Writer writer(Kind::kBuffer);
  writer.put(std::string(100'000, 'y'));  // in memory of its own, beside the other
  ASSERT_TRUE(theirs.send(writer, {memory.get()}));
  auto message = ours.receive();
  ASSERT_TRUE(message);
  ASSERT_EQ(message->descriptors.size(), 1u);
  const host::Mapping mapping(message->descriptors[0], content.size());
  ASSERT_NE(mapping.data(), nullptr);
  EXPECT_EQ(std::memcmp(mapping.data(), content.data(), content.size()), 0);
}

TEST(ChannelTest, TheOtherSideGoes) {
  auto [ours, theirs] = Channel::pair();
  theirs = Channel();
  EXPECT_FALSE(ours.receive());
  EXPECT_FALSE(ours.send(Writer(Kind::kRun)));
}

TEST(ChannelTest, WhoWaitsCanGiveUp) {
  const auto [ours, theirs] = Channel::pair();
  int asked = 0;
  EXPECT_FALSE(ours.receive([&] { return ++asked == 2; }));
  EXPECT_EQ(asked, 2);
}

TEST(ChannelTest, ShutDownWakesAReceiver) {
  const auto [ours, theirs] = Channel::pair();
  std::thread waiting([&channel = theirs] { EXPECT_FALSE(channel.receive()); });
  ours.shut_down();
  waiting.join();
}

TEST(ChannelTest, PartingWaitsUntilTheOtherSideHasLetGo) {
  auto [ours, theirs] = Channel::pair();
  std::atomic<bool> let_go{false};
  std::thread other([&let_go, channel = std::move(theirs)]() mutable {
    EXPECT_FALSE(channel.receive());
    let_go = true;
    channel = Channel();
  });
  ours.part(kPatience);
  EXPECT_TRUE(let_go);
  other.join();
  const auto [lonely, frozen] = Channel::pair();
  lonely.part();  // gives up
  Channel().part();
}

// A host may not take the ground from under who reads its memory.
TEST(SharedMemoryTest, MemoryThatCouldShrinkIsNotMapped) {
  const auto sealed = host::make_memory(4096);
  EXPECT_NE(host::Mapping(sealed, 4096).data(), nullptr);
  EXPECT_NE(ftruncate(sealed.get(), 1), 0);
  EXPECT_EQ(host::Mapping(sealed, 8192).data(), nullptr) << "smaller than what is claimed";
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const host::FileDescriptor a(ends[0]), b(ends[1]);
  EXPECT_EQ(host::Mapping(a, 1).data(), nullptr);
}

TEST(SharedMemoryTest, BuffersAreZeroedAlignedAndCounted) {
  const auto allocator = host::make_shared_allocator();
  {
    const auto buffer = allocator->allocate(100), empty = allocator->allocate(0);
    EXPECT_EQ(buffer->kind(), Buffer::Kind::kShared);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer->data()) % 64, 0u);
    EXPECT_EQ(static_cast<const char*>(buffer->data())[99], 0);
    EXPECT_NE(empty->data(), nullptr);
    EXPECT_GE(allocator->bytes_held(), 100u);
  }
  EXPECT_EQ(allocator->bytes_held(), 0u);
}

TEST(SharedMemoryTest, ALittleMoreThanItsSizeCanBeRead) {
  const auto allocator = host::make_shared_allocator();
  for (const size_t size : {size_t{0}, size_t{100}, size_t{3 * 4096}}) {
    EXPECT_EQ(host::mapped_size(size), size + Buffer::kReadableBeyond);
    const auto buffer = allocator->allocate(size);
    const auto* beyond = static_cast<const volatile char*>(buffer->data()) + size;
    for (size_t i = 0; i < Buffer::kReadableBeyond; ++i) EXPECT_EQ(beyond[i], 0);
  }
}

TEST(SharedMemoryTest, MoreThanThereIsIsAnError) {
  const auto allocator = host::make_shared_allocator();
  EXPECT_THROW(allocator->allocate(size_t{1} << 46), Error);
  EXPECT_EQ(allocator->bytes_held(), 0u);
}

}  // namespace
}  // namespace edge::test
