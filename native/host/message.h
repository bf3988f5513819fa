// What the parent and its host process say to each other: plain values, written one after the other.
//
// Both ends are built from one source and started together, so there is no version to negotiate; but what is read is
// checked all the same, because a host that runs a hostile model may write anything.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

#include "core/backend.h"

namespace edge::host {

// The first byte of every message. Who sends it stands behind it.
enum class Kind : uint8_t {
  kHello,          // host, on the control socket: ready, with what its sandbox is made of
  kOpenChannel,    // parent, on the control socket, with the host's end of a new channel
  kCancel,         // parent, on the control socket: a request's id, its run's number
  kLog,            // host, on the control socket
  kOpenDevice,     // parent, first on a channel: backend, library, device
  kLoad,           // parent, first on a channel: a model, which lives as long as the channel
  kCreateRequest,  // parent, first on a channel: a request, which lives as long as the channel
  kLayers,         // parent, on a model's channel
  kRelease,        // parent, on a model's or a request's channel: destroy it, then answer; the last question
  kBind,           // parent, on a request's channel, as the next three
  kRun,            // with its number, from 1
  kResetState,
  kProfile,
  kAllocate,  // host, before it answers kBind or kRun: it needs a buffer of so many bytes
  kBuffer,    // parent: the buffer's number, with its memory
  kProgress,  // host, before it answers kLoad: what it is doing, and how much of it is done
  kAnswer,    // host: what was asked for
  kFailed,    // host, or the parent on kAllocate: an Error
};

class Writer {
 public:
  explicit Writer(Kind kind) { put(kind); }

  template <typename T>
  void put(T value) {
    static_assert(std::is_trivially_copyable_v<T> && !std::is_pointer_v<T>);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  void put(const std::string& text) {
    put(static_cast<uint64_t>(text.size()));
    bytes_.append(text);
  }
  template <typename T, typename Put>
  void list(const std::vector<T>& values, Put&& each) {
    put(static_cast<uint64_t>(values.size()));
    for (const T& value : values) each(value);
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

// Reads in the order of writing. Throws kDeviceLost when the message ends early or holds impossible sizes.
class Reader {
 public:
  Reader() = default;
  explicit Reader(std::string bytes) : bytes_(std::move(bytes)) {}

  template <typename T>
  T get() {
    static_assert(std::is_trivially_copyable_v<T>);
    T value;
    std::memcpy(&value, take(sizeof value), sizeof value);
    return value;
  }
  bool flag() { return get<uint8_t>() != 0; }
  std::string text() {
    const uint64_t size = get<uint64_t>();
    const char* data = take(size);
    return {data, static_cast<size_t>(size)};
  }
  // Every element takes at least one byte, so a size beyond what is left is refused before memory is taken for it.
  template <typename Get>
  auto list(Get&& each) {
    const uint64_t size = get<uint64_t>();
    if (size > left()) garbled();
    std::vector<decltype(each())> values;
    values.reserve(static_cast<size_t>(size));
    for (uint64_t i = 0; i < size; ++i) values.push_back(each());
    return values;
  }
  size_t left() const { return bytes_.size() - position_; }

 private:
  const char* take(uint64_t size);
  [[noreturn]] static void garbled();

  std::string bytes_;
  size_t position_ = 0;
};

void write(Writer& to, const Error& error);
Error read_error(Reader& from);
void write(Writer& to, const std::vector<TensorSpec>& specs);
std::vector<TensorSpec> read_specs(Reader& from);
void write(Writer& to, const DeviceInfo& info);
DeviceInfo read_device_info(Reader& from);
void write(Writer& to, const ModelInfo& info);
ModelInfo read_model_info(Reader& from);
void write(Writer& to, const std::vector<LayerInfo>& layers);
std::vector<LayerInfo> read_layers(Reader& from);
void write(Writer& to, const std::vector<LayerTime>& times);
std::vector<LayerTime> read_layer_times(Reader& from);
void write(Writer& to, const std::optional<StageTimes>& times);
std::optional<StageTimes> read_stage_times(Reader& from);
void write(Writer& to, const std::vector<Shape>& shapes);
std::vector<Shape> read_shapes(Reader& from);
// All but the allocator and what concerns the caller's waiting, which do not cross.
void write(Writer& to, const LoadOptions& options);
LoadOptions read_load_options(Reader& from);

}  // namespace edge::host
