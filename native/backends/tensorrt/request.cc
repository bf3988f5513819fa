#include "backends/tensorrt/request.h"

#include <algorithm>
#include <cstdint>

#include "core/log.h"

namespace edge::tensorrt {
namespace {

std::string range_text(const std::pair<Shape, Shape>& range) {
  return shape_text(range.first) + " to " + shape_text(range.second);
}

bool is_open(const Shape& shape) {
  return std::any_of(shape.begin(), shape.end(), [](int64_t size) { return size < 0; });
}

}  // namespace

// ---------------------------------------------------------------------------------------------------------- loaded

Loaded::~Loaded() {
  try {
    const Gpu::Current current(*gpu);
    engine->reset();
  } catch (...) {
    // a lost GPU: TensorRT frees what it can
  }
}

std::vector<int> Loaded::profiles_for(const std::vector<Shape>& shapes, ErrorCode code) const {
  const auto fits = [&](const Profile& profile, size_t input) {
    const auto& [smallest, largest] = profile.ranges[input];
    const Shape& shape = shapes[input];
    bool inside = smallest.size() == shape.size() && largest.size() == shape.size();
    for (size_t i = 0; inside && i < shape.size(); ++i)
      inside = shape[i] < 0 || (shape[i] >= smallest[i] && shape[i] <= largest[i]);
    return inside;
  };
  std::vector<int> found;
  for (const Profile& profile : profiles) {
    size_t input = 0;
    while (input < shapes.size() && fits(profile, input)) ++input;
    if (input == shapes.size()) found.push_back(profile.index);
  }
  if (!found.empty()) return found;
  for (size_t input = 0; input < shapes.size(); ++input) {
    if (std::any_of(profiles.begin(), profiles.end(), [&](const Profile& one) { return fits(one, input); })) continue;
    std::set<std::string> ranges;  // profiles may be there several times
    for (const Profile& profile : profiles) ranges.insert(range_text(profile.ranges[input]));
    std::string text;
    for (const std::string& range : ranges) text += (text.empty() ? "" : ", or ") + range;
    throw Error(code,
                "The engine was built for shapes of the input '" + inputs[input].name + "' from " + text +
                    ", not for " + shape_text(shapes[input]) + ".",
                "Give a shape in that range, or build the engine for a wider one.", "tensorrt");
  }
  throw Error(code, "No optimisation profile of the engine has all of these shapes together.",
              "Give shapes of one profile, or build the engine with a profile for them.", "tensorrt");
}

std::shared_ptr<const int> Loaded::take_profile(const std::vector<int>& wanted) const {
  if (!one_context_a_profile()) return std::make_shared<const int>(wanted.front());
  std::lock_guard<std::mutex> lock(taken_->mutex);
  const auto free =
      std::find_if(wanted.begin(), wanted.end(), [&](int index) { return taken_->profiles.count(index) == 0; });
  if (free == wanted.end()) {
    const std::string count = std::to_string(wanted.size());
    throw Error(
        ErrorCode::kUnsupported,
        "Until TensorRT 9 each request of an engine with open shapes takes an optimisation profile of its own; "
        "this engine has " +
            count + " for these shapes.",
        "Use as many requests as it has profiles of the same shapes (`inFlight`, `createRequest()`), build it with "
        "more or for fixed shapes, or use TensorRT 10.",
        "tensorrt");
  }
  taken_->profiles.insert(*free);
  return {new int(*free), [taken = taken_](const int* index) {
            std::lock_guard<std::mutex> guard(taken->mutex);
            taken->profiles.erase(*index);
            delete index;
          }};
}

size_t Loaded::contexts() const {
  if (!one_context_a_profile()) return SIZE_MAX;
  size_t least = profiles.size();
  for (const Profile& one : profiles) {
    const auto same = [&](const Profile& other) { return other.ranges == one.ranges; };
    least = std::min(least, static_cast<size_t>(std::count_if(profiles.begin(), profiles.end(), same)));
  }
  return least;
}

std::unique_ptr<ExecutionContext> Loaded::make_context() const {
  std::vector<int> any;
  for (const Profile& profile : profiles) any.push_back(profile.index);
  std::shared_ptr<const int> mine = take_profile(any);
  // That the first profile is taken, which every context tries to have to begin with, is no error.
  Words words(one_context_a_profile());
  auto context = engine->create_context(std::move(mine), scratch == nullptr);
  if (!context) {
    words.tell();
    throw Error(ErrorCode::kOutOfMemory, "TensorRT made no execution context for the engine.",
                "Use fewer requests, or a GPU with more memory; the cause says more.", "tensorrt", words.text());
  }
  const Stream stream = make_stream(gpu);
  if (chooses_profiles) {
    // Only the first context has a profile by itself.
    if (!context->set_profile(stream.get())) {
      words.tell();
      throw Error(
          ErrorCode::kBackend,
          "TensorRT does not take the engine's optimisation profile " + std::to_string(context->profile()) + ".",
          "Look at the cause.", "tensorrt", words.text());
    }
    gpu->check(gpu->api().stream_synchronize(stream.get()), "choose an optimisation profile");
  } else if (!engine->runtime().api().version.at_least(8, 5)) {
    // It may have had open shapes, of which its one profile left no choice. One without refuses, and needs none.
    const Words unsaid(true);
    if (context->set_profile(stream.get()))
      gpu->check(gpu->api().stream_synchronize(stream.get()), "choose an optimisation profile");
  }
  return context;
}

// ----------------------------------------------------------------------------------------------------- late outputs

// Memory for an output whose size only the run tells: grows, and is kept for the next run.
class TensorRtRequest::LateOutput final : public OutputSink {
 public:
  explicit LateOutput(std::shared_ptr<const Gpu> gpu) : gpu_(std::move(gpu)) {}

  CuAddress place(size_t size) noexcept override {
    try {
      if (memory_.get() == 0 || size > capacity_) {
        memory_.reset();
        memory_ = make_device_memory(gpu_, size);
        capacity_ = size;
      }
      return memory_.get();
    } catch (...) {
      error_ = std::current_exception();
      return 0;
    }
  }
  void on_shape(Shape shape) noexcept override { shape_ = std::move(shape); }

  const Shape& shape() const { return shape_; }
  CuAddress address() const { return memory_.get(); }
  // What went wrong in place(), which TensorRT only knows as a refusal.
  void rethrow() {
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  }

 private:
  const std::shared_ptr<const Gpu> gpu_;
  DeviceMemory memory_;
  size_t capacity_ = 0;
  Shape shape_;
  std::exception_ptr error_;
};

// --------------------------------------------------------------------------------------------------------- binding

TensorRtRequest::TensorRtRequest(std::shared_ptr<const Loaded> model, std::shared_ptr<Model> keep_alive,
                                 std::unique_ptr<ExecutionContext> first)
    : model_(std::move(model)), keep_alive_(std::move(keep_alive)), gpu_(*model_->gpu), context_(std::move(first)) {
  gpu_.check_alive();
  const Gpu::Current current(gpu_);
  stream_ = make_stream(model_->gpu);
  done_ = make_event(model_->gpu);
  if (!context_) context_ = model_->make_context();
  if (model_->profiled) {
    profiler_ = std::make_unique<Profiler>(model_->engine->runtime().api().version.major);
    context_->set_profiler(profiler_->interface());
    clock_ = std::make_unique<StageClock>(model_->gpu);
  }
  outputs_.resize(model_->outputs.size());
  output_places_.resize(model_->outputs.size());
}

TensorRtRequest::~TensorRtRequest() {
  try {
    const Gpu::Current current(gpu_);
    context_.reset();
  } catch (...) {
    // a lost GPU
  }
}

// Request buffers of our allocator are page-locked; those of a host process's parent and of a group may not be.
void TensorRtRequest::lock_pages(Place& place) const {
  const Buffer& buffer = *place.buffer;
  place.page_locked = buffer.kind() == Buffer::Kind::kPinned || buffer.kind() == Buffer::Kind::kMapped;
  if (place.page_locked || buffer.kind() != Buffer::Kind::kShared) return;
  place.lock = std::make_shared<Registration>(register_memory(model_->gpu, buffer.data(), buffer.size()));
  place.page_locked = place.lock->get() != nullptr;
}

TensorRtRequest::Place TensorRtRequest::place(const TensorSpec& spec, const BoundTensor& tensor, const Place* former,
                                              bool is_output) const {
  Place place;
  place.buffer = tensor.buffer;
  if (model_->on_host.count(spec.name) != 0) {
    place.direct = place.page_locked = true;
    place.address = static_cast<CuAddress>(reinterpret_cast<uintptr_t>(tensor.buffer->data()));
    return place;
  }
  if (is_output && gpu_.maps_outputs() && tensor.buffer->kind() == Buffer::Kind::kMapped) {
    place.direct = place.page_locked = true;
    place.address = static_cast<CuAddress>(reinterpret_cast<uintptr_t>(tensor.buffer->handle()));
    return place;
  }
  lock_pages(place);
  if (former != nullptr && former->memory && former->capacity >= tensor.bytes) {
    place.memory = former->memory;
    place.capacity = former->capacity;
  } else {
    place.memory = std::make_shared<DeviceMemory>(make_device_memory(model_->gpu, tensor.bytes));
    place.capacity = tensor.bytes;
  }
  place.address = place.memory->get();
  return place;
}

// Stays with the profile that it has, where that will do.
void TensorRtRequest::choose_profile(const std::vector<Shape>& shapes) {
  if (!model_->chooses_profiles) return;
  const std::vector<int> wanted = model_->profiles_for(shapes, ErrorCode::kInvalidTensor);
  if (std::find(wanted.begin(), wanted.end(), context_->profile()) != wanted.end()) return;
  const Words words;
  if (context_->set_profile(model_->take_profile(wanted), stream_.get())) return;
  throw Error(ErrorCode::kBackend, "TensorRT does not take another optimisation profile of the engine.",
              "Look at the cause.", "tensorrt", words.text());
}

void TensorRtRequest::set_shapes(const std::vector<Shape>& shapes) {
  const Words words;
  for (size_t i = 0; i < shapes.size(); ++i) {
    if (context_->set_input_shape(model_->inputs[i].name, shapes[i])) continue;
    throw Error(ErrorCode::kInvalidTensor,
                "TensorRT does not take " + shape_text(shapes[i]) + " for the input '" + model_->inputs[i].name + "'.",
                "Give a shape that the engine takes.", "tensorrt", words.text());
  }
}

TensorRtRequest::Binding TensorRtRequest::make_binding(const std::vector<Shape>& shapes) {
  Binding binding;
  const auto former = [](const std::vector<Place>& places, size_t i) {
    return i < places.size() ? &places[i] : nullptr;
  };
  for (size_t i = 0; i < shapes.size(); ++i) {
    const size_t bytes = byte_size(model_->inputs[i].dtype, shapes[i]);
    binding.inputs.push_back({shapes[i], model_->allocator->allocate(bytes), bytes});
    binding.input_places.push_back(place(model_->inputs[i], binding.inputs[i], former(input_places_, i), false));
  }
  for (size_t i = 0; i < model_->outputs.size(); ++i) {
    const TensorSpec& spec = model_->outputs[i];
    // Where values decide shapes, TensorRT may tell the one that follows from those which happen to be there now.
    const Shape shape = model_->shape_inputs.empty() ? context_->shape(spec.name) : spec.shape;
    if (is_open(shape)) {
      Place late;
      late.late = output_places_[i].late;
      if (!late.late) late.late = std::make_shared<LateOutput>(model_->gpu);
      binding.outputs.push_back({});
      binding.output_places.push_back(std::move(late));
      continue;
    }
    const size_t bytes = byte_size(spec.dtype, shape);
    binding.outputs.push_back({shape, model_->allocator->allocate(bytes), bytes});
    binding.output_places.push_back(place(spec, binding.outputs[i], former(output_places_, i), true));
  }
  return binding;
}

bool TensorRtRequest::set_place(const TensorSpec& output, const Place& place) {
  return place.late ? context_->set_sink(output.name, *place.late) : context_->set_address(output.name, place.address);
}

void TensorRtRequest::set_addresses(const Binding& binding) {
  const Words words;
  const auto check = [&](bool taken, const TensorSpec& spec) {
    if (taken) return;
    throw Error(ErrorCode::kBackend, "TensorRT does not take memory for the tensor '" + spec.name + "'.",
                "Look at the cause.", "tensorrt", words.text());
  };
  for (size_t i = 0; i < binding.inputs.size(); ++i) {
    check(context_->set_address(model_->inputs[i].name, binding.input_places[i].address), model_->inputs[i]);
  }
  for (size_t i = 0; i < binding.outputs.size(); ++i) {
    const TensorSpec& spec = model_->outputs[i];
    const Place& place = binding.output_places[i];
    check(set_place(spec, place), spec);
  }
}

void TensorRtRequest::bind(const std::vector<Shape>& input_shapes) {
  const auto& specs = model_->inputs;
  if (input_shapes.size() != specs.size()) {
    throw Error(
        ErrorCode::kInvalidTensor,
        "The model has " + std::to_string(specs.size()) + " inputs, not " + std::to_string(input_shapes.size()) + ".",
        "Give a shape for every input.", "tensorrt");
  }
  for (size_t i = 0; i < specs.size(); ++i) {
    if (!specs[i].accepts(input_shapes[i])) {
      throw Error(ErrorCode::kInvalidTensor,
                  "The input '" + specs[i].name + "' takes " + shape_text(specs[i].shape) + ", not " +
                      shape_text(input_shapes[i]) + ".",
                  "Give a shape that the model takes.", "tensorrt");
    }
  }
  model_->profiles_for(input_shapes, ErrorCode::kInvalidTensor);
  gpu_.check_alive();
  const Gpu::Current current(gpu_);
  graphs_.clear();  // TensorRT may move its own memory for another shape
  has_scratch_ = false;
  try {
    choose_profile(input_shapes);
    set_shapes(input_shapes);
    Binding binding = make_binding(input_shapes);
    set_addresses(binding);
    inputs_ = std::move(binding.inputs);
    outputs_ = std::move(binding.outputs);
    input_places_ = std::move(binding.input_places);
    output_places_ = std::move(binding.output_places);
    is_whole_ = true;
    want_graph();
  } catch (...) {
    is_whole_ = restore();
    want_graph();
    throw;
  }
}

// Back to the shapes that were bound, and a profile that has them; the memory for them is still there. False where that
// is not possible: in TensorRT 8 another request may have taken the profile meanwhile, and TensorRT would then go on
// with the new shapes, in memory for the former ones.
bool TensorRtRequest::restore() noexcept {
  try {
    if (inputs_.empty()) return true;  // nothing was bound
    std::vector<Shape> shapes;
    for (const BoundTensor& input : inputs_) shapes.push_back(input.shape);
    choose_profile(shapes);
    bool taken = true;
    for (size_t i = 0; i < inputs_.size(); ++i) {
      const std::string& name = model_->inputs[i].name;
      taken = context_->set_input_shape(name, shapes[i]) && taken;
      taken = context_->set_address(name, input_places_[i].address) && taken;
    }
    for (size_t i = 0; i < outputs_.size(); ++i) taken = set_place(model_->outputs[i], output_places_[i]) && taken;
    return taken;
  } catch (...) {
    return false;  // the error that led here is the one to tell
  }
}

void TensorRtRequest::want_graph() {
  // Page-locked and of a size that is known beforehand.
  const auto fits = [](const Place& place) { return place.page_locked && !place.late; };
  recordable_ = model_->graphs && std::all_of(input_places_.begin(), input_places_.end(), fits) &&
                std::all_of(output_places_.begin(), output_places_.end(), fits);
}

// ------------------------------------------------------------------------------------------------------------- run

// Everything of one run goes into the stream; nothing here waits for the GPU, but where TensorRT itself does.
void TensorRtRequest::submit() {
  const CudaApi& api = gpu_.api();
  mark(StageClock::kBegin);
  for (size_t i = 0; i < inputs_.size(); ++i) {
    const BoundTensor& input = inputs_[i];
    if (input.bytes == 0 || input_places_[i].direct) continue;
    gpu_.check(api.copy_to_device(input_places_[i].address, input.buffer->data(), input.bytes, stream_.get()),
               "copy the inputs");
  }
  mark(StageClock::kInputsThere);
  const Words words;
  if (!give_shape_values() || !context_->enqueue(stream_.get()) || !take_shape_values()) {
    for (const Place& place : output_places_) {
      if (place.late) place.late->rethrow();
    }
    throw Error(ErrorCode::kBackend, "TensorRT failed to run the engine.",
                "Look at the cause: most often the shapes or the values of the inputs.", "tensorrt", words.text());
  }
  mark(StageClock::kComputed);
  for (size_t i = 0; i < outputs_.size(); ++i) {
    if (output_places_[i].late) fetch_late(i);
    const BoundTensor& output = outputs_[i];
    const Place& place = output_places_[i];
    if (place.direct || output.bytes == 0) continue;
    gpu_.check(api.copy_to_host(output.buffer->data(), place.late ? place.late->address() : place.address, output.bytes,
                                stream_.get()),
               "copy the outputs");
  }
  mark(StageClock::kEnd);
}

bool TensorRtRequest::give_shape_values() {
  return std::all_of(model_->shape_inputs.begin(), model_->shape_inputs.end(), [this](size_t i) {
    return context_->set_shape_values(model_->inputs[i].name, inputs_[i].buffer->data());
  });
}

bool TensorRtRequest::take_shape_values() {
  for (size_t i = 0; !model_->on_host.empty() && i < outputs_.size(); ++i) {
    const std::string& name = model_->outputs[i].name;
    if (model_->on_host.count(name) != 0 && !context_->fetch_shape_values(name, outputs_[i].buffer->data()))
      return false;
  }
  return true;
}

void TensorRtRequest::mark(StageClock::Border border) const {
  if (clock_) clock_->mark(border, stream_.get());
}

// The shape is known by now; the values may still be on their way.
void TensorRtRequest::fetch_late(size_t index) {
  Place& place = output_places_[index];
  BoundTensor& output = outputs_[index];
  output.shape = place.late->shape();
  output.bytes = byte_size(model_->outputs[index].dtype, output.shape);
  if (output.buffer && output.buffer->size() >= output.bytes) return;
  output.buffer = model_->allocator->allocate(output.bytes);
  place.lock.reset();
  place.buffer = output.buffer;
  lock_pages(place);
}

void TensorRtRequest::count_bytes() {
  const auto count = [this](const Place& place, size_t bytes) {
    if (place.direct) return;
    bytes_transferred_ += bytes;
    if (!place.page_locked) bytes_copied_ += bytes;  // by way of the driver's own memory
  };
  for (size_t i = 0; i < inputs_.size(); ++i) count(input_places_[i], inputs_[i].bytes);
  for (size_t i = 0; i < outputs_.size(); ++i) count(output_places_[i], outputs_[i].bytes);
}

// After a run, which has let TensorRT do what it does only once, and whose result no failure here can spoil.
void TensorRtRequest::record() {
  if (model_->graph_refused) return;
  try {
    graphs_[scratch_] = record_graph(model_->gpu, stream_.get(), [this] { submit(); });
  } catch (...) {
    const Error error = current_error("tensorrt");
    if (model_->graph_refused.exchange(true)) return;
    log(LogLevel::kInfo, "tensorrt",
        "The model's runs are not recorded as CUDA graphs, and are submitted one by one: " + error.message() +
            (error.cause().empty() ? "" : " " + error.cause()));
  }
}

void TensorRtRequest::cancel() noexcept {
  cancelled_ = true;
  if (model_->scratch) model_->scratch->wake();
}

void TensorRtRequest::use_scratch(const ScratchPool::Lease& lease) {
  if (has_scratch_ && lease.address() == scratch_) return;
  context_->set_scratch(lease.address(), model_->scratch->bytes());
  scratch_ = lease.address();
  has_scratch_ = true;
}

void TensorRtRequest::run() {
  cancelled_ = false;
  bytes_copied_ = bytes_transferred_ = graph_runs_ = 0;
  stage_times_.reset();
  if (profiler_) profiler_->clear();
  gpu_.check_alive();
  if (!is_whole_) {
    throw Error(ErrorCode::kBackend, "An earlier reshape of the request failed, and could not be undone.",
                "Reshape it again: another request has its optimisation profile.", "tensorrt");
  }
  const Gpu::Current current(gpu_);
  const CudaApi& api = gpu_.api();
  std::optional<ScratchPool::Lease> lease;  // until the run has ended
  if (model_->scratch) use_scratch(lease.emplace(model_->scratch->take(scratch_, cancelled_)));
  const auto graph = graphs_.find(scratch_);
  const bool recorded = graph != graphs_.end();
  try {
    if (recorded) {
      gpu_.check(api.graph_launch(graph->second.get(), stream_.get()), "launch a graph");
    } else {
      submit();
    }
    gpu_.check(api.event_record(done_.get(), stream_.get()), "record the end of a run");
  } catch (...) {
    if (profiler_) profiler_->clear();  // TensorRT 8.0 tells the times before a run has ended
    // What is under way still uses the buffers; and a lost GPU is the reason, not what it led to.
    gpu_.check(api.stream_synchronize(stream_.get()), "run the engine");
    throw;
  }
  gpu_.check(api.event_synchronize(done_.get()), "finish a run");
  // Where TensorRT does not report, it has told the log why, and there are no times.
  if (profiler_) context_->report_profile();
  if (clock_) stage_times_ = clock_->times();
  count_bytes();
  graph_runs_ = recorded ? 1 : 0;
  // A GPU cannot be stopped in the middle of its work: a cancelled run only ends without a result.
  if (cancelled_) throw Error(ErrorCode::kAborted, "The run was cancelled.", "", "tensorrt");
  if (recordable_ && !recorded) record();
}

std::vector<LayerTime> TensorRtRequest::profile() {
  return profiler_ ? profiler_->times(model_->layers) : std::vector<LayerTime>();
}

}  // namespace edge::tensorrt
