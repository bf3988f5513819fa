// What the tests of the Edge TPU simulator share: a driver with a control folder, models on its devices, other
// processes.
#pragma once

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "models.h"
#include "runtime.h"

namespace edge::test {
using edgetpu_simulator::Delegate;
using Bytes = std::vector<uint8_t>;

constexpr int kPci = 0, kUsb = 1;
constexpr const char* kStick = "/sys/bus/usb/devices/1-4";
constexpr int kLength = 8;
const Bytes kFirst = {5, 6, 7, 8, 9, 10, 11, 12}, kSecond = {1, 2, 3, 4, 4, 3, 2, 1};
const Bytes kDifference = {4, 4, 4, 4, 5, 7, 9, 11};

// Each test on both drivers, with a control folder of its own.
class EdgeTpuSimulator : public testing::TestWithParam<const char*> {
 protected:
  EdgeTpuSimulator() : driver(GetParam()) {
    std::string folder = (std::filesystem::temp_directory_path() / "edgetpu-XXXXXX").string();
    folder_ = mkdtemp(folder.data());
    setenv("EDGE_INFER_EDGETPU_SIMULATOR", folder_.c_str(), 1);
    unsetenv("EDGE_INFER_EDGETPU_TWIN");
  }
  ~EdgeTpuSimulator() override {
    unsetenv("EDGE_INFER_EDGETPU_SIMULATOR");
    std::filesystem::remove_all(folder_);
  }

  // In one step, as tests have to: a run in progress may be reading.
  void tell(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ + "/next") << text;
    std::filesystem::rename(folder_ + "/next", folder_ + "/" + name);
  }
  std::string read(const std::string& name) const {
    std::ifstream file(folder_ + "/" + name);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  bool has_logged(const std::string& text) const { return read("log").find(text) != std::string::npos; }
  // Over all processes, as the simulator counts.
  int runs_of(const std::string& path) const {
    std::istringstream lines(read("record"));
    std::string word, where;
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      int ever = 0, since = 0;
      if (words >> word >> ever >> since >> where && word == "runs" && where == path) return ever;
    }
    return 0;
  }

  const Driver driver;
  std::string folder_;
};

inline std::string layout_name(const testing::TestParamInfo<const char*>& layout) {
  return layout.param == std::string(OLD_SIMULATOR) ? "Old" : "New";
}

struct FreeDelegate {
  const Driver* driver;
  void operator()(Delegate* delegate) const { driver->free_delegate(delegate); }
};
using OwnedDelegate = std::unique_ptr<Delegate, FreeDelegate>;
inline OwnedDelegate open_device(const Driver& driver, int type = kUsb, const char* path = kStick,
                                 const std::vector<DriverOption>& options = {}) {
  return {driver.create_delegate(type, path, options.data(), options.size()), {&driver}};
}

// A subtraction on a device, ready to run. Inputs are set before every run.
struct Loaded {
  explicit Loaded(const Driver& driver, int type = kUsb, const char* path = kStick)
      : delegate(open_device(driver, type, path)),
        interpreter(make_compiled_subtraction(kUint8, kLength), delegate.get(), driver.layout) {}
  bool run() {
    interpreter.set_input(0, kFirst);
    interpreter.set_input(1, kSecond);
    return interpreter.invoke();
  }
  bool is_right() const { return interpreter.output() == kDifference; }
  OwnedDelegate delegate;
  Interpreter interpreter;
};

// What `body` answers in a process of its own.
inline int in_child(const std::function<int()>& body) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// Holds what `open` returns in a process of its own, which is killed at the end.
class OtherProcess {
 public:
  explicit OtherProcess(const std::function<OwnedDelegate()>& open) {
    int ends[2];
    if (pipe(ends) != 0) std::abort();
    pid_ = fork();
    if (pid_ == 0) {
      const OwnedDelegate held = open();
      const char opened = held != nullptr ? 1 : 0;
      if (write(ends[1], &opened, 1) != 1) _exit(1);
      for (;;) pause();
    }
    char opened = 0;
    EXPECT_EQ(read(ends[0], &opened, 1), 1);
    EXPECT_EQ(opened, 1);
    close(ends[0]);
    close(ends[1]);
  }
  ~OtherProcess() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  OtherProcess(const OtherProcess&) = delete;
  OtherProcess& operator=(const OtherProcess&) = delete;
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

}  // namespace edge::test
