// A session's runs: results, refusals, statistics and timings of its three ways to run.
#include "core/session.h"

#include <gtest/gtest.h>

#include "../support/fake_model.h"
#include "../support/gate.h"
#include "../support/recorder.h"
#include "core/clock.h"

namespace edge::test {
namespace {

SessionOptions options_of(size_t in_flight, size_t queue_limit = 64, Dispatch dispatch = Dispatch::kLane) {
  SessionOptions options;
  options.in_flight = in_flight;
  options.queue_limit = queue_limit;
  options.dispatch = dispatch;
  return options;
}

void fill(Session& session, const std::shared_ptr<Slot>& slot, float value) {
  float* values = input_values(session, slot);
  for (int i = 0; i < 4; ++i) values[i] = value + static_cast<float>(i);
}

void expect_filled(const float* values, float first) {
  for (int i = 0; i < 4; ++i) EXPECT_EQ(values[i], first + static_cast<float>(i)) << "element " << i;
}

class SessionTest : public testing::Test {
 protected:
  void TearDown() override { EXPECT_TRUE(all_gone()) << "sessions, requests or lanes were left behind"; }
};

TEST_F(SessionTest, RunSyncGivesTheResult) {
  const EchoSession echo = plus_one();
  const auto slot = echo.session->create_slot({});
  fill(*echo.session, slot, 10);
  echo.session->run_sync(slot);
  expect_filled(output_values(*echo.session, slot), 11);
  const Statistics s = echo.session->statistics();
  EXPECT_EQ(s.submitted, 1u);
  EXPECT_EQ(s.completed, 1u);
  EXPECT_EQ(s.bytes_copied, 0u);
  EXPECT_EQ(s.compute.count, 1u);
  EXPECT_EQ(s.running, 0u);
}

TEST_F(SessionTest, RunSyncThrowsWhatTheRunThrows) {
  const EchoSession echo = plus_one("fail_at 1 ERR_DEVICE_LOST\n");
  const auto slot = echo.session->create_slot({});
  EXPECT_EQ(code_of([&] { echo.session->run_sync(slot); }), ErrorCode::kDeviceLost);
  EXPECT_FALSE(echo.session->busy(slot));
  echo.session->run_sync(slot);  // the slot can be used again
  const Statistics s = echo.session->statistics();
  EXPECT_EQ(s.submitted, 2u);
  EXPECT_EQ(s.failed, 1u);
  EXPECT_EQ(s.completed, 1u);
}

TEST_F(SessionTest, SubmitTellsTheSink) {
  const EchoSession echo = plus_one();
  const auto sink = std::make_shared<Recorder>();
  std::atomic<bool> slot_is_right{false};
  const auto slot = echo.session->create_slot({});
  sink->on_end = [&](const RunEnd& end) { slot_is_right = end.slot == slot && end.session == echo.session; };
  fill(*echo.session, slot, 1);
  const int64_t before = now_ns();
  EXPECT_FALSE(echo.session->submit(slot, 7, sink, 0, false));
  ASSERT_TRUE(sink->wait(1));
  const int64_t after = now_ns();
  const Recorder::Heard heard = sink->only(7);
  EXPECT_EQ(heard.code, std::nullopt);
  EXPECT_TRUE(slot_is_right);
  EXPECT_LE(before, heard.times.submitted);
  EXPECT_LE(heard.times.submitted, heard.times.started);
  EXPECT_LE(heard.times.started, heard.times.ended);
  EXPECT_LE(heard.times.ended, after);
  expect_filled(output_values(*echo.session, slot), 2);
  EXPECT_EQ(echo.session->times(slot).ended, heard.times.ended);
}

TEST_F(SessionTest, SubmitTellsAFailure) {
  const EchoSession echo = plus_one("fail_at 1 ERR_BACKEND\n");
  const auto sink = std::make_shared<Recorder>();
  const auto slot = echo.session->create_slot({});
  echo.session->submit(slot, 1, sink, 0, false);
  ASSERT_TRUE(sink->wait(1));
  EXPECT_EQ(sink->only(1).code, ErrorCode::kBackend);
  EXPECT_EQ(echo.session->statistics().failed, 1u);
  echo.session->submit(slot, 2, sink, 0, false);
  ASSERT_TRUE(sink->wait(2));
  EXPECT_EQ(sink->only(2).code, std::nullopt);
}

TEST_F(SessionTest, SubmitCopyDeliversTheOutputs) {
  const EchoSession echo = plus_one();
  const auto sink = std::make_shared<Recorder>();
  const std::vector<float> values = {1, 2, 3, 4};
  for (uint64_t token = 1; token <= 3; ++token) {
    echo.session->submit_copy({view_of(values)}, token, sink, 0);
    ASSERT_TRUE(sink->wait(token));
    const Recorder::Heard heard = sink->only(token);
    ASSERT_EQ(heard.outputs.size(), 1u);
    EXPECT_EQ(heard.outputs[0], (std::vector<float>{2, 3, 4, 5}));
    EXPECT_EQ(heard.shapes[0], Shape{4});
  }
  // The first is staged and copied again by the lane, the others go straight into the request that is bound by then.
  EXPECT_EQ(echo.session->statistics().bytes_copied, 16u * 4);
}

TEST_F(SessionTest, SubmitCopyReadsTheInputsBeforeItReturns) {
  const EchoSession echo = plus_one("delay_ms 20\n", options_of(1));
  const auto sink = std::make_shared<Recorder>();
  for (uint64_t token = 0; token < 6; ++token) {
    std::vector<float> values(4, static_cast<float>(token));
    echo.session->submit_copy({view_of(values)}, token, sink, 0);
    std::fill(values.begin(), values.end(), -1000.f);
  }
  ASSERT_TRUE(sink->wait(6));
  for (uint64_t token = 0; token < 6; ++token) {
    ASSERT_EQ(sink->only(token).outputs.size(), 1u);
    EXPECT_EQ(sink->only(token).outputs[0], std::vector<float>(4, static_cast<float>(token) + 1));
  }
}

TEST_F(SessionTest, ABusyRequestRefusesEverything) {
  Gate entered, go;
  const auto model = FakeModel::create({{}, {}, [&] { entered.open(), go.wait(); }});
  const auto session = Session::create(model, FakeModel::device(), options_of(2), make_host_allocator());
  const auto sink = std::make_shared<Recorder>();
  const auto slot = session->create_slot({});
  EXPECT_FALSE(session->busy(slot));
  session->submit(slot, 1, sink, 0, false);
  ASSERT_TRUE(entered.wait());
  EXPECT_TRUE(session->busy(slot));
  EXPECT_EQ(code_of([&] { session->submit(slot, 2, sink, 0, false); }), ErrorCode::kBusy);
  EXPECT_EQ(code_of([&] { session->run_sync(slot); }), ErrorCode::kBusy);
  EXPECT_EQ(code_of([&] { session->reshape(slot, {{8}}); }), ErrorCode::kBusy);
  EXPECT_EQ(code_of([&] { session->inputs(slot); }), ErrorCode::kBusy);
  EXPECT_EQ(code_of([&] { session->outputs(slot); }), ErrorCode::kBusy);
  EXPECT_EQ(code_of([&] { session->borrow(slot, [](Request&) {}); }), ErrorCode::kBusy);
  EXPECT_EQ(session->statistics().running, 1u);
  go.open();
  ASSERT_TRUE(sink->wait(1));
  sink->only(1);
  EXPECT_EQ(sink->count(), 1u);
  EXPECT_EQ(model->runs, 1u);
  EXPECT_EQ(model->violations, 0u);
}

TEST_F(SessionTest, AFullQueueRefusesAndCounts) {
  Gate go;
  const auto model = FakeModel::create({{}, {}, [&] { go.wait(); }});
  const auto session = Session::create(model, FakeModel::device(), options_of(1, 2), make_host_allocator());
  const auto sink = std::make_shared<Recorder>();
  std::vector<std::shared_ptr<Slot>> slots;
  for (uint64_t i = 0; i < 4; ++i) slots.push_back(session->create_slot({}));
  for (uint64_t i = 0; i < 3; ++i) session->submit(slots[i], i, sink, 0, false);
  EXPECT_EQ(code_of([&] { session->submit(slots[3], 3, sink, now_ns() + 1'000'000, false); }), ErrorCode::kQueueFull);
  EXPECT_FALSE(session->busy(slots[3]));
  const std::vector<float> values(4);
  EXPECT_EQ(code_of([&] { session->submit_copy({view_of(values)}, 4, sink, 0); }), ErrorCode::kQueueFull);
  Statistics s = session->statistics();
  EXPECT_EQ(s.refused, 2u);
  EXPECT_EQ(s.submitted, 3u);
  EXPECT_EQ(s.queue_depth_max, 2u);
  go.open();
  ASSERT_TRUE(sink->wait(3));
  sleep_ms(20);  // were the refused ones told, it would be now
  EXPECT_EQ(sink->count(), 3u);
  session->submit(slots[3], 5, sink, 0, false);
  ASSERT_TRUE(sink->wait(4));
  s = session->statistics();
  EXPECT_EQ(s.completed, 4u);
  EXPECT_EQ(s.queue_depth, 0u);
}

TEST_F(SessionTest, RunsStartInTheOrderOfTheirSubmission) {
  const EchoSession echo = plus_one("delay_ms 1\n", options_of(1));
  const auto sink = std::make_shared<Recorder>();
  const std::vector<float> values(4);
  std::vector<std::shared_ptr<Slot>> slots;
  for (int i = 0; i < 20; ++i) slots.push_back(echo.session->create_slot({}));
  for (uint64_t i = 0; i < 40; ++i) {
    if (i % 2 == 0) {
      echo.session->submit(slots[i / 2], i, sink, 0, false);
    } else {
      echo.session->submit_copy({view_of(values)}, i, sink, 0);
    }
  }
  ASSERT_TRUE(sink->wait(40));
  const auto heard = sink->heard();
  for (uint64_t i = 0; i < 40; ++i) EXPECT_EQ(heard[i].token, i);
}

TEST_F(SessionTest, ReshapeRebindsAndKeepsTheOldBindingWhenRefused) {
  const EchoSession echo = plus_one("", {}, "?");
  EXPECT_EQ(code_of([&] { echo.session->create_slot({}); }), ErrorCode::kInvalidTensor);  // no static shape
  const auto slot = echo.session->create_slot({{2}});
  EXPECT_EQ(echo.session->inputs(slot)[0].shape, Shape{2});
  echo.session->reshape(slot, {{6}});
  EXPECT_EQ(echo.session->inputs(slot)[0].bytes, 24u);
  EXPECT_EQ(echo.session->outputs(slot)[0].shape, Shape{6});
  EXPECT_EQ(code_of([&] { echo.session->reshape(slot, {{2, 2}}); }), ErrorCode::kInvalidTensor);
  EXPECT_EQ(echo.session->inputs(slot)[0].shape, Shape{6});
  input_values(*echo.session, slot)[5] = 41;
  echo.session->run_sync(slot);
  EXPECT_EQ(output_values(*echo.session, slot)[5], 42);
}

TEST_F(SessionTest, ABuffersHolderOutlivesReshapeAndRequest) {
  EchoSession echo = plus_one("", {}, "?");
  auto slot = echo.session->create_slot({{4}});
  const std::shared_ptr<Buffer> buffer = echo.session->inputs(slot)[0].buffer;
  echo.session->reshape(slot, {{8}});
  echo.session->dispose_slot(slot);
  slot.reset();
  echo = EchoSession();
  EXPECT_TRUE(all_gone());
  std::fill_n(static_cast<float*>(buffer->data()), 4, 1.f);  // an address sanitizer would object
}

TEST_F(SessionTest, BorrowLendsTheRequestAndPassesErrorsOn) {
  const EchoSession echo = plus_one();
  const auto slot = echo.session->create_slot({});
  bool busy = false;
  echo.session->borrow(slot, [&](Request& request) {
    busy = echo.session->busy(slot);
    request.run();
  });
  EXPECT_TRUE(busy);
  EXPECT_FALSE(echo.session->busy(slot));
  EXPECT_EQ(code_of([&] { echo.session->borrow(slot, [](Request&) { throw std::bad_alloc(); }); }),
            ErrorCode::kOutOfMemory);
  EXPECT_FALSE(echo.session->busy(slot));
  echo.session->run_sync(slot);
}

TEST_F(SessionTest, ADisposedRequestRefusesEverything) {
  const EchoSession echo = plus_one();
  const auto slot = echo.session->create_slot({});
  echo.session->dispose_slot(slot);
  echo.session->dispose_slot(slot);
  const auto sink = std::make_shared<Recorder>();
  EXPECT_EQ(code_of([&] { echo.session->submit(slot, 1, sink, 0, false); }), ErrorCode::kDisposed);
  EXPECT_EQ(code_of([&] { echo.session->run_sync(slot); }), ErrorCode::kDisposed);
  EXPECT_EQ(code_of([&] { echo.session->inputs(slot); }), ErrorCode::kDisposed);
  EXPECT_FALSE(echo.session->busy(slot));
  EXPECT_TRUE(eventually([] { return Session::process_counts().requests == 0; }));
  EXPECT_EQ(sink->count(), 0u);
}

TEST_F(SessionTest, ARequestDisposedDuringItsRunGoesWhenTheRunEnds) {
  Gate entered, go;
  const auto model = FakeModel::create({{}, {}, [&] { entered.open(), go.wait(); }});
  const auto session = Session::create(model, FakeModel::device(), options_of(1), make_host_allocator());
  const auto sink = std::make_shared<Recorder>();
  auto slot = session->create_slot({});
  session->submit(slot, 1, sink, 0, false);
  ASSERT_TRUE(entered.wait());
  session->dispose_slot(slot);
  slot.reset();
  sleep_ms(20);
  EXPECT_EQ(model->destroyed, 0u);
  go.open();
  ASSERT_TRUE(sink->wait(1));
  EXPECT_EQ(sink->only(1).code, std::nullopt);
  EXPECT_TRUE(eventually([&] { return model->destroyed == 1; }));
  EXPECT_EQ(model->violations, 0u);
}

TEST_F(SessionTest, AFailedRequestIsNotCounted) {
  int attempts = 0;
  const auto fails_first = [&attempts] {
    if (++attempts == 1) throw Error(ErrorCode::kOutOfMemory, "no more requests");
  };
  const auto model = FakeModel::create({fails_first});
  const auto session = Session::create(model, FakeModel::device(), options_of(1), make_host_allocator());
  EXPECT_EQ(code_of([&] { session->create_slot({}); }), ErrorCode::kOutOfMemory);
  EXPECT_EQ(Session::process_counts().requests, 0u);
  EXPECT_EQ(code_of([&] { session->create_slot({{4}, {4}}); }), ErrorCode::kInvalidTensor);  // made, but not bound
  EXPECT_TRUE(eventually([] { return Session::process_counts().requests == 0; }));
}

TEST_F(SessionTest, CreateChoosesWhatTheDeviceCallsOptimal) {
  EXPECT_EQ(plus_one("optimal 3\n").session->options().in_flight, 3u);
  EXPECT_EQ(plus_one("optimal 3\n", options_of(2)).session->options().in_flight, 2u);
  EXPECT_EQ(plus_one("optimal 0\n").session->options().in_flight, 1u);
  const auto model = FakeModel::create();
  EXPECT_EQ(code_of([&] {
              Session::create(model, FakeModel::device(false), options_of(1, 1, Dispatch::kAsync),
                              make_host_allocator());
            }),
            ErrorCode::kUnsupported);
}

TEST_F(SessionTest, ToldRecordsTheWayBack) {
  const EchoSession echo = plus_one();
  const auto slot = echo.session->create_slot({});
  echo.session->told(slot, {1000, 2000, 5000, 9000});
  const Statistics s = echo.session->statistics();
  EXPECT_EQ(s.callback.count, 1u);
  EXPECT_EQ(s.callback.max, 4000);
  EXPECT_EQ(s.total.max, 8000);
  EXPECT_EQ(echo.session->times(slot).told, 9000);
}

TEST_F(SessionTest, BytesHeldFollowTheRequests) {
  EchoSession echo = plus_one();
  auto slot = echo.session->create_slot({});
  EXPECT_EQ(echo.session->statistics().bytes_held, 128u);  // 16 bytes in and out, each a cache line
  echo.session->dispose_slot(slot);
  EXPECT_TRUE(eventually([&] { return echo.allocator->bytes_held() == 0; }));
}

}  // namespace
}  // namespace edge::test
