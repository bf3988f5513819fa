// Workers and the reaper: one piece of work after the other, in order, on one thread.
#include "core/worker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <vector>

#include "../support/gate.h"
#include "core/reaper.h"

namespace edge::test {
namespace {

TEST(WorkerTest, WorksInOrderOnOneThread) {
  auto* worker = new Worker;  // leaked, as it must be
  std::vector<int> order;
  std::vector<std::thread::id> threads;
  Gate done;
  for (int i = 0; i < 1000; ++i) {
    worker->add([&, i] {
      order.push_back(i);
      threads.push_back(std::this_thread::get_id());
    });
  }
  worker->add([&] { done.open(); });
  ASSERT_TRUE(done.wait());
  ASSERT_EQ(order.size(), 1000u);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(order[i], i);
    EXPECT_EQ(threads[i], threads[0]);
  }
  EXPECT_NE(threads[0], std::this_thread::get_id());
}

TEST(WorkerTest, EachThreadsWorkKeepsItsOrder) {
  auto* worker = new Worker;
  std::vector<std::vector<int>> orders(4);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 2000; ++i) worker->add([&, t, i] { orders[t].push_back(i); });
    });
  }
  for (std::thread& thread : threads) thread.join();
  Gate done;
  worker->add([&] { done.open(); });
  ASSERT_TRUE(done.wait());
  for (const auto& order : orders) {
    ASSERT_EQ(order.size(), 2000u);
    EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
  }
}

TEST(WorkerTest, WhatWorkCapturedDiesBeforeTheNext) {
  auto* worker = new Worker;
  const auto owned = std::make_shared<int>(1);
  std::atomic<long> left{-1};
  Gate done;
  worker->add([owned] {});
  worker->add([&] {
    left = owned.use_count();
    done.open();
  });
  ASSERT_TRUE(done.wait());
  EXPECT_EQ(left, 1);
}

// With some C++ runtimes a function that was moved from still holds what it captured.
TEST(WorkerTest, WhatWorkCapturedDiesOnTheWorkersThread) {
  auto* worker = new Worker;
  std::thread::id own;
  std::atomic<int> elsewhere{0};
  const auto watched = [&] {
    return std::shared_ptr<int>(new int(1), [&](const int* dead) {
      if (std::this_thread::get_id() != own) ++elsewhere;
      delete dead;
    });
  };
  worker->add([&] { own = std::this_thread::get_id(); });
  for (int i = 0; i < 20000; ++i) worker->add([held = watched()] {});
  Gate done;
  worker->add([&] { done.open(); });
  ASSERT_TRUE(done.wait());
  EXPECT_EQ(elsewhere, 0);
}

TEST(WorkerTest, WorkMayAddWork) {
  Gate done;
  std::vector<int> order;
  reap([&] {
    reap([&] {
      order.push_back(2);
      done.open();
    });
    order.push_back(1);
  });
  ASSERT_TRUE(done.wait());
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

TEST(WorkerTest, FinishWaitsForWorkAndWhatItAdds) {
  auto* worker = new Worker;
  EXPECT_EQ(worker->finish(kPatience), 0u);
  for (uint64_t i = 0; i < 100; ++i) {
    std::atomic<int> done{0};
    std::atomic<uint64_t> within{0};
    worker->add([&] {
      within = worker->finish(kPatience);  // does not wait for itself
      sleep_ms(1);
      worker->add([&] { ++done; });
    });
    EXPECT_EQ(worker->finish(kPatience), 2 * i + 2);
    EXPECT_EQ(done, 1);
    EXPECT_EQ(within, 2 * i);
  }
}

TEST(WorkerTest, FinishGivesUp) {
  auto* worker = new Worker;
  Gate go;
  worker->add([&] { go.wait(); });
  EXPECT_EQ(worker->finish(std::chrono::milliseconds(1)), 0u);
  go.open();
  EXPECT_EQ(worker->finish(kPatience), 1u);
}

TEST(WorkerTest, TheReaperDoesNotMakeItsCallerWait) {
  auto go = std::make_shared<Gate>();
  Gate done;
  reap([go] { go->wait(); });
  reap([&] { done.open(); });
  EXPECT_FALSE(done.is_open());
  go->open();
  EXPECT_TRUE(done.wait());
}

}  // namespace
}  // namespace edge::test
