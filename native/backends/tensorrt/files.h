// Files that the user names: models, calibration caches, timing caches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace edge::tensorrt {

bool is_there(const std::string& path);

// Throws kModelNotFound where it cannot be read.
std::vector<uint8_t> read_file(const std::string& path);

// Writes the whole file or leaves what was there. False where it cannot be written.
bool replace_file(const std::string& path, const void* data, size_t size);

}  // namespace edge::tensorrt
