// The measurement of a wake-up.
#include "core/wake_up.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace edge::test {
namespace {

TEST(WakeUpTest, PingPongTakesTimeEveryRound) {
  std::vector<int64_t> rounds(50, -1);
  ping_pong(rounds.data(), rounds.size());
  for (const int64_t ns : rounds) EXPECT_GT(ns, 0);
  ping_pong(nullptr, 0);
}

TEST(WakeUpTest, IsMeasuredOnce) {
  std::vector<int64_t> measured(4);
  std::vector<std::thread> threads;
  for (int64_t& one : measured) threads.emplace_back([&one] { one = wake_up_ns(); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(measured[0], 0);
  EXPECT_LT(measured[0], 1'000'000'000);
  for (const int64_t one : measured) EXPECT_EQ(one, measured[0]);
  EXPECT_EQ(known_wake_up_ns(), measured[0]);
}

}  // namespace
}  // namespace edge::test
