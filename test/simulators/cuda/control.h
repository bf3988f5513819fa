// The control folder (EDGE_INFER_CUDA_SIMULATOR): what tests tell the simulator, read anew at every call. README.md has
// the format.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace cuda_simulator {

struct GpuEntry {
  std::string name = "Simulated GPU";
  int major = 8, minor = 9;
  bool integrated = false, map = true;
  size_t memory = size_t{8} << 30;
  unsigned number = 0;  // makes the UUID and the PCI id
};

struct Control {
  bool no_driver = false;  // cuInit fails with `init_error`
  int init_error = 0;
  std::vector<GpuEntry> gpus;
  uint64_t latency_us = 20;
  int driver = 12040;  // the newest CUDA that it can, 1000 · major + 10 · minor

  // As the folder is now. Without the variable or the file: one discrete GPU, no faults.
  static Control current();
};

// Counts a call of the function, and says with which CUresult `fail` lines want it to end; 0: none.
int fault_of(const std::string& function);

}  // namespace cuda_simulator
