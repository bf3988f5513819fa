#include "core/reaper.h"

#include <utility>

#include "core/worker.h"

namespace edge {

namespace {

Worker& reaper() {
  static auto* instance = new Worker;  // leaked: its thread never ends
  return *instance;
}

}  // namespace

void start_reaper() { reaper(); }

void reap(std::function<void()>&& work) { reaper().add(std::move(work)); }

uint64_t await_reaper(std::chrono::milliseconds limit) { return reaper().finish(limit); }

}  // namespace edge
