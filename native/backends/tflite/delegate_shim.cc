#include "backends/tflite/delegate_shim.h"

#include <utility>

namespace edge::tflite {
namespace {

using Replace = Status (*)(Context*, Registration, const IntArray*, Delegate*);

struct Shim {
  Delegate outer{};
  std::shared_ptr<Delegate> inner;
};

// Of the Prepare that runs on this thread: two interpreters may prepare at once.
struct Preparing {
  Replace replace = nullptr;
  Delegate* outer = nullptr;
};
thread_local Preparing preparing;

// As the driver calls it, whichever layout it knows.
Status replace_nodes(Context* context, OldRegistration known, const IntArray* nodes, Delegate*) {
  Registration whole{};
  whole.old = known;
  return preparing.replace(context, whole, nodes, preparing.outer);
}

Status prepare(Context* context, Delegate* self) {
  auto* shim = static_cast<Shim*>(self->data);
  const Preparing outside = std::exchange(preparing, {context->ReplaceNodeSubsetsWithDelegateKernels, self});
  // Through void*: the two types differ in the structure's size, which is the point.
  context->ReplaceNodeSubsetsWithDelegateKernels = reinterpret_cast<Replace>(reinterpret_cast<void*>(&replace_nodes));
  struct Restore {
    Context* context;
    Preparing outside;
    ~Restore() {
      context->ReplaceNodeSubsetsWithDelegateKernels = preparing.replace;
      preparing = outside;
    }
  } restore{context, outside};
  return shim->inner->Prepare(context, shim->inner.get());
}

}  // namespace

std::shared_ptr<Delegate> shim(std::shared_ptr<Delegate> inner) {
  auto made = std::make_shared<Shim>();
  made->inner = std::move(inner);
  Delegate& outer = made->outer;
  outer.data = made.get();
  outer.Prepare = prepare;
  outer.flags = made->inner->flags;
  if (made->inner->CopyFromBufferHandle != nullptr) {
    outer.CopyFromBufferHandle = [](Context* context, Delegate* self, int handle, Tensor* tensor) {
      Delegate* real = static_cast<Shim*>(self->data)->inner.get();
      return real->CopyFromBufferHandle(context, real, handle, tensor);
    };
  }
  if (made->inner->CopyToBufferHandle != nullptr) {
    outer.CopyToBufferHandle = [](Context* context, Delegate* self, int handle, Tensor* tensor) {
      Delegate* real = static_cast<Shim*>(self->data)->inner.get();
      return real->CopyToBufferHandle(context, real, handle, tensor);
    };
  }
  if (made->inner->FreeBufferHandle != nullptr) {
    outer.FreeBufferHandle = [](Context* context, Delegate* self, int* handle) {
      Delegate* real = static_cast<Shim*>(self->data)->inner.get();
      real->FreeBufferHandle(context, real, handle);
    };
  }
  return {made, &made->outer};
}

}  // namespace edge::tflite
