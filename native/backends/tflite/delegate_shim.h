// Lets a delegate that was built against another release of TFLite take nodes of this one.
#pragma once

#include <memory>

#include "backends/tflite/api.h"

namespace edge::tflite {

// A delegate takes its nodes by a call that passes a TfLiteRegistration by value: 64 bytes until TensorFlow 2.11, 88
// since. A driver of one side crashes a TFLite of the other. The returned delegate stands between them: it reads the
// 64 bytes that both have and passes on a whole registration, with nothing in the three members that are new. On x86-64
// and AArch64 this is sound for drivers of both sides, because the structure lies in the caller's memory and the other
// arguments in registers whatever its size: nothing has to be known about the driver. Not on 32-bit machines.
std::shared_ptr<Delegate> shim(std::shared_ptr<Delegate> inner);

}  // namespace edge::tflite
