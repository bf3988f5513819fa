// Virtual-function tables of one release of TensorRT, made from the table of facts. A call into a slot that is not
// implemented here, or that this release does not have, ends the process and says which it was.
#pragma once

#include <string>

namespace nvinfer_simulator {

constexpr int kMajor = TRT_MAJOR;
constexpr int kMinor = TRT_MINOR;
constexpr bool is_release(int major, int minor) { return kMajor != major ? kMajor > major : kMinor >= minor; }
// Whether inputs and outputs go by their names; before, they are bindings.
constexpr bool kByName = is_release(8, 5);

// A table of the class, to be filled. Never freed.
void** make_table(const char* class_name);
// Puts the function where the table of facts has `signature`. What only later releases have is left out.
void put(void** table, const char* class_name, const std::string& signature, void* function);
// Where the table of facts has it, of what this release has.
int slot_of(const char* class_name, const std::string& signature);

template <typename Function>
void* address(Function* function) {
  return reinterpret_cast<void*>(function);
}

}  // namespace nvinfer_simulator
