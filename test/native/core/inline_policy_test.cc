// When a run is made on the calling thread, with every time given.
#include "core/inline_policy.h"

#include <gtest/gtest.h>

namespace edge::test {
namespace {

constexpr int64_t kWakeUp = 20'000;  // ns

InlinePolicy after(int runs, int64_t compute_ns, bool inlined = false) {
  InlinePolicy policy;
  for (int i = 0; i < runs; ++i) policy.note(compute_ns, inlined, kWakeUp);
  return policy;
}

TEST(InlinePolicyTest, OnlyWhatWasMeasuredOftenEnough) {
  EXPECT_FALSE(after(InlinePolicy::kEnoughSamples - 1, 1000).allows(kWakeUp));
  EXPECT_TRUE(after(InlinePolicy::kEnoughSamples, 1000).allows(kWakeUp));
}

TEST(InlinePolicyTest, OnlyWhatTakesLessThanAWakeUp) {
  EXPECT_TRUE(after(100, kWakeUp - 1).allows(kWakeUp));
  EXPECT_FALSE(after(100, kWakeUp).allows(kWakeUp));
  EXPECT_FALSE(after(100, 1).allows(0)) << "a wake-up that nobody has measured";
}

TEST(InlinePolicyTest, TheLatestRunsCountMost) {
  InlinePolicy policy = after(1000, 2 * kWakeUp);
  int runs = 0;
  for (; runs < 100 && !policy.allows(kWakeUp); ++runs) policy.note(1000, false, kWakeUp);
  EXPECT_LT(runs, 10);
  EXPECT_GT(runs, 1);
}

TEST(InlinePolicyTest, AfterHalfAMillisecondInlineALaneHasItsTurn) {
  InlinePolicy policy = after(100, 10'000);
  for (int i = 0; i < 50; ++i) {
    EXPECT_TRUE(policy.allows(kWakeUp)) << i;
    policy.note(10'000, true, kWakeUp);
  }
  EXPECT_FALSE(policy.allows(kWakeUp));
  policy.note(10'000, false, kWakeUp);
  EXPECT_TRUE(policy.allows(kWakeUp));
}

TEST(InlinePolicyTest, TwoSlowInlineRunsSendAThousandToALane) {
  InlinePolicy policy = after(100, 1000);
  const auto fast_on_a_lane = [&](int runs) {
    for (int i = 0; i < runs; ++i) policy.note(1000, false, kWakeUp);
  };
  policy.note(5 * kWakeUp, true, kWakeUp);
  fast_on_a_lane(50);
  EXPECT_TRUE(policy.allows(kWakeUp)) << "one slow run is an accident";
  policy.note(5 * kWakeUp, true, kWakeUp);
  fast_on_a_lane(InlinePolicy::kPenalty - 1);
  EXPECT_FALSE(policy.allows(kWakeUp));
  fast_on_a_lane(1);
  EXPECT_TRUE(policy.allows(kWakeUp));
}

TEST(InlinePolicyTest, SlowRunsOnALaneAreNoneOfTheTwo) {
  InlinePolicy policy = after(100, 5 * kWakeUp);
  for (int i = 0; i < 100; ++i) policy.note(1000, false, kWakeUp);
  EXPECT_TRUE(policy.allows(kWakeUp));
}

}  // namespace
}  // namespace edge::test
