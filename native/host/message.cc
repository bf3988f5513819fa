#include "host/message.h"

namespace edge::host {
namespace {

void write_texts(Writer& to, const std::vector<std::string>& texts) {
  to.list(texts, [&](const std::string& text) { to.put(text); });
}

std::vector<std::string> read_texts(Reader& from) {
  return from.list([&] { return from.text(); });
}

void write_shape(Writer& to, const Shape& shape) {
  to.list(shape, [&](int64_t size) { to.put(size); });
}

Shape read_shape(Reader& from) {
  return from.list([&] { return from.get<int64_t>(); });
}

void write_quantization(Writer& to, const Quantization& quantization) {
  to.list(quantization.scales, [&](float scale) { to.put(scale); });
  to.list(quantization.zero_points, [&](int32_t zero_point) { to.put(zero_point); });
  to.put(static_cast<int32_t>(quantization.axis));
}

Quantization read_quantization(Reader& from) {
  Quantization quantization;
  quantization.scales = from.list([&] { return from.get<float>(); });
  quantization.zero_points = from.list([&] { return from.get<int32_t>(); });
  quantization.axis = from.get<int32_t>();
  return quantization;
}

using Pair = std::pair<std::string, std::string>;

template <typename Pairs>
void write_pairs(Writer& to, const Pairs& pairs) {
  to.list(std::vector<Pair>(pairs.begin(), pairs.end()), [&](const Pair& pair) {
    to.put(pair.first);
    to.put(pair.second);
  });
}

std::vector<Pair> read_pairs(Reader& from) {
  return from.list([&] {
    std::string first = from.text();
    return Pair(std::move(first), from.text());
  });
}

}  // namespace

const char* Reader::take(uint64_t size) {
  if (size > left()) garbled();
  const char* data = bytes_.data() + position_;
  position_ += static_cast<size_t>(size);
  return data;
}

void Reader::garbled() {
  throw Error(ErrorCode::kDeviceLost, "The host process wrote a message that makes no sense.",
              "It is restarted; if this comes again with the same model, do not trust the model.");
}

void write(Writer& to, const Error& error) {
  to.put(error.code());
  to.put(error.message());
  to.put(error.remedy());
  to.put(error.backend());
  to.put(error.cause());
}

Error read_error(Reader& from) {
  auto code = from.get<ErrorCode>();
  if (code < ErrorCode::kUnavailable || code > ErrorCode::kAborted) code = ErrorCode::kBackend;
  std::string message = from.text(), remedy = from.text(), backend = from.text(), cause = from.text();
  return Error(code, std::move(message), std::move(remedy), std::move(backend), std::move(cause));
}

void write(Writer& to, const std::vector<TensorSpec>& specs) {
  to.list(specs, [&](const TensorSpec& spec) {
    to.put(spec.name);
    to.put(spec.dtype);
    write_shape(to, spec.shape);
    to.put(static_cast<uint8_t>(spec.rank_known));
    to.put(static_cast<uint8_t>(spec.quantization.has_value()));
    if (spec.quantization) write_quantization(to, *spec.quantization);
  });
}

std::vector<TensorSpec> read_specs(Reader& from) {
  return from.list([&] {
    TensorSpec spec;
    spec.name = from.text();
    spec.dtype = from.get<Dtype>();
    if (spec.dtype > Dtype::kBool) spec.dtype = Dtype::kU8;
    spec.shape = read_shape(from);
    spec.rank_known = from.flag();
    if (from.flag()) spec.quantization = read_quantization(from);
    return spec;
  });
}

void write(Writer& to, const DeviceInfo& info) {
  to.put(info.id);
  to.put(info.name);
  to.put(info.type);
  to.put(info.driver);
  const Capabilities& can = info.capabilities;
  for (const bool fact : {can.async, can.cancellable, can.dynamic_shapes, can.host_compute}) {
    to.put(static_cast<uint8_t>(fact));
  }
  write_texts(to, can.precisions);
  write_texts(to, can.formats);
  to.put(static_cast<int32_t>(can.in_flight));
}

DeviceInfo read_device_info(Reader& from) {
  DeviceInfo info;
  info.id = from.text();
  info.name = from.text();
  info.type = from.text();
  info.driver = from.text();
  Capabilities& can = info.capabilities;
  can.async = from.flag();
  can.cancellable = from.flag();
  can.dynamic_shapes = from.flag();
  can.host_compute = from.flag();
  can.precisions = read_texts(from);
  can.formats = read_texts(from);
  can.in_flight = from.get<int32_t>();
  return info;
}

void write(Writer& to, const ModelInfo& info) {
  to.put(info.precision);
  to.put(static_cast<uint64_t>(info.optimal_in_flight));
  write_pairs(to, info.properties);
  to.put(static_cast<uint8_t>(info.from_cache));
  write_texts(to, info.devices);
}

ModelInfo read_model_info(Reader& from) {
  ModelInfo info;
  info.precision = from.text();
  info.optimal_in_flight = static_cast<size_t>(from.get<uint64_t>());
  for (Pair& pair : read_pairs(from)) info.properties.insert(std::move(pair));
  info.from_cache = from.flag();
  info.devices = read_texts(from);
  return info;
}

void write(Writer& to, const std::vector<LayerInfo>& layers) {
  to.list(layers, [&](const LayerInfo& layer) {
    for (const std::string* text : {&layer.name, &layer.type, &layer.device, &layer.precision, &layer.kernel})
      to.put(*text);
  });
}

std::vector<LayerInfo> read_layers(Reader& from) {
  return from.list([&] {
    LayerInfo layer;
    for (std::string* text : {&layer.name, &layer.type, &layer.device, &layer.precision, &layer.kernel})
      *text = from.text();
    return layer;
  });
}

void write(Writer& to, const std::vector<LayerTime>& times) {
  to.list(times, [&](const LayerTime& time) {
    for (const std::string* text : {&time.name, &time.type, &time.kernel}) to.put(*text);
    to.put(time.ns);
  });
}

std::vector<LayerTime> read_layer_times(Reader& from) {
  return from.list([&] {
    LayerTime time;
    for (std::string* text : {&time.name, &time.type, &time.kernel}) *text = from.text();
    time.ns = from.get<int64_t>();
    return time;
  });
}

void write(Writer& to, const std::optional<StageTimes>& times) {
  to.put(static_cast<uint8_t>(times.has_value()));
  if (!times) return;
  for (const int64_t ns : {times->h2d, times->compute, times->d2h}) to.put(ns);
}

std::optional<StageTimes> read_stage_times(Reader& from) {
  if (!from.flag()) return std::nullopt;
  StageTimes times;
  for (int64_t* ns : {&times.h2d, &times.compute, &times.d2h}) *ns = from.get<int64_t>();
  return times;
}

void write(Writer& to, const std::vector<Shape>& shapes) {
  to.list(shapes, [&](const Shape& shape) { write_shape(to, shape); });
}

std::vector<Shape> read_shapes(Reader& from) {
  return from.list([&] { return read_shape(from); });
}

void write(Writer& to, const LoadOptions& options) {
  to.put(options.precision);
  to.put(options.threads);
  to.put(options.streams);
  to.put(options.performance_hint);
  to.put(options.signature);
  write_pairs(to, options.properties);
  to.put(static_cast<uint64_t>(options.shapes.size()));
  for (const auto& [name, shape] : options.shapes) {
    to.put(name);
    write_shape(to, shape);
  }
  to.put(static_cast<uint8_t>(options.allow_partial));
  to.put(static_cast<uint8_t>(options.profile));
  to.put(options.cache_directory);
  to.put(static_cast<uint8_t>(options.only_cached));
  to.put(static_cast<uint8_t>(options.strict));
}

LoadOptions read_load_options(Reader& from) {
  LoadOptions options;
  options.precision = from.text();
  options.threads = from.get<int>();
  options.streams = from.get<int>();
  options.performance_hint = from.text();
  options.signature = from.text();
  options.properties = read_pairs(from);
  for (uint64_t left = from.get<uint64_t>(); left > 0; --left) {
    std::string name = from.text();
    options.shapes[std::move(name)] = read_shape(from);
  }
  options.allow_partial = from.flag();
  options.profile = from.flag();
  options.cache_directory = from.text();
  options.only_cached = from.flag();
  options.strict = from.flag();
  return options;
}

}  // namespace edge::host
