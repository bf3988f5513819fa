// A real TFLite library and a simulated driver in this process, and interpreters over both, for the simulator's tests.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tflite_abi.h"

namespace edge::test {

// How a delegate is handed to the runtime: in a wrapper that speaks one of the layouts to the driver, or as it is.
enum class Layout { old, current, unwrapped };

struct ListedDevice {
  int type;
  const char* path;
};
struct DriverOption {
  const char *name, *value;
};

// The exported functions of a driver.
struct Driver {
  explicit Driver(const char* library);

  Layout layout;
  ListedDevice* (*list_devices)(size_t* count);
  void (*free_devices)(ListedDevice* devices);
  edgetpu_simulator::Delegate* (*create_delegate)(int type, const char* path, const DriverOption* options,
                                                  size_t count);
  void (*free_delegate)(edgetpu_simulator::Delegate* delegate);
  void (*verbosity)(int level);
  const char* (*version)();
  edgetpu_simulator::Delegate* (*plugin_create)(char** keys, char** values, size_t count, void (*report)(const char*));
  void (*plugin_destroy)(edgetpu_simulator::Delegate* delegate);

  std::vector<std::string> paths() const;
};

// A model with its tensors. `delegate` is null, or one that outlives it.
class Interpreter {
 public:
  Interpreter(std::string model, edgetpu_simulator::Delegate* delegate, Layout layout);
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  bool is_ready() const { return ready_; }
  // The runtime's words since the last call.
  std::string errors();
  // How many nodes the driver asked for, where it is wrapped.
  int claimed() const;

  std::vector<uint8_t> input(int at) const;
  void set_input(int at, const std::vector<uint8_t>& values);
  bool invoke();
  std::vector<uint8_t> output(int at = 0) const;

 private:
  struct Wrapper;
  const std::string model_;
  std::unique_ptr<Wrapper> wrapper_;
  std::string errors_;
  void *loaded_ = nullptr, *interpreter_ = nullptr;
  bool ready_ = false;
};

}  // namespace edge::test
