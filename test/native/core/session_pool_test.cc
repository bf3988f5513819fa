// Pooled requests: staging, shape changes, outputs that are held back, and what that does to the queue.
#include <gtest/gtest.h>

#include "../support/fake_model.h"
#include "../support/gate.h"
#include "../support/recorder.h"
#include "core/clock.h"
#include "core/reaper.h"
#include "core/session.h"

namespace edge::test {
namespace {

SessionOptions options_of(size_t in_flight, size_t queue_limit = 64) {
  SessionOptions options;
  options.in_flight = in_flight;
  options.queue_limit = queue_limit;
  options.dispatch = Dispatch::kLane;
  return options;
}

class SessionPoolTest : public testing::Test {
 protected:
  void TearDown() override { EXPECT_TRUE(all_gone()) << "sessions, requests or lanes were left behind"; }
};

TEST_F(SessionPoolTest, ManyMoreRunsThanRequests) {
  const auto model = FakeModel::create();
  const auto session = Session::create(model, FakeModel::device(), options_of(2, 1000), make_host_allocator());
  const auto sink = std::make_shared<Recorder>();
  for (uint64_t token = 0; token < 500; ++token) {
    const std::vector<float> values(4, static_cast<float>(token));
    session->submit_copy({view_of(values)}, token, sink, 0);
  }
  ASSERT_TRUE(sink->wait(500));
  for (uint64_t token = 0; token < 500; ++token) {
    const Recorder::Heard heard = sink->only(token);
    ASSERT_EQ(heard.outputs.size(), 1u);
    EXPECT_EQ(heard.outputs[0], std::vector<float>(4, static_cast<float>(token) + 1));
  }
  EXPECT_LE(model->created, 4u);  // twice as many as run at once
  EXPECT_EQ(model->violations, 0u);
}

TEST_F(SessionPoolTest, ShapesMayChangeFromRunToRun) {
  const auto model = FakeModel::create({}, {-1});
  const auto session = Session::create(model, FakeModel::device(), options_of(2, 1000), make_host_allocator());
  const auto sink = std::make_shared<Recorder>();
  for (uint64_t token = 0; token < 200; ++token) {
    const std::vector<float> values(token % 7, static_cast<float>(token));  // also none at all
    session->submit_copy({view_of(values)}, token, sink, 0);
    if (token % 5 == 0) {
      ASSERT_TRUE(sink->wait(token + 1));
    }
  }
  ASSERT_TRUE(sink->wait(200));
  for (uint64_t token = 0; token < 200; ++token) {
    const Recorder::Heard heard = sink->only(token);
    ASSERT_EQ(heard.outputs.size(), 1u);
    EXPECT_EQ(heard.outputs[0], std::vector<float>(token % 7, static_cast<float>(token) + 1));
  }
}

TEST_F(SessionPoolTest, ARefusedShapeFailsOnlyItsOwnRun) {
  const EchoSession echo = plus_one("", options_of(1), "4");
  const auto sink = std::make_shared<Recorder>();
  const std::vector<float> right(4, 1), wrong(5, 1);
  for (uint64_t token = 0; token < 20; ++token) {
    echo.session->submit_copy({view_of(token % 2 == 0 ? right : wrong)}, token, sink, 0);
  }
  ASSERT_TRUE(sink->wait(20));
  EXPECT_EQ(sink->count_of(std::nullopt), 10u);
  EXPECT_EQ(sink->count_of(ErrorCode::kInvalidTensor), 10u);
  for (uint64_t token = 0; token < 20; token += 2) {
    ASSERT_EQ(sink->only(token).outputs.size(), 1u);
    EXPECT_EQ(sink->only(token).outputs[0], std::vector<float>(4, 2));
  }
}

TEST_F(SessionPoolTest, ARequestThatCannotBeMadeFailsItsRun) {
  std::atomic<int> attempts{0};
  const auto model = FakeModel::create({[&] {
    if (++attempts <= 2) throw std::bad_alloc();
  }});
  const auto session = Session::create(model, FakeModel::device(), options_of(1), make_host_allocator());
  const auto sink = std::make_shared<Recorder>();
  const std::vector<float> values(4, 1);
  for (uint64_t token = 0; token < 4; ++token) session->submit_copy({view_of(values)}, token, sink, 0);
  ASSERT_TRUE(sink->wait(4));
  EXPECT_EQ(sink->count_of(ErrorCode::kOutOfMemory), 2u);
  EXPECT_EQ(sink->count_of(std::nullopt), 2u);
  EXPECT_EQ(session->statistics().failed, 2u);
}

// A device with room for two requests: one that is made after another was disposed of must not fail because the reaper
// has not come to that yet.
TEST_F(SessionPoolTest, WhatWasDisposedOfMakesRoomForTheNext) {
  std::atomic<int> alive{0}, made{0};
  const auto make = [&] {
    ++made;
    if (alive >= 2) throw Error(ErrorCode::kOutOfMemory, "No room.");
    ++alive;
  };
  FakeHooks hooks;
  hooks.create = make;
  hooks.destroy = [&] {
    sleep_ms(1);
    --alive;
  };
  const auto model = FakeModel::create(hooks);
  {
    const auto session = Session::create(model, FakeModel::device(), options_of(1), make_host_allocator());
    std::shared_ptr<Slot> first = session->create_slot({}), second = session->create_slot({});
    for (int i = 0; i < 100; ++i) {
      session->dispose_slot(first);
      first = session->create_slot({});
    }
    await_reaper(kPatience);
    const int before = made;
    EXPECT_THROW(session->create_slot({}), Error);
    EXPECT_EQ(made, before + 1) << "tried again, though nothing makes room";
    // The same for a run that makes its own.
    session->dispose_slot(second);
    const auto sink = std::make_shared<Recorder>();
    const std::vector<float> values(4, 1);
    session->submit_copy({view_of(values)}, 0, sink, 0);
    ASSERT_TRUE(sink->wait(1));
    EXPECT_EQ(sink->count_of(std::nullopt), 1u);
  }
  // The last of them count what is on this stack.
  EXPECT_TRUE(eventually([&] { return model->destroyed == model->created; }));
}

TEST_F(SessionPoolTest, OutputsStayWhileTheyAreHeld) {
  const auto model = FakeModel::create();
  const auto session = Session::create(model, FakeModel::device(), options_of(2), make_host_allocator());
  // Two in flight have four requests. Outputs are read long after others have run.
  struct Keeper final : Sink {
    void run_ended(RunEnd end) noexcept override {
      std::lock_guard<std::mutex> lock(mutex);
      ends.push_back(std::move(end));
    }
    std::mutex mutex;
    std::vector<RunEnd> ends;
  };
  const auto keeper = std::make_shared<Keeper>();
  const auto count = [&] {
    std::lock_guard<std::mutex> lock(keeper->mutex);
    return keeper->ends.size();
  };
  for (uint64_t token = 0; token < 10; ++token) {
    const std::vector<float> values(4, static_cast<float>(token));
    session->submit_copy({view_of(values)}, token, keeper, 0);
  }
  ASSERT_TRUE(eventually([&] { return count() == 4; }));
  sleep_ms(50);
  ASSERT_EQ(count(), 4u) << "a request was used while its outputs were held";
  size_t read = 0;
  while (read < 10) {
    ASSERT_TRUE(eventually([&] { return count() > 0; }));
    RunEnd end;
    {
      std::lock_guard<std::mutex> lock(keeper->mutex);
      end = std::move(keeper->ends.front());
      keeper->ends.erase(keeper->ends.begin());
    }
    ASSERT_TRUE(end.delivery);
    const auto* values = static_cast<const float*>(end.delivery->outputs()[0].buffer->data());
    EXPECT_EQ(values[3], static_cast<float>(end.token) + 1);
    ++read;
  }
  EXPECT_EQ(model->created, 4u);
  EXPECT_EQ(session->statistics().completed, 10u);
}

TEST_F(SessionPoolTest, HeldOutputsDoNotHoldUpCallersRequests) {
  const auto model = FakeModel::create();
  const auto session = Session::create(model, FakeModel::device(), options_of(1), make_host_allocator());
  const auto holding = std::make_shared<Recorder>(Recorder::Deliveries::kHold);
  const auto sink = std::make_shared<Recorder>();
  const std::vector<float> values(4, 1);
  for (uint64_t token = 0; token < 3; ++token) session->submit_copy({view_of(values)}, token, holding, 0);
  ASSERT_TRUE(holding->wait(2));  // the third waits for a request
  const auto slot = session->create_slot({});
  for (uint64_t token = 10; token < 20; ++token) {
    session->submit(slot, token, sink, 0, false);
    ASSERT_TRUE(sink->wait(token - 9));
    ASSERT_TRUE(eventually([&] { return !session->busy(slot); }));
  }
  EXPECT_EQ(holding->count(), 2u);
  holding->release_one();
  ASSERT_TRUE(holding->wait(3));
  holding->release_all();
}

TEST_F(SessionPoolTest, OutputsThatNobodyReadsGiveTheirRequestBack) {
  const auto model = FakeModel::create();
  const auto session = Session::create(model, FakeModel::device(), options_of(1), make_host_allocator());
  const auto sink = std::make_shared<Recorder>(Recorder::Deliveries::kDrop);
  const std::vector<float> values(4, 1);
  for (uint64_t token = 0; token < 50; ++token) session->submit_copy({view_of(values)}, token, sink, 0);
  ASSERT_TRUE(sink->wait(50));
  EXPECT_EQ(sink->count_of(std::nullopt), 50u);
  EXPECT_LE(model->created, 2u);
}

TEST_F(SessionPoolTest, ARunThatWaitsForARequestCanTimeOut) {
  const auto model = FakeModel::create();
  const auto session = Session::create(model, FakeModel::device(), options_of(1), make_host_allocator());
  const auto sink = std::make_shared<Recorder>(Recorder::Deliveries::kHold);
  const std::vector<float> values(4, 1);
  for (uint64_t token = 0; token < 2; ++token) session->submit_copy({view_of(values)}, token, sink, 0);
  ASSERT_TRUE(sink->wait(2));
  session->submit_copy({view_of(values)}, 2, sink, now_ns() + 10'000'000);
  ASSERT_TRUE(sink->wait(3));
  EXPECT_EQ(sink->only(2).code, ErrorCode::kTimeout);
  EXPECT_EQ(model->runs, 2u);
  sink->release_all();
}

// A run that was given a request at submission and ends in the queue gives it back.
TEST_F(SessionPoolTest, ACancelledRunGivesItsRequestBack) {
  Gate go;
  std::atomic<bool> block{false};
  const auto model = FakeModel::create({{}, {}, [&] {
                                          if (block) go.wait();
                                        }});
  const auto session = Session::create(model, FakeModel::device(), options_of(1), make_host_allocator());
  const auto sink = std::make_shared<Recorder>();
  const std::vector<float> values(4, 1);
  session->submit_copy({view_of(values)}, 0, sink, 0);
  ASSERT_TRUE(sink->wait(1));
  block = true;
  const auto slot = session->create_slot({});
  session->submit(slot, 1, sink, 0, false);
  for (uint64_t token = 2; token < 20; ++token) {
    session->submit_copy({view_of(values)}, token, sink, 0);
    session->end_early(token, ErrorCode::kAborted);
    EXPECT_EQ(sink->only(token).code, ErrorCode::kAborted);
  }
  go.open();
  session->submit_copy({view_of(values)}, 20, sink, 0);
  ASSERT_TRUE(sink->wait(21));
  EXPECT_EQ(sink->only(20).code, std::nullopt);
  EXPECT_LE(model->created, 3u);
}

TEST_F(SessionPoolTest, TwoThreadsShareThePool) {
  const auto model = FakeModel::create({}, {-1});
  const auto session = Session::create(model, FakeModel::device(), options_of(2, 4), make_host_allocator());
  const auto sink = std::make_shared<Recorder>();
  std::atomic<size_t> accepted{0};
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      for (uint64_t i = 0; i < 1500; ++i) {
        const std::vector<float> values(1 + i % 3, static_cast<float>(t * 10'000 + i));
        const auto code = code_of([&] { session->submit_copy({view_of(values)}, t * 10'000 + i, sink, 0); });
        if (!code) accepted.fetch_add(1);
        if (code) std::this_thread::yield();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(sink->wait(accepted));
  EXPECT_EQ(sink->times_told().size(), accepted);
  for (const Recorder::Heard& heard : sink->heard()) {
    ASSERT_EQ(heard.outputs.size(), 1u);
    const size_t count = 1 + heard.token % 10'000 % 3;
    EXPECT_EQ(heard.outputs[0], std::vector<float>(count, static_cast<float>(heard.token) + 1));
  }
  EXPECT_EQ(model->violations, 0u);
  EXPECT_LE(model->created, 4u);
}

}  // namespace
}  // namespace edge::test
