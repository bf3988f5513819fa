// What the simulated CUDA driver exports beside the driver's own functions: for the simulated TensorRT and for tests.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" {

// Adds an operation to a stream, as a kernel's launch; `run(argument)` is called once, on the GPU's thread, and returns
// a CUresult. `duration_us`: how long the GPU is at it. Returns a CUresult; then `run` is not called.
int cuda_simulator_launch(void* stream, int (*run)(void*), void* argument, uint64_t duration_us);
// The bytes behind a range of device addresses, for kernels only; null where a part of it is not allocated.
void* cuda_simulator_resolve(uint64_t address, size_t size);
// Objects that have not been freed: "device", "host" (memory), "streams", "events".
size_t cuda_simulator_live(const char* what);
}
