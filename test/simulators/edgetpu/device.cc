#include "device.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <thread>

#include "failure.h"

namespace edgetpu_simulator {

std::atomic<int> verbosity{0};

namespace {

using std::chrono::steady_clock;
constexpr auto kGlance = std::chrono::milliseconds(2);  // how often a run that waits looks at the control folder

// Never destroyed: runs may still be in progress when the process ends.
struct Opened {
  std::mutex mutex;
  std::vector<std::unique_ptr<Device>> devices;
};
Opened& opened() {
  static auto* const instance = new Opened;
  return *instance;
}

void say(const std::string& words) {
  if (verbosity >= 1) std::fprintf(stderr, "edgetpu simulator: %s\n", words.c_str());
}

void check_option(const std::string& name, const std::string& value) {
  const auto one_of = [&](std::initializer_list<const char*> values) {
    return std::any_of(values.begin(), values.end(), [&](const char* known) { return value == known; });
  };
  if (name == "Performance") {
    if (!one_of({"Low", "Medium", "High", "Max"})) throw Failure("Invalid argument: Invalid performance setting.");
  } else if (name == "Usb.AlwaysDfu") {
    if (!one_of({"True", "False"})) throw Failure("Invalid argument: Invalid USB setting.");
  } else if (name == "Usb.MaxBulkInQueueLength") {
    std::istringstream number(value);
    int length = -1;
    if (!(number >> length) || !number.eof() || length < 0 || length > 256) {
      throw Failure("Invalid argument: bulk-in queue capacity must be in [0, 256].");
    }
  } else {
    // The driver passes over such an option in silence.
    throw Failure("Invalid argument: the driver has no option " + name + ".");
  }
}

std::string name_of(Bus bus) { return bus == Bus::usb ? "usb" : "pci"; }

}  // namespace

void fatal(const std::string& words) {
  std::fprintf(stderr, "F edgetpu simulator: %s\n", words.c_str());
  std::abort();
}

Device* Device::acquire(Bus bus, const std::string& path, const Options& options) {
  Opened& all = opened();
  const std::lock_guard<std::mutex> lock(all.mutex);
  const auto open_at = [&](const std::string& wanted) -> Device* {
    for (const auto& device : all.devices) {
      if (device->entry_.bus == bus && (wanted.empty() || device->entry_.path == wanted)) return device.get();
    }
    return nullptr;
  };
  Device* device = open_at(path);
  if (device == nullptr) {
    const Control control = Control::current();
    for (const Entry& entry : control.devices()) {
      if (entry.bus != bus || (path.empty() ? open_at(entry.path) != nullptr : entry.path != path)) continue;
      try {
        all.devices.emplace_back(new Device(control, entry, options));
        device = all.devices.back().get();
      } catch (const Failure& failure) {
        say("Failed to open device [" + name_of(bus) + "] at [" + entry.path + "]: " + failure.what());
      }
      break;
    }
  }
  if (device == nullptr) {
    say("No device of type " + name_of(bus) + " is available" + (path.empty() ? "." : " at " + path + "."));
    return nullptr;
  }
  ++device->users_;
  return device;
}

void Device::release() {
  Opened& all = opened();
  const std::lock_guard<std::mutex> lock(all.mutex);
  if (--users_ > 0) return;
  all.devices.erase(
      std::find_if(all.devices.begin(), all.devices.end(), [&](const auto& it) { return it.get() == this; }));
}

Device::Device(const Control& control, Entry entry, const Options& options)
    : control_(control), entry_(std::move(entry)), memory_(control) {
  std::string told;
  for (const auto& [name, value] : options) {
    check_option(name, value);
    told += " " + name + "=" + value;
  }
  if (!control_.folder().empty()) {
    std::string file = entry_.path;
    std::replace(file.begin(), file.end(), '/', '_');
    holding_ = open((control_.folder() + "/held" + file).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (holding_ < 0) throw Failure("Permission denied: edgetpu simulator: its control folder cannot be written to.");
    // A PCIe device opens once. A stick can be opened again: that resets it under the feet of whoever had it.
    if (entry_.bus == Bus::pci && flock(holding_, LOCK_EX | LOCK_NB) != 0) {
      close(holding_);
      throw Failure("Failed precondition: Device open failed : -1 (Device or resource busy).");
    }
    mark_ = std::to_string(getpid()) + " " + std::to_string(steady_clock::now().time_since_epoch().count()) + "\n";
    if (ftruncate(holding_, 0) != 0 || pwrite(holding_, mark_.data(), mark_.size(), 0) < 0) {
      close(holding_);
      throw Failure("Permission denied: edgetpu simulator: its control folder cannot be written to.");
    }
  }
  memory_.log("open " + name_of(entry_.bus) + " " + entry_.path + told);
}

Device::~Device() {
  memory_.log("close " + name_of(entry_.bus) + " " + entry_.path);
  if (holding_ >= 0) close(holding_);
}

void Device::check() {
  const auto entries = control_.devices();
  if (lost_ || std::find(entries.begin(), entries.end(), entry_) == entries.end()) {
    lost_ = true;
    memory_.log("gone " + entry_.path);
    throw Failure(entry_.bus == Bus::usb ? "Not found: USB transfer error 5 [LibUsbDataInCallback], " + entry_.path
                                         : "Unavailable: " + entry_.path + " does not answer.");
  }
  if (holding_ < 0 || entry_.bus != Bus::usb) return;
  std::string mark(mark_.size() + 1, '\0');
  const ssize_t size = pread(holding_, mark.data(), mark.size(), 0);
  if (size <= 0) return;  // in the middle of being taken: the next look will tell
  mark.resize(static_cast<size_t>(size));
  if (mark != mark_) {
    memory_.log("taken " + entry_.path);
    fatal("transfer on tag 1 failed. Abort. Not found: USB transfer error 5 [LibUsbDataOutCallback]");
  }
}

void Device::hang(const Fault& fault) {
  while (control_.file("faults").writing == fault.writing) {
    check();
    std::this_thread::sleep_for(kGlance);
  }
}

Device::Run::Run(Device& device) : device_(device), turn_(device.turn_), began_(steady_clock::now()) {}

void Device::Run::start() {
  const std::string& path = device_.entry_.path;
  device_.check();  // first: a run that does not reach the device is not counted
  const Fault fault = device_.memory_.begin_run(device_.control_, path);
  const std::string where = " run " + std::to_string(fault.run) + " on " + path;
  switch (fault.kind) {
    case Fault::Kind::none:
      return;
    case Fault::Kind::fail:
      device_.memory_.log("fail" + where);
      break;
    case Fault::Kind::hang:
      device_.memory_.log("hang" + where);
      device_.hang(fault);
      device_.memory_.log("let go" + where);
      break;
    case Fault::Kind::abort:
      device_.memory_.log("abort" + where);
      fatal("transfer on tag 1 failed. Abort. Deadline exceeded: USB transfer error 2 [LibUsbDataOutCallback]");
    case Fault::Kind::unplug:
      device_.memory_.log("unplug" + where);
      device_.memory_.unplug(device_.control_, path);
      device_.check();
      break;
  }
  throw Failure("Deadline exceeded: edgetpu simulator:" + where + ".");
}

void Device::Run::finish() {
  const auto end = began_ + device_.control_.latency();
  bool waited = false;
  for (auto now = steady_clock::now(); now < end; now = steady_clock::now(), waited = true) {
    device_.check();
    std::this_thread::sleep_for(std::min<steady_clock::duration>(end - now, kGlance));
  }
  if (waited) device_.check();
}

}  // namespace edgetpu_simulator
