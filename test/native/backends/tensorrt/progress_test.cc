// How far a build has come, from what TensorRT tells of its phases.
#include "backends/tensorrt/progress.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "builder_fixture.h"

namespace edge::tensorrt {
namespace {

struct Told {
  std::string phase;
  double fraction;
};

class BuildProgressTest : public testing::Test {
 protected:
  // The pause between two that are told is over.
  static void wait() { std::this_thread::sleep_for(std::chrono::milliseconds(60)); }
  void expect(const std::string& phase, double fraction) const {
    ASSERT_FALSE(told.empty());
    EXPECT_EQ(told.back().phase, phase);
    EXPECT_DOUBLE_EQ(told.back().fraction, fraction);
  }
  std::vector<Told> told;
  const std::shared_ptr<std::atomic<bool>> cancelled = std::make_shared<std::atomic<bool>>(false);
  BuildProgress progress{[this](const std::string& phase, double fraction) { told.push_back({phase, fraction}); },
                         cancelled};
};

TEST_F(BuildProgressTest, APhaseInAnotherIsAPartOfItsNextStep) {
  progress.start("outer", nullptr, 4);
  expect("outer", 0);
  wait();
  progress.step("outer", 0);
  expect("outer", 0.25);
  progress.start("inner", "outer", 2);
  wait();
  progress.step("inner", 0);
  expect("inner", 0.375);
  progress.finish("inner");
  wait();
  progress.step("outer", 3);
  expect("outer", 1);
  progress.finish("outer");
  wait();
  progress.start("another", nullptr, 10);
  expect("another", 0);
}

TEST_F(BuildProgressTest, IsToldNoOftenerThanAnybodyReads) {
  progress.start("outer", nullptr, 100000);
  for (int i = 0; i < 100000; ++i) progress.step("outer", i);
  EXPECT_LT(told.size(), 1000u);
}

TEST_F(BuildProgressTest, WhatMakesNoSenseDoesNoHarm) {
  progress.finish("unknown");
  EXPECT_TRUE(progress.step("unknown", 3));
  progress.start(nullptr, nullptr, 3);
  progress.start("none", nullptr, 0);
  EXPECT_TRUE(told.empty());
  progress.start("outer", nullptr, 2);
  wait();
  progress.step("outer", 99);
  expect("outer", 1);
  progress.finish(nullptr);
  wait();
  progress.step("outer", -5);
  expect("outer", 0);
  progress.start("inner", "unknown", 2);
  wait();
  progress.step("outer", 0);  // is over, as the new one is in none that is known
  expect("inner", 0);
}

TEST_F(BuildProgressTest, GivesUpWhereItIsTold) {
  progress.start("outer", nullptr, 2);
  EXPECT_TRUE(progress.step("outer", 0));
  *cancelled = true;
  EXPECT_FALSE(progress.step("outer", 1));
  EXPECT_TRUE(progress.is_given_up());
}

class CancelledBuildTest : public test::BuilderTest {};
INSTANTIATE_TEST_SUITE_P(Releases, CancelledBuildTest, testing::Values("10", "11"), test::release_name);

TEST_P(CancelledBuildTest, EndsWithinItsStep) {
  open("build_ms 200");
  LoadOptions options;
  options.cancelled = std::make_shared<std::atomic<bool>>(true);
  const auto error = refusal(test::OnnxModel::add({1}), options);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), ErrorCode::kAborted);
}

}  // namespace
}  // namespace edge::tensorrt
