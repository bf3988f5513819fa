#include "host/channel.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "host/shared_memory.h"

namespace edge::host {
namespace {

// Larger messages travel in memory of their own: a socket takes only so much at once.
constexpr size_t kInlineBytes = 16 * 1024;
constexpr size_t kMaxDescriptors = 4;
constexpr int kTickMs = 50;

// Stands before every message.
enum class Carriage : uint8_t { kInline, kInMemory };

}  // namespace

std::pair<Channel, Channel> Channel::pair() {
  int ends[2];
  // Whole messages, so that one call receives one, with its descriptors.
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    throw Error(ErrorCode::kOutOfMemory, "No socket for the host process: " + std::string(std::strerror(errno)) + ".",
                "Raise the limit of open files (ulimit -n), or use fewer models and requests.");
  }
  // Ours only: the host waits for as long as it takes.
  const timeval tick{0, kTickMs * 1000};
  setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &tick, sizeof tick);
  return {Channel(FileDescriptor(ends[0])), Channel(FileDescriptor(ends[1]))};
}

bool Channel::send(const Writer& message, const std::vector<int>& descriptors, bool wait) const {
  const std::string& bytes = message.bytes();
  std::vector<int> all = descriptors;
  FileDescriptor memory;
  Carriage carriage = Carriage::kInline;
  uint64_t size = bytes.size();
  std::array<iovec, 2> parts{{{&carriage, sizeof carriage}, {const_cast<char*>(bytes.data()), bytes.size()}}};
  if (bytes.size() > kInlineBytes) {
    carriage = Carriage::kInMemory;
    memory = memory_with({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
    all.push_back(memory.get());
    parts[1] = {&size, sizeof size};
  }
  msghdr header{};
  header.msg_iov = parts.data();
  header.msg_iovlen = parts.size();
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxDescriptors)] = {};
  if (!all.empty()) {
    header.msg_control = control;
    header.msg_controllen = CMSG_SPACE(sizeof(int) * all.size());
    cmsghdr* ancillary = CMSG_FIRSTHDR(&header);
    ancillary->cmsg_level = SOL_SOCKET;
    ancillary->cmsg_type = SCM_RIGHTS;
    ancillary->cmsg_len = CMSG_LEN(sizeof(int) * all.size());
    std::memcpy(CMSG_DATA(ancillary), all.data(), sizeof(int) * all.size());
  }
  for (;;) {
    if (sendmsg(socket_.get(), &header, MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT)) >= 0) return true;
    if (errno != EINTR) return false;
  }
}

std::optional<Message> Channel::receive(const std::function<bool()>& give_up) const {
  std::array<char, kInlineBytes> bytes;
  Carriage carriage = Carriage::kInline;
  std::array<iovec, 2> parts{{{&carriage, sizeof carriage}, {bytes.data(), bytes.size()}}};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxDescriptors)];
  msghdr header{};
  ssize_t received;
  for (;;) {
    header = {};
    header.msg_iov = parts.data();
    header.msg_iovlen = parts.size();
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    received = recvmsg(socket_.get(), &header, MSG_CMSG_CLOEXEC);
    if (received > 0) break;
    if (received == 0) return std::nullopt;
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (give_up && give_up()) return std::nullopt;
    } else if (errno != EINTR) {
      return std::nullopt;
    }
  }
  Message message;
  for (cmsghdr* one = CMSG_FIRSTHDR(&header); one != nullptr; one = CMSG_NXTHDR(&header, one)) {
    if (one->cmsg_level != SOL_SOCKET || one->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (one->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    std::vector<int> descriptors(count);
    std::memcpy(descriptors.data(), CMSG_DATA(one), sizeof(int) * count);
    for (const int descriptor : descriptors) message.descriptors.emplace_back(descriptor);
  }
  if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) return std::nullopt;
  std::string body(bytes.data(), static_cast<size_t>(received) - sizeof carriage);
  if (carriage == Carriage::kInMemory) {
    uint64_t size = 0;
    if (body.size() != sizeof size || message.descriptors.empty()) return std::nullopt;
    std::memcpy(&size, body.data(), sizeof size);
    const Mapping mapping(message.descriptors.back(), static_cast<size_t>(size));
    if (mapping.data() == nullptr) return std::nullopt;
    body.assign(static_cast<const char*>(mapping.data()), mapping.size());
    message.descriptors.pop_back();
  }
  if (body.empty()) return std::nullopt;
  message.kind = static_cast<Kind>(body[0]);
  body.erase(0, 1);
  message.body = Reader(std::move(body));
  return message;
}

void Channel::part(std::chrono::milliseconds limit) const noexcept {
  if (!socket_) return;
  shutdown(socket_.get(), SHUT_WR);
  pollfd end{socket_.get(), POLLIN, 0};
  poll(&end, 1, static_cast<int>(limit.count()));
}

void Channel::shut_down() const noexcept {
  if (socket_) shutdown(socket_.get(), SHUT_RDWR);
}

}  // namespace edge::host
