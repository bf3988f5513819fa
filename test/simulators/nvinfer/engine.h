// Engines and their execution contexts: by the names of tensors, as from TensorRT 8.5 on, and by bindings before.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "layers.h"
#include "objects.h"
#include "plan.h"

extern "C" {
int cuMemAlloc_v2(uint64_t* address, size_t size);
int cuMemFree_v2(uint64_t address);
}

namespace nvinfer_simulator {

struct ContextWorker {
  void** table;
  const Plan* plan;
  std::shared_ptr<std::multiset<int32_t>> taken;  // profiles of the engine's contexts
  bool has_profile = false;
  int32_t profile = 0;
  std::vector<Shape> shapes{};  // of the inputs
  std::map<std::string, uint64_t> addresses{};
  std::map<std::string, void*> allocators{};
  std::map<std::string, std::vector<int32_t>> shape_values{};  // by bindings: of inputs that decide shapes
  void* profiler = nullptr;
  bool emits_profile = true;           // within enqueueV3
  std::shared_ptr<LayerEnds> times{};  // of the last run
  uint64_t scratch = 0;                // on the GPU
  bool owns_scratch = false;

  ~ContextWorker() {
    if (owns_scratch) cuMemFree_v2(scratch);
    if (has_profile) taken->erase(taken->find(profile));
  }
};
struct EngineWorker {
  void** table;
  Plan plan;
  bool first_context = true;
  std::map<int32_t, std::string> binding_names{};
  std::shared_ptr<std::multiset<int32_t>> taken = std::make_shared<std::multiset<int32_t>>();
};

// Null where there is none.
const Input* input_named(const Plan& plan, const std::string& name);
const Output* output_named(const Plan& plan, const std::string& name);

// What the tables of both kinds have.
void put_common_functions(void** context_table);
void put_functions_by_name(void** engine_table);
void put_context_functions_by_name(void** context_table);
void put_bindings(void** engine_table);
void put_context_bindings(void** context_table);

// An input's smallest (bound 0), best or largest shape in a profile.
Shape bound_of(const Input& input, int32_t profile, int32_t bound);
// As an execution context knows it at first: of bindings what the profile leaves no choice of is not open.
Shape shape_in(const Input& input, int32_t profile);
bool is_open(const Shape& shape);
size_t count_of(const Shape& shape);
Shape engine_shape_of(const Plan& plan, const Output& output);
// −1 where only the run tells.
Shape output_shape(const ContextWorker& context, const Output& output);
bool set_input_shape(ContextWorker* self, const char* name, const Dims* dims);
bool set_address(ContextWorker* self, const char* name, uint64_t place);
bool enqueue(ContextWorker* self, void* stream);
// The dimensions of an output's input, as values of the output.
void write_shape(const ContextWorker& self, const Output& output, void* to);
// Whether the input's values may decide a shape, by the profile; says it where they do not fit.
bool fits_profile(const ContextWorker& context, const Input& input, const Shape& values);

}  // namespace nvinfer_simulator
