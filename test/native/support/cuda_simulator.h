// The simulated CUDA driver (test/simulators/cuda) in native tests: its control folder, and what it exports beside the
// driver's functions. A process has one driver: a test that poisons it must be the last of its process, as under ctest.
#pragma once

#include <dlfcn.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "cuda/cuda_simulator.h"

namespace edge::test {

class CudaSimulator {
 public:
  CudaSimulator() {
    char name[] = "/tmp/edge-cuda-XXXXXX";
    folder_ = mkdtemp(name);
    setenv("EDGE_INFER_CUDA_SIMULATOR", folder_.c_str(), 1);
  }
  ~CudaSimulator() {
    unsetenv("EDGE_INFER_CUDA_SIMULATOR");
    std::remove((folder_ + "/control").c_str());
    rmdir(folder_.c_str());
  }
  // Lines as test/simulators/cuda/README.md has them.
  void tell(const std::string& lines) const {
    const std::string file = folder_ + "/control", next = file + ".new";
    std::ofstream(next) << lines;
    std::rename(next.c_str(), file.c_str());
  }
  static const char* library() { return CUDA_SIMULATOR; }
  static size_t live(const char* what) {
    static auto* const function = find<size_t(const char*)>("cuda_simulator_live");
    return function(what);
  }
  static int launch(void* stream, int (*run)(void*), void* argument, uint64_t duration_us) {
    static auto* const function =
        find<int(void*, int (*)(void*), void (*)(void*), void*, uint64_t)>("cuda_simulator_launch");
    return function(stream, run, [](void*) {}, argument, duration_us);
  }
  static void* resolve(uint64_t address, size_t size) {
    static auto* const function = find<void*(uint64_t, size_t)>("cuda_simulator_resolve");
    return function(address, size);
  }

 private:
  template <typename Function>
  static Function* find(const char* name) {
    return reinterpret_cast<Function*>(dlsym(dlopen(library(), RTLD_NOW | RTLD_LOCAL), name));
  }
  std::string folder_;
};

}  // namespace edge::test
