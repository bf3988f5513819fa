#include "control.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <sstream>

#include "failure.h"

namespace edgetpu_simulator {
namespace {

#if defined(EDGETPU_SIMULATOR_OLD_LAYOUT)
constexpr const char* kVersion = "BuildLabel(edge-infer-simulator-old), RuntimeVersion(14)";
#else
constexpr const char* kVersion = "BuildLabel(edge-infer-simulator-new), RuntimeVersion(14)";
#endif
constexpr int kRuntimeVersion = 14;
constexpr const char* kAllDevices = "*";

// Exclusive or shared among processes, and among the descriptors of one.
class FileLock {
 public:
  FileLock(int file, int kind) : file_(file) {
    while (flock(file, kind) != 0 && errno == EINTR) {
    }
  }
  ~FileLock() { flock(file_, LOCK_UN); }
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  const int file_;
};

std::string read_all(int file) {
  std::string text;
  char piece[4096];
  for (off_t at = 0;;) {
    const ssize_t got = pread(file, piece, sizeof piece, at);
    if (got <= 0) return text;
    text.append(piece, static_cast<size_t>(got));
    at += got;
  }
}

// What `record` holds: the counts of runs, and the devices that were unplugged by a fault.
struct Record {
  struct Runs {
    unsigned long ever = 0, since = 0;  // since: from when `faults` was written
  };
  std::string faults = "-";
  std::map<std::string, Runs> runs;
  std::map<std::string, std::string> unplugged;  // path -> the writing of `devices` that it was taken from

  static Record parse(const std::string& text) {
    Record record;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      std::string word, path, writing;
      Runs counts;
      if (!(words >> word)) continue;
      if (word == "end") break;
      if (word == "faults") words >> record.faults;
      if (word == "runs" && words >> counts.ever >> counts.since >> path) record.runs[path] = counts;
      if (word == "unplugged" && words >> writing >> path) record.unplugged[path] = writing;
    }
    return record;
  }
  std::string text() const {
    std::ostringstream text;
    text << "faults " << faults << "\n";
    for (const auto& [path, counts] : runs)
      text << "runs " << counts.ever << " " << counts.since << " " << path << "\n";
    for (const auto& [path, writing] : unplugged) text << "unplugged " << writing << " " << path << "\n";
    text << "end\n";  // whoever is killed before it has cut the rest off leaves old lines behind this one
    return text.str();
  }
};

void rewrite(int file, const std::string& text) {
  if (pwrite(file, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()) ||
      ftruncate(file, static_cast<off_t>(text.size())) != 0) {
    throw Failure("edgetpu simulator: its control folder cannot be written to.");
  }
}

Fault::Kind kind_of(const std::string& word) {
  if (word == "fail") return Fault::Kind::fail;
  if (word == "hang") return Fault::Kind::hang;
  if (word == "abort") return Fault::Kind::abort;
  if (word == "unplug") return Fault::Kind::unplug;
  return Fault::Kind::none;
}

}  // namespace

Control Control::current() {
  const char* folder = std::getenv("EDGE_INFER_EDGETPU_SIMULATOR");
  return Control(folder != nullptr ? folder : "");
}

Control::File Control::file(const std::string& name) const {
  if (folder_.empty()) return {};
  const int file = open((folder_ + "/" + name).c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return {};
  struct stat facts{};
  fstat(file, &facts);
  File result;
  {
    // Against `record`, which is rewritten in place. Nobody locks the files of the tests.
    const FileLock lock(file, LOCK_SH);
    result.text = read_all(file);
  }
  close(file);
  // The contents too: a file written twice within a tick of the file system's clock keeps its time.
  uint64_t sum = 14695981039346656037u;  // FNV-1a
  for (const char byte : result.text) sum = (sum ^ static_cast<unsigned char>(byte)) * 1099511628211u;
  std::ostringstream writing;
  writing << facts.st_ino << ":" << facts.st_mtim.tv_sec << "." << facts.st_mtim.tv_nsec << ":" << std::hex << sum;
  result.writing = writing.str();
  return result;
}

std::vector<Entry> Control::devices() const {
  const File list = file("devices");
  std::istringstream lines(list.writing == "-" ? "usb /sys/bus/usb/devices/1-4" : list.text);
  const auto unplugged = Record::parse(file("record").text).unplugged;
  std::vector<Entry> devices;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string bus, path, plugging;
    if (!(words >> bus >> path) || (bus != "usb" && bus != "pci")) continue;
    words >> plugging;
    const auto gone = unplugged.find(path);
    if (gone != unplugged.end() && gone->second == list.writing) continue;
    devices.push_back({bus == "usb" ? Bus::usb : Bus::pci, path, plugging});
  }
  return devices;
}

std::string Control::version() const {
  std::istringstream lines(file("version").text);
  std::string line;
  return std::getline(lines, line) && !line.empty() ? line : kVersion;
}

int Control::runtime_version() const {
  constexpr std::string_view name = "RuntimeVersion(";
  const std::string text = version();
  const size_t at = text.find(name);
  return at == std::string::npos ? kRuntimeVersion : std::atoi(text.c_str() + at + name.size());
}

std::chrono::microseconds Control::latency() const {
  return std::chrono::microseconds(std::atol(file("latency_us").text.c_str()));
}

Memory::Memory(const Control& control) {
  if (control.folder().empty()) return;
  record_ = open((control.folder() + "/record").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  log_ = open((control.folder() + "/log").c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
  if (record_ >= 0 && log_ >= 0) return;
  close(record_);
  close(log_);
  throw Failure("Permission denied: edgetpu simulator: " + control.folder() + " cannot be written to.");
}

Memory::~Memory() {
  if (record_ >= 0) close(record_);
  if (log_ >= 0) close(log_);
}

Fault Memory::begin_run(const Control& control, const std::string& path) {
  if (record_ < 0) return {};
  const FileLock lock(record_, LOCK_EX);
  Record record = Record::parse(read_all(record_));
  const Control::File faults = control.file("faults");
  if (record.faults != faults.writing) {
    record.faults = faults.writing;
    for (auto& [ignored, counts] : record.runs) counts.since = 0;
  }
  for (const std::string& counted : {path, std::string(kAllDevices)}) {
    ++record.runs[counted].ever;
    ++record.runs[counted].since;
  }
  rewrite(record_, record.text());
  std::istringstream lines(faults.text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string kind, run, where;
    if (!(words >> kind >> run) || kind_of(kind) == Fault::Kind::none) continue;
    if (words >> where && where != path) continue;
    const unsigned long since = record.runs[where.empty() ? kAllDevices : where].since;
    if (run == "every" || std::strtoul(run.c_str(), nullptr, 10) == since)
      return {kind_of(kind), since, faults.writing};
  }
  return {};
}

void Memory::unplug(const Control& control, const std::string& path) {
  const FileLock lock(record_, LOCK_EX);
  Record record = Record::parse(read_all(record_));
  record.unplugged[path] = control.file("devices").writing;
  rewrite(record_, record.text());
}

void Memory::log(const std::string& text) {
  if (log_ < 0) return;
  const std::string line = std::to_string(getpid()) + " " + text + "\n";
  // In one call, so that lines of two processes do not mix. Lost where the disk is full: nothing depends on it.
  if (write(log_, line.data(), line.size()) < 0) return;
}

}  // namespace edgetpu_simulator
