// What a call of the simulator fails with inside; at the C interface it becomes a status and the runtime's error words.
#pragma once

#include <stdexcept>

namespace edgetpu_simulator {

// `what()` reads like the driver's: "Deadline exceeded: …".
struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace edgetpu_simulator
