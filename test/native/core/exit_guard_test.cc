// Processes that end while a run is in progress: with their exit status, soon, and without a crash.
#include "core/exit_guard.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>

#include "../support/fake_model.h"
#include "../support/gate.h"
#include "../support/recorder.h"
#include "core/session.h"

namespace edge::test {
namespace {

using testing::ExitedWithCode;

// Each statement runs in a child process that starts this binary anew: threads of other tests are not there.
class ExitGuardDeathTest : public testing::Test {
 protected:
  void SetUp() override { testing::GTEST_FLAG(death_test_style) = "threadsafe"; }
};

// A child that hangs dies of this and not with its status.
void limit_child() { alarm(100); }

// A static object whose destruction shows on stderr: static destructors have run.
void tell_static_destructors() {
  struct Teller {
    ~Teller() { write_text("static destructors\n"); }
    static void write_text(const char* text) {
      if (::write(STDERR_FILENO, text, std::char_traits<char>::length(text)) < 0) std::abort();
    }
  };
  static Teller teller;
  guard_exit();  // after the object, so that it comes first at exit, as after an SDK's library
}

enum class RunOf { kAMoment, kUntilCancelled, kForEver };

// A gate for threads that may outlive every object of this program: leaked.
Gate& leaked_gate() { return *new Gate; }

// Begins a run, waits until it is in the device, and exits.
[[noreturn]] void exit_during(RunOf duration, Dispatch dispatch, int status) {
  limit_child();
  tell_static_destructors();
  Gate &entered = leaked_gate(), &cancelled = leaked_gate();
  FakeHooks hooks;
  hooks.run = [&entered, &cancelled, duration] {
    entered.open();
    if (duration == RunOf::kAMoment) return sleep_ms(100);
    do {
      cancelled.wait();
    } while (duration == RunOf::kForEver);
    throw Error(ErrorCode::kAborted, "cancelled");
  };
  hooks.cancel = [&cancelled, duration] {
    if (duration == RunOf::kUntilCancelled) cancelled.open();
  };
  SessionOptions options;
  options.dispatch = dispatch;
  const auto model = FakeModel::create(hooks);
  const auto session = Session::create(model, FakeModel::device(), options, make_host_allocator());
  const auto sink = std::make_shared<Recorder>();
  session->submit(session->create_slot({}), 1, sink, 0, false);
  if (!entered.wait()) std::abort();
  std::exit(status);
}

TEST_F(ExitGuardDeathTest, WithNothingInFlight) {
  EXPECT_EXIT(
      {
        limit_child();
        tell_static_destructors();
        std::exit(3);
      },
      ExitedWithCode(3), "static destructors");
}

TEST_F(ExitGuardDeathTest, AShortRunEndsFirst) {
  EXPECT_EXIT(exit_during(RunOf::kAMoment, Dispatch::kLane, 4), ExitedWithCode(4), "static destructors");
}

TEST_F(ExitGuardDeathTest, AHungRunIsCancelled) {
  EXPECT_EXIT(exit_during(RunOf::kUntilCancelled, Dispatch::kLane, 5), ExitedWithCode(5), "static destructors");
}

TEST_F(ExitGuardDeathTest, AHungAsynchronousRunIsCancelled) {
  EXPECT_EXIT(exit_during(RunOf::kUntilCancelled, Dispatch::kAsync, 6), ExitedWithCode(6), "static destructors");
}

TEST_F(ExitGuardDeathTest, AStuckRunIsLeftBehindWithoutStaticDestructors) {
  EXPECT_EXIT(exit_during(RunOf::kForEver, Dispatch::kLane, 7), ExitedWithCode(7), "^$");
}

TEST_F(ExitGuardDeathTest, AStuckAsynchronousRunIsLeftBehind) {
  EXPECT_EXIT(exit_during(RunOf::kForEver, Dispatch::kAsync, 8), ExitedWithCode(8), "^$");
}

TEST_F(ExitGuardDeathTest, RunsGetTheirSecond) {
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EXIT(exit_during(RunOf::kForEver, Dispatch::kLane, 0), ExitedWithCode(0), "");
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(900));
}

TEST_F(ExitGuardDeathTest, BufferedOutputIsWritten) {
  EXPECT_EXIT(
      {
        std::setvbuf(stderr, nullptr, _IOFBF, 4096);
        std::fputs("buffered words", stderr);
        exit_during(RunOf::kForEver, Dispatch::kLane, 9);
      },
      ExitedWithCode(9), "buffered words");
}

TEST_F(ExitGuardDeathTest, ARunThatWaitsIsNotBegun) {
  EXPECT_EXIT(
      {
        limit_child();
        guard_exit();
        Gate& entered = leaked_gate();
        const auto model = FakeModel::create({{}, {}, [&entered] {
                                                if (entered.is_open()) ::_exit(99);  // a second run
                                                entered.open();
                                                sleep_ms(400);
                                              }});
        SessionOptions options;
        options.dispatch = Dispatch::kLane;
        options.in_flight = 1;
        const auto session = Session::create(model, FakeModel::device(), options, make_host_allocator());
        const auto sink = std::make_shared<Recorder>();
        session->submit(session->create_slot({}), 1, sink, 0, false);
        session->submit(session->create_slot({}), 2, sink, 0, false);
        entered.wait();
        std::exit(10);
      },
      ExitedWithCode(10), "");
}

// A cancel may block in a driver that hangs as well.
TEST_F(ExitGuardDeathTest, ACancelThatBlocksDoesNotHoldTheExitUp) {
  EXPECT_EXIT(
      {
        limit_child();
        guard_exit();
        Gate& entered = leaked_gate();
        Gate& never = leaked_gate();
        const auto stay = [&never] { never.wait(std::chrono::hours(1)); };
        FakeHooks hooks;
        hooks.run = [&] {
          entered.open();
          stay();
        };
        hooks.cancel = stay;
        const auto model = FakeModel::create(hooks);
        SessionOptions options;
        options.dispatch = Dispatch::kLane;
        const auto session = Session::create(model, FakeModel::device(), options, make_host_allocator());
        const auto sink = std::make_shared<Recorder>();
        session->submit(session->create_slot({}), 1, sink, 0, false);
        entered.wait();
        std::exit(11);
      },
      ExitedWithCode(11), "");
}

TEST_F(ExitGuardDeathTest, WorkOfTheReaperIsWaitedFor) {
  EXPECT_EXIT(
      {
        limit_child();
        guard_exit();
        Gate& entered = leaked_gate();
        FakeHooks hooks;
        hooks.destroy = [&entered] {
          entered.open();
          sleep_ms(100);
          const char text[] = "freed";
          if (::write(STDERR_FILENO, text, sizeof text - 1) < 0) ::_exit(99);
        };
        const auto model = FakeModel::create(hooks);
        const auto session = Session::create(model, FakeModel::device(), {}, make_host_allocator());
        session->create_slot({});
        session->dispose({});
        entered.wait();
        std::exit(12);
      },
      ExitedWithCode(12), "freed");
}

TEST_F(ExitGuardDeathTest, ManyRunsManyTimes) {
  for (int status = 20; status < 30; ++status) {
    EXPECT_EXIT(
        {
          limit_child();
          guard_exit();
          SessionOptions options;
          options.in_flight = 3;
          options.queue_limit = 100;
          options.dispatch = status % 2 == 0 ? Dispatch::kLane : Dispatch::kAsync;
          const EchoSession echo = plus_one("delay_ms 1\n", options);
          const auto sink = std::make_shared<Recorder>();
          const std::vector<float> values(4);
          for (uint64_t token = 0; token < 40; ++token) {
            echo.session->submit(echo.session->create_slot({}), token, sink, 0, false);
            echo.session->submit_copy({view_of(values)}, 100 + token, sink, 0);
          }
          sleep_ms(status - 20);
          std::exit(status);
        },
        ExitedWithCode(status), "");
  }
}

}  // namespace
}  // namespace edge::test
