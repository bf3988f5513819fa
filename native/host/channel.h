// A socket between the parent and its host that carries whole messages, and file descriptors with them.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "host/file_descriptor.h"
#include "host/message.h"

namespace edge::host {

struct Message {
  Kind kind = Kind::kFailed;
  Reader body;  // what follows the kind
  std::vector<FileDescriptor> descriptors;
};

// One thread sends and one receives at a time. Errors of the socket mean that the other side is gone.
class Channel {
 public:
  Channel() = default;
  explicit Channel(FileDescriptor socket) : socket_(std::move(socket)) {}

  // The parent's end and the host's; neither survives an exec. Throws kOutOfMemory where the process has no descriptors
  // left.
  static std::pair<Channel, Channel> pair();

  // False when the other side is gone. `wait` false: also when it does not take any more just now.
  bool send(const Writer& message, const std::vector<int>& descriptors = {}, bool wait = true) const;
  // Blocks. Nothing when the other side is gone, or when `give_up` says so, which the parent's end
  // asks about 20 times a second.
  std::optional<Message> receive(const std::function<bool()>& give_up = nullptr) const;
  // Ends the conversation and waits until the other side has let go of it too. The limit is what the device of a host
  // that still answers needs to free a request: one that hangs must not hold up everybody.
  void part(std::chrono::milliseconds limit = std::chrono::milliseconds(100)) const noexcept;
  // Wakes both sides for good. Any thread.
  void shut_down() const noexcept;

  int descriptor() const { return socket_.get(); }
  explicit operator bool() const { return static_cast<bool>(socket_); }
  FileDescriptor release() { return std::move(socket_); }

 private:
  FileDescriptor socket_;
};

}  // namespace edge::host
