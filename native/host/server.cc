#include "host/server.h"

#include <unistd.h>

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "core/log.h"
#include "core/registry.h"
#include "core/worker.h"
#include "host/sandbox.h"
#include "host/shared_memory.h"

namespace edge::host {
namespace {

// A request whose runs have numbers: a cancel is for one of them, however late it comes, and no run has ended before
// its cancel has returned.
class Served {
 public:
  explicit Served(std::unique_ptr<Request> request) : request_(std::move(request)) {}

  Request& request() { return *request_; }
  void run(uint64_t number) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      running_ = number;
    }
    struct End {
      Served& self;
      ~End() {
        std::unique_lock<std::mutex> lock(self.mutex_);
        self.running_ = 0;
        self.cancelled_.wait(lock, [&] { return !self.cancelling_; });
      }
    } end{*this};
    request_->run();
  }
  void cancel(uint64_t number) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (number == 0 || running_ != number) return;
      cancelling_ = true;
    }
    request_->cancel();
    // Notified under the lock: who waits may destroy this.
    std::lock_guard<std::mutex> lock(mutex_);
    cancelling_ = false;
    cancelled_.notify_all();
  }
  void destroy() { request_.reset(); }

 private:
  std::unique_ptr<Request> request_;
  std::mutex mutex_;
  std::condition_variable cancelled_;
  uint64_t running_ = 0;  // 0: none
  bool cancelling_ = false;
};

// Never destroyed: threads use it until the process ends.
struct Server {
  Channel control;
  std::mutex control_mutex;  // one sender at a time
  std::mutex mutex;          // guards what follows
  std::map<uint64_t, std::weak_ptr<Model>> models;
  std::map<uint64_t, std::weak_ptr<Served>> requests;
  Worker canceller;  // an SDK's cancel may block
};

Server* server = nullptr;

// Without static destructors: SDK threads may be at work.
[[noreturn]] void end(int status) { _exit(status); }

bool tell(const Writer& message, bool wait) {
  std::lock_guard<std::mutex> lock(server->control_mutex);
  return server->control.send(message, {}, wait);
}

// The conversation that the current thread serves: where its allocations come from.
thread_local const Channel* conversation = nullptr;

// Asks the parent for memory in the middle of what it asked for. Elsewhere (while a model loads) it is ordinary memory.
class ParentsAllocator final : public Allocator {
 public:
  std::shared_ptr<Buffer> allocate(size_t size) override {
    if (conversation == nullptr) return host_->allocate(size);
    Writer question(Kind::kAllocate);
    question.put(static_cast<uint64_t>(size));
    if (!conversation->send(question)) end(0);
    auto answer = conversation->receive();
    if (!answer) end(0);
    if (answer->kind == Kind::kFailed) throw read_error(answer->body);
    const auto number = answer->body.get<uint64_t>();
    const auto granted = static_cast<size_t>(answer->body.get<uint64_t>());
    std::shared_ptr<Buffer> buffer;
    if (!answer->descriptors.empty()) buffer = map_buffer(std::move(answer->descriptors[0]), granted, number);
    if (!buffer) {
      throw Error(ErrorCode::kOutOfMemory, "No address space for a buffer of " + std::to_string(size) + " bytes.",
                  "Use smaller shapes or fewer requests.");
    }
    return buffer;
  }
  size_t bytes_held() const override { return host_->bytes_held(); }

 private:
  const std::shared_ptr<Allocator> host_ = make_host_allocator();
};

void write_bound(Writer& to, const std::vector<BoundTensor>& tensors) {
  to.list(tensors, [&](const BoundTensor& tensor) {
    const auto shared = std::dynamic_pointer_cast<SharedBuffer>(tensor.buffer);
    if (tensor.buffer && !shared) {
      throw Error(ErrorCode::kBackend, "The backend bound a request to memory that the parent does not see.",
                  "Load without `isolate`.");
    }
    to.put(shared ? shared->number() : uint64_t{0});
    to.list(tensor.shape, [&](int64_t size) { to.put(size); });
  });
}

// Answers with what `work` writes, or with what it throws.
template <typename Work>
void answer(const Channel& channel, Work&& work) {
  Writer reply(Kind::kAnswer);
  try {
    work(reply);
  } catch (...) {
    reply = Writer(Kind::kFailed);
    write(reply, current_error());
  }
  channel.send(reply);
}

std::shared_ptr<Device> device_of(Reader& message, std::string* version = nullptr, std::string* used = nullptr) {
  const std::string backend = message.text(), library = message.text(), device = message.text();
  const OpenBackend open = open_backend(backend, library);
  if (version != nullptr) *version = open.backend->version();
  if (used != nullptr) *used = open.library;
  return open.backend->open(device);
}

void open_device(const Channel& channel, Message& message) {
  answer(channel, [&](Writer& reply) {
    std::string version, used;
    write(reply, device_of(message.body, &version, &used)->info());
    reply.put(version);
    reply.put(used);
  });
}

std::shared_ptr<Model> load(const Channel& channel, Message& message, Writer& reply) {
  const auto id = message.body.get<uint64_t>();
  const std::shared_ptr<Device> device = device_of(message.body);
  ModelSource source;
  source.path = message.body.text();
  source.weights_path = message.body.text();
  std::unique_ptr<Mapping> bytes, weights;
  size_t next = 0;
  const auto map = [&](std::unique_ptr<Mapping>& mapping, Bytes& view, size_t size) {
    if (size == 0 || next >= message.descriptors.size()) return;
    mapping = std::make_unique<Mapping>(message.descriptors[next++], size);
    if (mapping->data() == nullptr) throw Error(ErrorCode::kOutOfMemory, "No address space for the model.", "");
    view = {static_cast<const uint8_t*>(mapping->data()), size};
  };
  const auto size = static_cast<size_t>(message.body.get<uint64_t>());
  const auto weights_size = static_cast<size_t>(message.body.get<uint64_t>());
  map(bytes, source.bytes, size);
  map(weights, source.weights, weights_size);
  LoadOptions options = read_load_options(message.body);
  options.allocator = std::make_shared<ParentsAllocator>();
  options.on_progress = [&channel](const std::string& phase, double fraction) {
    Writer progress(Kind::kProgress);
    progress.put(phase);
    progress.put(fraction);
    channel.send(progress);
  };
  std::shared_ptr<Model> model = device->load(source, options);
  write(reply, model->inputs());
  write(reply, model->outputs());
  write(reply, model->info());
  std::lock_guard<std::mutex> lock(server->mutex);
  server->models[id] = model;
  return model;
}

void serve_model(const Channel& channel, Message message) {
  std::shared_ptr<Model> model;
  answer(channel, [&](Writer& reply) { model = load(channel, message, reply); });
  message = Message();
  while (model) {
    auto question = channel.receive();
    if (!question) return;
    answer(channel, [&](Writer& reply) {
      if (question->kind == Kind::kRelease) {
        model.reset();
      } else {
        write(reply, model->layers());
      }
    });
  }
}

void serve_request(const Channel& channel, Message message) {
  std::shared_ptr<Served> served;
  answer(channel, [&](Writer&) {
    const auto model_id = message.body.get<uint64_t>(), id = message.body.get<uint64_t>();
    std::shared_ptr<Model> model;
    {
      std::lock_guard<std::mutex> lock(server->mutex);
      const auto found = server->models.find(model_id);
      if (found != server->models.end()) model = found->second.lock();
    }
    if (!model) throw Error(ErrorCode::kDisposed, "The model is not in this host process.", "Load it again.");
    served = std::make_shared<Served>(model->create_request());
    std::lock_guard<std::mutex> lock(server->mutex);
    server->requests[id] = served;
  });
  while (served) {
    auto question = channel.receive();
    if (!question) return;
    answer(channel, [&](Writer& reply) {
      Request* const request = &served->request();
      switch (question->kind) {
        case Kind::kBind:
          request->bind(read_shapes(question->body));
          write_bound(reply, request->inputs());
          write_bound(reply, request->outputs());
          break;
        case Kind::kRun: {
          std::vector<std::shared_ptr<Buffer>> before;
          std::vector<Shape> shapes;
          for (const BoundTensor& output : request->outputs()) {
            before.push_back(output.buffer);
            shapes.push_back(output.shape);
          }
          served->run(question->body.get<uint64_t>());
          bool changed = false;
          const auto& outputs = request->outputs();
          for (size_t i = 0; i < outputs.size(); ++i) {
            changed |= outputs[i].buffer != before[i] || outputs[i].shape != shapes[i];
          }
          reply.put(static_cast<uint64_t>(request->bytes_copied()));
          reply.put(static_cast<uint64_t>(request->bytes_transferred()));
          reply.put(static_cast<uint64_t>(request->graph_runs()));
          write(reply, request->stage_times());
          reply.put(static_cast<uint8_t>(changed));
          if (changed) write_bound(reply, outputs);
          break;
        }
        case Kind::kResetState:
          request->reset_state();
          break;
        case Kind::kProfile:
          write(reply, request->profile());
          break;
        case Kind::kRelease:
          served->destroy();
          served.reset();
          break;
        default:
          throw Error(ErrorCode::kBackend, "The host process does not know this question.", "");
      }
    });
  }
}

// On a thread of its own, until the parent closes the channel.
void converse(Channel channel) {
  conversation = nullptr;
  auto first = channel.receive();
  if (!first) return;
  try {
    switch (first->kind) {
      case Kind::kOpenDevice:
        return open_device(channel, *first);
      case Kind::kLoad:
        return serve_model(channel, std::move(*first));
      case Kind::kCreateRequest:
        conversation = &channel;
        return serve_request(channel, std::move(*first));
      default:
        return;
    }
  } catch (const std::exception&) {
    // No memory even for an error: the parent sees the channel close.
  }
}

void cancel(Reader& message) {
  const auto id = message.get<uint64_t>(), run = message.get<uint64_t>();
  server->canceller.add([id, run] {
    std::shared_ptr<Served> served;
    {
      std::lock_guard<std::mutex> lock(server->mutex);
      const auto found = server->requests.find(id);
      if (found != server->requests.end()) served = found->second.lock();
    }
    if (served) served->cancel(run);
  });
}

void forget_the_dead() {
  std::lock_guard<std::mutex> lock(server->mutex);
  const auto sweep = [](auto& all) {
    for (auto one = all.begin(); one != all.end();) one = one->second.expired() ? all.erase(one) : std::next(one);
  };
  sweep(server->models);
  sweep(server->requests);
}

void over_memory(size_t held) {
  Writer words(Kind::kFailed);
  write(words, Error(ErrorCode::kOutOfMemory,
                     "It held " + std::to_string(held >> 20) + " MB, more than its `maxMemory` allows.",
                     "Raise `maxMemory`, use a smaller model, or look for a leak."));
  tell(words, true);
  end(9);
}

}  // namespace

void serve(Channel control, const std::string& sandbox, size_t max_memory) {
  server = new Server;
  server->control = std::move(control);
  static const auto listener =
      add_log_listener([](LogLevel level, const std::string& backend, const std::string& text) {
        Writer line(Kind::kLog);
        line.put(level);
        line.put(backend);
        line.put(text);
        tell(line, false);
      });
  if (max_memory > 0) watch_memory(max_memory, over_memory);
  Writer hello(Kind::kHello);
  hello.put(sandbox);
  tell(hello, true);
  for (;;) {
    auto message = server->control.receive();
    if (!message) end(0);
    try {
      if (message->kind == Kind::kCancel) {
        cancel(message->body);
      } else if (message->kind == Kind::kOpenChannel && !message->descriptors.empty()) {
        forget_the_dead();
        std::thread([channel = std::make_shared<Channel>(std::move(message->descriptors[0]))] {
          converse(std::move(*channel));
        }).detach();
      }
    } catch (const std::exception&) {
      // No memory or no thread: the channel closes, and the parent sees that.
    }
  }
}

}  // namespace edge::host
