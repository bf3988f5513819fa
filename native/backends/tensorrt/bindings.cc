#include "backends/tensorrt/bindings.h"

#include <algorithm>
#include <utility>

#include "backends/tensorrt/call.h"

namespace edge::tensorrt {

BindingEngine::BindingEngine(std::shared_ptr<const Runtime> runtime, Object object)
    : Engine(std::move(runtime), std::move(object)) {
  const int32_t count = call<int32_t>(worker(), kBindingSlots.count) / std::max(1, profile_count());
  for (int32_t i = 0; i < count; ++i) {
    const char* const name = call<const char*>(worker(), kBindingSlots.name, i);
    names_.emplace_back(name != nullptr ? name : "");
  }
}

int32_t BindingEngine::index_of(const std::string& name, int profile) const {
  const auto found = std::find(names_.begin(), names_.end(), name);
  return static_cast<int32_t>(found - names_.begin() + static_cast<std::ptrdiff_t>(names_.size()) * profile);
}

bool BindingEngine::is_input(const std::string& name) const {
  return call<bool>(worker(), kBindingSlots.is_input, index_of(name));
}

// A profile that leaves a dimension no choice has its number instead of −1: open is what any of them leaves open, and
// what they differ in.
Shape BindingEngine::shape(const std::string& name) const {
  Shape all;
  for (int profile = 0; profile < std::max(1, profile_count()); ++profile) {
    const Shape one = to_shape(call<Dims32>(worker(), kBindingSlots.shape, index_of(name, profile)));
    if (profile == 0) all = one;
    for (size_t i = 0; i < std::min(all.size(), one.size()); ++i) {
      if (all[i] != one[i]) all[i] = -1;
    }
  }
  return all;
}

int32_t BindingEngine::dtype_number(const std::string& name) const {
  return call<int32_t>(worker(), kBindingSlots.dtype, index_of(name));
}

bool BindingEngine::is_on_host(const std::string& name) const {
  const int32_t index = index_of(name);
  if (call<int32_t>(worker(), kBindingSlots.location, index) == kOnHost) return true;
  return call<bool>(worker(), kBindingSlots.is_of_shapes, index) &&
         !call<bool>(worker(), kBindingSlots.is_executed, index);
}

bool BindingEngine::decides_shapes(const std::string& name) const {
  return call<bool>(worker(), kBindingSlots.is_of_shapes, index_of(name));
}

int32_t BindingEngine::format(const std::string& name) const {
  return call<int32_t>(worker(), kBindingSlots.format, index_of(name));
}

Shape BindingEngine::profile_shape(const std::string& name, int profile, Bound bound) const {
  return to_shape(call<Dims32>(worker(), kBindingSlots.profile_shape, index_of(name, profile), int32_t{profile},
                               static_cast<int32_t>(bound)));
}

std::unique_ptr<ExecutionContext> BindingEngine::wrap(Object context, std::shared_ptr<const int> profile) const {
  return std::make_unique<BindingContext>(*this, std::move(context), std::move(profile));
}

// ---------------------------------------------------------------------------------------------------------- context

BindingContext::BindingContext(const BindingEngine& engine, Object object, std::shared_ptr<const int> profile)
    : ExecutionContext(engine.runtime(), std::move(object), std::move(profile)), engine_(engine) {
  const int count = engine.tensor_count();
  pointers_.resize(static_cast<size_t>(count * std::max(1, engine.profile_count())));
  for (int i = 0; i < count; ++i) {
    const std::string name = engine.tensor_name(i);
    values_decide_ = values_decide_ || (engine.is_input(name) && engine.decides_shapes(name));
  }
}

bool BindingContext::set_input_shape(const std::string& name, const Shape& shape) {
  // Only what is open can be set; and an engine without open shapes may have contexts without a profile, which know
  // none.
  const Shape engines = engine_.shape(name);
  if (std::all_of(engines.begin(), engines.end(), [](int64_t size) { return size >= 0; })) return shape == engines;
  return fits_dims32(shape) &&
         call<bool>(worker(), kBindingSlots.set_shape, engine_.index_of(name, profile()), to_dims<Dims32>(shape));
}

bool BindingContext::set_shape_values(const std::string& name, const void* values) {
  return call<bool>(worker(), kBindingSlots.set_shape_values, engine_.index_of(name, profile()), values);
}

Shape BindingContext::known_shape(const std::string& name) const {
  return to_shape(call<Dims32>(worker(), kBindingSlots.context_shape, engine_.index_of(name, profile())));
}

Shape BindingContext::shape(const std::string& name) const {
  Shape engines = engine_.shape(name);
  const bool fixed = std::all_of(engines.begin(), engines.end(), [](int64_t size) { return size >= 0; });
  // What the context says follows from the values of the last run, if there was one.
  return fixed || (values_decide_ && !engine_.is_input(name)) ? engines : known_shape(name);
}

void*& BindingContext::pointer_of(const std::string& name) {
  return pointers_[static_cast<size_t>(engine_.index_of(name, profile()))];
}

bool BindingContext::set_address(const std::string& name, CuAddress address) {
  sinks_.erase(name);
  // Those of another profile may be memory that is gone.
  for (int other = 0; other < std::max(1, engine_.profile_count()); ++other)
    pointers_[static_cast<size_t>(engine_.index_of(name, other))] = nullptr;
  pointer_of(name) = reinterpret_cast<void*>(static_cast<uintptr_t>(address));
  return true;
}

bool BindingContext::set_sink(const std::string& name, OutputSink& sink) {
  set_address(name, 0);
  sinks_[name] = &sink;
  return true;
}

bool BindingContext::enqueue(CuStream* stream) {
  // These releases have no outputs whose shapes the values on the GPU decide: all are known by now.
  for (const auto& [name, sink] : sinks_) {
    const Shape shape = known_shape(name);
    const auto dtype = engine_.dtype(name);
    if (!dtype || std::any_of(shape.begin(), shape.end(), [](int64_t size) { return size < 0; })) return false;
    const CuAddress address = sink->place(byte_size(*dtype, shape));
    if (address == 0) return false;
    sink->on_shape(shape);
    pointer_of(name) = reinterpret_cast<void*>(static_cast<uintptr_t>(address));
  }
  void* const consumed = nullptr;  // an event for when the inputs may be overwritten
  return call<bool>(worker(), kBindingSlots.enqueue, static_cast<void* const*>(pointers_.data()), stream, consumed);
}

bool BindingContext::fetch_shape_values(const std::string& name, void* values) {
  return call<bool>(worker(), kBindingSlots.shape_values, engine_.index_of(name, profile()), values);
}

}  // namespace edge::tensorrt
