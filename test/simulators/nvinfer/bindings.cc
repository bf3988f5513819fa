// Engines and execution contexts by bindings: by number, once for each optimisation profile.
#include <cstring>
#include <string>
#include <utility>

#include "engine.h"
#include "vtables.h"

namespace nvinfer_simulator {

Shape shape_in(const Input& input, int32_t profile) {
  Shape shape = input.shape;
  const auto [smallest, largest] = range_of(input, profile);
  for (int64_t& size : shape) {
    if (!kByName && size < 0 && smallest == largest) size = smallest;
  }
  return shape;
}

namespace {

int32_t in_a_profile(const Plan& plan) { return static_cast<int32_t>(plan.inputs.size() + plan.outputs.size()); }
bool is_there(const Plan& plan, int32_t binding) {
  return binding >= 0 && binding < in_a_profile(plan) * plan.profiles;
}
const std::string& name_of(const Plan& plan, int32_t binding) {
  const auto at = static_cast<size_t>(binding % in_a_profile(plan));
  return at < plan.inputs.size() ? plan.inputs[at].name : plan.outputs.at(at - plan.inputs.size()).name;
}
const Input* input_of(const Plan& plan, int32_t binding) {
  return is_there(plan, binding) ? input_named(plan, name_of(plan, binding)) : nullptr;
}
const Output* output_of(const Plan& plan, int32_t binding) {
  return is_there(plan, binding) ? output_named(plan, name_of(plan, binding)) : nullptr;
}

bool refuse(const char* function, int32_t binding) {
  error(std::string(function) + ": Error Code 3: API Usage Error (Parameter check failed, binding index " +
        std::to_string(binding) + ")");
  return false;
}

// -------------------------------------------------------------------------------------------------------- engine

int32_t count(EngineWorker* self) { return in_a_profile(self->plan) * self->plan.profiles; }

const char* name(EngineWorker* self, int32_t binding) {
  if (!is_there(self->plan, binding)) return nullptr;
  const int32_t profile = binding / in_a_profile(self->plan);
  const std::string& plain = name_of(self->plan, binding);
  std::string& mangled = self->binding_names[binding];
  mangled = profile == 0 ? plain : plain + " [profile " + std::to_string(profile) + "]";
  return mangled.c_str();
}

bool is_input(EngineWorker* self, int32_t binding) { return input_of(self->plan, binding) != nullptr; }

Dims shape(EngineWorker* self, int32_t binding) {
  const int32_t profile = binding / in_a_profile(self->plan);
  if (const Input* input = input_of(self->plan, binding)) return dims_of(shape_in(*input, profile));
  const Output* const output = output_of(self->plan, binding);
  if (output == nullptr) return Dims{-1, {}};
  const bool follows = output->op != Output::Op::kResize && output->op != Output::Op::kShape;
  return dims_of(follows ? shape_in(self->plan.inputs[output->input], profile) : engine_shape_of(self->plan, *output));
}

int32_t dtype(EngineWorker* self, int32_t binding) {
  const Input* const input = input_of(self->plan, binding);
  return input != nullptr ? input->dtype : dtype_of(self->plan, *output_of(self->plan, binding));
}

bool is_of_shapes(EngineWorker* self, int32_t binding) {
  if (const Input* input = input_of(self->plan, binding)) return input->on_host || input->decides_shapes;
  const Output* const output = output_of(self->plan, binding);
  return output != nullptr && output->op == Output::Op::kShape;
}
bool is_executed(EngineWorker* self, int32_t binding) {
  const Input* const input = input_of(self->plan, binding);
  return !is_of_shapes(self, binding) || (input != nullptr && input->decides_shapes);
}
int32_t location(EngineWorker* self, int32_t binding) { return is_executed(self, binding) ? 0 : 1; }
int32_t format(EngineWorker* self, int32_t binding) {
  const Input* const input = input_of(self->plan, binding);
  return input != nullptr ? input->format : 0;
}

Dims profile_dims(EngineWorker* self, int32_t binding, int32_t profile, int32_t bound) {
  const Input* const input = input_of(self->plan, binding);
  const int32_t its_own = binding / in_a_profile(self->plan);
  if (input == nullptr || profile < 0 || profile >= self->plan.profiles || (its_own != 0 && its_own != profile))
    return Dims{-1, {}};
  return dims_of(bound_of(*input, profile, bound));
}

// ------------------------------------------------------------------------------------------------------- context

bool belongs(const ContextWorker& self, int32_t binding) {
  return self.has_profile && is_there(*self.plan, binding) && binding / in_a_profile(*self.plan) == self.profile;
}

bool set_binding_dimensions(ContextWorker* self, int32_t binding, Dims dims) {
  if (!belongs(*self, binding) || input_of(*self->plan, binding) == nullptr)
    return refuse("IExecutionContext::setBindingDimensions", binding);
  return set_input_shape(self, name_of(*self->plan, binding).c_str(), &dims);
}

bool are_inputs_known(const ContextWorker& self) {
  for (size_t i = 0; i < self.shapes.size(); ++i) {
    const Input& input = self.plan->inputs[i];
    const bool has_values = self.shape_values.count(input.name) != 0;
    if (is_open(self.shapes[i]) || ((input.on_host || input.decides_shapes) && !has_values)) return false;
  }
  return true;
}

Dims binding_dimensions(ContextWorker* self, int32_t binding) {
  if (!belongs(*self, binding)) return Dims{-1, {}};
  if (const Input* input = input_of(*self->plan, binding))
    return dims_of(self->shapes[static_cast<size_t>(input - self->plan->inputs.data())]);
  if (!are_inputs_known(*self)) {
    refuse("IExecutionContext::getBindingDimensions (not all inputs are specified)", binding);
    return Dims{-1, {}};
  }
  return dims_of(output_shape(*self, *output_of(*self->plan, binding)));
}

bool set_shape_values(ContextWorker* self, int32_t binding, const int32_t* values) {
  const Input* const input = input_of(*self->plan, binding);
  if (!belongs(*self, binding) || input == nullptr || !(input->on_host || input->decides_shapes))
    return refuse("IExecutionContext::setInputShapeBinding", binding);
  std::vector<int32_t> copy(values, values + count_of(input->shape));
  if (!fits_profile(*self, *input, {copy.begin(), copy.end()})) return false;
  self->shape_values[input->name] = std::move(copy);
  return true;
}

bool shape_values_of(ContextWorker* self, int32_t binding, int32_t* values) {
  const Output* const output = output_of(*self->plan, binding);
  if (!belongs(*self, binding) || output == nullptr || output->op != Output::Op::kShape || !are_inputs_known(*self))
    return refuse("IExecutionContext::getShapeBinding", binding);
  write_shape(*self, *output, values);
  return true;
}

bool enqueue_v2(ContextWorker* self, void* const* pointers, void* stream, void* consumed) {
  if (consumed != nullptr || !are_inputs_known(*self)) return refuse("IExecutionContext::enqueueV2", -1);
  const int32_t size = in_a_profile(*self->plan);
  for (int32_t i = 0; i < size * self->plan->profiles; ++i) {
    if (i / size == self->profile) {
      set_address(self, name_of(*self->plan, i).c_str(), reinterpret_cast<uint64_t>(pointers[i]));
    } else if (pointers[i] != nullptr) {
      return refuse("IExecutionContext::enqueueV2 (of another profile)", i);
    }
  }
  return enqueue(self, stream);
}

}  // namespace

void put_bindings(void** table) {
  const char* const of = "VCudaEngine";
  put(table, of, "getNbBindings() const", address(&count));
  put(table, of, "getBindingName(int) const", address(&name));
  put(table, of, "bindingIsInput(int) const", address(&is_input));
  put(table, of, "getBindingDimensions(int) const", address(&shape));
  put(table, of, "getBindingDataType(int) const", address(&dtype));
  put(table, of, "getLocation(int) const", address(&location));
  put(table, of, "getBindingFormat(int) const", address(&format));
  put(table, of, "getProfileDimensions(int, int, OptProfileSelector) const", address(&profile_dims));
  put(table, of, "isShapeBinding(int) const", address(&is_of_shapes));
  put(table, of, "isExecutionBinding(int) const", address(&is_executed));
}

void put_context_bindings(void** table) {
  const char* const of = "VExecutionContext";
  put(table, of, "setBindingDimensions(int, Dims32)", address(&set_binding_dimensions));
  put(table, of, "getBindingDimensions(int) const", address(&binding_dimensions));
  put(table, of, "setInputShapeBinding(int, int const*)", address(&set_shape_values));
  put(table, of, "getShapeBinding(int, int*) const", address(&shape_values_of));
  put(table, of, "enqueueV2(void* const*, CUstream_st*, CUevent_st**)", address(&enqueue_v2));
}

}  // namespace nvinfer_simulator
