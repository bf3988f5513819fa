// The structs that TFLite and a delegate hand to each other, as far as an Edge TPU driver touches them, in both
// layouts: that of TFLite up to 2.9, which the published drivers were built with (EDGETPU_SIMULATOR_OLD_LAYOUT), and
// today's. Sizes and offsets are part of TFLite's binary interface; the names are ours.
#pragma once

#include <cstddef>
#include <cstdint>

namespace edgetpu_simulator {

struct Context;
struct Node;
struct Delegate;

enum Status : int { kOk = 0, kError = 1 };
enum Type : int { kUint8 = 3, kInt8 = 9 };

// `size` numbers follow in memory.
struct IntArray {
  int size;
  const int* begin() const { return reinterpret_cast<const int*>(this) + 1; }
  const int* end() const { return begin() + size; }
  int operator[](size_t at) const { return begin()[at]; }
};

struct Tensor {
  Type type;
  void* data;
  IntArray* dims;
  float scale;
  int zero_point;
  int allocation_type;
  size_t bytes;
  const void* allocation;
  const char* name;
  Delegate* delegate;
  int buffer_handle;
  bool is_stale, is_variable;
  int quantization_type;
  void* quantization;
  void* sparsity;
  const IntArray* signature;
};
static_assert(sizeof(Tensor) == 112 && offsetof(Tensor, bytes) == 40);

struct Node {
  IntArray *inputs, *outputs, *intermediates, *temporaries;
  void* user_data;
  void* builtin_data;
  const void* custom_initial_data;
  int custom_initial_data_size;
  Delegate* delegate;
  bool might_have_side_effect;
};
static_assert(sizeof(Node) == 80 && offsetof(Node, custom_initial_data) == 48);

// Passed by value, so its size is part of the call: this is the break between old drivers and new runtimes.
struct Registration64 {
  void* (*init)(Context* context, const char* buffer, size_t length);
  void (*free)(Context* context, void* user_data);
  Status (*prepare)(Context* context, Node* node);
  Status (*invoke)(Context* context, Node* node);
  const char* (*profiling)(const Context* context, const Node* node);
  int builtin_code;
  const char* custom_name;
  int version;
};
static_assert(sizeof(Registration64) == 64 && offsetof(Registration64, custom_name) == 48);

struct Registration88 {
  Registration64 common;
  void* external;
  void* async_kernel;
  uint64_t in_place;
};
static_assert(sizeof(Registration88) == 88);

#if defined(EDGETPU_SIMULATOR_OLD_LAYOUT)
using Registration = Registration64;
#else
using Registration = Registration88;
#endif

constexpr int kEdgeTpuContext = 2;
struct ExternalContext {
  int type;
  Status (*refresh)(Context* context);
};

// The first members only: the runtime makes contexts, a driver does not.
struct Context {
  size_t tensors_size;
  Status (*execution_plan)(Context* context, IntArray** plan);
  Tensor* tensors;
  void* implementation;
  Status (*resize_tensor)(Context* context, Tensor* tensor, IntArray* dims);
  void (*report_error)(Context* context, const char* format, ...);
  Status (*add_tensors)(Context* context, int count, int* first);
  Status (*node_and_registration)(Context* context, int index, Node** node, Registration** registration);
  Status (*replace_nodes)(Context* context, Registration registration, const IntArray* nodes, Delegate* delegate);
  int recommended_threads;
  ExternalContext* (*external_context)(Context* context, int type);
  void (*set_external_context)(Context* context, int type, ExternalContext* external);
};
static_assert(offsetof(Context, replace_nodes) == 64 && offsetof(Context, set_external_context) == 88);

// What a delegate's kernel gets as `buffer` of its init.
struct DelegateParams {
  Delegate* delegate;
  IntArray *nodes, *inputs, *outputs;
};

constexpr int64_t kAllowDynamicTensors = 1;
struct Delegate {
  void* data;
  Status (*prepare)(Context* context, Delegate* delegate);
  void (*copy_from_handle)();
  void (*copy_to_handle)();
  void (*free_handle)();
  int64_t flags;
#if !defined(EDGETPU_SIMULATOR_OLD_LAYOUT)
  void* opaque_builder;
#endif
};

}  // namespace edgetpu_simulator
