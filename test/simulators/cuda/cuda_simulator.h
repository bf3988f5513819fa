// What the simulated CUDA driver exports beside the driver's own functions: for the simulated TensorRT and for tests.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {

// Adds an operation to a stream, as a kernel's launch; `run(argument)` is called on the GPU's thread, and returns a
// CUresult. It is called once for each launch of a graph that it is recorded in. `destroy(argument)` follows the last.
// `duration_us`: how long the GPU is at it. Returns a CUresult; where that is an error, `run` is not called.
int cuda_simulator_launch(void* stream, int (*run)(void*), void (*destroy)(void*), void* argument,
                          uint64_t duration_us);
// The bytes behind a range of device addresses, for kernels only; null where a part of it is not allocated.
void* cuda_simulator_resolve(uint64_t address, size_t size);
// Objects that have not been freed: "device", "host" (memory), "streams", "events", "graphs"
// (recorded and executable ones).
size_t cuda_simulator_live(const char* what);
}
