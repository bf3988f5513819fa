// The timer of deadlines: order, removal, many entries and many threads.
#include "core/timer.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <random>
#include <vector>

#include "../support/gate.h"
#include "core/clock.h"

namespace edge::test {
namespace {

constexpr int64_t kMs = 1'000'000;

// Keeps the timer's thread busy until the gate opens, so that what is added or removed meanwhile is in time, however
// slow the machine.
std::shared_ptr<Gate> hold_timer() {
  const auto holding = std::make_shared<Gate>(), go = std::make_shared<Gate>();
  timer_add(now_ns(), [holding, go] {
    holding->open();
    go->wait();
  });
  EXPECT_TRUE(holding->wait());
  return go;
}

TEST(TimerTest, CallsInTheOrderOfTheTimesAndNeverEarly) {
  std::mutex mutex;
  std::vector<int> order;
  std::atomic<int> early{0}, called{0};
  const auto go = hold_timer();
  const int64_t begin = now_ns() + 20 * kMs;
  const int times[] = {30, 10, 20, 0, 10, 40};  // milliseconds; two at once go in the order of their adding
  for (int i = 0; i < 6; ++i) {
    const int64_t when = begin + times[i] * kMs;
    timer_add(when, [&, i, when] {
      if (now_ns() < when) ++early;
      {
        std::lock_guard<std::mutex> lock(mutex);
        order.push_back(i);
      }
      ++called;
    });
  }
  go->open();
  ASSERT_TRUE(eventually([&] { return called == 6; }));
  EXPECT_EQ(early, 0);
  EXPECT_EQ(order, (std::vector<int>{3, 1, 4, 2, 0, 5}));
}

TEST(TimerTest, APastTimeIsCalledAtOnce) {
  for (const int64_t when : {now_ns() - 1, int64_t{0}, int64_t{-5}, INT64_MIN / 2}) {
    auto called = std::make_shared<Gate>();
    timer_add(when, [called] { called->open(); });
    EXPECT_TRUE(called->wait()) << when;
  }
}

TEST(TimerTest, ARemovedEntryIsNeverCalled) {
  std::atomic<int> called{0};
  auto owned = std::make_shared<int>(1);
  const auto go = hold_timer();
  const TimerEntry entry = timer_add(now_ns(), [&called, owned] { ++called; });
  Gate later;
  timer_add(now_ns() + 10 * kMs, [&] { later.open(); });
  EXPECT_EQ(owned.use_count(), 2);
  timer_remove(entry);
  EXPECT_EQ(owned.use_count(), 1);  // what it captured died with it
  timer_remove(entry);
  timer_remove({});
  timer_remove({entry.when, entry.id + 1'000'000});
  go->open();
  ASSERT_TRUE(later.wait());
  EXPECT_EQ(called, 0);
}

TEST(TimerTest, WorkMayAddAndRemove) {
  Gate done;
  std::atomic<int> steps{0};
  std::function<void()> step = [&] {
    const TimerEntry never = timer_add(now_ns() + 1000 * kMs, [] { std::abort(); });
    timer_remove(never);
    if (++steps == 50) return done.open();
    timer_add(now_ns() + kMs / 10, step);
  };
  timer_add(now_ns(), step);
  EXPECT_TRUE(done.wait());
}

TEST(TimerTest, AnEntryMayRemoveItself) {
  Gate known, done;
  TimerEntry entry;
  entry = timer_add(now_ns(), [&] {
    known.wait();
    timer_remove(entry);
    done.open();
  });
  known.open();
  EXPECT_TRUE(done.wait());
}

TEST(TimerTest, ManyFromManyThreads) {
  struct Shared {
    std::atomic<int> called{0}, called_after_removal{0};
  };
  const auto shared = std::make_shared<Shared>();
  std::atomic<int> kept{0};
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([&, shared, t] {
      std::mt19937 random(t);
      std::vector<TimerEntry> far;
      for (int i = 0; i < 2000; ++i) {
        timer_add(now_ns() + random() % (50 * kMs), [shared] { ++shared->called; });
        ++kept;
        far.push_back(timer_add(now_ns() + 3'600'000 * kMs, [shared] { ++shared->called_after_removal; }));
        if (far.size() > 10) {
          timer_remove(far[random() % far.size()]);
        }
      }
      for (const TimerEntry& entry : far) timer_remove(entry);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(eventually([&] { return shared->called == kept; }));
  EXPECT_EQ(shared->called_after_removal, 0);
  EXPECT_TRUE(eventually([&] { return shared.use_count() == 1; }));  // nothing of it is left in the timer
}

TEST(TimerTest, AnEarlierEntryOvertakesTheOneWaitedFor) {
  auto late = std::make_shared<Gate>(), soon = std::make_shared<Gate>();
  const TimerEntry entry = timer_add(now_ns() + 120'000 * kMs, [late] { late->open(); });
  sleep_ms(10);  // it waits for that now
  timer_add(now_ns() + 5 * kMs, [soon] { soon->open(); });
  EXPECT_TRUE(soon->wait());
  EXPECT_FALSE(late->is_open());
  timer_remove(entry);
}

// A deadline that never comes must neither fire nor keep the thread busy.
TEST(TimerTest, TheEndOfTimeIsFarAway) {
  const auto called = std::make_shared<std::atomic<int>>(0);
  const TimerEntry entry = timer_add(INT64_MAX, [called] { ++*called; });
  sleep_ms(20);
  const auto cpu = [] {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1'000'000 + usage.ru_utime.tv_usec +
           usage.ru_stime.tv_usec;
  };
  const auto before = cpu();
  sleep_ms(300);
  ASSERT_LT(cpu() - before, 150'000) << "the timer's thread is busy waiting";
  timer_remove(entry);
  EXPECT_EQ(*called, 0);
}

}  // namespace
}  // namespace edge::test
