// One inference slot whose SDK object lives in a host process, over buffers that both processes map.
#pragma once

#include <memory>
#include <vector>

#include "core/backend.h"
#include "host/process.h"

namespace edge::host {

// What a request needs of its model. The specifications live as long as `keep_alive`.
struct RequestParts {
  std::shared_ptr<HostProcess> process;
  uint64_t model = 0;
  const std::vector<TensorSpec>* inputs = nullptr;
  const std::vector<TensorSpec>* outputs = nullptr;
  std::shared_ptr<Allocator> allocator;
  std::shared_ptr<Model> keep_alive;
};

std::unique_ptr<Request> make_request(RequestParts parts);
// Destroys what the host has of such a request, and waits for that. Throws kDeviceLost where the host does not survive.
void release(Request& request);

}  // namespace edge::host
