// How a session ends: disposed, shut down or dropped, with work waiting, running or being delivered.
#include <gtest/gtest.h>

#include <atomic>

#include "../support/fake_model.h"
#include "../support/gate.h"
#include "../support/recorder.h"
#include "core/clock.h"
#include "core/reaper.h"
#include "core/session.h"

namespace edge::test {
namespace {

SessionOptions options_of(size_t in_flight, Dispatch dispatch = Dispatch::kLane) {
  SessionOptions options;
  options.in_flight = in_flight;
  options.dispatch = dispatch;
  return options;
}

std::thread::id reaper_id() {
  Gate there;
  std::thread::id id;
  reap([&] {
    id = std::this_thread::get_id();
    there.open();
  });
  EXPECT_TRUE(there.wait());
  return id;
}

// Disposes, and opens the gate when all is over. The gate outlives a test that fails.
std::shared_ptr<Gate> dispose(Session& session) {
  auto done = std::make_shared<Gate>();
  session.dispose([done] { done->open(); });
  return done;
}

class SessionDisposeTest : public testing::Test {
 protected:
  void TearDown() override { EXPECT_TRUE(all_gone()) << "sessions, requests or lanes were left behind"; }
};

TEST_F(SessionDisposeTest, AnIdleSessionGoesOnTheReaper) {
  const auto model = FakeModel::create();
  const auto session = Session::create(model, FakeModel::device(), options_of(1), make_host_allocator());
  const auto slot = session->create_slot({});
  session->run_sync(slot);
  Gate done;
  std::thread::id teller;
  session->dispose([&] {
    teller = std::this_thread::get_id();
    done.open();
  });
  ASSERT_TRUE(done.wait());
  EXPECT_EQ(teller, reaper_id());
  EXPECT_EQ(model->destroyer.load(), reaper_id());
  EXPECT_EQ(model->destroyed, 1u);  // before `done`
  EXPECT_EQ(Session::process_counts().requests, 0u);
  EXPECT_EQ(model.use_count(), 1);  // it was let go before, too
  const auto sink = std::make_shared<Recorder>();
  const std::vector<float> values(4);
  EXPECT_EQ(code_of([&] { session->run_sync(slot); }), ErrorCode::kDisposed);
  EXPECT_EQ(code_of([&] { session->submit(slot, 1, sink, 0, true); }), ErrorCode::kDisposed);
  EXPECT_EQ(code_of([&] { session->submit_copy({view_of(values)}, 1, sink, 0); }), ErrorCode::kDisposed);
  EXPECT_EQ(code_of([&] { session->create_slot({}); }), ErrorCode::kDisposed);
  EXPECT_EQ(code_of([&] { session->inputs(slot); }), ErrorCode::kDisposed);
  session->dispose_slot(slot);
  session->end_early(1, ErrorCode::kAborted);
  EXPECT_EQ(sink->count(), 0u);
}

TEST_F(SessionDisposeTest, WaitingRunsEndAtOnceAndRunningOnesGoOn) {
  Gate entered, go;
  const auto model = FakeModel::create({{}, {}, [&] { entered.open(), go.wait(); }});
  const auto session = Session::create(model, FakeModel::device(), options_of(1), make_host_allocator());
  const auto sink = std::make_shared<Recorder>();
  const auto slot = session->create_slot({}), other = session->create_slot({});
  const std::vector<float> values(4, 1);
  session->submit(slot, 1, sink, 0, false);
  ASSERT_TRUE(entered.wait());
  session->submit(other, 2, sink, now_ns() + 60'000'000'000, false);
  for (uint64_t token = 3; token < 6; ++token) session->submit_copy({view_of(values)}, token, sink, 0);
  const auto done = dispose(*session);
  EXPECT_EQ(sink->count(), 4u);
  for (uint64_t token = 2; token < 6; ++token) EXPECT_EQ(sink->only(token).code, ErrorCode::kDisposed);
  EXPECT_FALSE(done->wait(std::chrono::milliseconds(50)));
  EXPECT_EQ(model->destroyed, 0u);
  go.open();
  ASSERT_TRUE(done->wait());
  EXPECT_EQ(sink->only(1).code, std::nullopt);
  EXPECT_EQ(model->runs, 1u);
  EXPECT_EQ(model->violations, 0u);
  const Statistics s = session->statistics();
  EXPECT_EQ(s.submitted, 5u);
  EXPECT_EQ(s.completed, 1u);
  EXPECT_EQ(s.aborted, 4u);
}

TEST_F(SessionDisposeTest, DisposeWaitsForOutputsThatAreHeld) {
  const auto model = FakeModel::create();
  const auto session = Session::create(model, FakeModel::device(), options_of(1), make_host_allocator());
  const auto sink = std::make_shared<Recorder>(Recorder::Deliveries::kHold);
  const std::vector<float> values(4, 1);
  session->submit_copy({view_of(values)}, 1, sink, 0);
  ASSERT_TRUE(sink->wait(1));
  const auto done = dispose(*session);
  EXPECT_FALSE(done->wait(std::chrono::milliseconds(50)));
  EXPECT_EQ(model->destroyed, 0u);
  sink->release_all();
  ASSERT_TRUE(done->wait());
  EXPECT_EQ(model->destroyed, 1u);
}

TEST_F(SessionDisposeTest, DisposeTwiceTellsBoth) {
  const EchoSession echo = plus_one("delay_ms 20\n", options_of(1));
  const auto sink = std::make_shared<Recorder>();
  const auto slot = echo.session->create_slot({});
  echo.session->submit(slot, 1, sink, 0, false);
  std::atomic<int> told{0};
  echo.session->dispose([&] { ++told; });
  echo.session->dispose([&] { ++told; });
  echo.session->dispose({});
  ASSERT_TRUE(eventually([&] { return told == 2; }));
  echo.session->dispose([&] { ++told; });  // it is gone already
  ASSERT_TRUE(eventually([&] { return told == 3; }));
}

TEST_F(SessionDisposeTest, DisposeFromManyThreads) {
  for (int round = 0; round < 50; ++round) {
    const EchoSession echo = plus_one("", options_of(2));
    const auto sink = std::make_shared<Recorder>();
    const std::vector<float> values(4, 1);
    for (uint64_t token = 0; token < 10; ++token) echo.session->submit_copy({view_of(values)}, token, sink, 0);
    std::atomic<int> told{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) threads.emplace_back([&] { echo.session->dispose([&] { ++told; }); });
    for (std::thread& thread : threads) thread.join();
    ASSERT_TRUE(sink->wait(10));
    ASSERT_TRUE(eventually([&] { return told == 3; }));
    EXPECT_EQ(sink->times_told().size(), 10u);
    EXPECT_EQ(sink->count(), 10u);
  }
}

TEST_F(SessionDisposeTest, DroppedRunsAreToldBeforeTheEndOfDispose) {
  const auto model = FakeModel::create();
  const auto session = Session::create(model, FakeModel::device(), options_of(1), make_host_allocator());
  // All requests are held with their outputs: nothing runs, three runs wait.
  const auto holding = std::make_shared<Recorder>(Recorder::Deliveries::kHold);
  const std::vector<float> values(4, 1);
  for (uint64_t token = 0; token < 2; ++token) session->submit_copy({view_of(values)}, token, holding, 0);
  ASSERT_TRUE(holding->wait(2));
  std::atomic<int> told{0};
  const auto sink = std::make_shared<Recorder>();
  sink->on_end = [&](const RunEnd&) {
    if (++told == 1) holding->release_all();
    sleep_ms(20);
  };
  for (uint64_t token = 2; token < 5; ++token) session->submit_copy({view_of(values)}, token, sink, 0);
  const auto told_before_done = std::make_shared<std::atomic<int>>(-1);
  session->dispose([&, told_before_done] { *told_before_done = told.load(); });
  ASSERT_TRUE(sink->wait(3));
  ASSERT_TRUE(eventually([&] { return *told_before_done >= 0; }));
  EXPECT_EQ(*told_before_done, 3);
}

TEST_F(SessionDisposeTest, AStartedRunIsToldBeforeTheEndOfDispose) {
  // The device is done with the run, and nothing else waits, but its caller has not heard of it yet.
  const auto model = FakeModel::create();
  const auto session =
      Session::create(model, FakeModel::device(true), options_of(1, Dispatch::kAsync), make_host_allocator());
  const auto sink = std::make_shared<Recorder>();
  std::atomic<int> told{0};
  const auto told_before_done = std::make_shared<std::atomic<int>>(-1);
  sink->on_end = [&](const RunEnd&) {
    sleep_ms(30);
    ++told;
  };
  const auto slot = session->create_slot({});
  session->submit(slot, 1, sink, 0, false);
  ASSERT_TRUE(eventually([&] { return session->statistics().running == 0; }));
  session->dispose([&, told_before_done] { *told_before_done = told.load(); });
  ASSERT_TRUE(eventually([&] { return *told_before_done >= 0; }));
  EXPECT_EQ(*told_before_done, 1);
}

TEST_F(SessionDisposeTest, DisposeDuringRunSyncWaitsForIt) {
  Gate entered, go;
  const auto model = FakeModel::create({{}, {}, [&] { entered.open(), go.wait(); }});
  const auto session = Session::create(model, FakeModel::device(), options_of(1), make_host_allocator());
  const auto slot = session->create_slot({});
  std::thread runner([&] { session->run_sync(slot); });
  ASSERT_TRUE(entered.wait());
  const auto done = dispose(*session);
  EXPECT_FALSE(done->wait(std::chrono::milliseconds(50)));
  EXPECT_EQ(model->destroyed, 0u);
  go.open();
  runner.join();
  EXPECT_TRUE(done->wait()) << "nobody finished what dispose() began";
  EXPECT_EQ(model->violations, 0u);
}

TEST_F(SessionDisposeTest, DisposeWaitsForARequestThatIsLent) {
  Gate entered, go;
  const auto model = FakeModel::create({}, {-1});
  const auto session = Session::create(model, FakeModel::device(), options_of(1), make_host_allocator());
  const auto slot = session->create_slot({{4}});
  std::thread borrower([&] {
    session->borrow(slot, [&](Request& request) {
      entered.open();
      go.wait();
      if (model->destroyed == 0) request.bind({{8}});
    });
  });
  ASSERT_TRUE(entered.wait());
  const auto done = dispose(*session);
  EXPECT_FALSE(done->wait(std::chrono::milliseconds(100)));
  EXPECT_EQ(model->destroyed, 0u) << "the request was destroyed under its borrower";
  go.open();
  borrower.join();
  EXPECT_TRUE(done->wait());
}

TEST_F(SessionDisposeTest, DisposeWaitsForInputsThatAreBeingCopied) {
  Gate entered, go;
  std::atomic<bool> block{false};
  FakeHooks hooks;
  hooks.inputs = [&] {
    if (block) entered.open(), go.wait();
  };
  const auto model = FakeModel::create(hooks);
  const auto session = Session::create(model, FakeModel::device(), options_of(1), make_host_allocator());
  const auto sink = std::make_shared<Recorder>();
  const std::vector<float> values(4, 1);
  session->submit_copy({view_of(values)}, 1, sink, 0);
  ASSERT_TRUE(sink->wait(1));
  ASSERT_TRUE(eventually([&] { return session->statistics().running == 0; }));
  block = true;
  std::optional<ErrorCode> code;
  std::thread submitter([&] { code = code_of([&] { session->submit_copy({view_of(values)}, 2, sink, 0); }); });
  ASSERT_TRUE(entered.wait());  // its inputs go straight into the pooled request
  const auto done = dispose(*session);
  sleep_ms(100);
  EXPECT_EQ(model->destroyed, 0u) << "the request was destroyed under the copy";
  go.open();
  submitter.join();
  EXPECT_EQ(code, ErrorCode::kDisposed);
  EXPECT_TRUE(done->wait());
  EXPECT_EQ(sink->count(), 1u);
}

TEST_F(SessionDisposeTest, RequestsAreMadeWhileItIsDisposed) {
  for (int round = 0; round < 200; ++round) {
    const EchoSession echo = plus_one("", options_of(1));
    Gate begin;
    std::thread maker([&] {
      begin.wait();
      for (;;) {
        if (code_of([&] { echo.session->create_slot({}); }) == ErrorCode::kDisposed) return;
      }
    });
    begin.open();
    std::this_thread::sleep_for(std::chrono::microseconds(round * 3));
    const auto done = dispose(*echo.session);
    maker.join();
    ASSERT_TRUE(done->wait());
  }
}

TEST_F(SessionDisposeTest, ShutDownCancelsWhatRuns) {
  const EchoSession echo = plus_one("hang_at 1\n", options_of(1));
  const auto sink = std::make_shared<Recorder>();
  const auto slot = echo.session->create_slot({}), other = echo.session->create_slot({});
  echo.session->submit(slot, 1, sink, 0, false);
  sleep_ms(100);
  echo.session->submit(other, 2, sink, 0, false);
  echo.session->shut_down();
  EXPECT_EQ(sink->only(1).code, ErrorCode::kDisposed);
  EXPECT_EQ(sink->only(2).code, ErrorCode::kDisposed);
  const auto done = dispose(*echo.session);
  EXPECT_TRUE(done->wait());
  echo.session->shut_down();
}

TEST_F(SessionDisposeTest, TheLastReferenceMayDieOnALane) {
  const auto model = FakeModel::create({{}, {}, [] { sleep_ms(5); }});
  const auto sink = std::make_shared<Recorder>(Recorder::Deliveries::kDrop);
  for (uint64_t token = 0; token < 40; ++token) {
    auto session = Session::create(model, FakeModel::device(), options_of(2), make_host_allocator());
    auto slot = session->create_slot({});
    const std::vector<float> values(4, 1);
    session->submit(slot, 2 * token, sink, 0, false);
    session->submit_copy({view_of(values)}, 2 * token + 1, sink, 0);
    // From here on only the runs keep the session; it ends on a lane, which cannot join itself.
  }
  ASSERT_TRUE(sink->wait(80));
  EXPECT_EQ(sink->count_of(std::nullopt), 80u);
  EXPECT_TRUE(all_gone());
  EXPECT_TRUE(eventually([&] { return model->destroyed == model->created; }));
  EXPECT_EQ(model->destroyer.load(), reaper_id());
}

TEST_F(SessionDisposeTest, TheLastReferenceMayDieOnADeviceThreadOrTheTimer) {
  const auto model = FakeModel::create({{}, {}, [] { sleep_ms(3); }});
  const auto sink = std::make_shared<Recorder>();
  for (uint64_t token = 0; token < 40; ++token) {
    const auto session =
        Session::create(model, FakeModel::device(), options_of(1, Dispatch::kAsync), make_host_allocator());
    session->submit(session->create_slot({}), token, sink, now_ns() + 3'000'000, false);
  }
  ASSERT_TRUE(sink->wait(40));
  EXPECT_EQ(sink->times_told().size(), 40u);
  EXPECT_TRUE(all_gone());
  EXPECT_EQ(model->violations, 0u);
}

TEST_F(SessionDisposeTest, ASessionDroppedWithWorkQueuedFinishesIt) {
  auto echo = plus_one("delay_ms 1\n", options_of(1));
  const auto sink = std::make_shared<Recorder>();
  const std::vector<float> values(4, 1);
  for (uint64_t token = 0; token < 20; ++token) echo.session->submit_copy({view_of(values)}, token, sink, 0);
  echo = EchoSession();
  ASSERT_TRUE(sink->wait(20));
  EXPECT_EQ(sink->count_of(std::nullopt), 20u);
}

TEST_F(SessionDisposeTest, AnAbandonedSessionIsCountedUntilItGoes) {
  Gate entered, go;
  const auto model = FakeModel::create({{}, {}, [&] { entered.open(), go.wait(); }});
  auto session = Session::create(model, FakeModel::device(), options_of(1), make_host_allocator());
  const auto sink = std::make_shared<Recorder>();
  session->submit(session->create_slot({}), 1, sink, 0, false);
  ASSERT_TRUE(entered.wait());
  session->dispose({});
  session->abandon();
  session->abandon();
  session.reset();
  EXPECT_EQ(Session::process_counts().abandoned, 1u);
  EXPECT_EQ(Session::process_counts().lanes, 1u);
  go.open();
  EXPECT_TRUE(all_gone());
}

TEST_F(SessionDisposeTest, ARequestMayOutliveItsSession) {
  auto echo = plus_one("", options_of(1));
  auto slot = echo.session->create_slot({});
  echo = EchoSession();
  EXPECT_TRUE(eventually([] { return Session::process_counts().sessions == 0; }));
  slot.reset();
}

}  // namespace
}  // namespace edge::test
