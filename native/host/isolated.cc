#include "host/isolated.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <sstream>
#include <utility>

#include "core/clock.h"
#include "core/reaper.h"
#include "host/isolated_request.h"
#include "host/shared_memory.h"

namespace edge::host {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;
// Opening an SDK and describing its device: seconds where drivers are started.
constexpr int64_t kOpenNs = 60'000 * kNsPerMs;

// Answers of a channel on which the host asks nothing back.
Reader answer_of(const HostProcess& process, uint64_t generation, std::optional<Message> message) {
  if (!message) throw process.loss(generation);
  if (message->kind == Kind::kFailed) throw read_error(message->body);
  return std::move(message->body);
}

class LoadedModel final : public IsolatedModel, public Resident, public std::enable_shared_from_this<LoadedModel> {
 public:
  LoadedModel(std::shared_ptr<HostProcess> process, Writer load, FileDescriptor bytes, FileDescriptor weights,
              uint64_t id, std::shared_ptr<Allocator> allocator)
      : process_(std::move(process)),
        load_(std::move(load)),
        bytes_(std::move(bytes)),
        weights_(std::move(weights)),
        id_(id),
        allocator_(std::move(allocator)) {}
  ~LoadedModel() override { connection_.channel.part(); }

  const std::vector<TensorSpec>& inputs() const override { return inputs_; }
  const std::vector<TensorSpec>& outputs() const override { return outputs_; }
  const ModelInfo& info() const override { return info_; }
  HostStatus host() const override { return process_->status(); }
  std::vector<LayerInfo> layers() override;
  std::unique_ptr<Request> create_request() override {
    return make_request({process_, id_, &inputs_, &outputs_, allocator_, shared_from_this()});
  }

  void try_out() override;

  // The first time: fills in what the model says of itself. `cancelled` may be null, and `on_progress` empty.
  void load(const std::atomic<bool>* cancelled, const OnProgress& on_progress, bool first);
  void reload() override { load(nullptr, {}, false); }
  // The start of the host that it was loaded in last.
  uint64_t generation() {
    std::lock_guard<std::mutex> lock(mutex_);
    return connection_.generation;
  }

 private:
  Reader ask(Kind question, const char* what);

  const std::shared_ptr<HostProcess> process_;
  const Writer load_;
  const FileDescriptor bytes_, weights_;
  const uint64_t id_;
  const std::shared_ptr<Allocator> allocator_;
  std::vector<TensorSpec> inputs_, outputs_;
  ModelInfo info_;
  int64_t load_ns_ = 0;  // what the first load took
  std::mutex mutex_;     // guards connection_: one conversation at a time
  HostProcess::Connection connection_;
};

void LoadedModel::load(const std::atomic<bool>* cancelled, const OnProgress& on_progress, bool first) {
  HostProcess::Connection connection = process_->connect(!first);
  std::vector<int> descriptors;
  if (bytes_) descriptors.push_back(bytes_.get());
  if (weights_) descriptors.push_back(weights_.get());
  if (!connection.channel.send(load_, descriptors)) throw process_->loss(connection.generation);
  const int64_t begin = now_ns();
  // A first load takes what it takes, and its caller can end it. Nobody waits for one after a restart: a device that
  // hangs there would be gone for good.
  const int64_t limit = std::max(process_->options().first_timeout_ms * kNsPerMs, 10 * load_ns_);
  const auto give_up = [&] {
    if (!first && now_ns() - begin > limit) {
      process_->kill(connection.generation,
                     "its model did not load again within " + std::to_string(limit / kNsPerMs) + " ms");
      return true;
    }
    if (cancelled == nullptr || !cancelled->load()) return false;
    process_->kill(connection.generation, "its load was given up");
    return true;
  };
  auto message = connection.channel.receive(give_up);
  for (int64_t next = 0; message && message->kind == Kind::kProgress; message = connection.channel.receive(give_up)) {
    // A host that says more than anybody can read is not believed.
    constexpr int64_t kPauseNs = 20 * kNsPerMs;
    if (!on_progress || now_ns() < next) continue;
    next = now_ns() + kPauseNs;
    const std::string phase = message->body.text();
    const auto fraction = message->body.get<double>();
    on_progress(phase.substr(0, 256), fraction > 0 ? std::min(fraction, 1.0) : 0);
  }
  if (cancelled != nullptr && cancelled->load() && !message) {
    throw Error(ErrorCode::kAborted, "The load was given up, and its host process ended.");
  }
  Reader answer = answer_of(*process_, connection.generation, std::move(message));
  std::vector<TensorSpec> inputs = read_specs(answer), outputs = read_specs(answer);
  ModelInfo info = read_model_info(answer);
  if (first) {
    load_ns_ = now_ns() - begin;
    inputs_ = std::move(inputs);
    outputs_ = std::move(outputs);
    info_ = std::move(info);
    info_.optimal_in_flight = std::clamp<size_t>(info_.optimal_in_flight, 1, 1024);
  } else {
    const auto same = [](const std::vector<TensorSpec>& a, const std::vector<TensorSpec>& b) {
      return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const TensorSpec& x, const TensorSpec& y) {
        return x.name == y.name && x.dtype == y.dtype && x.shape == y.shape && x.quantization == y.quantization;
      });
    };
    if (!same(inputs, inputs_) || !same(outputs, outputs_)) {
      throw Error(ErrorCode::kInvalidModel, "The model's file is not the one that was loaded first.",
                  "Do not replace a model's file while it is in use; load it again.");
    }
  }
  std::lock_guard<std::mutex> lock(mutex_);
  connection_ = std::move(connection);
}

Reader LoadedModel::ask(Kind question, const char* what) {
  std::lock_guard<std::mutex> lock(mutex_);
  const int64_t limit = now_ns() + kOpenNs;
  if (!connection_.channel.send(Writer(question))) throw process_->loss(connection_.generation);
  auto message = connection_.channel.receive([&] { return now_ns() > limit; });
  if (!message && now_ns() > limit) {
    process_->kill(connection_.generation, "it did not " + std::string(what) + " within 60 s");
  }
  return answer_of(*process_, connection_.generation, std::move(message));
}

std::vector<LayerInfo> LoadedModel::layers() {
  Reader answer = ask(Kind::kLayers, "name its layers");
  return read_layers(answer);
}

void LoadedModel::try_out() {
  std::vector<Shape> shapes;
  for (const TensorSpec& input : inputs_) {
    shapes.push_back(input.shape);
    for (int64_t& size : shapes.back()) size = size < 0 ? 1 : size;
  }
  std::unique_ptr<Request> request;
  try {
    request = create_request();
    request->bind(shapes);  // new memory: zeros
    request->run();
  } catch (const Error& error) {
    // For want of sensible inputs, maybe: what fails in words has done no harm.
    if (error.code() == ErrorCode::kDeviceLost) throw;
  }
  if (request) release(*request);
  ask(Kind::kRelease, "let go of its model");
}

class HostedDevice final : public IsolatedDevice {
 public:
  HostedDevice(std::shared_ptr<HostProcess> process, const std::string& backend, const std::string& library,
               const std::string& device_id, std::string key)
      : process_(std::move(process)),
        backend_(backend),
        library_(library),
        device_id_(device_id),
        key_(std::move(key)) {
    const HostProcess::Connection connection = process_->connect();
    Writer question(Kind::kOpenDevice);
    for (const std::string* text : {&backend_, &library_, &device_id_}) question.put(*text);
    if (!connection.channel.send(question)) throw process_->loss(connection.generation);
    const int64_t limit = now_ns() + kOpenNs;
    auto message = connection.channel.receive([&] { return now_ns() > limit; });
    if (!message && now_ns() > limit) process_->kill(connection.generation, "it did not open the device within 60 s");
    Reader answer = answer_of(*process_, connection.generation, std::move(message));
    info_ = read_device_info(answer);
    version_ = answer.text();
    used_library_ = answer.text();
    // Whatever the device is, from here it is one that takes its work over a socket.
    info_.capabilities.memory = Buffer::Kind::kShared;
    info_.capabilities.async = false;
    info_.capabilities.host_compute = false;
  }

  const DeviceInfo& info() const override { return info_; }
  std::string sdk_version() const override { return version_; }
  std::string library() const override { return used_library_; }
  void adopt() const;

  std::shared_ptr<Model> load(const ModelSource& source, const LoadOptions& options) override {
    static std::atomic<uint64_t> next{1};
    const uint64_t id = next++;
    Writer message(Kind::kLoad);
    message.put(id);
    for (const std::string* text : {&backend_, &library_, &device_id_}) message.put(*text);
    message.put(source.path);
    message.put(source.weights_path);
    message.put(static_cast<uint64_t>(source.bytes.size));
    message.put(static_cast<uint64_t>(source.weights.size));
    write(message, options);
    // Kept for restarts: the caller's bytes are gone by then.
    FileDescriptor bytes, weights;
    if (source.bytes.size > 0) bytes = memory_with(source.bytes);
    if (source.weights.size > 0) weights = memory_with(source.weights);
    auto model = std::make_shared<LoadedModel>(process_, std::move(message), std::move(bytes), std::move(weights), id,
                                               options.allocator);
    model->load(options.cancelled.get(), options.on_progress, true);
    if (!process_->add(model, model->generation())) model->reload();
    return model;
  }

 private:
  const std::shared_ptr<HostProcess> process_;
  const std::string backend_, library_, device_id_, key_;
  std::string version_, used_library_;
  DeviceInfo info_;
};

// The hosts of this process, by what they were started for. Leaked, like the registry of backends.
struct Hosts {
  struct Entry {
    std::mutex mutex;  // held while one is started: two at once would start two
    std::weak_ptr<HostProcess> process;
  };
  Entry& entry(const std::string& key) {
    std::lock_guard<std::mutex> lock(mutex);
    auto& place = entries[key];
    if (!place) place = std::make_unique<Entry>();
    return *place;
  }
  std::mutex mutex;  // guards the map
  std::map<std::string, std::unique_ptr<Entry>> entries;
};

Hosts& hosts() {
  static auto* instance = new Hosts;
  return *instance;
}

void HostedDevice::adopt() const {
  Hosts::Entry& entry = hosts().entry(key_);
  std::lock_guard<std::mutex> lock(entry.mutex);
  if (entry.process.expired()) entry.process = process_;
}

std::string key_of(const std::string& backend, const std::string& library, const std::string& device_id,
                   const HostOptions& options) {
  std::ostringstream key;
  key << backend << '\n' << library << '\n' << device_id << '\n' << options.executable << '\n' << options.max_memory;
  key << ' ' << options.hang_timeout_ms << ' ' << options.first_timeout_ms << ' ' << options.retry << options.strict;
  for (const std::string& folder : options.writable) key << '\n' << folder;
  return key.str();
}

}  // namespace

std::shared_ptr<IsolatedDevice> open_device(const std::string& backend, const std::string& library,
                                            const std::string& device_id, const HostOptions& options, bool alone) {
  start_reaper();
  const std::string name = backend + ":" + device_id;
  std::string key = key_of(backend, library, device_id, options);
  std::shared_ptr<HostProcess> process;
  if (alone) {
    process = HostProcess::start(name, options);
  } else {
    Hosts::Entry& entry = hosts().entry(key);
    std::lock_guard<std::mutex> lock(entry.mutex);
    process = entry.process.lock();
    if (!process) entry.process = process = HostProcess::start(name, options);
  }
  return std::make_shared<HostedDevice>(std::move(process), backend, library, device_id, std::move(key));
}

void adopt(const std::shared_ptr<IsolatedDevice>& device) {
  const auto hosted = std::dynamic_pointer_cast<HostedDevice>(device);
  if (hosted) hosted->adopt();
}

}  // namespace edge::host
