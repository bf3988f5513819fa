#include "core/exit_guard.h"

#include <link.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <set>
#include <thread>

namespace edge {
namespace {

constexpr auto kPatience = std::chrono::seconds(1);

struct State {
  std::atomic<int> calls{0};
  std::atomic<bool> exiting{false};
  std::mutex mutex;  // guards listeners
  std::set<ExitListener*> listeners;
};

// Leaked: it is used until the very end of the process.
State& state() {
  static auto* instance = new State;
  return *instance;
}

// Cancels what runs and gives it a moment to end. Nothing new enters an SDK from here on.
void quiesce() {
  State& s = state();
  if (!s.exiting.exchange(true) && s.calls.load() != 0) {
    // On a thread of its own: the cancel of a hung device may hang as well.
    try {
      std::thread([&s] {
        std::lock_guard<std::mutex> lock(s.mutex);
        for (ExitListener* listener : s.listeners) listener->cancel_for_exit();
      }).detach();
    } catch (...) {
      // No thread: runs end by themselves, or not in time.
    }
  }
  static const auto limit = std::chrono::steady_clock::now() + kPatience;  // once, however often this is called
  while (s.calls.load() != 0 && std::chrono::steady_clock::now() < limit) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

void at_exit(int status) {
  quiesce();
  if (state().calls.load() == 0) return;
  std::fflush(nullptr);
  _exit(status);
}

void register_handler() {
  state();
#if defined(__GLIBC__)
  on_exit([](int status, void*) { at_exit(status); }, nullptr);
#else
  // Without on_exit the status is unknown here; ending at once with a failure is still better than a crash.
  std::atexit([] { at_exit(EXIT_FAILURE); });
#endif
}

}  // namespace

void ExitListener::listen() {
  std::lock_guard<std::mutex> lock(state().mutex);
  state().listeners.insert(this);
}

void ExitListener::unlisten() {
  std::lock_guard<std::mutex> lock(state().mutex);
  state().listeners.erase(this);
}

void SdkCall::enter() noexcept {
  State& s = state();
  s.calls.fetch_add(1);
  if (!s.exiting.load()) return;
  s.calls.fetch_sub(1);
  for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
}

void SdkCall::leave() noexcept { state().calls.fetch_sub(1); }

void guard_exit() {
  // Counts every library that was ever loaded into the process.
  unsigned long long loaded = 0;
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* count) {
        *static_cast<unsigned long long*>(count) = info->dlpi_adds;
        return 1;
      },
      &loaded);
  static std::atomic<unsigned long long> guarded{0};
  if (guarded.exchange(loaded) != loaded) register_handler();
}

void about_to_exit() {
  quiesce();
  register_handler();
}

void guard_exit_of_thread() {
  if (state().calls.load() != 0) register_handler();
}

}  // namespace edge
