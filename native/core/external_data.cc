#include "core/external_data.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

namespace edge {
namespace {

// A model's bytes, from memory or by a small window onto its file: contents of gigabytes are never touched.
class ByteSource {
 public:
  explicit ByteSource(const ModelSource& source) {
    if (source.path.empty()) {
      memory_ = source.bytes.data;
      size_ = source.bytes.size;
      return;
    }
    file_ = ::open(source.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat status{};
    if (file_ < 0 || fstat(file_, &status) != 0) {
      const std::string reason = std::strerror(errno);
      if (file_ >= 0) ::close(file_);
      throw Error(ErrorCode::kPermission, "The model " + source.path + " cannot be read.",
                  "Give this user the right to read the file.", "", reason);
    }
    size_ = S_ISREG(status.st_mode) ? static_cast<uint64_t>(status.st_size) : 0;
    window_.resize(1 << 16);
  }
  ~ByteSource() {
    if (file_ >= 0) ::close(file_);
  }
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;

  uint64_t size() const { return size_; }

  // False beyond the end, or where reading fails.
  bool byte(uint64_t at, uint8_t& value) {
    if (at >= size_) return false;
    if (memory_ != nullptr) {
      value = memory_[at];
      return true;
    }
    if (at < begin_ || at >= begin_ + filled_) {
      const ssize_t count = ::pread(file_, window_.data(), window_.size(), static_cast<off_t>(at));
      if (count <= 0) return false;
      begin_ = at;
      filled_ = static_cast<uint64_t>(count);
    }
    value = window_[at - begin_];
    return true;
  }

 private:
  const uint8_t* memory_ = nullptr;
  int file_ = -1;
  uint64_t size_ = 0, begin_ = 0, filled_ = 0;
  std::vector<uint8_t> window_;
};

enum class Message { kModel, kTraining, kGraph, kNode, kAttribute, kTensor, kSparseTensor, kFunction, kEntry, kNone };

// The message in a field, of those that lead to tensors. Source: the field numbers of onnx.proto3.
Message child(Message message, uint64_t field) {
  switch (message) {
    case Message::kModel:
      if (field == 7) return Message::kGraph;
      if (field == 20) return Message::kTraining;
      return field == 25 ? Message::kFunction : Message::kNone;
    case Message::kTraining:
      return field == 1 || field == 2 ? Message::kGraph : Message::kNone;
    case Message::kGraph:
      if (field == 1) return Message::kNode;
      if (field == 5) return Message::kTensor;
      return field == 15 ? Message::kSparseTensor : Message::kNone;
    case Message::kNode:
      return field == 5 ? Message::kAttribute : Message::kNone;
    case Message::kAttribute:
      if (field == 5 || field == 10) return Message::kTensor;
      if (field == 6 || field == 11) return Message::kGraph;
      return field == 22 || field == 23 ? Message::kSparseTensor : Message::kNone;
    case Message::kSparseTensor:
      return field == 1 || field == 2 ? Message::kTensor : Message::kNone;
    case Message::kFunction:
      if (field == 7) return Message::kNode;
      return field == 11 ? Message::kAttribute : Message::kNone;
    case Message::kTensor:
      return field == 13 ? Message::kEntry : Message::kNone;
    case Message::kEntry:
    case Message::kNone:
      break;
  }
  return Message::kNone;
}

class Scanner {
 public:
  Scanner(ByteSource& source, std::set<std::string>& locations) : source_(source), locations_(locations) {}

  // False where the bytes are no message: SDKs refuse those themselves.
  bool scan(Message message, uint64_t at, uint64_t end, int depth) {
    constexpr int kDeepest = 100;  // protobuf's own limit
    if (depth > kDeepest) {
      throw Error(ErrorCode::kInvalidModel, "The model nests its graphs too deeply.",
                  "Export the model again, with flat graphs.");
    }
    int groups = 0;  // an old wire type: unknown fields may come in groups
    bool is_location = false;
    std::vector<std::string> values;
    while (at < end) {
      uint64_t tag = 0, length = 0;
      if (!varint(at, end, tag)) return false;
      switch (tag & 7) {
        case 0:
          if (!varint(at, end, length)) return false;
          continue;
        case 1:
          at += 8;
          continue;
        case 3:
          ++groups;
          continue;
        case 4:
          if (--groups < 0) return false;
          continue;
        case 5:
          at += 4;
          continue;
        case 2:
          break;
        default:
          return false;
      }
      if (!varint(at, end, length) || length > end - at) return false;
      const uint64_t field = tag >> 3;
      if (groups == 0 && message == Message::kEntry && field <= 2) {
        std::string text;
        if (!read(at, length, text)) return false;
        if (field == 1) is_location = is_location || text == "location";
        if (field == 2) values.push_back(std::move(text));
      } else if (groups == 0) {
        const Message next = child(message, field);
        if (next != Message::kNone && !scan(next, at, at + length, depth + 1)) return false;
      }
      at += length;
    }
    if (is_location) locations_.insert(values.begin(), values.end());
    return at == end && groups == 0;
  }

 private:
  bool varint(uint64_t& at, uint64_t end, uint64_t& value) {
    value = 0;
    for (int shift = 0; shift < 70; shift += 7) {
      uint8_t byte = 0;
      if (at >= end || !source_.byte(at++, byte)) return false;
      if (shift < 64) value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if ((byte & 0x80) == 0) return true;
    }
    return false;
  }

  bool read(uint64_t at, uint64_t length, std::string& text) {
    constexpr uint64_t kLongest = 1 << 16;  // no file system takes longer names
    for (uint64_t i = 0; i < std::min(length, kLongest); ++i) {
      uint8_t byte = 0;
      if (!source_.byte(at + i, byte)) return false;
      text.push_back(static_cast<char>(byte));
    }
    return true;
  }

  ByteSource& source_;
  std::set<std::string>& locations_;
};

// Absolute and without links; empty where there is no such file.
std::string real_path(const std::string& path) {
  const std::unique_ptr<char, void (*)(void*)> real(::realpath(path.c_str(), nullptr), std::free);
  return real ? std::string(real.get()) : std::string();
}

[[noreturn]] void refuse(const std::string& location, const std::string& why) {
  throw Error(ErrorCode::kInvalidModel, "The model keeps data in '" + location.substr(0, 200) + "', " + why + ".",
              "Put the data's file itself into the model's folder, under the name that the model gives it.");
}

bool goes_up(const std::string& location) {
  for (size_t begin = 0; begin <= location.size();) {
    const size_t end = std::min(location.find('/', begin), location.size());
    if (location.compare(begin, end - begin, "..") == 0) return true;
    begin = end + 1;
  }
  return false;
}

std::string checked(const std::string& location, const std::string& folder) {
  if (location.empty() || location.find('\0') != std::string::npos || location.find('\\') != std::string::npos) {
    refuse(location, "which is no file name");
  }
  if (location[0] == '/') refuse(location, "which is an absolute path");
  if (goes_up(location)) refuse(location, "which leaves the model's folder");
  const std::string real = real_path(folder + "/" + location);
  if (real.empty()) refuse(location, "which is not there");
  const std::string inside = folder == "/" ? folder : folder + "/";
  if (real.compare(0, inside.size(), inside) != 0) refuse(location, "a link that leaves the model's folder");
  struct stat status{};
  if (::stat(real.c_str(), &status) != 0) refuse(location, "which is not there");
  if (!S_ISREG(status.st_mode)) refuse(location, "which is no regular file");
  if (status.st_nlink > 1)
    refuse(location, "a hard link: it has another name, which may be outside the model's folder");
  return real;
}

}  // namespace

std::set<std::string> external_locations(const ModelSource& source) {
  std::set<std::string> locations;
  ByteSource bytes(source);
  Scanner(bytes, locations).scan(Message::kModel, 0, bytes.size(), 0);
  return locations;
}

std::vector<std::string> external_files(const ModelSource& source, const std::string& backend) try {
  const std::set<std::string> locations = external_locations(source);
  if (locations.empty()) return {};
  if (source.path.empty()) refuse(*locations.begin(), "but it was given in memory, where it has no folder");
  const size_t slash = source.path.rfind('/');
  const std::string folder = real_path(slash == std::string::npos ? "." : source.path.substr(0, slash + 1));
  std::vector<std::string> files;
  for (const std::string& location : locations) files.push_back(checked(location, folder));
  return files;
} catch (const Error& error) {
  throw Error(error.code(), error.message(), error.remedy(), backend, error.cause());
}

}  // namespace edge
