// Echo's requests: arithmetic in every dtype, delays, hangs, failures, and the asynchronous start.
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>

#include "../../support/gate.h"
#include "../../support/recorder.h"
#include "backends/echo/echo.h"
#include "core/clock.h"
#include "core/half.h"

namespace edge::test {
namespace {

std::shared_ptr<Model> load(const std::string& text, LoadOptions options = {}) {
  const std::string whole = "echo 1\n" + text;
  ModelSource source;
  source.bytes = {reinterpret_cast<const uint8_t*>(whole.data()), whole.size()};
  if (!options.allocator) options.allocator = make_host_allocator();
  return echo::open("")->open("cpu")->load(source, options);
}

std::unique_ptr<Request> request_of(const std::string& text, const std::vector<Shape>& shapes = {{4}}) {
  auto request = load(text)->create_request();
  request->bind(shapes);
  return request;
}

constexpr char kPlusOne[] = "input x f32 4\noutput y = add x 1\n";

float* values(const BoundTensor& tensor) { return static_cast<float*>(tensor.buffer->data()); }

template <typename T>
void expect_arithmetic(const char* dtype) {
  const auto request =
      request_of(std::string("input x ") + dtype +
                     " 3\noutput same = identity x\noutput more = add x 2\noutput twice = multiply x 2\n",
                 {{3}});
  auto* x = static_cast<T*>(request->inputs()[0].buffer->data());
  for (int i = 0; i < 3; ++i) x[i] = static_cast<T>(i + 1);
  request->run();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(static_cast<T*>(request->outputs()[0].buffer->data())[i], static_cast<T>(i + 1)) << dtype;
    EXPECT_EQ(static_cast<T*>(request->outputs()[1].buffer->data())[i], static_cast<T>(i + 3)) << dtype;
    EXPECT_EQ(static_cast<T*>(request->outputs()[2].buffer->data())[i], static_cast<T>(2 * i + 2)) << dtype;
  }
  EXPECT_EQ(request->bytes_copied(), 0u);
}

TEST(EchoRequestTest, ComputesInEveryDtype) {
  expect_arithmetic<float>("f32");
  expect_arithmetic<double>("f64");
  expect_arithmetic<int8_t>("i8");
  expect_arithmetic<uint8_t>("u8");
  expect_arithmetic<int16_t>("i16");
  expect_arithmetic<uint16_t>("u16");
  expect_arithmetic<int32_t>("i32");
  expect_arithmetic<uint32_t>("u32");
  expect_arithmetic<int64_t>("i64");
  expect_arithmetic<uint64_t>("u64");
  for (const bool bf16 : {false, true}) {
    const auto request =
        request_of(std::string("input x ") + (bf16 ? "bf16" : "f16") + " 1\noutput y = add x 2\n", {{1}});
    const float three = 3;
    float five = 0;
    auto* x = static_cast<uint16_t*>(request->inputs()[0].buffer->data());
    (bf16 ? f32_to_bf16 : f32_to_f16)(&three, x, 1);
    request->run();
    const auto* y = static_cast<const uint16_t*>(request->outputs()[0].buffer->data());
    (bf16 ? bf16_to_f32 : f16_to_f32)(y, &five, 1);
    EXPECT_EQ(five, 5);
  }
}

TEST(EchoRequestTest, NonZeroGivesOutputsWhoseShapeTheRunDecides) {
  const auto request = request_of("input x f32 ?\noutput at = nonzero x\n", {{5}});
  EXPECT_EQ(request->outputs()[0].buffer, nullptr);
  const auto found = [&](const std::vector<float>& given) {
    std::copy(given.begin(), given.end(), values(request->inputs()[0]));
    request->run();
    const BoundTensor& output = request->outputs()[0];
    const auto* indices = static_cast<const int64_t*>(output.buffer->data());
    EXPECT_EQ(output.bytes, static_cast<size_t>(output.shape.at(0)) * 8);
    return std::vector<int64_t>(indices, indices + output.shape.at(0));
  };
  EXPECT_EQ(found({0, 7, 0, 0, -1}), (std::vector<int64_t>{1, 4}));
  const auto first = request->outputs()[0].buffer;
  EXPECT_EQ(found({0, 0, 0, 0, 0}), std::vector<int64_t>{});
  EXPECT_EQ(found({1, 1, 1, 1, 1}), (std::vector<int64_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(request->bytes_copied(), 40u);
  EXPECT_EQ(found({-0.f, 0, 1, 0, 0}), (std::vector<int64_t>{2}));
}

TEST(EchoRequestTest, CopyCountsItsBytes) {
  const auto request = request_of(std::string(kPlusOne) + "copy\n");
  for (int i = 0; i < 2; ++i) {
    request->run();
    EXPECT_EQ(request->bytes_copied(), 16u);  // of the last run
  }
}

TEST(EchoRequestTest, ARefusedShapeLeavesTheBinding) {
  const auto request = request_of("input x f32 2,?\noutput y = add x 1\n", {{2, 3}});
  const auto buffer = request->inputs()[0].buffer;
  for (const std::vector<Shape>& shapes :
       std::vector<std::vector<Shape>>{{}, {{2, 3}, {1}}, {{3, 3}}, {{2}}, {{2, -1}}, {{2, INT64_MAX}}}) {
    EXPECT_EQ(code_of([&] { request->bind(shapes); }), ErrorCode::kInvalidTensor);
  }
  EXPECT_EQ(code_of([&] { request->bind({{2, int64_t{1} << 55}}); }), ErrorCode::kOutOfMemory);
  EXPECT_EQ(request->inputs()[0].buffer, buffer);
  EXPECT_EQ(request->inputs()[0].shape, (Shape{2, 3}));
  request->run();
}

TEST(EchoRequestTest, FailsWhenItWasToldTo) {
  const auto model = load(std::string(kPlusOne) + "fail_at 2 ERR_DEVICE_LOST\n");
  const auto one = model->create_request(), two = model->create_request();
  one->bind({{4}});
  two->bind({{4}});
  one->run();
  EXPECT_EQ(code_of([&] { two->run(); }), ErrorCode::kDeviceLost);  // counted per model
  one->run();
  two->run();
}

// Cancels again and again while it lives: a cancel before the run has begun finds nothing to cancel.
class CancelUntil {
 public:
  explicit CancelUntil(Request& request)
      : thread_([this, &request] {
          while (!over_.wait(std::chrono::milliseconds(20))) request.cancel();
        }) {}
  ~CancelUntil() {
    over_.open();
    thread_.join();
  }

 private:
  Gate over_;
  std::thread thread_;
};

TEST(EchoRequestTest, DelaysAndCanBeCancelled) {
  const auto request = request_of(std::string(kPlusOne) + "delay_ms 30\n");
  const int64_t begin = now_ns();
  request->run();
  EXPECT_GE(now_ns() - begin, 30'000'000);
  const auto slow = request_of(std::string(kPlusOne) + "delay_ms 600000\n");
  const CancelUntil cancelling(*slow);
  EXPECT_EQ(code_of([&] { slow->run(); }), ErrorCode::kAborted);
}

TEST(EchoRequestTest, ACancelWithoutARunIsForgotten) {
  const auto request = request_of(std::string(kPlusOne) + "delay_ms 1\n");
  request->cancel();
  request->run();
  request->cancel();
  request->cancel();
  request->run();
}

TEST(EchoRequestTest, AHangEndsOnlyByCancel) {
  const auto request = request_of(std::string(kPlusOne) + "hang_at 1\n");
  Gate over;
  std::optional<ErrorCode> code;
  std::thread runner([&] {
    code = code_of([&] { request->run(); });
    over.open();
  });
  EXPECT_FALSE(over.wait(std::chrono::milliseconds(100)));
  {
    const CancelUntil cancelling(*request);
    EXPECT_TRUE(over.wait());
  }
  runner.join();
  EXPECT_EQ(code, ErrorCode::kAborted);
  request->run();
}

TEST(EchoRequestTest, StartCallsDoneExactlyOnce) {
  const auto request = request_of(std::string(kPlusOne) + "fail_at 3 ERR_BACKEND\n");
  std::atomic<int> done{0};
  for (int i = 1; i <= 100; ++i) {
    std::optional<ErrorCode> code;
    request->start([&](const Error* error) {
      if (error != nullptr) code = error->code();
      ++done;
    });
    ASSERT_TRUE(eventually([&] { return done == i; }));
    EXPECT_EQ(code, i == 3 ? std::optional(ErrorCode::kBackend) : std::nullopt) << i;
  }
  sleep_ms(20);
  EXPECT_EQ(done, 100);
}

TEST(EchoRequestTest, AStartedRunCanBeCancelled) {
  const auto request = request_of(std::string(kPlusOne) + "hang_at 1\n");
  Gate over;
  std::optional<ErrorCode> code;
  request->start([&](const Error* error) {
    if (error != nullptr) code = error->code();
    over.open();
  });
  EXPECT_FALSE(over.wait(std::chrono::milliseconds(100)));
  request->cancel();
  ASSERT_TRUE(over.wait());
  EXPECT_EQ(code, ErrorCode::kAborted);
}

// A completion may come, and start the next run, before the start that it belongs to has returned.
TEST(EchoRequestTest, StartsAgainFromItsOwnCompletion) {
  constexpr int kRounds = 500;
  std::atomic<int> returned{0};
  int rounds = 0;
  Gate over;
  std::function<void(const Error*)> next;
  const auto request = request_of(kPlusOne);  // goes first, and waits for its last completion
  next = [&](const Error*) {
    if (++rounds == kRounds) return over.open();
    request->start(next);
    ++returned;
  };
  request->start(next);
  ++returned;
  ASSERT_TRUE(over.wait());
  ASSERT_TRUE(eventually([&] { return returned == kRounds; }));
}

TEST(EchoRequestTest, LoadingRefusesAndReportsWhatItCannotRead) {
  EXPECT_EQ(code_of([] { load("refuse ERR_PERMISSION\n"); }), ErrorCode::kPermission);
  const auto device = echo::open("")->open("cpu");
  ModelSource source;
  LoadOptions options;
  options.allocator = make_host_allocator();
  source.path = "/nonexistent/model.echo";
  EXPECT_EQ(code_of([&] { device->load(source, options); }), ErrorCode::kModelNotFound);
  source.path = "/";  // opens, but cannot be read
  EXPECT_EQ(code_of([&] { device->load(source, options); }), ErrorCode::kModelNotFound);
  source.path = "/dev/null";
  EXPECT_EQ(code_of([&] { device->load(source, options); }), ErrorCode::kInvalidModel);
  EXPECT_EQ(code_of([&] { device->load({}, options); }), ErrorCode::kInvalidModel);
}

TEST(EchoRequestTest, LoadOptionsFixShapes) {
  LoadOptions options;
  options.shapes = {{"x", {2, 3}}};
  const auto model = load("input x f32 2,?\ninput z f32 ?\noutput y = add x 1\n", options);
  EXPECT_EQ(model->inputs()[0].shape, (Shape{2, 3}));
  EXPECT_EQ(model->inputs()[1].shape, Shape{-1});
  EXPECT_EQ(model->outputs()[0].shape, (Shape{2, 3}));
}

TEST(EchoRequestTest, ARequestKeepsItsModelAlive) {
  auto model = load(kPlusOne);
  auto request = model->create_request();
  model.reset();
  request->bind({{4}});
  request->run();
  EXPECT_EQ(values(request->outputs()[0])[0], 1);
}

}  // namespace
}  // namespace edge::test
