// Hysteresis as arithmetic: when a device that was lost may serve again.
#include "core/health.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace edge::test {
namespace {

constexpr int64_t kMs = 1'000'000;
using State = Health::State;

TEST(HealthTest, ADeviceIsHealthyUntilItIsLost) {
  Health health({});
  EXPECT_EQ(health.state(), State::kHealthy);
  EXPECT_EQ(health.lost(0), 250 * kMs);
  EXPECT_EQ(health.state(), State::kLost);
}

TEST(HealthTest, FailedProbesComeEverMoreRarely) {
  Health health({});
  health.lost(0);
  EXPECT_EQ(health.probe_failed(), 500 * kMs);
  EXPECT_EQ(health.probe_failed(), 1000 * kMs);
  for (int i = 0; i < 20; ++i) EXPECT_LE(health.probe_failed(), 10'000 * kMs);
  EXPECT_EQ(health.probe_failed(), 10'000 * kMs);
  EXPECT_EQ(health.failed_probes(), 23u);
  EXPECT_EQ(health.lost(1), 250 * kMs);  // lost again as the last resort: from the beginning
}

TEST(HealthTest, ItReturnsAfterThreeGoodProbesOverTheWholeTime) {
  Health health({});
  health.lost(0);
  EXPECT_EQ(health.probe_succeeded(1000 * kMs), 1000 * kMs);
  EXPECT_EQ(health.state(), State::kRecovering);
  EXPECT_GT(health.probe_succeeded(2000 * kMs), 0);
  EXPECT_EQ(health.state(), State::kRecovering);
  EXPECT_EQ(health.probe_succeeded(3000 * kMs), 0);
  EXPECT_EQ(health.state(), State::kHealthy);
}

TEST(HealthTest, NeitherManyProbesNorMuchTimeIsEnoughAlone) {
  Health many({});
  many.lost(0);
  for (int i = 0; i < 100; ++i) EXPECT_GT(many.probe_succeeded(i * kMs), 0);
  EXPECT_EQ(many.state(), State::kRecovering);
  Health late({});
  late.lost(0);
  late.probe_succeeded(0);
  EXPECT_GT(late.probe_succeeded(100'000 * kMs), 0);
  EXPECT_EQ(late.state(), State::kRecovering);
}

TEST(HealthTest, AFailureWhileRecoveringBeginsAnew) {
  Health health({});
  health.lost(0);
  health.probe_succeeded(0);
  health.probe_succeeded(1000 * kMs);
  EXPECT_EQ(health.probe_failed(), 500 * kMs);
  EXPECT_EQ(health.state(), State::kLost);
  EXPECT_GT(health.probe_succeeded(5000 * kMs), 0);
  EXPECT_GT(health.probe_succeeded(6000 * kMs), 0);
  EXPECT_EQ(health.probe_succeeded(7000 * kMs), 0);
}

// The time that a return takes, from the first good probe.
int64_t return_of(Health& health, int64_t& now) {
  const int64_t begin = now;
  for (int64_t wait = health.probe_succeeded(now); wait > 0; wait = health.probe_succeeded(now)) now += wait;
  return now - begin;
}

TEST(HealthTest, AFlappingDeviceIsTrustedLessEveryTime) {
  Health health({});
  int64_t now = 0, before = 0;
  for (int i = 0; i < 10; ++i) {
    health.lost(now);
    const int64_t took = return_of(health, now);
    EXPECT_EQ(took, i == 0 ? 2000 * kMs : std::min<int64_t>(2 * before, 64'000 * kMs)) << "loss " << i;
    before = took;
    now += kMs;
  }
  now += 3'600'000 * kMs;  // an hour of health makes good again
  health.lost(now);
  EXPECT_EQ(return_of(health, now), 2000 * kMs);
}

}  // namespace
}  // namespace edge::test
