// The OpenVINO backend on a simulator of its C library (test/simulators): threads of the SDK's, of ours and of callers
// at once, cancels, and a device that vanishes. For the sanitizers, under which no real OpenVINO can run.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>
#include <thread>

#include "../../support/gate.h"
#include "../../support/recorder.h"
#include "backends/openvino/openvino.h"
#include "core/clock.h"
#include "core/session.h"
#include "host/isolated.h"
#include "host/shared_memory.h"

namespace edge::test {
namespace {

// y = x + 1 over one f32 after `delay_ms`; `nonzero` adds the output n of x's indices, whose shape the run decides.
std::string ir(int delay_ms, bool nonzero = false) {
  const auto layer = [](int id, const std::string& type, const std::string& data, const std::string& name) {
    return "<layer id=\"" + std::to_string(id) + "\" name=\"layer" + std::to_string(id) + "\" type=\"" + type +
           "\"><data " + data + "/><output><port id=\"0\" names=\"" + name + "\"/></output></layer>";
  };
  const auto edge = [](int from, int to) {
    return "<edge from-layer=\"" + std::to_string(from) + "\" to-layer=\"" + std::to_string(to) + "\"/>";
  };
  std::string layers = layer(0, "Parameter", "shape=\"1\" element_type=\"f32\"", "x") +
                       layer(1, "Const", "element_type=\"f32\" shape=\"\" offset=\"0\" size=\"4\"", "one") +
                       layer(2, "Delay", "ms=\"" + std::to_string(delay_ms) + "\"", "later") +
                       layer(3, "Add", "auto_broadcast=\"numpy\"", "y") + layer(4, "Result", "", "");
  std::string edges = edge(0, 2) + edge(2, 3) + edge(1, 3) + edge(3, 4);
  if (nonzero) {
    layers += layer(5, "NonZero", "output_type=\"i64\"", "n") + layer(6, "Result", "", "");
    edges += edge(0, 5) + edge(5, 6);
  }
  return "<?xml version=\"1.0\"?><net name=\"m\" version=\"11\"><layers>" + layers + "</layers><edges>" + edges +
         "</edges></net>";
}

const std::shared_ptr<Backend>& backend() {
  static const auto* opened = new std::shared_ptr<Backend>(openvino::open(EDGE_INFER_SIMULATOR));
  return *opened;  // leaked, as the registry's
}

std::shared_ptr<Model> load_on(Device& device, const std::string& text, const std::shared_ptr<Allocator>& allocator) {
  static const float one = 1;
  ModelSource source;
  source.bytes = {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
  source.weights = {reinterpret_cast<const uint8_t*>(&one), sizeof one};
  LoadOptions options;
  options.precision = "auto";
  options.allocator = allocator;
  return device.load(source, options);
}

struct Loaded {
  std::shared_ptr<Allocator> allocator = make_host_allocator();
  std::shared_ptr<Session> session;
  explicit Loaded(const std::string& device, Dispatch dispatch, const std::string& text = ir(0)) {
    const auto opened = backend()->open(device);
    SessionOptions options;
    options.in_flight = 3;
    options.queue_limit = 10'000;
    options.dispatch = dispatch;
    session = Session::create(load_on(*opened, text, allocator), opened->info(), options, allocator);
  }
};

struct Way {
  std::string device;
  Dispatch dispatch;
};
void PrintTo(const Way& way, std::ostream* out) {
  *out << way.device << (way.dispatch == Dispatch::kAsync ? "_async" : "_lane");
}

class SimulatedOpenVino : public testing::TestWithParam<Way> {
 protected:
  // Read by the simulator at every call. Set before there is any other thread.
  void SetUp() override {
    control_ = testing::TempDir() + "edge-simulator-" + std::to_string(getpid());
    setenv("EDGE_SIMULATOR_CONTROL", control_.c_str(), 1);
    tell("");
  }
  void TearDown() override {
    EXPECT_TRUE(all_gone()) << "sessions, requests or lanes were left behind";
    std::remove(control_.c_str());
  }
  // What the stick does from now on.
  void tell(const std::string& word) const {
    std::ofstream(control_ + ".new") << word << '\n';
    std::rename((control_ + ".new").c_str(), control_.c_str());
  }
  static const std::string& device() { return GetParam().device; }
  static Dispatch dispatch() { return GetParam().dispatch; }

 private:
  std::string control_;
};

TEST_P(SimulatedOpenVino, RunsOfEveryKindAtOnce) {
  const Loaded loaded(device(), dispatch());
  const auto sink = std::make_shared<Recorder>();
  std::vector<std::thread> callers;
  constexpr uint64_t kCallers = 3, kRuns = 200;
  for (uint64_t caller = 0; caller < kCallers; ++caller) {
    callers.emplace_back([&, caller] {
      const auto slot = loaded.session->create_slot({});
      for (uint64_t i = 0; i < kRuns; ++i) {
        const auto x = static_cast<float>(caller * kRuns + i);
        const std::vector<float> values = {x};
        loaded.session->submit_copy({view_of(values)}, caller * kRuns + i, sink, 0);
        input_values(*loaded.session, slot)[0] = x;
        loaded.session->run_sync(slot);
        EXPECT_EQ(output_values(*loaded.session, slot)[0], x + 1);
      }
      const auto own = std::make_shared<Recorder>();
      for (uint64_t i = 0; i < kRuns; ++i) {
        input_values(*loaded.session, slot)[0] = static_cast<float>(i);
        loaded.session->submit(slot, i, own, 0, false);
        ASSERT_TRUE(own->wait(i + 1));
        ASSERT_TRUE(eventually([&] { return !loaded.session->busy(slot); }));
        EXPECT_EQ(output_values(*loaded.session, slot)[0], static_cast<float>(i) + 1);
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  ASSERT_TRUE(sink->wait(kCallers * kRuns));
  for (const auto& heard : sink->heard()) {
    ASSERT_EQ(heard.code, std::nullopt);
    EXPECT_EQ(heard.outputs.at(0).at(0), static_cast<float>(heard.token) + 1);
  }
}

TEST_P(SimulatedOpenVino, OutputsThatTheRunDecides) {
  const Loaded loaded(device(), dispatch(), ir(0, true));
  const auto sink = std::make_shared<Recorder>();
  const auto slot = loaded.session->create_slot({});
  for (uint64_t i = 0; i < 50; ++i) {
    input_values(*loaded.session, slot)[0] = i % 2 == 0 ? 0.f : 1.f;
    loaded.session->submit(slot, i, sink, 0, false);
    ASSERT_TRUE(sink->wait(i + 1));
    ASSERT_TRUE(eventually([&] { return !loaded.session->busy(slot); }));
    EXPECT_EQ(loaded.session->outputs(slot).at(1).shape, (Shape{1, static_cast<int64_t>(i % 2)}));
  }
}

TEST_P(SimulatedOpenVino, CancelsAndDeadlinesAtRandom) {
  const Loaded loaded(device(), dispatch(), ir(2));
  const auto sink = std::make_shared<Recorder>();
  std::vector<std::thread> callers;
  std::atomic<uint64_t> next{1};
  for (unsigned caller = 0; caller < 3; ++caller) {
    callers.emplace_back([&, caller] {
      std::mt19937 random(caller);
      const auto slot = loaded.session->create_slot({});
      for (int i = 0; i < 100; ++i) {
        ASSERT_TRUE(eventually([&] { return !loaded.session->busy(slot); }));
        if (random() % 8 == 0) loaded.session->borrow(slot, [](Request& request) { request.reset_state(); });
        const uint64_t token = next++;
        const int64_t deadline = random() % 2 == 0 ? now_ns() + static_cast<int64_t>(random() % 4'000'000) : 0;
        loaded.session->submit(slot, token, sink, deadline, false);
        if (random() % 2 == 0) std::this_thread::sleep_for(std::chrono::microseconds(random() % 3000));
        if (random() % 2 == 0) loaded.session->end_early(token, ErrorCode::kAborted);
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  ASSERT_TRUE(sink->wait(300));
  ASSERT_TRUE(eventually([&] { return loaded.session->statistics().running == 0; }));
  EXPECT_EQ(sink->count(), 300u);
  EXPECT_EQ(sink->times_told().size(), 300u);
  const Statistics s = loaded.session->statistics();
  EXPECT_EQ(s.completed + s.aborted + s.timed_out, 300u);
  EXPECT_EQ(s.failed, 0u);
}

TEST_P(SimulatedOpenVino, DisposedInTheMiddleOfRuns) {
  for (int round = 0; round < 20; ++round) {
    const Loaded loaded(device(), dispatch(), ir(1));
    const auto sink = std::make_shared<Recorder>();
    const std::vector<float> values(1, 1);
    std::vector<std::shared_ptr<Slot>> slots;
    for (uint64_t i = 0; i < 4; ++i) {
      slots.push_back(loaded.session->create_slot({}));
      loaded.session->submit(slots.back(), 2 * i, sink, 0, false);
      loaded.session->submit_copy({view_of(values)}, 2 * i + 1, sink, 0);
    }
    ASSERT_TRUE(sink->wait(static_cast<size_t>(round % 4)));
    const auto disposed = std::make_shared<Gate>();
    if (round % 2 == 0) loaded.session->shut_down();
    loaded.session->dispose([disposed] { disposed->open(); });
    ASSERT_TRUE(disposed->wait());
    EXPECT_EQ(sink->count(), 8u);
    EXPECT_EQ(sink->times_told().size(), 8u);
  }
}

TEST_P(SimulatedOpenVino, LoadedAndListedFromManyThreads) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) {
        const Loaded loaded(device(), dispatch());
        EXPECT_EQ(backend()->devices().size(), 2u);
        const auto slot = loaded.session->create_slot({});
        loaded.session->run_sync(slot);
        EXPECT_EQ(output_values(*loaded.session, slot)[0], 1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

class SimulatedStick : public SimulatedOpenVino {};

TEST_P(SimulatedStick, VanishesUnderRunsAndComesBack) {
  const Loaded loaded(device(), dispatch());
  const auto sink = std::make_shared<Recorder>();
  std::vector<std::shared_ptr<Slot>> slots;
  for (int i = 0; i < 3; ++i) slots.push_back(loaded.session->create_slot({}));
  uint64_t token = 0;
  size_t lost = 0;
  for (int round = 0; round < 30; ++round) {
    if (round == 10) tell("vanish");
    if (round == 20) tell("");
    for (const auto& slot : slots) loaded.session->submit(slot, token++, sink, 0, false);
    ASSERT_TRUE(sink->wait(token));
    for (const auto& slot : slots) ASSERT_TRUE(eventually([&] { return !loaded.session->busy(slot); }));
    if (round == 19) lost = sink->count_of(ErrorCode::kDeviceLost);
  }
  EXPECT_EQ(lost, 30u);
  EXPECT_EQ(sink->count_of(ErrorCode::kDeviceLost), 30u);
  EXPECT_EQ(sink->count_of(std::nullopt), 60u);
}

std::string name_of(const testing::TestParamInfo<Way>& info) { return testing::PrintToString(info.param); }

const Way kCpu{"cpu", Dispatch::kLane}, kCpuAsync{"cpu", Dispatch::kAsync};
const Way kStick{"myriad", Dispatch::kLane}, kStickAsync{"myriad", Dispatch::kAsync};
INSTANTIATE_TEST_SUITE_P(All, SimulatedOpenVino, testing::Values(kCpu, kCpuAsync, kStick, kStickAsync), name_of);
INSTANTIATE_TEST_SUITE_P(All, SimulatedStick, testing::Values(kStick, kStickAsync), name_of);

TEST(SimulatedOpenVinoTest, InAHostProcessThatIsKilled) {
  host::HostOptions options;
  options.executable = EDGE_INFER_HOST;
  options.hang_timeout_ms = options.first_timeout_ms = 60'000;
  options.retry = true;
  const auto device = host::open_device("openvino", EDGE_INFER_SIMULATOR, "cpu", options, true);
  const auto allocator = host::make_shared_allocator();
  const auto model = std::dynamic_pointer_cast<host::IsolatedModel>(load_on(*device, ir(0, true), allocator));
  const auto request = model->create_request();
  request->bind({{1}});
  auto* x = static_cast<float*>(request->inputs()[0].buffer->data());
  for (int i = 1; i < 40; ++i) {
    if (i % 15 == 0) {
      const uint64_t restarts = model->host().restarts;
      ASSERT_EQ(::kill(model->host().pid, SIGKILL), 0);
      ASSERT_TRUE(eventually([&] { return model->host().restarts > restarts && model->host().up; }));
    }
    *x = static_cast<float>(i);
    request->run();
    EXPECT_EQ(static_cast<const float*>(request->outputs()[0].buffer->data())[0], *x + 1);
    EXPECT_EQ(request->outputs()[1].shape, (Shape{1, 1}));
  }
}

}  // namespace
}  // namespace edge::test
