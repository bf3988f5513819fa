// The control folder (EDGE_INFER_EDGETPU_SIMULATOR): what tests tell the simulator, read anew at every call, and what
// the simulator remembers there from process to process. README.md has the format of each file.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

namespace edgetpu_simulator {

enum class Bus : int { pci = 0, usb = 1 };

// One line of `devices`. Another number at the same path is another plugging-in of a stick.
struct Entry {
  Bus bus;
  std::string path;
  std::string plugging;
  bool operator==(const Entry& other) const {
    return bus == other.bus && path == other.path && plugging == other.plugging;
  }
};

struct Fault {
  enum class Kind { none, fail, hang, abort, unplug };
  Kind kind = Kind::none;
  unsigned long run = 0;  // the run it happens in, counted from when `faults` was written
  std::string writing;    // which writing of `faults` asks for it
};

class Control {
 public:
  // What the environment says now. Without the variable: one USB device, no faults, nothing is remembered.
  static Control current();

  const std::string& folder() const { return folder_; }
  std::vector<Entry> devices() const;  // without those that a fault has unplugged
  std::string version() const;
  int runtime_version() const;  // the number in `version()`
  std::chrono::microseconds latency() const;
  // A file of the folder as it is now.
  struct File {
    std::string text;
    std::string writing = "-";  // changes with every writing; "-" where there is no such file
  };
  File file(const std::string& name) const;

 private:
  explicit Control(std::string folder) : folder_(std::move(folder)) {}
  std::string folder_;
};

// `record` and `log` of a control folder, opened once per open device: a sandbox may forbid that later.
class Memory {
 public:
  // Throws Failure where the folder may not be written to: as a device node that may not be opened.
  explicit Memory(const Control& control);
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  // Counts one run of the device, over all processes, and says what `faults` wants of it.
  Fault begin_run(const Control& control, const std::string& path);
  // Takes the device away until `devices` is written anew.
  void unplug(const Control& control, const std::string& path);
  void log(const std::string& text);

 private:
  int record_ = -1, log_ = -1;
};

}  // namespace edgetpu_simulator
