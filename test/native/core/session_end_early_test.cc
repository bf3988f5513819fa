// How a session's runs end early: cancelled, out of time, or both at once, and that each is told exactly once.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <random>

#include "../support/fake_model.h"
#include "../support/gate.h"
#include "../support/recorder.h"
#include "core/clock.h"
#include "core/session.h"

namespace edge::test {
namespace {

constexpr int64_t kMs = 1'000'000;

SessionOptions options_of(size_t in_flight, size_t queue_limit = 64) {
  SessionOptions options;
  options.in_flight = in_flight;
  options.queue_limit = queue_limit;
  options.dispatch = Dispatch::kLane;
  return options;
}

void expect_sums(const Session& session) {
  const Statistics s = session.statistics();
  EXPECT_EQ(s.running, 0u);
  EXPECT_EQ(s.queue_depth, 0u);
  EXPECT_EQ(s.submitted, s.completed + s.failed + s.aborted + s.timed_out);
}

class SessionEndEarlyTest : public testing::Test {
 protected:
  void TearDown() override { EXPECT_TRUE(all_gone()) << "sessions, requests or lanes were left behind"; }
};

TEST_F(SessionEndEarlyTest, AWaitingRunIsNeverStarted) {
  Gate entered, go;
  const auto model = FakeModel::create({{}, {}, [&] { entered.open(), go.wait(); }});
  const auto session = Session::create(model, FakeModel::device(), options_of(1), make_host_allocator());
  const auto sink = std::make_shared<Recorder>();
  const auto first = session->create_slot({}), second = session->create_slot({});
  session->submit(first, 1, sink, 0, false);
  ASSERT_TRUE(entered.wait());
  session->submit(second, 2, sink, 0, false);
  session->end_early(2, ErrorCode::kAborted);
  EXPECT_EQ(sink->only(2).code, ErrorCode::kAborted);  // at once, on this thread
  EXPECT_EQ(sink->only(2).times.started, 0);
  EXPECT_FALSE(session->busy(second));
  session->end_early(2, ErrorCode::kAborted);
  session->end_early(99, ErrorCode::kAborted);
  go.open();
  ASSERT_TRUE(sink->wait(2));
  EXPECT_EQ(sink->only(1).code, std::nullopt);
  EXPECT_EQ(model->runs, 1u);
  EXPECT_EQ(model->cancels, 0u);
  EXPECT_EQ(session->statistics().aborted, 1u);
  expect_sums(*session);
}

TEST_F(SessionEndEarlyTest, ADeadlineInTheQueueNeverStarts) {
  Gate entered, go;
  const auto model = FakeModel::create({{}, {}, [&] { entered.open(), go.wait(); }});
  const auto session = Session::create(model, FakeModel::device(), options_of(1), make_host_allocator());
  const auto sink = std::make_shared<Recorder>();
  const auto first = session->create_slot({}), second = session->create_slot({});
  session->submit(first, 1, sink, 0, false);
  ASSERT_TRUE(entered.wait());
  const std::vector<float> values(4);
  session->submit(second, 2, sink, now_ns() + 10 * kMs, false);
  session->submit_copy({view_of(values)}, 3, sink, now_ns() + 10 * kMs);
  session->submit_copy({view_of(values)}, 4, sink, now_ns() - 1);  // over already
  ASSERT_TRUE(sink->wait(3));
  for (const uint64_t token : {2, 3, 4}) EXPECT_EQ(sink->only(token).code, ErrorCode::kTimeout);
  go.open();
  ASSERT_TRUE(sink->wait(4));
  session->run_sync(second);
  EXPECT_EQ(model->runs, 2u);
  EXPECT_EQ(session->statistics().timed_out, 3u);
  expect_sums(*session);
}

TEST_F(SessionEndEarlyTest, ADeadlineThatIsOverDoesNotStartOnAnIdleLane) {
  const auto model = FakeModel::create();
  const auto session = Session::create(model, FakeModel::device(), options_of(1), make_host_allocator());
  const auto sink = std::make_shared<Recorder>();
  const auto slot = session->create_slot({});
  for (uint64_t token = 0; token < 500; ++token) {
    session->submit(slot, token, sink, now_ns() - 1, false);
    ASSERT_TRUE(sink->wait(token + 1));
    EXPECT_EQ(sink->only(token).code, ErrorCode::kTimeout);
    ASSERT_TRUE(eventually([&] { return !session->busy(slot); }));
  }
  EXPECT_EQ(model->runs, 0u);
  expect_sums(*session);
}

TEST_F(SessionEndEarlyTest, ADeadlineDuringTheRunEndsTheWaitNotTheDevice) {
  Gate entered, go;
  const auto model = FakeModel::create({{}, {}, [&] { entered.open(), go.wait(); }});
  const auto session = Session::create(model, FakeModel::device(), options_of(1), make_host_allocator());
  const auto sink = std::make_shared<Recorder>();
  const auto slot = session->create_slot({});
  // On a busy machine a deadline may pass before the run has begun: then again, with more time.
  uint64_t runs = 0;
  for (int64_t ms = 20; !entered.is_open() && runs < 12; ms *= 2) {
    session->submit(slot, ++runs, sink, now_ns() + ms * kMs, false);
    ASSERT_TRUE(sink->wait(runs));
    EXPECT_EQ(sink->only(runs).code, ErrorCode::kTimeout);
    ASSERT_TRUE(eventually([&] { return entered.is_open() || !session->busy(slot); }));
  }
  ASSERT_TRUE(entered.wait());
  EXPECT_TRUE(eventually([&] { return model->cancels >= 1; }));
  EXPECT_TRUE(session->busy(slot));  // the device has not let go
  EXPECT_EQ(code_of([&] { session->run_sync(slot); }), ErrorCode::kBusy);
  EXPECT_EQ(session->statistics().running, 1u);
  go.open();
  EXPECT_TRUE(eventually([&] { return !session->busy(slot); }));
  session->run_sync(slot);
  EXPECT_EQ(sink->count(), runs);
  EXPECT_EQ(model->runs, 2u);
  EXPECT_EQ(model->violations, 0u);
  expect_sums(*session);
}

TEST_F(SessionEndEarlyTest, ADeadlineThatIsMetIsForgotten) {
  const EchoSession echo = plus_one("", options_of(1));
  const auto sink = std::make_shared<Recorder>();
  const auto slot = echo.session->create_slot({});
  // On a busy machine it may be missed: then again, with more time.
  uint64_t runs = 0;
  int64_t deadline = 0;
  for (int64_t ms = 50; runs == 0 || (sink->only(runs).code && runs < 12); ms *= 2) {
    ASSERT_TRUE(eventually([&] { return !echo.session->busy(slot); }));
    deadline = now_ns() + ms * kMs;
    echo.session->submit(slot, ++runs, sink, deadline, false);
    ASSERT_TRUE(sink->wait(runs));
  }
  EXPECT_EQ(sink->only(runs).code, std::nullopt);
  while (now_ns() < deadline + 50 * kMs) sleep_ms(10);
  EXPECT_EQ(sink->count(), runs);
  EXPECT_EQ(echo.session->statistics().timed_out, runs - 1);
}

TEST_F(SessionEndEarlyTest, ACancelledHangLetsGo) {
  Gate hanging, cancelled;
  const auto model = FakeModel::create({{},
                                        {},
                                        [&] {
                                          hanging.open();
                                          if (cancelled.is_open()) return;
                                          cancelled.wait();
                                          throw Error(ErrorCode::kAborted, "cancelled");
                                        },
                                        [&] { cancelled.open(); }});
  const auto session = Session::create(model, FakeModel::device(), options_of(1), make_host_allocator());
  const auto sink = std::make_shared<Recorder>();
  const auto slot = session->create_slot({});
  session->submit(slot, 1, sink, 0, false);
  ASSERT_TRUE(hanging.wait());
  sleep_ms(50);
  EXPECT_EQ(sink->count(), 0u);
  session->end_early(1, ErrorCode::kAborted);
  EXPECT_EQ(sink->only(1).code, ErrorCode::kAborted);
  EXPECT_TRUE(eventually([&] { return !session->busy(slot); }));
  session->run_sync(slot);
  EXPECT_EQ(model->runs, 2u);
  expect_sums(*session);
}

// Between a lane's decision to run and the SDK's beginning a cancel finds nothing to cancel. It must not be lost.
TEST_F(SessionEndEarlyTest, ACancelRightAfterTheSubmissionIsNotLost) {
  std::mutex mutex;
  std::condition_variable wake;
  bool running = false, cancelled = false, lost = false;
  const auto run = [&] {
    std::unique_lock<std::mutex> lock(mutex);
    running = true;
    cancelled = false;
    if (!wake.wait_for(lock, kPatience / 2, [&] { return cancelled; })) lost = true;
    running = false;
  };
  const auto cancel = [&] {
    std::lock_guard<std::mutex> lock(mutex);
    if (running) cancelled = true;
    wake.notify_all();
  };
  const auto model = FakeModel::create({{}, {}, run, cancel});
  const auto session = Session::create(model, FakeModel::device(), options_of(1), make_host_allocator());
  const auto sink = std::make_shared<Recorder>();
  const auto slot = session->create_slot({});
  std::mt19937 random(1);
  for (uint64_t token = 0; token < 3000 && !lost; ++token) {
    session->submit(slot, token, sink, 0, false);
    const int64_t until = now_ns() + static_cast<int64_t>(random() % 40'000);
    while (now_ns() < until) cpu_relax();
    session->end_early(token, ErrorCode::kAborted);
    ASSERT_TRUE(eventually([&] { return !session->busy(slot); })) << "run " << token;
  }
  EXPECT_FALSE(lost) << "after " << sink->count() << " runs";
  expect_sums(*session);
}

TEST_F(SessionEndEarlyTest, CancelRacesWithTheEnd) {
  const auto model = FakeModel::create();
  const auto session = Session::create(model, FakeModel::device(), options_of(2), make_host_allocator());
  const auto sink = std::make_shared<Recorder>();
  uint64_t aborted = 0;
  const std::vector<std::shared_ptr<Slot>> slots = {session->create_slot({}), session->create_slot({})};
  std::mt19937 random(2);
  constexpr uint64_t kRuns = 10'000;
  // How long a run takes is the machine's affair: the cancel comes later after runs that it was too early for, and
  // earlier after those that it was too late for.
  double longest_ns = 30'000;
  for (uint64_t token = 0; token < kRuns; ++token) {
    const auto& slot = slots[token % 2];
    session->submit(slot, token, sink, 0, false);
    const int64_t until = now_ns() + static_cast<int64_t>(random() % static_cast<uint64_t>(longest_ns));
    while (now_ns() < until) cpu_relax();
    session->end_early(token, ErrorCode::kAborted);
    ASSERT_TRUE(eventually([&] { return !session->busy(slot); })) << "run " << token;
    const bool ended_early = session->statistics().aborted > aborted;
    if (ended_early) ++aborted;
    longest_ns = std::clamp(longest_ns * (ended_early ? 1.02 : 0.98), 1'000.0, 10'000'000.0);
  }
  ASSERT_TRUE(sink->wait(kRuns));
  EXPECT_EQ(sink->count(), kRuns);
  EXPECT_EQ(sink->times_told().size(), kRuns);
  EXPECT_EQ(sink->count_of(std::nullopt) + sink->count_of(ErrorCode::kAborted), kRuns);
  EXPECT_GT(sink->count_of(std::nullopt), 0u);
  EXPECT_GT(sink->count_of(ErrorCode::kAborted), 0u);
  EXPECT_EQ(model->violations, 0u);
  expect_sums(*session);
}

// The SDK's cancel takes its time: the request must not be used or destroyed meanwhile.
TEST_F(SessionEndEarlyTest, ARequestWaitsForASlowCancel) {
  Gate entered, go, in_cancel, let_cancel_go;
  const auto model =
      FakeModel::create({{}, {}, [&] { entered.open(), go.wait(); }, [&] { in_cancel.open(), let_cancel_go.wait(); }});
  const auto session = Session::create(model, FakeModel::device(), options_of(1), make_host_allocator());
  const auto sink = std::make_shared<Recorder>();
  auto slot = session->create_slot({});
  session->submit(slot, 1, sink, 0, false);
  ASSERT_TRUE(entered.wait());
  std::thread canceller([&] { session->end_early(1, ErrorCode::kAborted); });
  ASSERT_TRUE(in_cancel.wait());
  EXPECT_EQ(sink->only(1).code, ErrorCode::kAborted);  // the caller does not wait for the SDK
  go.open();
  ASSERT_TRUE(eventually([&] { return session->statistics().running == 0; }));
  EXPECT_TRUE(session->busy(slot));
  Gate disposed;
  session->dispose_slot(slot);
  slot.reset();
  session->dispose([&] { disposed.open(); });
  EXPECT_FALSE(disposed.wait(std::chrono::milliseconds(50)));
  EXPECT_EQ(model->destroyed, 0u);
  let_cancel_go.open();
  canceller.join();
  EXPECT_TRUE(disposed.wait());
  EXPECT_EQ(model->destroyed, 1u);
  EXPECT_EQ(model->violations, 0u);
}

TEST_F(SessionEndEarlyTest, TwoEndsOfOneRunAreToldOnce) {
  Gate entered, go;
  const auto model = FakeModel::create({{}, {}, [&] { entered.open(), go.wait(); }});
  const auto session = Session::create(model, FakeModel::device(), options_of(1), make_host_allocator());
  const auto sink = std::make_shared<Recorder>();
  const auto slot = session->create_slot({});
  session->submit(slot, 1, sink, 0, false);
  ASSERT_TRUE(entered.wait());
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([&] { session->end_early(1, ErrorCode::kTimeout); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(sink->count(), 1u);
  EXPECT_EQ(session->statistics().timed_out, 1u);
  go.open();
  EXPECT_TRUE(eventually([&] { return !session->busy(slot); }));
  expect_sums(*session);
}

// Everything at once, from several threads: whatever was accepted is told once, whatever threw is never told.
void end_at_random(Dispatch dispatch, bool dispose_in_between) {
  const auto seed = static_cast<unsigned>(dispatch) * 2 + (dispose_in_between ? 1 : 0);
  const auto model = FakeModel::create({{}, {}, [] {
                                          thread_local std::mt19937 random(std::random_device{}());
                                          if (random() % 4 == 0) sleep_ms(1);
                                          if (random() % 16 == 0) throw Error(ErrorCode::kBackend, "now and then");
                                        }});
  SessionOptions options = options_of(3, 8);
  options.dispatch = dispatch;
  const auto session = Session::create(model, FakeModel::device(), options, make_host_allocator());
  const auto sink = std::make_shared<Recorder>();
  std::atomic<uint64_t> next{1};
  std::atomic<size_t> accepted{0}, over_inline{0}, refused{0};
  std::vector<std::thread> threads;
  constexpr int kThreads = 4, kRuns = 800;
  for (unsigned t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(seed * 100 + t);
      std::vector<std::shared_ptr<Slot>> slots;
      const std::vector<float> values(4, 1);
      for (int i = 0; i < kRuns; ++i) {
        const uint64_t token = next.fetch_add(1);
        try {
          if (slots.size() < 2) slots.push_back(session->create_slot({}));
          const int64_t deadline = random() % 3 == 0 ? now_ns() + static_cast<int64_t>(random() % 2'000'000) : 0;
          bool over = false;
          if (random() % 2 == 0) {
            session->submit_copy({view_of(values)}, token, sink, deadline);
          } else {
            over = session->submit(slots[random() % slots.size()], token, sink, deadline, deadline == 0);
          }
          (over ? over_inline : accepted).fetch_add(1);
        } catch (const Error& error) {
          refused.fetch_add(1);
          if (error.code() == ErrorCode::kDisposed && dispose_in_between) break;
          if (random() % 2 == 0) std::this_thread::yield();
        }
        if (random() % 3 == 0) session->end_early(token - random() % 4, ErrorCode::kAborted);
        if (random() % 64 == 0) {
          session->dispose_slot(slots.back());
          slots.pop_back();
        }
        if (dispose_in_between && t == 0 && i == kRuns / 2) session->dispose({});
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(sink->wait(accepted));
  ASSERT_TRUE(eventually([&] { return session->statistics().running == 0; }));
  sleep_ms(20);  // a second answer would come now
  EXPECT_EQ(sink->count(), accepted);
  EXPECT_EQ(sink->times_told().size(), accepted);
  EXPECT_GT(refused, 0u);
  EXPECT_EQ(model->violations, 0u);
  expect_sums(*session);
}

TEST_F(SessionEndEarlyTest, ExactlyOnceOnLanes) { end_at_random(Dispatch::kLane, false); }
TEST_F(SessionEndEarlyTest, ExactlyOnceOnLanesWithDispose) { end_at_random(Dispatch::kLane, true); }
TEST_F(SessionEndEarlyTest, ExactlyOnceAsync) { end_at_random(Dispatch::kAsync, false); }
TEST_F(SessionEndEarlyTest, ExactlyOnceAsyncWithDispose) { end_at_random(Dispatch::kAsync, true); }
TEST_F(SessionEndEarlyTest, ExactlyOnceAuto) { end_at_random(Dispatch::kAuto, false); }

}  // namespace
}  // namespace edge::test
