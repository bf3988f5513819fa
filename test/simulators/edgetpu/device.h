// The simulated devices of this process: who has one open, what happens to its runs, and when it is lost.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "control.h"

namespace edgetpu_simulator {

using Options = std::vector<std::pair<std::string, std::string>>;

// The driver's log level: from 1 on, what could not be opened and why goes to stderr.
extern std::atomic<int> verbosity;

// What the driver does when one of its own checks fails.
[[noreturn]] void fatal(const std::string& words);

// One open device, shared by everybody of this process who asks for the same path. It stays open until the last one has
// released it, and it stays lost: a stick that is plugged in again under its old path must be opened again.
class Device {
 public:
  // An empty path: one of that bus that is open already, or else the first that is not. Null where there is none, where
  // another process holds it (PCIe), or where an option is wrong. Options count only for the one who opens.
  static Device* acquire(Bus bus, const std::string& path, const Options& options);
  void release();

  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  // One run: from its construction on nobody else runs on the device.
  class Run {
   public:
    explicit Run(Device& device);
    // Counts it, and fails, hangs or ends the process where it was told so.
    void start();
    // Waits for the rest of the latency. Throws Failure where the device went meanwhile.
    void finish();

   private:
    Device& device_;
    const std::lock_guard<std::mutex> turn_;
    const std::chrono::steady_clock::time_point began_;
  };

 private:
  Device(const Control& control, Entry entry, const Options& options);
  void check();  // throws Failure where the device is gone; ends the process where another one has taken it
  void hang(const Fault& fault);

  const Control control_;
  const Entry entry_;
  Memory memory_;
  int users_ = 0;
  int holding_ = -1;  // the file that says which process holds the device
  std::string mark_;  // what we wrote there
  bool lost_ = false;
  std::mutex turn_;
};

}  // namespace edgetpu_simulator
