#include "backends/tensorrt/profiler.h"

#include <cstdint>
#include <unordered_map>

#include "backends/tensorrt/infer.h"

namespace edge::tensorrt {
namespace {

using Heard = std::vector<std::pair<std::string, float>>;

// 0 for what is no number, or more than a run can take.
int64_t to_ns(float ms) {
  constexpr float kLongest = 1e9f;
  return ms > 0 && ms < kLongest ? static_cast<int64_t>(static_cast<double>(ms) * 1e6) : 0;
}

void note(Heard& heard, const char* name, float ms) noexcept {
  try {
    heard.emplace_back(name != nullptr ? name : "", ms);
  } catch (...) {
    // no memory for a layer's time: the run is well all the same
  }
}

// These classes stand where TensorRT expects its own: the order of their virtual functions is that of its tables.

class LayerListener {  // IProfiler up to 10
 public:
  explicit LayerListener(Heard& heard) : heard_(heard) {}
  virtual void report(const char* name, float ms) noexcept { note(heard_, name, ms); }
  virtual ~LayerListener() = default;

 private:
  Heard& heard_;
};

class VersionedLayerListener {  // IProfiler from 11 on
 public:
  explicit VersionedLayerListener(Heard& heard) : heard_(heard) {}
  virtual int32_t language() const noexcept { return 0; }  // C++
  virtual InterfaceInfo interface_info() const noexcept { return {"IProfiler", 1, 0}; }
  virtual ~VersionedLayerListener() = default;
  virtual void report(const char* name, float ms) noexcept { note(heard_, name, ms); }

 private:
  Heard& heard_;
};

std::shared_ptr<void> make_listener(int major, Heard& heard) {
  if (major < 11) return std::make_shared<LayerListener>(heard);
  return std::make_shared<VersionedLayerListener>(heard);
}

}  // namespace

Profiler::Profiler(int major) : interface_(make_listener(major, heard_)) {}

std::vector<LayerTime> Profiler::times(const std::vector<LayerInfo>& layers) const {
  std::unordered_map<std::string, const LayerInfo*> named;
  for (const LayerInfo& layer : layers) named.emplace(layer.name, &layer);
  std::vector<LayerTime> times;
  for (const auto& [name, ms] : heard_) {
    LayerTime time;
    time.name = name;
    const auto found = named.find(name);
    if (found != named.end()) {
      time.type = found->second->type;
      time.kernel = found->second->kernel;
    }
    time.ns = to_ns(ms);
    times.push_back(std::move(time));
  }
  return times;
}

StageClock::StageClock(std::shared_ptr<const Gpu> gpu) : gpu_(std::move(gpu)) {
  for (Event& mark : marks_) mark = make_time_mark(gpu_);
}

void StageClock::mark(Border border, CuStream* stream) const {
  gpu_->check(gpu_->api().event_record(marks_[border].get(), stream), "measure a run");
}

std::optional<StageTimes> StageClock::times() const {
  int64_t ns[3] = {};
  for (size_t i = 0; i < 3; ++i) {
    float ms = 0;
    if (gpu_->api().event_elapsed(&ms, marks_[i].get(), marks_[i + 1].get()) != kCuOk) return std::nullopt;
    ns[i] = to_ns(ms);
  }
  return StageTimes{ns[0], ns[1], ns[2]};
}

}  // namespace edge::tensorrt
