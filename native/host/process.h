// The parent's side of one host process: starts it, notices its end however it came, and starts it again.
#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "core/device_events.h"
#include "core/exit_guard.h"
#include "host/channel.h"

namespace edge::host {

struct HostOptions {
  std::string executable;             // the host program
  size_t max_memory = 0;              // bytes that it may hold for itself (not the request buffers); 0: no limit
  int64_t hang_timeout_ms = 2'000;    // a run that takes longer counts as hung
  int64_t first_timeout_ms = 20'000;  // the same for a request's first run, for binding and making one, for reloading
  bool retry = false;                 // a run that the host was lost under is made once more
  bool strict = false;                // for strangers' models: may write no file and reach no network
  std::vector<std::string> writable;  // folders that `strict` leaves writable
};

// Something in the host that has to be made anew when it is restarted.
class Resident {
 public:
  virtual ~Resident() = default;
  // Throws where that fails; the host is then ended and started again, later.
  virtual void reload() = 0;
};

// What is known of a host from outside.
struct HostStatus {
  pid_t pid = 0;  // 0: none runs just now
  uint64_t restarts = 0;
  bool up = false;
  std::string sandbox;  // what it reported, in words
};

// All functions: any thread. It ends with its last handle, the one that start() returns and copies of it.
class HostProcess final : public ExitListener {
 public:
  // `device` is for messages: "openvino:cpu". Blocks until the host is ready. Throws kUnavailable with what it said.
  static std::shared_ptr<HostProcess> start(const std::string& device, const HostOptions& options);
  ~HostProcess();

  const HostOptions& options() const { return options_; }
  const std::string& device() const { return device_; }
  HostStatus status() const;

  // Counts the starts, from 1: channels belong to one of them.
  struct Connection {
    Channel channel;
    uint64_t generation = 0;
  };
  // A new conversation. Throws kDeviceLost while the host is down; `restarting` true: also for who reloads.
  Connection connect(bool restarting = false);
  uint64_t generation() const;
  // Cancels the run of a request that has this number; best effort.
  void cancel(uint64_t request, uint64_t run) noexcept;
  // Ends this start of the host because of `reason`, which completes "It was ended: …".
  void kill(uint64_t generation, const std::string& reason) noexcept;
  // Why that start of the host ended. Waits for the verdict, which takes milliseconds.
  Error loss(uint64_t generation) const;
  // Blocks until a later start than `generation` is up; false when `give_up` says so first, or the host is closed.
  bool wait_until_after(uint64_t generation, const std::function<bool()>& give_up) const;
  // Reloads it after every restart, as long as it lives. It was loaded in the start `generation`: false where there was
  // a later one already, which may have come up without it.
  bool add(std::weak_ptr<Resident> resident, uint64_t generation);

  void cancel_for_exit() noexcept override;

 private:
  HostProcess(std::string device, HostOptions options);
  void close() noexcept;
  // Starts the program and waits for its greeting. Throws kUnavailable.
  void launch(const std::shared_ptr<HostProcess>& self);
  void watch(const std::shared_ptr<HostProcess>& self, uint64_t generation, FileDescriptor words);
  void recover(const std::shared_ptr<HostProcess>& self);
  void tell(DeviceEventKind kind, const std::string& message, uint64_t count) const;
  Error verdict(int status, const std::string& last_words) const;
  void reload_all();

  // "openvino" of "openvino:cpu".
  std::string backend() const { return device_.substr(0, device_.find(':')); }

  const std::string device_;
  const HostOptions options_;

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::shared_ptr<Channel> control_;                  // shared: a sender may hold the old one while a new one is made
  pid_t pid_ = 0;                                     // 0 once it has been waited for
  uint64_t generation_ = 0, running_generation_ = 0;  // started last; up or reloading now (0: none)
  bool up_ = false, closing_ = false;
  uint64_t failures_ = 0;  // ends in a row; a minute of health forgives them
  int64_t up_since_ = 0;
  std::string kill_reason_, sandbox_;
  std::optional<Error> last_words_;  // what the host itself said before it gave up
  std::map<uint64_t, Error> losses_;
  std::vector<std::weak_ptr<Resident>> residents_;
};

}  // namespace edge::host
