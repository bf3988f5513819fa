// What a host process gives up before it touches a model, without needing any privilege for that.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace edge::host {

struct SandboxOptions {
  size_t max_memory = 0;  // bytes; 0: no limit
  bool strict = false;    // no file is written, no TCP connection made
  std::vector<std::string> writable;
};

// Returns what is in force, in words.
std::string enter_sandbox(const SandboxOptions& options);

// Ends the process through `end` when it holds more than `bytes` for itself. Returns at once.
void watch_memory(size_t bytes, void (*end)(size_t held));

}  // namespace edge::host
