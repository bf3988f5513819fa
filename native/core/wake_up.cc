#include "core/wake_up.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "core/clock.h"

namespace edge {
namespace {

std::atomic<int64_t> measured{0};

}  // namespace

void ping_pong(int64_t* nanoseconds, size_t rounds) {
  std::mutex mutex;
  std::condition_variable ping, pong;
  int turn = 0;  // 0: ours, 1: the other thread's, 2: over
  std::thread other([&] {
    std::unique_lock<std::mutex> lock(mutex);
    for (;;) {
      ping.wait(lock, [&] { return turn != 0; });
      if (turn == 2) return;
      turn = 0;
      pong.notify_one();
    }
  });
  {
    std::unique_lock<std::mutex> lock(mutex);
    for (size_t i = 0; i < rounds; ++i) {
      const int64_t begin = now_ns();
      turn = 1;
      ping.notify_one();
      pong.wait(lock, [&] { return turn == 0; });
      nanoseconds[i] = now_ns() - begin;
    }
    turn = 2;
    ping.notify_one();
  }
  other.join();
}

int64_t wake_up_ns() {
  // Not std::call_once: an exception that leaves it ends the process where libgcc is linked statically.
  static auto* mutex = new std::mutex;
  std::lock_guard<std::mutex> lock(*mutex);
  if (measured.load() == 0) {
    std::array<int64_t, 101> rounds;
    ping_pong(rounds.data(), rounds.size());
    std::nth_element(rounds.begin(), rounds.begin() + rounds.size() / 2, rounds.end());
    measured.store(std::max<int64_t>(rounds[rounds.size() / 2] / 2, 1));
  }
  return measured.load();
}

int64_t known_wake_up_ns() noexcept { return measured.load(); }

}  // namespace edge
