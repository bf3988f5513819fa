#include "backends/tensorrt/calibrator.h"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include "backends/tensorrt/files.h"
#include "backends/tensorrt/infer.h"
#include "core/log.h"

namespace edge::tensorrt {
namespace {

constexpr std::string_view kMagic = "edge-infer calibration 1\n";
constexpr uint32_t kMostInputs = 1024, kLongestName = 4096;

// These classes stand where TensorRT expects its own: the order of their virtual functions is that of its tables.

class Listener {  // IInt8Calibrator up to 9
 public:
  explicit Listener(Calibrator& owner) : owner_(owner) {}
  // Of networks with implicit batches, which are none of ours.
  virtual int32_t batch_size() const noexcept { return 1; }
  virtual bool batch(void* bindings[], const char* names[], int32_t count) noexcept {
    return owner_.next(bindings, names, count);
  }
  virtual const void* read(size_t& size) noexcept { return owner_.cache(size); }
  virtual void write(const void* data, size_t size) noexcept { owner_.keep(data, size); }
  virtual int32_t algorithm() noexcept { return owner_.algorithm(); }
  virtual ~Listener() = default;

 private:
  Calibrator& owner_;
};

class VersionedListener {  // IInt8Calibrator of 10
 public:
  explicit VersionedListener(Calibrator& owner) : owner_(owner) {}
  virtual int32_t language() const noexcept { return 0; }  // C++
  virtual InterfaceInfo interface_info() const noexcept {
    return {owner_.algorithm() == 2 ? "IInt8EntropyCalibrator2" : "IInt8MinMaxCalibrator", 1, 0};
  }
  virtual ~VersionedListener() = default;
  virtual int32_t batch_size() const noexcept { return 1; }
  virtual bool batch(void* bindings[], const char* names[], int32_t count) noexcept {
    return owner_.next(bindings, names, count);
  }
  virtual const void* read(size_t& size) noexcept { return owner_.cache(size); }
  virtual void write(const void* data, size_t size) noexcept { owner_.keep(data, size); }
  virtual int32_t algorithm() noexcept { return owner_.algorithm(); }

 private:
  Calibrator& owner_;
};

// By the first line, "TRT-8601-EntropyCalibration2". −1: it is no calibration cache.
int32_t algorithm_of(const std::vector<uint8_t>& cache) {
  const std::string_view text(reinterpret_cast<const char*>(cache.data()), cache.size());
  const std::string_view line = text.substr(0, text.find('\n'));
  const auto ends_with = [&](std::string_view end) {
    return line.size() > end.size() && line.substr(line.size() - end.size()) == end;
  };
  if (line.substr(0, 4) != "TRT-" || line.size() == text.size()) return -1;
  if (ends_with("-EntropyCalibration2")) return 2;
  if (ends_with("-MinMaxCalibration")) return 3;
  return -1;
}

template <typename T>
bool read_value(std::ifstream& file, T& value) {
  return static_cast<bool>(file.read(reinterpret_cast<char*>(&value), sizeof value));
}

}  // namespace

Calibrator::Calibrator(int major, const BuildOptions& options, std::shared_ptr<const Gpu> gpu,
                       const std::vector<Input>& inputs)
    : cache_path_(options.calibration_cache), gpu_(std::move(gpu)) {
  if (options.calibration_inputs.empty() || (!cache_path_.empty() && is_there(cache_path_))) {
    cache_ = read_file(cache_path_);
    algorithm_ = algorithm_of(cache_);
    if (algorithm_ < 0) {
      throw Error(ErrorCode::kInvalidArgument, cache_path_ + " is no calibration cache of TensorRT's.",
                  "Its first line would be like TRT-8601-EntropyCalibration2 (or -MinMaxCalibration), then a line for "
                  "each tensor. Make one from inputs with `calibration: { inputs, cache }`.",
                  "tensorrt");
    }
  } else {
    open_inputs(options.calibration_inputs);
    stream_ = make_stream(gpu_);
    for (const Input& input : inputs) {
      feeds_.push_back({input, std::vector<char>(input.bytes), make_device_memory(gpu_, input.bytes)});
    }
  }
  if (major < 10) {
    interface_ = std::make_shared<Listener>(*this);
  } else {
    interface_ = std::make_shared<VersionedListener>(*this);
  }
}

void Calibrator::open_inputs(const std::string& path) {
  batches_.open(path, std::ios::binary);
  std::string magic(kMagic.size(), '\0');
  if (!batches_.read(magic.data(), static_cast<std::streamsize>(magic.size())) || magic != kMagic)
    refuse("are not in " + path);
}

void Calibrator::refuse(const std::string& what) const {
  throw Error(ErrorCode::kInvalidArgument, "The inputs to calibrate with " + what + ".",
              "Give every batch as the model takes it: every input by its name, with as many values as its shape (the "
              "best one of the first optimisation profile) and in its type.",
              "tensorrt");
}

bool Calibrator::read_batch() {
  uint32_t count = 0;
  if (!read_value(batches_, count)) {
    if (batches_.gcount() != 0) refuse("are cut off");
    if (batch_ == 0) refuse("are none");
    return false;
  }
  const std::string which = "batch " + std::to_string(++batch_);
  std::vector<const Feed*> found;
  for (uint32_t i = 0; i < count; ++i) {
    uint32_t length = 0;
    uint64_t size = 0;
    if (count > kMostInputs || !read_value(batches_, length) || length > kLongestName) refuse("are cut off");
    std::string name(length, '\0');
    if (!batches_.read(name.data(), length) || !read_value(batches_, size)) refuse("are cut off");
    const auto feed =
        std::find_if(feeds_.begin(), feeds_.end(), [&name](const Feed& one) { return one.input.name == name; });
    if (feed == feeds_.end()) refuse("have '" + name + "' in " + which + ", which is no input of the model");
    if (size != feed->input.bytes) {
      refuse("have " + std::to_string(size) + " bytes of '" + name + "' in " + which + ", where the model takes " +
             std::to_string(feed->input.bytes));
    }
    if (!batches_.read(feed->values.data(), static_cast<std::streamsize>(size))) refuse("are cut off");
    if (std::find(found.begin(), found.end(), &*feed) != found.end()) refuse("have '" + name + "' twice in " + which);
    found.push_back(&*feed);
  }
  if (found.size() == feeds_.size()) return true;
  for (const Feed& feed : feeds_) {
    if (std::find(found.begin(), found.end(), &feed) == found.end())
      refuse("lack '" + feed.input.name + "' in " + which);
  }
  return true;
}

bool Calibrator::next(void* bindings[], const char* const names[], int32_t count) noexcept {
  try {
    if (error_ || feeds_.empty() || !read_batch()) return false;
    for (const Feed& feed : feeds_) {
      gpu_->check(gpu_->api().copy_to_device(feed.memory.get(), feed.values.data(), feed.values.size(), stream_.get()),
                  "copy inputs to calibrate with");
    }
    gpu_->check(gpu_->api().stream_synchronize(stream_.get()), "copy inputs to calibrate with");
    for (int32_t i = 0; i < count; ++i) {
      const auto feed = std::find_if(feeds_.begin(), feeds_.end(), [&](const Feed& one) {
        return names[i] != nullptr && one.input.name == names[i];
      });
      if (feed == feeds_.end()) refuse(std::string("lack '") + (names[i] != nullptr ? names[i] : "") + "'");
      bindings[i] = reinterpret_cast<void*>(static_cast<uintptr_t>(feed->memory.get()));
    }
    return true;
  } catch (...) {
    error_ = current_error();
    return false;
  }
}

const void* Calibrator::cache(size_t& size) noexcept {
  size = cache_.size();
  return cache_.empty() ? nullptr : cache_.data();
}

void Calibrator::keep(const void* data, size_t size) noexcept {
  if (error_ || cache_path_.empty() || !cache_.empty() || data == nullptr) return;
  try {
    if (!replace_file(cache_path_, data, size))
      log(LogLevel::kWarning, "tensorrt", "The calibration cache cannot be written to " + cache_path_ + ".");
  } catch (...) {
    // no memory: the next build calibrates again
  }
}

}  // namespace edge::tensorrt
