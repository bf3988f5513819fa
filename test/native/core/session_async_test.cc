// Runs that the device itself starts: the pump under load, failing starts, and starts that return late.
#include <gtest/gtest.h>

#include <atomic>

#include "../support/fake_model.h"
#include "../support/gate.h"
#include "../support/recorder.h"
#include "core/clock.h"
#include "core/session.h"

namespace edge::test {
namespace {

SessionOptions options_of(size_t in_flight, size_t queue_limit = 64) {
  SessionOptions options;
  options.in_flight = in_flight;
  options.queue_limit = queue_limit;
  options.dispatch = Dispatch::kAsync;
  return options;
}

class SessionAsyncTest : public testing::Test {
 protected:
  void TearDown() override { EXPECT_TRUE(all_gone()) << "sessions, requests or lanes were left behind"; }
};

TEST_F(SessionAsyncTest, StartsAndTellsWithoutALane) {
  const EchoSession echo = plus_one("", options_of(2));
  const auto sink = std::make_shared<Recorder>();
  const auto slot = echo.session->create_slot({});
  for (uint64_t token = 0; token < 100; ++token) {
    input_values(*echo.session, slot)[0] = static_cast<float>(token);
    EXPECT_FALSE(echo.session->submit(slot, token, sink, 0, true));
    ASSERT_TRUE(sink->wait(token + 1));
    ASSERT_TRUE(eventually([&] { return !echo.session->busy(slot); }));
    EXPECT_EQ(sink->only(token).code, std::nullopt);
    EXPECT_EQ(output_values(*echo.session, slot)[0], static_cast<float>(token) + 1);
  }
  EXPECT_EQ(Session::process_counts().lanes, 0u);
}

TEST_F(SessionAsyncTest, PooledRunsUseLanesBesideIt) {
  const auto model = FakeModel::create();
  const auto session = Session::create(model, FakeModel::device(), options_of(2, 1000), make_host_allocator());
  const auto sink = std::make_shared<Recorder>();
  std::vector<std::shared_ptr<Slot>> slots;
  for (int i = 0; i < 50; ++i) slots.push_back(session->create_slot({}));
  const std::vector<float> values(4, 1);
  for (uint64_t i = 0; i < 50; ++i) {
    session->submit(slots[i], 2 * i, sink, 0, false);
    session->submit_copy({view_of(values)}, 2 * i + 1, sink, 0);
  }
  ASSERT_TRUE(sink->wait(100));
  EXPECT_EQ(sink->count_of(std::nullopt), 100u);
  EXPECT_EQ(model->starts, 50u);
  EXPECT_EQ(model->runs, 100u);
  EXPECT_EQ(model->violations, 0u);
}

TEST_F(SessionAsyncTest, NoMoreThanTwiceTheUsefulNumberIsStarted) {
  Gate go;
  const auto model = FakeModel::create({{}, {}, [&] { go.wait(); }});
  const auto session = Session::create(model, FakeModel::device(), options_of(2), make_host_allocator());
  const auto sink = std::make_shared<Recorder>();
  std::vector<std::shared_ptr<Slot>> slots;
  for (int i = 0; i < 20; ++i) slots.push_back(session->create_slot({}));
  for (uint64_t i = 0; i < 20; ++i) session->submit(slots[i], i, sink, 0, false);
  EXPECT_EQ(model->starts, 4u);
  EXPECT_EQ(session->statistics().queue_depth, 16u);
  go.open();
  ASSERT_TRUE(sink->wait(20));
  EXPECT_EQ(model->starts, 20u);
}

TEST_F(SessionAsyncTest, FailingStartsUnderLoad) {
  std::atomic<int> count{0};
  FakeHooks hooks;
  hooks.start = [&] {
    if (++count % 3 == 0) throw Error(ErrorCode::kBackend, "not now");
  };
  hooks.run = [&] {
    if (count % 5 == 0) throw Error(ErrorCode::kDeviceLost, "gone");
  };
  const auto model = FakeModel::create(hooks, {4}, 3);
  const auto session = Session::create(model, FakeModel::device(), options_of(2, 1000), make_host_allocator());
  const auto sink = std::make_shared<Recorder>();
  std::vector<std::thread> threads;
  constexpr uint64_t kThreads = 3, kRuns = 600;
  for (uint64_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::vector<std::shared_ptr<Slot>> slots;
      for (int i = 0; i < 3; ++i) slots.push_back(session->create_slot({}));
      for (uint64_t i = 0; i < kRuns; ++i) {
        const auto& slot = slots[i % 3];
        ASSERT_TRUE(eventually([&] { return !session->busy(slot); }));
        session->submit(slot, t * kRuns + i, sink, 0, false);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(sink->wait(kThreads * kRuns));
  EXPECT_EQ(sink->count(), kThreads * kRuns);
  EXPECT_EQ(sink->times_told().size(), kThreads * kRuns);
  EXPECT_EQ(sink->count_of(ErrorCode::kBackend), kThreads * kRuns / 3);
  const Statistics s = session->statistics();
  EXPECT_EQ(s.submitted, s.completed + s.failed);
  EXPECT_EQ(model->violations, 0u);
}

TEST_F(SessionAsyncTest, EveryStartFails) {
  FakeHooks hooks;
  hooks.start = [] { throw Error(ErrorCode::kDeviceLost, "gone"); };
  const auto model = FakeModel::create(hooks);
  const auto session = Session::create(model, FakeModel::device(), options_of(1, 5000), make_host_allocator());
  const auto sink = std::make_shared<Recorder>();
  std::vector<std::shared_ptr<Slot>> slots;
  for (int i = 0; i < 2000; ++i) slots.push_back(session->create_slot({}));
  for (uint64_t i = 0; i < 2000; ++i) session->submit(slots[i], i, sink, 0, false);
  EXPECT_EQ(sink->count_of(ErrorCode::kDeviceLost), 2000u);  // on the calling thread
  EXPECT_EQ(session->statistics().running, 0u);
}

// A sink that submits the next run from within the end of the last one must not recurse without limit.
TEST_F(SessionAsyncTest, AChainFromTheSinkDoesNotRecurse) {
  FakeHooks hooks;
  hooks.start = [] { throw Error(ErrorCode::kBackend, "no"); };
  const auto model = FakeModel::create(hooks);
  const auto session = Session::create(model, FakeModel::device(), options_of(1), make_host_allocator());
  const auto sink = std::make_shared<Recorder>();
  const auto slot = session->create_slot({});
  sink->on_end = [&](const RunEnd& end) {
    if (end.token < 20'000) session->submit(slot, end.token + 1, sink, 0, false);
  };
  session->submit(slot, 0, sink, 0, false);
  ASSERT_TRUE(sink->wait(20'001));
}

TEST_F(SessionAsyncTest, AChainFromTheSinkRunsOn) {
  const EchoSession echo = plus_one("", options_of(1));
  const auto sink = std::make_shared<Recorder>();
  const auto slot = echo.session->create_slot({});
  std::atomic<int> refused{0};
  sink->on_end = [&](const RunEnd& end) {
    if (end.token >= 500) return;
    if (code_of([&] { echo.session->submit(slot, end.token + 1, sink, 0, false); })) ++refused;
  };
  echo.session->submit(slot, 0, sink, 0, false);
  ASSERT_TRUE(sink->wait(501));
  EXPECT_EQ(refused, 0);
}

// The device ends the run while start() is still on its way back: the request is in use until both are over.
TEST_F(SessionAsyncTest, ARequestIsNotDestroyedInsideItsStart) {
  Gate leave;
  FakeHooks hooks;
  hooks.started = [&] { leave.wait(); };
  const auto model = FakeModel::create(hooks);
  const auto session = Session::create(model, FakeModel::device(), options_of(1), make_host_allocator());
  const auto sink = std::make_shared<Recorder>();
  auto slot = session->create_slot({});
  std::thread submitter([&] { session->submit(slot, 1, sink, 0, false); });
  ASSERT_TRUE(eventually([&] { return model->runs == 1; }));
  sleep_ms(50);  // the device is done with it
  session->dispose_slot(slot);
  sleep_ms(50);
  EXPECT_EQ(model->destroyed, 0u) << "the request was destroyed while its start() was running";
  leave.open();
  submitter.join();
  EXPECT_TRUE(sink->wait(1));
  EXPECT_EQ(sink->only(1).code, std::nullopt);
  EXPECT_TRUE(eventually([&] { return model->destroyed == 1; }));
  EXPECT_EQ(model->violations, 0u);
}

TEST_F(SessionAsyncTest, ARequestIsNotRunInsideItsStart) {
  Gate leave;
  FakeHooks hooks;
  hooks.started = [&] { leave.wait(); };
  const auto model = FakeModel::create(hooks);
  const auto session = Session::create(model, FakeModel::device(), options_of(1), make_host_allocator());
  const auto sink = std::make_shared<Recorder>();
  const auto slot = session->create_slot({});
  std::thread submitter([&] { session->submit(slot, 1, sink, 0, false); });
  ASSERT_TRUE(eventually([&] { return model->runs == 1; }));
  sleep_ms(50);
  code_of([&] { session->run_sync(slot); });  // may be refused, but must not use the request
  EXPECT_EQ(model->violations, 0u) << "two threads were in the request at once";
  leave.open();
  submitter.join();
  EXPECT_TRUE(eventually([&] { return !session->busy(slot); }));
}

TEST_F(SessionAsyncTest, CancelAndDeadlineOfAStartedRun) {
  const EchoSession echo = plus_one("delay_ms 600000\n", options_of(2));  // as long as it takes
  const auto sink = std::make_shared<Recorder>();
  const auto one = echo.session->create_slot({}), two = echo.session->create_slot({});
  echo.session->submit(one, 1, sink, 0, false);
  echo.session->submit(two, 2, sink, now_ns() + 50'000'000, false);
  sleep_ms(30);
  echo.session->end_early(1, ErrorCode::kAborted);
  EXPECT_EQ(sink->only(1).code, ErrorCode::kAborted);
  ASSERT_TRUE(sink->wait(2));
  EXPECT_EQ(sink->only(2).code, ErrorCode::kTimeout);
  EXPECT_TRUE(eventually([&] { return !echo.session->busy(one) && !echo.session->busy(two); }));
  const Statistics s = echo.session->statistics();
  EXPECT_EQ(s.aborted, 1u);
  EXPECT_EQ(s.timed_out, 1u);
  EXPECT_EQ(s.compute.count, 0u);
}

// Synchronous runs of other threads take places too; when they end, what waits for a place must go on.
TEST_F(SessionAsyncTest, WaitingRunsGoOnAfterSynchronousOnes) {
  Gate go;
  std::atomic<int> entered{0};
  const auto model = FakeModel::create({{}, {}, [&] { ++entered, go.wait(); }});
  const auto session = Session::create(model, FakeModel::device(), options_of(1), make_host_allocator());
  const auto sink = std::make_shared<Recorder>();
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] { session->run_sync(session->create_slot({})); });
  }
  ASSERT_TRUE(eventually([&] { return entered == 2; }));
  session->submit(session->create_slot({}), 1, sink, 0, false);
  go.open();
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(sink->wait(1)) << "a run waits although nothing runs";
  session->dispose({});
  EXPECT_TRUE(sink->wait(1));
}

TEST_F(SessionAsyncTest, DisposeWithStartedRuns) {
  for (int round = 0; round < 30; ++round) {
    const EchoSession echo = plus_one("delay_ms 3\n", options_of(2));
    const auto sink = std::make_shared<Recorder>();
    std::vector<std::shared_ptr<Slot>> slots;
    for (int i = 0; i < 8; ++i) slots.push_back(echo.session->create_slot({}));
    for (uint64_t i = 0; i < 8; ++i) echo.session->submit(slots[i], i, sink, 0, false);
    const Statistics before = echo.session->statistics();
    Gate done;
    echo.session->dispose([&] { done.open(); });
    ASSERT_TRUE(done.wait());
    ASSERT_TRUE(sink->wait(8));
    EXPECT_EQ(sink->times_told().size(), 8u);
    EXPECT_GT(before.running + before.completed, 0u);
    EXPECT_GE(sink->count_of(std::nullopt), before.running + before.completed);  // those that were started
    EXPECT_EQ(sink->count_of(std::nullopt) + sink->count_of(ErrorCode::kDisposed), 8u);
  }
}

}  // namespace
}  // namespace edge::test
