// Log lines and who hears them.
#include "core/log.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <vector>

#include "../support/gate.h"

namespace edge::test {
namespace {

TEST(LogTest, AListenerHearsUntilItsHandleIsGone) {
  std::vector<std::string> heard;
  auto handle = add_log_listener([&](LogLevel level, const std::string& backend, const std::string& message) {
    heard.push_back(std::string(log_level_name(level)) + ' ' + backend + ' ' + message);
  });
  log(LogLevel::kWarning, "echo", "one");
  log(LogLevel::kDebug, "", "");
  handle.reset();
  log(LogLevel::kError, "echo", "two");
  EXPECT_EQ(heard, (std::vector<std::string>{"warning echo one", "debug  "}));
}

TEST(LogTest, AllListenersHear) {
  int first = 0, second = 0;
  const auto one = add_log_listener([&](LogLevel, const std::string&, const std::string&) { ++first; });
  {
    const auto two = add_log_listener([&](LogLevel, const std::string&, const std::string&) { ++second; });
    log(LogLevel::kInfo, "b", "m");
  }
  log(LogLevel::kInfo, "b", "m");
  EXPECT_EQ(first, 2);
  EXPECT_EQ(second, 1);
}

TEST(LogTest, AThrowingListenerDisturbsNobody) {
  int heard = 0;
  const auto bad =
      add_log_listener([](LogLevel, const std::string&, const std::string&) { throw std::runtime_error("no"); });
  const auto good = add_log_listener([&](LogLevel, const std::string&, const std::string&) { ++heard; });
  log(LogLevel::kInfo, "b", "m");
  EXPECT_EQ(heard, 1);
}

TEST(LogTest, AListenerMayLogAddAndRemove) {
  int depth = 0, heard = 0;
  std::shared_ptr<void> handle, another;
  handle = add_log_listener([&](LogLevel, const std::string&, const std::string&) {
    ++heard;
    if (depth++ > 0) return;
    log(LogLevel::kInfo, "b", "from inside");
    another = add_log_listener([](LogLevel, const std::string&, const std::string&) {});
    handle.reset();
  });
  log(LogLevel::kInfo, "b", "m");
  EXPECT_EQ(heard, 2);
  log(LogLevel::kInfo, "b", "m");
  EXPECT_EQ(heard, 2);
}

TEST(LogTest, FromManyThreadsWhileListenersComeAndGo) {
  std::atomic<int> heard{0};
  std::atomic<bool> stop{false};
  const auto handle = add_log_listener([&](LogLevel, const std::string&, const std::string&) { ++heard; });
  std::thread changing([&] {
    while (!stop) {
      add_log_listener([](LogLevel, const std::string&, const std::string&) {});
      sleep_ms(1);  // or it would keep the others from the lock on a busy machine
    }
  });
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([] {
      for (int i = 0; i < 2000; ++i) log(LogLevel::kInfo, "b", "m");
    });
  }
  for (std::thread& thread : threads) thread.join();
  stop = true;
  changing.join();
  EXPECT_EQ(heard, 6000);
}

}  // namespace
}  // namespace edge::test
