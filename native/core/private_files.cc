#include "core/private_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace edge {
namespace {

ssize_t read_some(int file, void* data, size_t size) {
  for (;;) {
    const ssize_t count = ::read(file, data, size);
    if (count >= 0 || errno != EINTR) return count;
  }
}

bool write_all(int file, const void* data, size_t size) {
  for (const auto* from = static_cast<const uint8_t*>(data); size > 0;) {
    const ssize_t count = ::write(file, from, size);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    from += count;
    size -= static_cast<size_t>(count);
  }
  return true;
}

// -1 unless it is a private file: of what is open, not of what the path leads to by now.
int open_private(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (file < 0) return -1;
  struct stat status{};
  if (::fstat(file, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == ::geteuid() &&
      (status.st_mode & 022) == 0 && status.st_nlink == 1) {
    return file;
  }
  ::close(file);
  return -1;
}

}  // namespace

bool is_private_folder(const std::string& path) {
  struct stat status{};
  return ::lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == ::geteuid() &&
         (status.st_mode & 077) == 0;
}

bool make_folders(const std::string& path) {
  for (size_t at = 1; at != std::string::npos;) {
    at = path.find('/', at);
    const std::string part = path.substr(0, at);
    if (::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) return false;
    if (at != std::string::npos) ++at;
  }
  return true;
}

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  if (DIR* open = ::opendir(folder.c_str())) {
    while (const dirent* entry = ::readdir(open)) {
      const std::string name = entry->d_name;
      if (name != "." && name != "..") names.push_back(name);
    }
    ::closedir(open);
  }
  std::sort(names.begin(), names.end());
  return names;
}

uint64_t size_of(const std::string& path) {
  const auto own_size = [](const std::string& name) {
    struct stat status{};
    return ::lstat(name.c_str(), &status) == 0 && S_ISREG(status.st_mode) ? static_cast<uint64_t>(status.st_size) : 0;
  };
  uint64_t size = own_size(path);
  for (const std::string& name : names_in(path)) size += own_size(path + "/" + name);
  return size;
}

void remove_tree(const std::string& path) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) return;
  if (S_ISDIR(status.st_mode)) {
    for (const std::string& name : names_in(path)) remove_tree(path + "/" + name);
    ::rmdir(path.c_str());
  } else {
    ::unlink(path.c_str());
  }
}

bool read_private(const std::string& path, const std::function<void(const uint8_t*, size_t)>& piece) {
  const int file = open_private(path);
  if (file < 0) return false;
  std::vector<uint8_t> chunk(1 << 18);
  ssize_t count = 0;
  while ((count = read_some(file, chunk.data(), chunk.size())) > 0) piece(chunk.data(), static_cast<size_t>(count));
  ::close(file);
  return count == 0;
}

std::string read_private_text(const std::string& path, size_t most) {
  const int file = open_private(path);
  if (file < 0) return {};
  std::string text(most + 1, '\0');
  size_t size = 0;
  ssize_t count = 0;
  while (size < text.size() && (count = read_some(file, text.data() + size, text.size() - size)) > 0)
    size += static_cast<size_t>(count);
  ::close(file);
  text.resize(size);
  return count < 0 || size > most ? std::string() : text;
}

bool write_private(const std::string& path, const void* data, size_t size) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) return false;
  const bool whole = ::fchmod(file, 0600) == 0 && write_all(file, data, size) && ::fsync(file) == 0;
  return ::close(file) == 0 && whole;
}

bool flush(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (file < 0) return false;
  const bool flushed = ::fsync(file) == 0;
  ::close(file);
  return flushed;
}

}  // namespace edge
