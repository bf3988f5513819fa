#include "backends/tensorrt/files.h"

#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "core/error.h"
#include "core/private_files.h"

namespace edge::tensorrt {

bool is_there(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

std::vector<uint8_t> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  const std::streamoff size = file ? static_cast<std::streamoff>(file.tellg()) : -1;
  std::vector<uint8_t> bytes(size < 0 ? 0 : static_cast<size_t>(size));
  if (size >= 0) {
    file.seekg(0);
    file.read(reinterpret_cast<char*>(bytes.data()), size);
  }
  if (size < 0 || file.gcount() != size) {
    throw Error(ErrorCode::kModelNotFound, "Cannot read " + path + ".", "Check the path.", "tensorrt");
  }
  return bytes;
}

bool replace_file(const std::string& path, const void* data, size_t size) {
  const std::string scratch = path + ".new-" + std::to_string(::getpid());
  std::remove(scratch.c_str());
  if (write_private(scratch, data, size) && std::rename(scratch.c_str(), path.c_str()) == 0) return true;
  std::remove(scratch.c_str());
  return false;
}

}  // namespace edge::tensorrt
