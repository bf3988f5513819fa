// Where a session runs things: how many lanes, spinning or asleep, and when on the caller's own thread.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>

#include "../support/fake_model.h"
#include "../support/gate.h"
#include "../support/recorder.h"
#include "core/clock.h"
#include "core/session.h"
#include "core/wake_up.h"

namespace edge::test {
namespace {

SessionOptions options_of(size_t in_flight, Dispatch dispatch = Dispatch::kLane, int spin_us = 0) {
  SessionOptions options;
  options.in_flight = in_flight;
  options.dispatch = dispatch;
  options.spin_us = spin_us;
  return options;
}

// Processor time of this process.
int64_t cpu_ns() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto ns = [](const timeval& t) { return int64_t{1'000'000'000} * t.tv_sec + int64_t{1000} * t.tv_usec; };
  return ns(usage.ru_utime) + ns(usage.ru_stime);
}

class SessionDispatchTest : public testing::Test {
 protected:
  void TearDown() override { EXPECT_TRUE(all_gone()) << "sessions, requests or lanes were left behind"; }
};

// Runs that block until `count` of them have come together.
struct Together {
  explicit Together(int wanted) : count(wanted) {}
  void operator()() {
    if (++inside >= count) all.open();
    all.wait();
  }
  const int count;
  std::atomic<int> inside{0};
  Gate all;
};

void run_together(SessionOptions options, bool lanes_idle_before) {
  Together together(static_cast<int>(options.in_flight));
  std::atomic<bool> meet{false};
  const auto model = FakeModel::create({{}, {}, [&] {
                                          if (meet) together();
                                        }});
  const auto session = Session::create(model, FakeModel::device(), options, make_host_allocator());
  const auto sink = std::make_shared<Recorder>();
  std::vector<std::shared_ptr<Slot>> slots;
  for (size_t i = 0; i < options.in_flight; ++i) slots.push_back(session->create_slot({}));
  uint64_t token = 0;
  if (lanes_idle_before) {
    session->submit(slots[0], token++, sink, 0, false);
    ASSERT_TRUE(sink->wait(1));
    sleep_ms(20);  // its lane sleeps now
  }
  meet = true;
  for (const auto& slot : slots) session->submit(slot, token++, sink, 0, false);
  EXPECT_TRUE(together.all.wait()) << "only " << together.inside << " of " << options.in_flight << " runs were started";
  together.all.open();
  ASSERT_TRUE(sink->wait(token));
}

TEST_F(SessionDispatchTest, AsManyLanesAsRunsInFlight) { run_together(options_of(4), false); }

// Several submissions in a row must each find a lane, though the first one's has not woken yet.
TEST_F(SessionDispatchTest, ABurstAfterAPauseUsesAllLanes) {
  for (int round = 0; round < 30 && !HasFailure(); ++round) run_together(options_of(3), true);
}

TEST_F(SessionDispatchTest, ABurstUsesAllLanesThoughOneSpins) {
  for (int round = 0; round < 30 && !HasFailure(); ++round) run_together(options_of(3, Dispatch::kLane, 50'000), true);
}

TEST_F(SessionDispatchTest, ALaneIsKeptAndUsedAgain) {
  const EchoSession echo = plus_one("", options_of(8));
  const auto sink = std::make_shared<Recorder>();
  const auto slot = echo.session->create_slot({});
  for (uint64_t token = 0; token < 200; ++token) {
    echo.session->submit(slot, token, sink, 0, false);
    ASSERT_TRUE(sink->wait(token + 1));
    ASSERT_TRUE(eventually([&] { return !echo.session->busy(slot); }));
  }
  // A submission that finds the lane on its way back to sleep makes another one; it must not be one a run.
  EXPECT_LE(Session::process_counts().lanes, 8u);
}

TEST_F(SessionDispatchTest, SpinningLanesDoTheSame) {
  const EchoSession echo = plus_one("", options_of(2, Dispatch::kLane, 100));
  const auto sink = std::make_shared<Recorder>();
  const auto slot = echo.session->create_slot({});
  const std::vector<float> values(4, 1);
  uint64_t token = 0;
  for (int i = 0; i < 500; ++i) {
    echo.session->submit(slot, token++, sink, 0, false);
    echo.session->submit_copy({view_of(values)}, token++, sink, 0);
    ASSERT_TRUE(sink->wait(token));
    ASSERT_TRUE(eventually([&] { return !echo.session->busy(slot); }));
    if (i % 50 == 0) sleep_ms(2);  // longer than it spins
  }
  EXPECT_EQ(sink->count_of(std::nullopt), token);
}

TEST_F(SessionDispatchTest, ASpinningLaneSleepsWhenNothingCanRun) {
  const auto model = FakeModel::create();
  const auto session =
      Session::create(model, FakeModel::device(), options_of(1, Dispatch::kLane, 200), make_host_allocator());
  const auto sink = std::make_shared<Recorder>(Recorder::Deliveries::kHold);
  const std::vector<float> values(4, 1);
  for (uint64_t token = 0; token < 3; ++token) session->submit_copy({view_of(values)}, token, sink, 0);
  ASSERT_TRUE(sink->wait(2));  // the third waits until the caller gives outputs back
  sleep_ms(20);
  const int64_t before = cpu_ns();
  sleep_ms(1000);
  EXPECT_LT(cpu_ns() - before, 100'000'000) << "a lane burns the processor while it cannot do anything";
  sink->release_one();
  ASSERT_TRUE(sink->wait(3));
  sink->release_all();
}

// What a wake-up costs is given, not measured: no machine is so slow that a run of four additions takes a minute, and
// none so fast that it takes less than a nanosecond.
constexpr int64_t kSlowWakeUp = 60'000'000'000, kFastWakeUp = 1;

SessionOptions automatic(int64_t wake_up) {
  SessionOptions options = options_of(1, Dispatch::kAuto);
  options.wake_up_ns = wake_up;
  return options;
}

class InlineTest : public SessionDispatchTest {
 protected:
  // Submits with leave to run inline until one does. False when none of `limit` did.
  bool becomes_inline(Session& session, const std::shared_ptr<Slot>& slot, const std::shared_ptr<Recorder>& sink,
                      int limit) {
    for (int i = 0; i < limit; ++i) {
      if (session.submit(slot, next++, sink, 0, true)) return true;
      ++on_lanes;
      if (!sink->wait(on_lanes)) return false;
      if (!eventually([&] { return !session.busy(slot); })) return false;
    }
    return false;
  }
  uint64_t next = 0;
  size_t on_lanes = 0;
};

TEST_F(InlineTest, AFastModelBecomesInlineAfterEnoughSamples) {
  const EchoSession echo = plus_one("", automatic(kSlowWakeUp));
  const auto sink = std::make_shared<Recorder>();
  const auto slot = echo.session->create_slot({});
  for (int i = 0; i < InlinePolicy::kEnoughSamples; ++i) {
    EXPECT_FALSE(echo.session->submit(slot, next++, sink, 0, true)) << "before it was measured often enough";
    ASSERT_TRUE(sink->wait(++on_lanes));
    ASSERT_TRUE(eventually([&] { return !echo.session->busy(slot); }));
  }
  EXPECT_TRUE(echo.session->submit(slot, next++, sink, 0, true));
  const Statistics s = echo.session->statistics();
  EXPECT_EQ(s.inline_runs, 1u);
  EXPECT_EQ(sink->count(), on_lanes);  // an inline run is not told
  EXPECT_EQ(s.submitted, s.completed);
  EXPECT_FALSE(echo.session->submit(slot, next++, sink, 0, false));  // only with leave
  ASSERT_TRUE(sink->wait(++on_lanes));
}

TEST_F(InlineTest, SynchronousRunsAreSamplesToo) {
  const EchoSession echo = plus_one("", automatic(kSlowWakeUp));
  const auto slot = echo.session->create_slot({});
  for (int i = 0; i < InlinePolicy::kEnoughSamples; ++i) echo.session->run_sync(slot);
  EXPECT_TRUE(echo.session->submit(slot, 1, std::make_shared<Recorder>(), 0, true));
}

TEST_F(InlineTest, WhatAWakeUpCostsIsMeasuredWhereItIsNotGiven) {
  const EchoSession echo = plus_one("", options_of(1, Dispatch::kAuto));
  EXPECT_GT(known_wake_up_ns(), 0);
}

TEST_F(InlineTest, AnInlineRunThrowsItsError) {
  const EchoSession echo = plus_one("fail_at 2 ERR_DEVICE_LOST\n", options_of(1, Dispatch::kInline));
  const auto sink = std::make_shared<Recorder>();
  const auto slot = echo.session->create_slot({});
  EXPECT_TRUE(echo.session->submit(slot, 1, sink, 0, true));
  EXPECT_EQ(code_of([&] { echo.session->submit(slot, 2, sink, 0, true); }), ErrorCode::kDeviceLost);
  EXPECT_FALSE(echo.session->busy(slot));
  EXPECT_TRUE(echo.session->submit(slot, 3, sink, 0, true));
  EXPECT_EQ(sink->count(), 0u);
  const Statistics s = echo.session->statistics();
  EXPECT_EQ(s.inline_runs, 3u);
  EXPECT_EQ(s.submitted, 3u);
  EXPECT_EQ(s.failed, 1u);
}

TEST_F(InlineTest, NeverWhereTheDeviceIsNotTheHost) {
  const auto model = FakeModel::create();
  const auto session =
      Session::create(model, FakeModel::device(true, false), automatic(kSlowWakeUp), make_host_allocator());
  const auto sink = std::make_shared<Recorder>();
  const auto slot = session->create_slot({});
  EXPECT_FALSE(becomes_inline(*session, slot, sink, 60));
}

TEST_F(InlineTest, NeverWhileSomethingElseRuns) {
  Gate entered, go;
  std::atomic<bool> block{false};
  const auto model = FakeModel::create({{}, {}, [&] {
                                          if (block.exchange(false)) entered.open(), go.wait();
                                        }});
  const auto session = Session::create(model, FakeModel::device(), automatic(kSlowWakeUp), make_host_allocator());
  const auto sink = std::make_shared<Recorder>();
  const auto slot = session->create_slot({}), other = session->create_slot({});
  ASSERT_TRUE(becomes_inline(*session, slot, sink, 500));
  block = true;
  session->submit(other, 100'000, sink, 0, false);
  ASSERT_TRUE(entered.wait());
  EXPECT_FALSE(session->submit(slot, 100'001, sink, 0, true));
  go.open();
  ASSERT_TRUE(sink->wait(on_lanes + 2));
}

TEST_F(InlineTest, ASlowModelStaysOnItsLane) {
  const EchoSession echo = plus_one("", automatic(kFastWakeUp));
  const auto sink = std::make_shared<Recorder>();
  const auto slot = echo.session->create_slot({});
  EXPECT_FALSE(becomes_inline(*echo.session, slot, sink, 40));
  EXPECT_EQ(echo.session->statistics().inline_runs, 0u);
}

TEST_F(InlineTest, HalfAMillisecondOfInlineRunsSendsOneToALane) {
  const EchoSession echo = plus_one("", automatic(kSlowWakeUp));
  const auto sink = std::make_shared<Recorder>();
  const auto slot = echo.session->create_slot({});
  ASSERT_TRUE(becomes_inline(*echo.session, slot, sink, 500));
  int in_a_row = 0;
  while (in_a_row < 10'000'000 && echo.session->submit(slot, next++, sink, 0, true)) ++in_a_row;
  ASSERT_LT(in_a_row, 10'000'000) << "the event loop would starve";
  ASSERT_TRUE(sink->wait(on_lanes + 1));
  EXPECT_EQ(sink->count(), on_lanes + 1);
}

}  // namespace
}  // namespace edge::test
