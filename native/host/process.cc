#include "host/process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fstream>
#include <thread>
#include <utility>

#include "core/clock.h"
#include "core/device_events.h"
#include "core/log.h"
#include "host/shared_memory.h"

extern char** environ;

namespace edge::host {
namespace {

constexpr int kControlDescriptor = 3;  // where the host finds its socket
constexpr int64_t kNsPerMs = 1'000'000;
constexpr int64_t kGreetingNs = 20'000 * kNsPerMs;
constexpr int64_t kForgivenNs = 60'000 * kNsPerMs;
constexpr auto kVerdictPatience = std::chrono::seconds(5);
constexpr size_t kLastWords = 4096;

// 0, then 100 ms doubling to 10 s.
std::chrono::milliseconds back_off(uint64_t failures) {
  if (failures <= 1) return std::chrono::milliseconds(0);
  return std::chrono::milliseconds(std::min<uint64_t>(100ull << std::min<uint64_t>(failures - 2, 10), 10'000));
}

// Descriptors below 10 would get in the way of those that the host gets.
FileDescriptor out_of_the_way(FileDescriptor descriptor) {
  if (descriptor.get() > kControlDescriptor) return descriptor;
  return FileDescriptor(fcntl(descriptor.get(), F_DUPFD_CLOEXEC, 10));
}

struct FileActions {
  posix_spawn_file_actions_t value;
  FileActions() { posix_spawn_file_actions_init(&value); }
  ~FileActions() { posix_spawn_file_actions_destroy(&value); }
};

struct Attributes {
  posix_spawnattr_t value;
  Attributes() {
    posix_spawnattr_init(&value);
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&value, &none);
    posix_spawnattr_setsigdefault(&value, &all);
    // A group of its own: Ctrl-C in the terminal is for the application, which may want to end in order.
    posix_spawnattr_setpgroup(&value, 0);
    posix_spawnattr_setflags(&value, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  }
  ~Attributes() { posix_spawnattr_destroy(&value); }
};

// A file that may not be executed where it lies (unpacked without its mode, or mounted noexec) is run from memory.
FileDescriptor in_memory(const std::string& file) {
  std::ifstream from(file, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(from)), {});
  FileDescriptor memory(memfd_create("edge-infer-host", MFD_CLOEXEC));
  size_t written = 0;
  while (memory && written < bytes.size()) {
    const ssize_t count = ::write(memory.get(), bytes.data() + written, bytes.size() - written);
    if (count <= 0) return FileDescriptor();
    written += static_cast<size_t>(count);
  }
  return memory;
}

// Returns the error number, 0 on success.
int spawn(const std::string& executable, const std::vector<std::string>& arguments, int control, int words,
          pid_t* pid) {
  std::vector<char*> argv{const_cast<char*>(executable.c_str())};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  FileActions actions;
  posix_spawn_file_actions_addopen(&actions.value, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions.value, words, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions.value, words, STDERR_FILENO);
  posix_spawn_file_actions_adddup2(&actions.value, control, kControlDescriptor);
  const Attributes attributes;
  const int error = posix_spawn(pid, executable.c_str(), &actions.value, &attributes.value, argv.data(), environ);
  if (error != EACCES && error != ENOEXEC) return error;
  const FileDescriptor memory = in_memory(executable);
  if (!memory) return error;
  const std::string path = "/proc/self/fd/" + std::to_string(memory.get());
  return posix_spawn(pid, path.c_str(), &actions.value, &attributes.value, argv.data(), environ);
}

std::string signal_text(int signal) {
  const char* name = strsignal(signal);
  return "signal " + std::to_string(signal) + (name ? std::string(" (") + name + ")" : "");
}

// What a host writes to stdout or stderr: SDKs' complaints, and the reason of an abort.
class Words {
 public:
  explicit Words(std::string backend) : backend_(std::move(backend)) {}
  // False at the end.
  bool read_from(int descriptor) {
    std::array<char, 4096> piece;
    const ssize_t count = read(descriptor, piece.data(), piece.size());
    if (count <= 0) return count < 0 && errno == EINTR;
    last_.append(piece.data(), static_cast<size_t>(count));
    line_.append(piece.data(), static_cast<size_t>(count));
    for (size_t end; (end = line_.find('\n')) != std::string::npos; line_.erase(0, end + 1)) say(line_.substr(0, end));
    if (line_.size() > kLastWords) say(std::exchange(line_, {}));
    if (last_.size() > kLastWords) last_.erase(0, last_.size() - kLastWords);
    return true;
  }
  std::string last() const {
    const size_t end = last_.find_last_not_of(" \n\t");
    return end == std::string::npos ? "" : last_.substr(0, end + 1);
  }

 private:
  void say(const std::string& line) const {
    if (!line.empty()) log(LogLevel::kWarning, backend_, line);
  }
  const std::string backend_;
  std::string last_, line_;
};

}  // namespace

std::shared_ptr<HostProcess> HostProcess::start(const std::string& device, const HostOptions& options) {
  const std::shared_ptr<HostProcess> self(new HostProcess(device, options));
  self->launch(self);
  {
    std::lock_guard<std::mutex> lock(self->mutex_);
    self->up_ = true;
    self->up_since_ = now_ns();
  }
  // The threads that watch the host keep `self`; the handle's end tells them to stop.
  return {self.get(), [self](HostProcess*) { self->close(); }};
}

HostProcess::HostProcess(std::string device, HostOptions options)
    : device_(std::move(device)), options_(std::move(options)) {
  listen();
}

HostProcess::~HostProcess() { unlisten(); }

// Waits until the host has ended, so that the device that it held is free when its last model is gone: a moment for an
// orderly one, a second for one that has to be killed.
void HostProcess::close() noexcept {
  std::unique_lock<std::mutex> lock(mutex_);
  closing_ = true;
  up_ = false;
  if (control_) control_->shut_down();
  changed_.notify_all();
  changed_.wait_for(lock, std::chrono::seconds(2), [this] { return pid_ == 0; });
}

void HostProcess::launch(const std::shared_ptr<HostProcess>& self) {
  auto [ours, theirs] = Channel::pair();
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    throw Error(ErrorCode::kOutOfMemory, "No pipe for the host process: " + std::string(std::strerror(errno)) + ".",
                "Raise the limit of open files (ulimit -n).");
  }
  FileDescriptor words(ends[0]), their_words = out_of_the_way(FileDescriptor(ends[1]));
  FileDescriptor their_control = out_of_the_way(theirs.release());
  std::vector<std::string> arguments{"--max-memory", std::to_string(options_.max_memory)};
  if (options_.strict) arguments.emplace_back("--strict");
  for (const std::string& folder : options_.writable) arguments.insert(arguments.end(), {"--writable", folder});
  pid_t pid = 0;
  const int error = spawn(options_.executable, arguments, their_control.get(), their_words.get(), &pid);
  if (error != 0) {
    throw Error(ErrorCode::kUnavailable,
                "The host process " + options_.executable + " cannot be started: " + std::strerror(error) + ".",
                "Install edge-infer again, or load without `isolate`.");
  }
  their_control.reset();
  their_words.reset();
  uint64_t generation;
  auto control = std::make_shared<Channel>(std::move(ours));
  {
    std::lock_guard<std::mutex> lock(mutex_);
    pid_ = pid;
    control_ = control;
    kill_reason_.clear();
    last_words_.reset();
    generation = ++generation_;
    if (closing_) control->shut_down();
  }
  // The greeting is heard before the watching begins, so that nobody else reads from this socket.
  const int64_t limit = now_ns() + kGreetingNs;
  auto greeting = control->receive([&] { return now_ns() > limit; });
  const bool ready = greeting && greeting->kind == Kind::kHello;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (ready) {
      running_generation_ = generation;
      sandbox_ = greeting->body.text();
    } else if (generation == 1) {
      closing_ = true;  // nobody has it yet: it is not tried again
    }
  }
  if (!ready && now_ns() > limit) kill(generation, "it said nothing for 20 s");
  try {
    std::thread([self, generation, from = std::make_shared<FileDescriptor>(std::move(words))] {
      self->watch(self, generation, std::move(*from));
    }).detach();
  } catch (const std::exception&) {
    kill(generation, "the system gives no thread to watch it");
    waitpid(pid, nullptr, 0);
    throw Error(ErrorCode::kOutOfMemory, "The system gives no thread for the host process.",
                "Raise the limit of threads of this user or container (ulimit -u, pids.max).");
  }
  if (ready) return;
  control->shut_down();
  const Error why = loss(generation);
  throw Error(ErrorCode::kUnavailable, "The host process did not start: " + why.message(),
              "Look at the cause; install edge-infer again, or load without `isolate`.", "", why.cause());
}

// On a thread of its own, one a start: hears what the host says until it ends, tells why it ended, and restarts it.
void HostProcess::watch(const std::shared_ptr<HostProcess>& self, uint64_t generation, FileDescriptor words_from) {
  std::shared_ptr<Channel> control;
  pid_t pid;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    control = control_;
    pid = pid_;
  }
  Words words(backend());
  for (bool control_open = true, words_open = true; control_open;) {
    std::array<pollfd, 2> both{{{control->descriptor(), POLLIN, 0}, {words_open ? words_from.get() : -1, POLLIN, 0}}};
    if (poll(both.data(), both.size(), -1) < 0 && errno != EINTR) break;
    if (both[1].revents != 0) words_open = words.read_from(words_from.get());
    if (both[0].revents == 0) continue;
    auto message = control->receive([] { return true; });
    if (!message) {
      pollfd gone{control->descriptor(), POLLIN, 0};
      control_open = poll(&gone, 1, 0) == 0;
      continue;
    }
    try {
      if (message->kind == Kind::kLog) {
        const auto level = message->body.get<LogLevel>();
        const std::string backend = message->body.text();
        log(level, backend, message->body.text());
      } else if (message->kind == Kind::kFailed) {
        const Error last = read_error(message->body);
        std::lock_guard<std::mutex> lock(mutex_);
        last_words_ = last;
      }
    } catch (const Error&) {
      kill(generation, "it wrote a message that makes no sense");
    }
  }
  // It has a second to end by itself, which an orderly one does at once.
  int status = 0;
  for (int64_t limit = now_ns() + 1000 * kNsPerMs; waitpid(pid, &status, WNOHANG) == 0;) {
    if (now_ns() > limit) ::kill(pid, SIGKILL);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  fcntl(words_from.get(), F_SETFL, O_NONBLOCK);
  while (words.read_from(words_from.get())) {
  }
  const Error why = verdict(status, words.last());
  bool closing;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    pid_ = 0;
    up_ = false;
    running_generation_ = 0;
    if (now_ns() - up_since_ > kForgivenNs) failures_ = 0;
    ++failures_;
    losses_.emplace(generation, why);
    while (losses_.size() > 16) losses_.erase(losses_.begin());  // whoever asks, asks at once
    closing = closing_;
    changed_.notify_all();
  }
  if (closing) return;
  tell(DeviceEventKind::kLost, why.message(), generation);
  recover(self);
}

void HostProcess::tell(DeviceEventKind kind, const std::string& message, uint64_t count) const {
  device_event({kind, backend(), device_, "", message, static_cast<int64_t>(count)});
}

Error HostProcess::verdict(int status, const std::string& last_words) const {
  std::lock_guard<std::mutex> lock(mutex_);
  const std::string who = "The host process of " + device_ + " (pid " + std::to_string(pid_) + ")";
  const std::string remedy = "It is restarted by itself: run again, or load with `isolate: { retry: true }`.";
  std::string what;
  if (last_words_) {
    what = " gave up: " + last_words_->message();
  } else if (!kill_reason_.empty()) {
    what = " was ended: " + kill_reason_ + (kill_reason_.back() == '.' ? "" : ".");
  } else if (WIFSIGNALED(status)) {
    what = " crashed: " + signal_text(WTERMSIG(status)) + ".";
  } else {
    what = " ended with exit code " + std::to_string(WEXITSTATUS(status)) + ".";
  }
  return Error(ErrorCode::kDeviceLost, who + what, remedy, backend(), last_words);
}

// On the thread that watched the host that ended. A host that is lost again meanwhile has a watcher of its own, which
// then goes on with this.
void HostProcess::recover(const std::shared_ptr<HostProcess>& self) {
  for (;;) {
    uint64_t before;
    {
      std::unique_lock<std::mutex> lock(mutex_);
      changed_.wait_for(lock, back_off(failures_), [this] { return closing_; });
      if (closing_) return;
      before = generation_;
    }
    try {
      launch(self);
    } catch (const Error& error) {
      log(LogLevel::kError, backend(), error.message());
      std::lock_guard<std::mutex> lock(mutex_);
      if (generation_ != before) return;  // it did start: its own watcher goes on
      ++failures_;
      continue;
    }
    uint64_t generation;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      generation = generation_;
    }
    try {
      reload_all();
    } catch (const Error& error) {
      return kill(generation, "its model could not be loaded again: " + error.message());
    }
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (running_generation_ != generation || closing_) return;
      up_ = true;
      up_since_ = now_ns();
      changed_.notify_all();
    }
    return tell(DeviceEventKind::kRecovered, "The host process was restarted and has its models again.",
                generation - 1);
  }
}

void HostProcess::reload_all() {
  std::vector<std::weak_ptr<Resident>> all;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    residents_.erase(
        std::remove_if(residents_.begin(), residents_.end(), [](const auto& weak) { return weak.expired(); }),
        residents_.end());
    all = residents_;
  }
  for (const auto& weak : all) {
    if (const auto resident = weak.lock()) resident->reload();
  }
}

bool HostProcess::add(std::weak_ptr<Resident> resident, uint64_t generation) {
  std::lock_guard<std::mutex> lock(mutex_);
  residents_.push_back(std::move(resident));
  return generation_ == generation;
}

HostProcess::Connection HostProcess::connect(bool restarting) {
  auto [ours, theirs] = Channel::pair();
  std::shared_ptr<Channel> control;
  uint64_t generation;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (running_generation_ == 0 || !(up_ || restarting)) {
      const auto last = losses_.rbegin();
      throw Error(ErrorCode::kDeviceLost,
                  "The host process of " + device_ + " is being restarted." +
                      (last == losses_.rend() ? std::string() : " " + last->second.message()),
                  "Run again a little later, or load with `isolate: { retry: true }` to wait for it.", backend(),
                  last == losses_.rend() ? std::string() : last->second.cause());
    }
    control = control_;
    generation = running_generation_;
  }
  if (!control->send(Writer(Kind::kOpenChannel), {theirs.descriptor()})) throw loss(generation);
  return {std::move(ours), generation};
}

uint64_t HostProcess::generation() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return up_ ? running_generation_ : 0;
}

HostStatus HostProcess::status() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return {pid_, generation_ == 0 ? 0 : generation_ - 1, up_, sandbox_};
}

void HostProcess::cancel(uint64_t request, uint64_t run) noexcept {
  try {
    std::shared_ptr<Channel> control;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      control = control_;
    }
    Writer message(Kind::kCancel);
    message.put(request);
    message.put(run);
    if (control) control->send(message, {}, false);
  } catch (...) {
    // No memory: the caller has its answer, and the cancel is tried again.
  }
}

void HostProcess::kill(uint64_t generation, const std::string& reason) noexcept {
  std::lock_guard<std::mutex> lock(mutex_);
  if (generation != generation_ || pid_ == 0) return;
  try {
    if (kill_reason_.empty()) kill_reason_ = reason;
  } catch (...) {
    // It then counts as a crash.
  }
  ::kill(pid_, SIGKILL);
}

Error HostProcess::loss(uint64_t generation) const {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait_for(lock, kVerdictPatience, [&] { return losses_.count(generation) != 0; });
  const auto found = losses_.find(generation);
  if (found != losses_.end()) return found->second;
  return Error(ErrorCode::kDeviceLost, "The host process of " + device_ + " is gone.", "Run again.", backend());
}

bool HostProcess::wait_until_after(uint64_t generation, const std::function<bool()>& give_up) const {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    if (closing_) return false;
    if (up_ && running_generation_ > generation) return true;
    changed_.wait_for(lock, std::chrono::milliseconds(20));
    lock.unlock();
    const bool enough = give_up();
    lock.lock();
    if (enough) return false;
  }
}

// Calls that wait for the host return then, and nothing of an SDK is in this process.
void HostProcess::cancel_for_exit() noexcept {
  std::unique_lock<std::mutex> lock(mutex_, std::try_to_lock);
  if (!lock.owns_lock()) return;
  closing_ = true;
  if (pid_ != 0) ::kill(pid_, SIGKILL);
}

}  // namespace edge::host
