// Request buffers that the GPU reads and writes by itself: pinned, and mapped where it shares the host's memory.
#pragma once

#include <memory>

#include "backends/tensorrt/gpu.h"
#include "core/buffer.h"

namespace edge::tensorrt {

// The kind of the GPU's request buffers.
Buffer::Kind buffer_kind(const Gpu& gpu);

// The handle of a mapped buffer is its address on the GPU. Memory is freed on the reaper's thread, since the driver may
// wait for the GPU meanwhile.
std::shared_ptr<Allocator> make_pinned_allocator(std::shared_ptr<const Gpu> gpu);

}  // namespace edge::tensorrt
