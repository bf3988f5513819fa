// Models in a host process: the same results, and every way in which the host can be lost.
#include "host/isolated.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <thread>

#include "../support/gate.h"
#include "../support/recorder.h"
#include "core/session.h"
#include "host/shared_memory.h"

namespace edge::test {
namespace {

using host::HostOptions;
using host::IsolatedModel;

HostOptions host_options() {
  HostOptions options;
  options.executable = EDGE_INFER_HOST;
  options.hang_timeout_ms = 20'000;  // tests about hangs say less
  options.first_timeout_ms = 60'000;
  return options;
}

struct Hosted {
  std::shared_ptr<host::IsolatedDevice> device;
  std::shared_ptr<Allocator> allocator = host::make_shared_allocator();
  std::shared_ptr<IsolatedModel> model;

  explicit Hosted(const std::string& text, const HostOptions& options = host_options(), bool alone = true,
                  std::shared_ptr<const std::atomic<bool>> cancelled = nullptr) {
    device = host::open_device("echo", "", "cpu", options, alone);
    const std::string whole = "echo 1\ninput x f32 4\noutput y = add x 1\n" + text;
    ModelSource source;
    source.bytes = {reinterpret_cast<const uint8_t*>(whole.data()), whole.size()};
    LoadOptions load;
    load.allocator = allocator;
    load.cancelled = std::move(cancelled);
    model = std::dynamic_pointer_cast<IsolatedModel>(device->load(source, load));
  }
  std::unique_ptr<Request> request() const {
    auto request = model->create_request();
    request->bind({{4}});
    return request;
  }
};

void fill(const Request& request, float value) {
  auto* values = static_cast<float*>(request.inputs()[0].buffer->data());
  for (int i = 0; i < 4; ++i) values[i] = value;
}

float first(const Request& request) { return static_cast<const float*>(request.outputs()[0].buffer->data())[0]; }

// The message of the Error that `work` throws.
template <typename Work>
std::string message_of(Work&& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.message();
  }
  return "(nothing was thrown)";
}

bool process_exists(pid_t pid) { return ::kill(pid, 0) == 0; }

std::string fresh_file() {
  static int count = 0;
  const std::string path = testing::TempDir() + "edge-host-" + std::to_string(getpid()) + "-" + std::to_string(++count);
  std::remove(path.c_str());
  return path;
}

TEST(IsolatedTest, ComputesTheSame) {
  const Hosted hosted("");
  EXPECT_NE(hosted.model->host().pid, getpid());
  EXPECT_EQ(hosted.device->info().capabilities.memory, Buffer::Kind::kShared);
  ASSERT_EQ(hosted.model->inputs().size(), 1u);
  EXPECT_EQ(hosted.model->inputs()[0].name, "x");
  const auto request = hosted.request();
  for (int i = 0; i < 100; ++i) {
    fill(*request, static_cast<float>(i));
    request->run();
    ASSERT_EQ(first(*request), static_cast<float>(i) + 1);
  }
  EXPECT_EQ(request->bytes_copied(), 0u);
}

TEST(IsolatedTest, ErrorsOfTheBackendComeOver) {
  const Hosted hosted("fail_at 1 ERR_OUT_OF_MEMORY\n");
  const auto request = hosted.request();
  try {
    request->run();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kOutOfMemory);
    EXPECT_EQ(error.cause(), "echo says no");
    EXPECT_EQ(error.backend(), "echo");
  }
  request->run();
  EXPECT_EQ(hosted.model->host().restarts, 0u);
}

TEST(IsolatedTest, ARefusedModelIsRefused) {
  EXPECT_EQ(code_of([] { Hosted("nonsense\n"); }), ErrorCode::kInvalidModel);
  EXPECT_EQ(code_of([] { Hosted("refuse ERR_UNSUPPORTED\n"); }), ErrorCode::kUnsupported);
}

TEST(IsolatedTest, OutputsOfUnknownShapeAndNewShapes) {
  const auto device = host::open_device("echo", "", "cpu", host_options(), true);
  const std::string text = "echo 1\ninput x f32 ?\noutput y = add x 1\noutput where = nonzero x\n";
  ModelSource source;
  source.bytes = {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
  LoadOptions load;
  load.allocator = host::make_shared_allocator();
  const auto request = device->load(source, load)->create_request();
  for (int64_t size : {3, 70'000, 0, 5}) {
    request->bind({{size}});
    ASSERT_EQ(request->inputs()[0].bytes, static_cast<size_t>(size) * 4);
    auto* values = static_cast<float*>(request->inputs()[0].buffer->data());
    for (int64_t i = 0; i < size; ++i) values[i] = i % 2 == 0 ? 0.0f : 1.0f;
    request->run();
    ASSERT_EQ(request->outputs()[1].shape, Shape{size / 2});
    for (int64_t i = 0; i < size / 2; ++i) {
      ASSERT_EQ(static_cast<const int64_t*>(request->outputs()[1].buffer->data())[i], 2 * i + 1);
    }
  }
  EXPECT_EQ(code_of([&] { request->bind({{2, 2}}); }), ErrorCode::kInvalidTensor);
  request->run();  // the former binding stays
  EXPECT_EQ(request->outputs()[1].shape, Shape{2});
}

TEST(IsolatedTest, ACrashIsALostDeviceAndIsRecoveredFrom) {
  struct Case {
    const char* fault;
    const char* words;
  };
  for (const Case& one : {Case{"crash", "signal 11"}, {"abort", "signal 6"}, {"exit", "exit code 3"}}) {
    SCOPED_TRACE(one.fault);
    const Hosted hosted("fault_at 2 " + std::string(one.fault) + "\nonce \"" + fresh_file() + "\"\n");
    const auto request = hosted.request();
    fill(*request, 1);
    request->run();
    const void* input = request->inputs()[0].buffer->data();
    const pid_t before = hosted.model->host().pid;
    std::string message, cause;
    try {
      request->run();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kDeviceLost);
      message = error.message();
      cause = error.cause();
    }
    EXPECT_NE(message.find(one.words), std::string::npos) << message;
    EXPECT_NE(message.find(std::to_string(before)), std::string::npos) << message;
    EXPECT_EQ(cause.find("aborting, as it was told to") != std::string::npos, one.fault == std::string("abort"));
    ASSERT_TRUE(eventually([&] { return hosted.model->host().up; }));
    EXPECT_NE(hosted.model->host().pid, before);
    EXPECT_EQ(hosted.model->host().restarts, 1u);
    EXPECT_FALSE(process_exists(before));
    fill(*request, 41);
    request->run();
    EXPECT_EQ(first(*request), 42);
    EXPECT_EQ(request->inputs()[0].buffer->data(), input) << "the caller's view would be stale";
  }
}

TEST(IsolatedTest, ARunIsRetriedOnceWhenAsked) {
  HostOptions options = host_options();
  options.retry = true;
  {
    const Hosted hosted("fault_at 2 crash\nonce \"" + fresh_file() + "\"\n", options);
    const auto request = hosted.request();
    request->run();
    fill(*request, 6);
    request->run();
    EXPECT_EQ(first(*request), 7);
    EXPECT_EQ(hosted.model->host().restarts, 1u);
  }
  const Hosted always("fault_at 1 crash\n", options);
  const auto request = always.request();
  EXPECT_EQ(code_of([&] { request->run(); }), ErrorCode::kDeviceLost);
}

TEST(IsolatedTest, AHungHostIsEnded) {
  HostOptions options = host_options();
  options.hang_timeout_ms = 300;
  const Hosted hosted("stuck_at 2\n", options);
  const auto request = hosted.request();
  request->run();
  const std::string message = message_of([&] { request->run(); });
  EXPECT_NE(message.find("did not answer for 300 ms"), std::string::npos) << message;
}

TEST(IsolatedTest, ALeakEndsTheHostOnly) {
  HostOptions options = host_options();
  options.max_memory = size_t{1} << 30;
  const Hosted hosted("fault_at 1 leak\n", options);
  const auto request = hosted.request();
  std::string message;
  for (int i = 0; i < 2000 && message.empty(); ++i) {
    try {
      request->run();
      sleep_ms(10);
    } catch (const Error& error) {
      EXPECT_TRUE(error.code() == ErrorCode::kDeviceLost || error.code() == ErrorCode::kOutOfMemory);
      if (error.code() == ErrorCode::kDeviceLost) message = error.message();
    }
  }
  EXPECT_NE(message.find("maxMemory"), std::string::npos) << message;
}

TEST(IsolatedTest, AHostThatDiesWhileItLoads) {
  const std::string message = message_of([] { Hosted("load_fault abort\n"); });
  EXPECT_NE(message.find("signal 6"), std::string::npos) << message;
}

TEST(IsolatedTest, ALoadCanBeGivenUp) {
  const auto cancelled = std::make_shared<std::atomic<bool>>(false);
  std::thread later([&] {
    sleep_ms(100);
    *cancelled = true;
  });
  EXPECT_EQ(code_of([&] { Hosted("load_ms 60000\n", host_options(), true, cancelled); }), ErrorCode::kAborted);
  later.join();
}

TEST(IsolatedTest, ARunCanBeCancelled) {
  const Hosted hosted("hang_at 1\n");
  const auto request = hosted.request();
  std::atomic<bool> over{false};
  std::thread canceller([&] {
    while (!over) {
      sleep_ms(5);
      request->cancel();
    }
  });
  EXPECT_EQ(code_of([&] { request->run(); }), ErrorCode::kAborted);
  over = true;
  canceller.join();
  EXPECT_EQ(hosted.model->host().restarts, 0u);
}

TEST(IsolatedTest, ModelsOfOneDeviceShareAHost) {
  const Hosted one("", host_options(), false), other("", host_options(), false);
  EXPECT_EQ(one.model->host().pid, other.model->host().pid);
  HostOptions options = host_options();
  options.hang_timeout_ms = 23'456;
  const Hosted apart("", options, false);
  EXPECT_NE(one.model->host().pid, apart.model->host().pid);
}

TEST(IsolatedTest, OneThatWasOpenedAloneIsSharedOnceAdopted) {
  HostOptions options = host_options();
  options.first_timeout_ms = 12'345;  // a key of its own
  const Hosted alone("", options, true);
  host::adopt(alone.device);
  const Hosted next("", options, false);
  EXPECT_EQ(alone.model->host().pid, next.model->host().pid);
}

TEST(IsolatedTest, TheHostEndsWithItsLastModel) {
  pid_t pid;
  {
    const Hosted hosted("");
    pid = hosted.model->host().pid;
    EXPECT_TRUE(process_exists(pid));
  }
  EXPECT_TRUE(eventually([&] { return !process_exists(pid); }));
}

TEST(IsolatedTest, AHostKilledFromOutsideComesBackWithAllItsModels) {
  HostOptions options = host_options();
  options.first_timeout_ms = 54'321;
  const Hosted one("", options, false), other("output z = add x 10\n", options, false);
  const auto first_request = one.request(), second_request = other.request();
  for (int round = 0; round < 3; ++round) {
    const uint64_t restarts = one.model->host().restarts;
    ::kill(one.model->host().pid, SIGKILL);
    ASSERT_TRUE(eventually([&] { return one.model->host().restarts > restarts && one.model->host().up; }));
    fill(*first_request, 1);
    fill(*second_request, 2);
    first_request->run();
    second_request->run();
    EXPECT_EQ(first(*first_request), 2);
    EXPECT_EQ(static_cast<const float*>(second_request->outputs()[1].buffer->data())[0], 12);
  }
}

TEST(IsolatedTest, AnExecutableThatIsMissing) {
  HostOptions options = host_options();
  options.executable = "/nowhere/edge_infer-host";
  const std::string message = message_of([&] { Hosted("", options); });
  EXPECT_NE(message.find("No such file"), std::string::npos) << message;
}

// A package unpacked by a tool that drops modes.
TEST(IsolatedTest, AnExecutableWithoutItsModeStillRuns) {
  HostOptions options = host_options();
  options.executable = fresh_file();
  std::ofstream(options.executable, std::ios::binary) << std::ifstream(EDGE_INFER_HOST, std::ios::binary).rdbuf();
  const Hosted hosted("", options);
  const auto request = hosted.request();
  fill(*request, 1);
  request->run();
  EXPECT_EQ(first(*request), 2);
  std::remove(options.executable.c_str());
}

TEST(IsolatedTest, AProgramThatIsNoHost) {
  HostOptions options = host_options();
  options.executable = "/bin/false";
  const std::string message = message_of([&] { Hosted("", options); });
  EXPECT_NE(message.find("exit code 1"), std::string::npos) << message;
}

TEST(IsolatedTest, AStrictHostWritesNoFile) {
  HostOptions options = host_options();
  options.strict = true;
  const std::string file = fresh_file();
  const Hosted hosted("fault_at 1 leak\nonce \"" + file + "\"\n", options);  // would make the file
  const std::string sandbox = hosted.model->host().sandbox;
  EXPECT_NE(sandbox.find("no new privileges"), std::string::npos);
  if (sandbox.find("files read-only") == std::string::npos) GTEST_SKIP() << "this kernel has no Landlock";
  hosted.request()->run();
  EXPECT_FALSE(std::ifstream(file).good());
}

// Sessions over it: runs of several requests, lost hosts, every run answered exactly once.
TEST(IsolatedTest, EveryRunIsAnsweredOnceThoughHostsDie) {
  HostOptions options = host_options();
  options.retry = true;
  const Hosted hosted("", options);
  SessionOptions session_options;
  session_options.in_flight = 3;
  const auto session = Session::create(hosted.model, hosted.device->info(), session_options, hosted.allocator);
  const auto sink = std::make_shared<Recorder>();
  std::vector<std::shared_ptr<Slot>> slots;
  for (int i = 0; i < 3; ++i) slots.push_back(session->create_slot({}));
  uint64_t token = 0;
  for (int round = 0; round < 40; ++round) {
    for (const auto& slot : slots) session->submit(slot, token++, sink, 0, false);
    if (round % 10 == 5) ::kill(hosted.model->host().pid, SIGKILL);
    ASSERT_TRUE(sink->wait(token));
    for (const auto& slot : slots) ASSERT_TRUE(eventually([&] { return !session->busy(slot); }));
  }
  for (const auto& [id, times] : sink->times_told()) EXPECT_EQ(times, 1) << id;
  EXPECT_EQ(sink->times_told().size(), token);
  EXPECT_GE(sink->count_of(std::nullopt) + 2, token) << "a run may meet two losses in a row, hardly more than one";
}

// Who was loaded in an earlier start than the present one has to load again by itself.
TEST(IsolatedTest, WhoWasLoadedBeforeARestartIsToldSo) {
  struct Nobody final : host::Resident {
    void reload() override { ++reloads; }
    std::atomic<int> reloads{0};
  };
  const auto process = host::HostProcess::start("echo", host_options());
  const uint64_t first = process->generation();
  const auto early = std::make_shared<Nobody>(), late = std::make_shared<Nobody>();
  EXPECT_TRUE(process->add(early, first));
  process->kill(first, "the test wants it");
  ASSERT_TRUE(eventually([&] { return process->generation() > first; }));
  EXPECT_EQ(early->reloads, 1);
  EXPECT_FALSE(process->add(late, first));
  EXPECT_TRUE(process->add(late, process->generation()));
}

}  // namespace
}  // namespace edge::test
