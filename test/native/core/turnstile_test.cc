// A few at a time, in order; who is called back never enters and holds nobody up.
#include "core/turnstile.h"

#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <thread>
#include <vector>

#include "../support/gate.h"

namespace edge::test {
namespace {

// Enters on a thread of its own, and leaves when told.
struct Visitor {
  explicit Visitor(Turnstile& turnstile)
      : thread([this, &turnstile] {
          const bool in = turnstile.enter(ticket);
          (in ? entered : refused).open();
          if (!in) return;
          leave.wait();
          turnstile.leave();
        }) {}
  ~Visitor() {
    leave.open();
    thread.join();
  }
  Turnstile::Ticket ticket;
  Gate entered, refused, leave;
  std::thread thread;
};

TEST(TurnstileTest, AsManyAsItsWidthInTheOrderInWhichTheyCame) {
  Turnstile turnstile(2);
  std::deque<Visitor> visitors;
  for (size_t i = 0; i < 5; ++i) {
    visitors.emplace_back(turnstile);
    ASSERT_TRUE(eventually([&] { return turnstile.inside() + turnstile.waiting() == i + 1; }));
  }
  EXPECT_EQ(turnstile.inside(), 2u);
  EXPECT_EQ(turnstile.waiting(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(visitors[i + 1].entered.wait());
    EXPECT_FALSE(visitors[i + 2].entered.is_open());
    visitors[i].leave.open();
    ASSERT_TRUE(visitors[i + 2].entered.wait());
  }
  visitors.clear();
  EXPECT_EQ(turnstile.inside(), 0u);
}

TEST(TurnstileTest, WhoIsCalledBackLeavesTheLineAtOnce) {
  Turnstile turnstile(1);
  Visitor first(turnstile);
  ASSERT_TRUE(first.entered.wait());
  Visitor second(turnstile);
  ASSERT_TRUE(eventually([&] { return turnstile.waiting() == 1; }));
  turnstile.withdraw(second.ticket);
  EXPECT_EQ(turnstile.waiting(), 0u);
  first.leave.open();
  ASSERT_TRUE(eventually([&] { return turnstile.inside() == 0; }));
  Visitor third(turnstile);  // whether the second has noticed or not
  EXPECT_TRUE(third.entered.wait());
  EXPECT_TRUE(second.refused.wait());
}

TEST(TurnstileTest, CalledBackBeforeOrAfterItsTurn) {
  Turnstile turnstile(1);
  Turnstile::Ticket ticket;
  turnstile.withdraw(ticket);
  EXPECT_FALSE(turnstile.enter(ticket));
  Turnstile::reset(ticket);
  ASSERT_TRUE(turnstile.enter(ticket));
  turnstile.withdraw(ticket);  // too late: it is inside, and leaves as usual
  EXPECT_EQ(turnstile.inside(), 1u);
  turnstile.leave();
  EXPECT_EQ(turnstile.inside(), 0u);
}

TEST(TurnstileTest, ManyThreadsThatAreCalledBackAtRandomLeaveNobodyBehind) {
  Turnstile turnstile(3);
  std::atomic<int> inside{0}, most{0}, entered{0};
  std::vector<std::thread> threads;
  for (int n = 0; n < 8; ++n) {
    threads.emplace_back([&, n] {
      for (int i = 0; i < 300; ++i) {
        Turnstile::Ticket ticket;
        std::thread caller([&] {
          if ((i + n) % 3 == 0) turnstile.withdraw(ticket);
        });
        if (turnstile.enter(ticket)) {
          ++entered;
          const int now = ++inside;
          for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
          }
          --inside;
          turnstile.leave();
        }
        caller.join();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(most, 3);
  EXPECT_GE(entered, 8 * 200);
  EXPECT_EQ(turnstile.inside(), 0u);
  EXPECT_EQ(turnstile.waiting(), 0u);
}

}  // namespace
}  // namespace edge::test
