// The delegate that a runtime gets: it claims the compiled nodes and runs each on its device.
#pragma once

#include "device.h"
#include "tflite_abi.h"

namespace edgetpu_simulator {

// Takes over one acquisition of the device. The caller frees it after every interpreter that uses it.
Delegate* make_delegate(Device& device);
void free_delegate(Delegate* delegate);

}  // namespace edgetpu_simulator
