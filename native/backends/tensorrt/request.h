// One inference slot of TensorRT: an execution context with its stream, its event and its memory on the GPU.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "backends/tensorrt/graph.h"
#include "backends/tensorrt/infer.h"
#include "backends/tensorrt/profiler.h"
#include "backends/tensorrt/scratch.h"
#include "core/backend.h"

namespace edge::tensorrt {

// What requests need of their model.
struct Loaded {
  // Takes the engine over, and deletes it with the GPU's context current.
  Loaded(std::shared_ptr<const Gpu> on, std::shared_ptr<const Runtime> runtime, Object object)
      : gpu(std::move(on)), engine(make_engine(std::move(runtime), std::move(object))) {}
  ~Loaded();

  // The optimisation profiles that have all of these shapes (open ones: whatever they are), as indices in the engine.
  // Throws `code` where there is none. The GPU's context need not be current.
  std::vector<int> profiles_for(const std::vector<Shape>& shapes, ErrorCode code) const;
  // One of these that is free, as long as the pointer lives. Throws kUnsupported where none is.
  std::shared_ptr<const int> take_profile(const std::vector<int>& wanted) const;
  // The GPU's context is current.
  std::unique_ptr<ExecutionContext> make_context() const;
  // Of how many requests each finds a profile, whatever their shapes are.
  size_t contexts() const;
  // Until TensorRT 9 no two contexts may have the same profile.
  bool one_context_a_profile() const { return chooses_profiles && engine->runtime().api().version.major < 10; }

  const std::shared_ptr<const Gpu> gpu;
  const std::unique_ptr<Engine> engine;
  std::vector<TensorSpec> inputs, outputs;
  using Range = std::pair<Shape, Shape>;  // smallest and largest
  struct Profile {
    int index = 0;              // in the engine
    std::vector<Range> ranges;  // of each input
  };
  std::vector<Profile> profiles;  // the optimisation profiles that have the shapes which are fixed; one at least
  std::set<std::string> on_host;  // tensors whose values are shapes, or decide some
  std::set<size_t> shape_inputs;  // inputs whose values decide shapes
  bool dynamic = false;           // an input is open, or decides shapes by its values
  bool chooses_profiles = false;  // contexts choose an optimisation profile
  bool graphs = true;             // runs are recorded as CUDA graphs, where that is possible
  bool profiled = false;          // the layers of every run are measured
  std::vector<LayerInfo> layers;  // of one that is profiled
  mutable std::atomic<bool> graph_refused{false};  // said once, and not tried again
  std::shared_ptr<Allocator> allocator;
  std::unique_ptr<ScratchPool> scratch;  // null: each request has its own

 private:
  struct Taken {
    std::mutex mutex;
    std::set<int> profiles;
  };
  const std::shared_ptr<Taken> taken_ = std::make_shared<Taken>();
};

class TensorRtRequest final : public Request {
 public:
  // `first`: a context that is at hand already; may be null.
  TensorRtRequest(std::shared_ptr<const Loaded> model, std::shared_ptr<Model> keep_alive,
                  std::unique_ptr<ExecutionContext> first);
  ~TensorRtRequest() override;

  void bind(const std::vector<Shape>& input_shapes) override;
  const std::vector<BoundTensor>& inputs() const override { return inputs_; }
  const std::vector<BoundTensor>& outputs() const override { return outputs_; }
  void run() override;
  void cancel() noexcept override;
  std::vector<LayerTime> profile() override;
  size_t bytes_copied() const override { return bytes_copied_; }
  size_t bytes_transferred() const override { return bytes_transferred_; }
  size_t graph_runs() const override { return graph_runs_; }
  std::optional<StageTimes> stage_times() const override { return stage_times_; }

 private:
  class LateOutput;
  // Where a tensor is on the GPU, and how it gets there.
  struct Place {
    std::shared_ptr<Buffer> buffer;      // keeps what `lock` has locked
    std::shared_ptr<Registration> lock;  // for buffers that were not made for the GPU
    bool direct = false;                 // the GPU, or TensorRT on the host, works in the buffer itself
    bool page_locked = false;            // the GPU copies by itself
    std::shared_ptr<DeviceMemory> memory;
    size_t capacity = 0;
    CuAddress address = 0;
    std::shared_ptr<LateOutput> late;  // of an output whose size only the run tells
  };
  struct Binding {
    std::vector<BoundTensor> inputs, outputs;
    std::vector<Place> input_places, output_places;
  };
  Place place(const TensorSpec& spec, const BoundTensor& tensor, const Place* former, bool is_output) const;
  void lock_pages(Place& place) const;
  void choose_profile(const std::vector<Shape>& shapes);
  bool restore() noexcept;
  void set_shapes(const std::vector<Shape>& shapes);
  Binding make_binding(const std::vector<Shape>& shapes);
  bool set_place(const TensorSpec& output, const Place& place);
  void set_addresses(const Binding& binding);
  void want_graph();
  void submit();
  bool give_shape_values();
  bool take_shape_values();
  void mark(StageClock::Border border) const;
  void fetch_late(size_t index);
  void use_scratch(const ScratchPool::Lease& lease);
  void record();
  void count_bytes();

  const std::shared_ptr<const Loaded> model_;
  const std::shared_ptr<Model> keep_alive_;
  const Gpu& gpu_;
  Stream stream_;
  Event done_;
  std::map<CuAddress, Graph> graphs_;  // of this binding, for each block of scratch memory that it ran in; 0: its own
  bool recordable_ = false;
  CuAddress scratch_ = 0;     // where its last run was
  bool has_scratch_ = false;  // the context knows it
  bool is_whole_ = true;      // what is bound is what TensorRT was told
  std::vector<BoundTensor> inputs_, outputs_;
  std::vector<Place> input_places_, output_places_;
  // Of a model that is profiled; the context knows the first.
  std::unique_ptr<Profiler> profiler_;
  std::unique_ptr<StageClock> clock_;
  std::optional<StageTimes> stage_times_;
  std::unique_ptr<ExecutionContext> context_;
  std::atomic<bool> cancelled_{false};
  size_t bytes_copied_ = 0, bytes_transferred_ = 0, graph_runs_ = 0;
};

}  // namespace edge::tensorrt
