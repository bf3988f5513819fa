// What the library is compared with on a GPU: tensorrt_loop.cc.
#pragma once

#include <napi.h>

namespace edge::tensorrt {

// new TensorRtLoop(cuda, tensorrt, engine, requests, graphs): paths of the two libraries, the engine's bytes.
Napi::Function define_loop(Napi::Env env);

}  // namespace edge::tensorrt
