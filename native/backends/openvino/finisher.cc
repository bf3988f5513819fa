#include "backends/openvino/finisher.h"

#include "core/worker.h"

namespace edge::openvino {

namespace {

Worker& finisher() {
  static auto* worker = new Worker;  // leaked: its thread never ends
  return *worker;
}

}  // namespace

void start_finisher() { finisher(); }

void finish_later(std::function<void()>&& work) { finisher().add(std::move(work)); }

}  // namespace edge::openvino
