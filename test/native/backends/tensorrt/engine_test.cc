// Engines on a simulated TensorRT of each major version: what runs, what is copied, and what is refused.
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "../../support/recorder.h"
#include "core/error.h"
#include "core/log.h"
#include "engine_fixture.h"

namespace edge::tensorrt {
namespace {

using test::code_of;
using test::CudaSimulator;
using test::EngineTest;
using test::error_of;
using test::Floats;

INSTANTIATE_TEST_SUITE_P(Releases, EngineTest, testing::ValuesIn(test::kReleases), test::release_name);

constexpr const char* kAdd = "input \"x\" f32 4\noutput \"y\" add \"x\" 1\n";
constexpr const char* kOpen = "input \"x\" f32 ?,2 range 1 8\noutput \"y\" add \"x\" 1\nprofiles 2\n";

TEST_P(EngineTest, OnADiscreteGpuTheHardwareMovesPinnedMemory) {
  open();
  const auto model = load(kAdd);
  ASSERT_EQ(model->inputs().size(), 1u);
  EXPECT_EQ(model->inputs()[0].name, "x");
  EXPECT_EQ(model->outputs()[0].shape, (Shape{4}));
  EXPECT_EQ(device->info().capabilities.memory, Buffer::Kind::kPinned);
  const auto request = model->create_request();
  request->bind({{4}});
  EXPECT_EQ(request->inputs()[0].buffer->kind(), Buffer::Kind::kPinned);
  for (float i = 0; i < 3; ++i) {
    fill(*request, {i, 1, 2, 3});
    request->run();
    EXPECT_EQ(result(*request), (Floats{i + 1, 2, 3, 4}));
    EXPECT_EQ(request->bytes_copied(), 0u);
    EXPECT_EQ(request->bytes_transferred(), 32u);
  }
}

TEST_P(EngineTest, ADriverThatIsTooOldForTensorRtIsAnErrorAndNoCrash) {
  const auto error = error_of([&] { open("driver 11040"); });
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->code(), ErrorCode::kUnavailable);
  EXPECT_NE(error->cause().find("CUDA initialization failure with error: 35"), std::string::npos) << error->cause();
  EXPECT_NE(error->remedy().find("driver"), std::string::npos) << error->remedy();
}

TEST_P(EngineTest, OnAnIntegratedGpuOutputsAreWrittenIntoMappedMemory) {
  open("gpu cc=8.7 integrated=1");
  const auto request = load(kAdd)->create_request();
  request->bind({{4}});
  EXPECT_EQ(request->outputs()[0].buffer->kind(), Buffer::Kind::kMapped);
  fill(*request, {0, 1, 2, 3});
  request->run();
  EXPECT_EQ(result(*request), (Floats{1, 2, 3, 4}));
  EXPECT_EQ(request->bytes_copied(), 0u);
  EXPECT_EQ(request->bytes_transferred(), 16u);  // the inputs
}

TEST_P(EngineTest, OnATx2OutputsAreCopied) {
  open("gpu cc=6.2 integrated=1");
  const auto request = load(kAdd)->create_request();
  request->bind({{4}});
  fill(*request, {0, 1, 2, 3});
  request->run();
  EXPECT_EQ(result(*request), (Floats{1, 2, 3, 4}));
  EXPECT_EQ(request->bytes_transferred(), 32u);
}

TEST_P(EngineTest, MemoryThatIsNotPageLockedIsCountedAsCopied) {
  open();
  LoadOptions options;
  options.allocator = make_host_allocator();
  const auto request = load(kAdd, options)->create_request();
  request->bind({{4}});
  fill(*request, {0, 1, 2, 3});
  request->run();
  EXPECT_EQ(result(*request), (Floats{1, 2, 3, 4}));
  EXPECT_EQ(request->bytes_copied(), 32u);
}

TEST_P(EngineTest, OpenShapesFollowTheProfile) {
  open();
  const auto model = load(kOpen);
  EXPECT_EQ(model->inputs()[0].shape, (Shape{-1, 2}));
  const auto first = model->create_request(), second = model->create_request();
  for (const auto& request : {first.get(), second.get()}) {
    for (const int64_t rows : {2, 1, 8, 3}) {
      request->bind({{rows, 2}});
      EXPECT_EQ(request->outputs()[0].shape, (Shape{rows, 2}));
      const Floats values(static_cast<size_t>(2 * rows), static_cast<float>(rows));
      fill(*request, values);
      request->run();
      EXPECT_EQ(result(*request), Floats(values.size(), static_cast<float>(rows + 1)));
    }
  }
  const auto error = error_of([&] { first->bind({{9, 2}}); });
  EXPECT_EQ(error->code(), ErrorCode::kInvalidTensor);
  EXPECT_EQ(error->message(),
            "The engine was built for shapes of the input 'x' from [1, 2] to [8, 2], not for [9, 2].");
  for (const Shape& wrong : {Shape{0, 2}, Shape{2, 3}, Shape{2}, Shape{}, Shape{-1, 2}}) {
    EXPECT_EQ(error_of([&] { first->bind({wrong}); })->code(), ErrorCode::kInvalidTensor);
  }
  EXPECT_EQ(error_of([&] { first->bind({}); })->code(), ErrorCode::kInvalidTensor);
  first->run();  // as it was
  EXPECT_EQ(first->outputs()[0].shape, (Shape{3, 2}));
}

TEST_P(EngineTest, RequestsWithOpenShapesNeedAProfileEachUntilTensorRt9) {
  open();
  std::vector<std::string> errors;
  const auto listener = add_log_listener([&](LogLevel level, const std::string&, const std::string& text) {
    if (level == LogLevel::kError) errors.push_back(text);
  });
  const auto model = load("input \"x\" f32 ?,2 range 1 8\noutput \"y\" add \"x\" 1\n");
  const bool shared = major() >= 10;
  EXPECT_EQ(model->info().optimal_in_flight, shared ? 2u : 1u);
  const auto refused = [](const std::shared_ptr<Model>& from) {
    try {
      from->create_request();
      return false;
    } catch (const Error& error) {
      return error.code() == ErrorCode::kUnsupported;
    }
  };
  auto first = model->create_request();
  EXPECT_EQ(refused(model), !shared);
  first.reset();
  EXPECT_NE(model->create_request(), nullptr);  // its profile is free again
  // Of two profiles each has its own; a third has none.
  const auto two = load(kOpen);
  EXPECT_EQ(two->info().optimal_in_flight, 2u);
  const auto one = two->create_request(), other = two->create_request();
  for (const auto& request : {one.get(), other.get()}) {
    request->bind({{1, 2}});
    fill(*request, {4, 5});
    request->run();
    EXPECT_EQ(result(*request), (Floats{5, 6}));
  }
  EXPECT_EQ(refused(two), !shared);
  EXPECT_EQ(errors, std::vector<std::string>());
}

TEST_P(EngineTest, CodeThatAnEngineBringsHasToBeAllowed) {
  if (!is_by_name()) return;  // from 8.6 on
  open();
  const std::string lines = "input \"x\" f32 2\noutput \"y\" add \"x\" 1\n";
  const auto error = error_of([&] { load(lines + "host-code\n"); });
  EXPECT_EQ(error->code(), ErrorCode::kUnsupported);
  EXPECT_NE(error->remedy().find("VERSION_COMPATIBLE"), std::string::npos);
  LoadOptions options;
  options.properties = {{"VERSION_COMPATIBLE", "YES"}};
  EXPECT_NE(load(lines + "host-code\n", options), nullptr);
  options.properties = {{"VERSION_COMPATIBLE", "perhaps"}};
  EXPECT_EQ(error_of([&] { load(lines, options); })->code(), ErrorCode::kInvalidArgument);
  // To that one, and not to the next.
  EXPECT_EQ(error_of([&] { load(lines + "host-code\n"); })->code(), ErrorCode::kUnsupported);
  EXPECT_NE(load(lines), nullptr);
}

TEST_P(EngineTest, TheValuesOfATensorOfShapesDecideAnOutputs) {
  open();
  // i64 from TensorRT 10 on; before it has no such type for inputs.
  const bool wide = major() >= 10;
  const auto model = load("input \"x\" f32 3\ninput \"s\" " + std::string(wide ? "i64" : "i32") +
                          " 2 host range 1 8\noutput \"y\" resize \"x\" \"s\"\nprofiles 2\n");
  EXPECT_EQ(model->outputs()[0].shape, (Shape{-1, -1}));
  EXPECT_EQ(model->info().properties.at("CUDA_GRAPH"), "NO");
  const auto first = model->create_request(), second = model->create_request();
  const auto set = [&](const Request& request, int64_t rows, int64_t columns) {
    void* const data = request.inputs()[1].buffer->data();
    const int64_t values[] = {rows, columns};
    const int32_t narrow[] = {static_cast<int32_t>(rows), static_cast<int32_t>(columns)};
    wide ? std::memcpy(data, values, sizeof values) : std::memcpy(data, narrow, sizeof narrow);
  };
  for (Request* const request : {first.get(), second.get()}) {
    request->bind({{3}, {2}});
    fill(*request, {1, 2, 3});
    set(*request, 2, 2);
    request->run();
    EXPECT_EQ(request->outputs()[0].shape, (Shape{2, 2}));
    EXPECT_EQ(result(*request), (Floats{1, 2, 3, 1}));
    EXPECT_EQ(request->bytes_transferred(), 12u + 16u);  // not the shape, which stays on the host
    EXPECT_EQ(request->bytes_copied(), 0u);
    set(*request, 1, 8);
    request->run();
    EXPECT_EQ(request->outputs()[0].shape, (Shape{1, 8}));
    EXPECT_EQ(result(*request), (Floats{1, 2, 3, 1, 2, 3, 1, 2}));
    set(*request, 9, 1);
    const auto error = error_of([&] { request->run(); });
    EXPECT_EQ(error->code(), ErrorCode::kBackend);
    EXPECT_NE(error->cause().find("the value 9 of s"), std::string::npos) << error->cause();
    set(*request, 1, 1);
    request->run();
    EXPECT_EQ(result(*request), (Floats{1}));
    // Bound again, where TensorRT still sees the former values.
    request->bind({{3}, {2}});
    fill(*request, {1, 2, 3});
    set(*request, 3, 2);
    request->run();
    EXPECT_EQ(request->outputs()[0].shape, (Shape{3, 2}));
    EXPECT_EQ(result(*request), (Floats{1, 2, 3, 1, 2, 3}));
  }
}

TEST_P(EngineTest, ValuesThatDecideShapesMayBeComputedWithAsWell) {
  open();
  if (is_by_name()) return;  // TensorRT keeps them on one side then
  const auto request = load(
                           "input \"x\" f32 3\ninput \"s\" i32 2 decides range 1 8\noutput \"y\" resize \"x\" \"s\"\n"
                           "output \"t\" add \"s\" 1\n")
                           ->create_request();
  request->bind({{3}, {2}});
  fill(*request, {1, 2, 3});
  for (const int32_t rows : {2, 1}) {
    const int32_t sizes[] = {rows, 2};
    std::memcpy(request->inputs()[1].buffer->data(), sizes, sizeof sizes);
    request->run();
    EXPECT_EQ(request->outputs()[0].shape, (Shape{rows, 2}));
    EXPECT_EQ(result<int32_t>(*request, 1), (std::vector<int32_t>{rows + 1, 3}));
    EXPECT_EQ(request->graph_runs(), 0u);
  }
}

TEST_P(EngineTest, AnOutputOfShapesIsOnTheHost) {
  open();
  const auto request =
      load("input \"x\" f32 ?,2 range 1 8\noutput \"y\" add \"x\" 1\noutput \"s\" shape \"x\"\n")->create_request();
  for (const int64_t rows : {3, 1}) {
    request->bind({{rows, 2}});
    request->run();
    EXPECT_EQ(request->outputs()[1].shape, (Shape{2}));
    if (major() < 10) {
      EXPECT_EQ(result<int32_t>(*request, 1), (std::vector<int32_t>{static_cast<int32_t>(rows), 2}));
    } else {
      EXPECT_EQ(result<int64_t>(*request, 1), (std::vector<int64_t>{rows, 2}));
    }
    EXPECT_EQ(request->bytes_transferred(), static_cast<size_t>(rows) * 2 * sizeof(float) * 2);
  }
}

// Several requests at once, five runs each.
struct AtOnce {
  explicit AtOnce(const std::vector<Request*>& requests) {
    std::vector<std::thread> threads;
    for (Request* const request : requests) {
      threads.emplace_back([this, request] {
        for (int i = 0; i < 5; ++i) {
          if (code_of([&] { request->run(); })) ++failures;
          graph_runs += request->graph_runs();
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  std::atomic<size_t> failures{0}, graph_runs{0};
};

TEST_P(EngineTest, ScratchMemoryIsSharedWhereItIsAskedFor) {
  open();
  const std::string lines = std::string(kAdd) + "scratch 65536\nduration_us 300\n";
  LoadOptions options;
  options.properties = {{"SHARED_SCRATCH", "YES"}};
  const auto own = load(lines), shared = load(lines, options);
  const auto grown = [&](const std::shared_ptr<Model>& model, std::vector<std::unique_ptr<Request>>& requests) {
    const size_t before = CudaSimulator::live("device");
    for (int i = 0; i < 4; ++i) {
      requests.push_back(model->create_request());
      requests.back()->bind({{4}});
    }
    return CudaSimulator::live("device") - before;
  };
  EXPECT_EQ(own->info().properties.at("SCRATCH_BYTES"), "65536");
  EXPECT_EQ(shared->info().properties.at("SCRATCH_BYTES"), "65536");
  std::vector<std::unique_ptr<Request>> with_own, with_shared;
  // Of each an input and an output, and scratch memory (the first context's was there already).
  EXPECT_EQ(grown(own, with_own), 8u + 3u);
  EXPECT_EQ(grown(shared, with_shared), 8u);
  for (const auto& request : with_shared) {
    fill(*request, {1, 2, 3, 4});
    request->run();
    EXPECT_EQ(result(*request), (Floats{2, 3, 4, 5}));
    request->run();
    EXPECT_EQ(request->graph_runs(), 1u);
  }
  const size_t before = CudaSimulator::live("device");
  const AtOnce together({with_shared[0].get(), with_shared[1].get(), with_shared[2].get()});
  EXPECT_EQ(together.failures, 0u);
  EXPECT_GE(together.graph_runs, 3u);
  EXPECT_LE(CudaSimulator::live("device"), before + 2);
  for (const auto& request : with_shared) {
    fill(*request, {5, 6, 7, 8});
    request->run();
    EXPECT_EQ(result(*request), (Floats{6, 7, 8, 9}));
  }
}

TEST_P(EngineTest, RunsTakeTurnsWhereThereIsNoMoreScratchMemory) {
  open();
  const std::string lines = std::string(kAdd) + "scratch 4096\nduration_us 300\n";
  LoadOptions options;
  options.properties = {{"SHARED_SCRATCH", "YES"}};
  simulator.tell("fail cuMemAlloc_v2 2");
  EXPECT_EQ(error_of([&] { load(lines, options); })->code(), ErrorCode::kOutOfMemory);
  simulator.tell("");
  const auto model = load(lines, options);
  const auto first = model->create_request(), second = model->create_request();
  for (const auto& request : {first.get(), second.get()}) {
    request->bind({{4}});
    fill(*request, {1, 2, 3, 4});
  }
  size_t told = 0;
  const auto listener = add_log_listener([&](LogLevel level, const std::string&, const std::string& text) {
    if (level == LogLevel::kWarning && text.find("runs take turns") != std::string::npos) ++told;
  });
  simulator.tell("fail cuMemAlloc_v2 2");
  // Until they have met.
  for (int i = 0; i < 1000 && told == 0; ++i) EXPECT_EQ(AtOnce({first.get(), second.get()}).failures, 0u);
  EXPECT_EQ(AtOnce({first.get(), second.get()}).failures, 0u);
  EXPECT_EQ(told, 1u);
  EXPECT_EQ(result(*second), (Floats{2, 3, 4, 5}));
  simulator.tell("");
  const size_t before = CudaSimulator::live("device");
  for (int i = 0; i < 1000 && CudaSimulator::live("device") == before; ++i)
    EXPECT_EQ(AtOnce({first.get(), second.get()}).failures, 0u);
  EXPECT_EQ(CudaSimulator::live("device"), before + 1);  // there is memory again
}

TEST_P(EngineTest, ARunThatWaitsForScratchMemoryCanBeCancelled) {
  open();
  LoadOptions options;
  options.properties = {{"SHARED_SCRATCH", "YES"}};
  const auto model = load(std::string(kAdd) + "scratch 64\nduration_us 200000\n", options);
  const auto first = model->create_request(), second = model->create_request();
  for (const auto& request : {first.get(), second.get()}) request->bind({{4}});
  simulator.tell("fail cuMemAlloc_v2 2");
  std::atomic<bool> ended{false};
  std::thread longer([&] {
    first->run();
    ended = true;
  });
  std::atomic<bool> over{false};
  std::thread canceller([&] {
    while (!over) second->cancel();  // from before it begins
  });
  EXPECT_EQ(code_of([&] { second->run(); }), ErrorCode::kAborted);
  over = true;
  canceller.join();
  longer.join();
  EXPECT_TRUE(ended);
  second->run();
  EXPECT_EQ(result(*second), (Floats{1, 1, 1, 1}));
}

// Does something in the middle of a bind, and then has no memory.
class Interloper final : public Allocator {
 public:
  explicit Interloper(std::shared_ptr<Allocator> real) : real_(std::move(real)) {}
  std::shared_ptr<Buffer> allocate(size_t bytes) override {
    if (!meanwhile) return real_->allocate(bytes);
    std::exchange(meanwhile, nullptr)();
    throw Error(ErrorCode::kOutOfMemory, "There is no memory.", "Make some.");
  }
  size_t bytes_held() const override { return real_->bytes_held(); }
  std::function<void()> meanwhile;

 private:
  const std::shared_ptr<Allocator> real_;
};

TEST_P(EngineTest, ARequestThatCannotGoBackToItsProfileDoesNotRun) {
  open();
  const auto interloper = std::make_shared<Interloper>(device->make_allocator());
  LoadOptions options;
  options.allocator = interloper;
  const auto model = load("input \"x\" f32 ?,2 range 1 1 range 4 8\noutput \"y\" add \"x\" 1\nprofiles 2\n", options);
  const auto request = model->create_request();
  request->bind({{1, 2}});
  std::unique_ptr<Request> other;
  interloper->meanwhile = [&] {
    other = model->create_request();
    other->bind({{1, 2}});
  };
  EXPECT_EQ(error_of([&] { request->bind({{8, 2}}); })->code(), ErrorCode::kOutOfMemory);
  ASSERT_NE(other, nullptr);
  if (major() < 10) {
    // It has the shapes of the other profile, and memory for those of its own.
    const auto error = error_of([&] { request->run(); });
    EXPECT_EQ(error->code(), ErrorCode::kBackend);
    EXPECT_NE(error->remedy().find("Reshape"), std::string::npos);
    other.reset();
    request->bind({{1, 2}});
  }
  fill(*request, {4, 5});
  request->run();
  EXPECT_EQ(result(*request), (Floats{5, 6}));
}

TEST_P(EngineTest, SharedScratchMemoryFollowsAnotherProfile) {
  open();
  LoadOptions options;
  options.properties = {{"SHARED_SCRATCH", "YES"}};
  const auto request =
      load("input \"x\" f32 ?,2 range 1 1 range 4 8\noutput \"y\" add \"x\" 1\nprofiles 2\nscratch 64\n", options)
          ->create_request();
  for (const int64_t rows : {8, 1, 4}) {
    request->bind({{rows, 2}});
    fill(*request, Floats(static_cast<size_t>(2 * rows), 1));
    request->run();
    EXPECT_EQ(result(*request), Floats(static_cast<size_t>(2 * rows), 2));
  }
  options.properties = {{"SHARED_SCRATCH", "maybe"}};
  EXPECT_EQ(error_of([&] { load(kAdd, options); })->code(), ErrorCode::kInvalidArgument);
}

TEST_P(EngineTest, AnImplicitBatchIsRefusedInWords) {
  open();
  if (major() > 8) return;
  const auto error = error_of([&] { load(std::string(kAdd) + "implicit-batch\n"); });
  EXPECT_EQ(error->code(), ErrorCode::kUnsupported);
  EXPECT_NE(error->message().find("implicit batch"), std::string::npos);
}

// Two profiles: one row, and four to eight.
constexpr const char* kTwoRanges = "input \"x\" f32 ?,2 range 1 1 range 4 8\noutput \"y\" add \"x\" 1\nprofiles 2\n";

TEST_P(EngineTest, ARequestTakesTheProfileThatHasItsShapes) {
  open();
  const auto model = load(kTwoRanges);
  EXPECT_EQ(model->inputs()[0].shape, (Shape{-1, 2}));
  const auto request = model->create_request();
  for (const int64_t rows : {8, 1, 1, 4, 5, 1}) {
    request->bind({{rows, 2}});
    const Floats values(static_cast<size_t>(2 * rows), static_cast<float>(rows));
    fill(*request, values);
    request->run();
    EXPECT_EQ(result(*request), Floats(values.size(), static_cast<float>(rows + 1)));
  }
  const auto error = error_of([&] { request->bind({{3, 2}}); });
  EXPECT_EQ(error->code(), ErrorCode::kInvalidTensor);
  EXPECT_EQ(error->message(),
            "The engine was built for shapes of the input 'x' from [1, 2] to [1, 2], or [4, 2] to [8, 2], not for [3, "
            "2].");
  request->run();  // as it was
  EXPECT_EQ(request->outputs()[0].shape, (Shape{1, 2}));
}

TEST_P(EngineTest, ProfilesOfOtherShapesAreNoneForThese) {
  open();
  const auto model = load(kTwoRanges);
  const bool shared = major() >= 10;
  // Whatever their shapes are, both have to find one.
  EXPECT_EQ(model->info().optimal_in_flight, shared ? 2u : 1u);
  const auto first = model->create_request(), second = model->create_request();
  first->bind({{1, 2}});
  if (shared) {
    second->bind({{1, 2}});
  } else {
    const auto error = error_of([&] { second->bind({{1, 2}}); });
    EXPECT_EQ(error->code(), ErrorCode::kUnsupported);
    EXPECT_NE(error->message().find("1 for these shapes"), std::string::npos);
  }
  second->bind({{4, 2}});
  for (const auto& request : {first.get(), second.get()}) {
    const Floats values(request->inputs()[0].bytes / sizeof(float), 2);
    fill(*request, values);
    request->run();
    EXPECT_EQ(result(*request), Floats(values.size(), 3));
  }
}

TEST_P(EngineTest, ShapesThatAreFixedChooseTheProfile) {
  open();
  LoadOptions options;
  options.shapes["x"] = {6, 2};
  const auto model = load(kTwoRanges, options);
  EXPECT_EQ(model->outputs()[0].shape, (Shape{6, 2}));
  const auto request = model->create_request();
  request->bind({{6, 2}});
  fill(*request, Floats(12, 1));
  request->run();
  EXPECT_EQ(result(*request), Floats(12, 2));
  options.shapes["x"] = {2, 2};
  EXPECT_EQ(error_of([&] { load(kTwoRanges, options); })->code(), ErrorCode::kInvalidArgument);
}

TEST_P(EngineTest, AProfileHasAllShapesTogether) {
  open();
  const auto model = load(
      "input \"a\" f32 ?,2 range 1 1 range 4 8\ninput \"b\" f32 ?,2 range 1 1 range 4 8\n"
      "output \"y\" add \"a\" 1\nprofiles 2\n");
  const auto request = model->create_request();
  request->bind({{4, 2}, {8, 2}});
  const auto error = error_of([&] { request->bind({{1, 2}, {8, 2}}); });
  EXPECT_EQ(error->code(), ErrorCode::kInvalidTensor);
  EXPECT_NE(error->message().find("together"), std::string::npos);
}

TEST_P(EngineTest, AFailedBindLeavesTheRequestAsItWas) {
  open();
  const auto request = load(kOpen)->create_request();
  request->bind({{1, 2}});
  const auto buffer = request->inputs()[0].buffer;
  for (const char* function : {"cuMemHostAlloc", "cuMemAlloc_v2"}) {
    for (const char* nth : {"1", "2"}) {
      simulator.tell(std::string("fail ") + function + " 2 " + nth);
      EXPECT_EQ(error_of([&] { request->bind({{8, 2}}); })->code(), ErrorCode::kOutOfMemory);
    }
  }
  simulator.tell("");
  EXPECT_EQ(request->inputs()[0].buffer, buffer);
  fill(*request, {4, 5});
  request->run();
  EXPECT_EQ(result(*request), (Floats{5, 6}));
}

TEST_P(EngineTest, ShapesCanBeFixedAtLoad) {
  open();
  LoadOptions options;
  options.shapes["x"] = {3, 2};
  const auto model = load(kOpen, options);
  EXPECT_EQ(model->inputs()[0].shape, (Shape{3, 2}));
  EXPECT_EQ(model->outputs()[0].shape, (Shape{3, 2}));
  for (const Shape& wrong : {Shape{9, 2}, Shape{3, 3}}) {
    options.shapes["x"] = wrong;
    EXPECT_EQ(error_of([&] { load(kOpen, options); })->code(), ErrorCode::kInvalidArgument);
  }
  options.shapes = {{"z", {1}}};
  EXPECT_EQ(error_of([&] { load(kOpen, options); })->code(), ErrorCode::kInvalidArgument);
}

TEST_P(EngineTest, OutputsWhoseSizeTheRunDecidesComeWithoutACopy) {
  if (!is_by_name()) return;  // from 8.5 on
  open();
  const auto request = load("input \"x\" f32 4\noutput \"y\" nonzero \"x\"\n")->create_request();
  request->bind({{4}});
  const std::vector<std::pair<Floats, std::vector<int64_t>>> cases = {
      {{0, 0, 1, 0}, {2}}, {{1, 2, 3, 4}, {0, 1, 2, 3}}, {{0, 0, 0, 0}, {}}, {{0, 1, 0, 1}, {1, 3}}};
  for (const auto& [values, indices] : cases) {
    fill(*request, values);
    request->run();
    EXPECT_EQ(result<int64_t>(*request), indices);
    EXPECT_EQ(request->outputs()[0].shape, (Shape{static_cast<int64_t>(indices.size())}));
    EXPECT_EQ(request->bytes_copied(), 0u);
  }
  fill(*request, {1, 2, 3, 4});
  const auto fresh = load("input \"x\" f32 4\noutput \"y\" nonzero \"x\"\n")->create_request();
  fresh->bind({{4}});
  fill(*fresh, {1, 2, 3, 4});
  simulator.tell("fail cuMemAlloc_v2 2");
  EXPECT_EQ(error_of([&] { fresh->run(); })->code(), ErrorCode::kOutOfMemory);
  simulator.tell("");
  fresh->run();
  EXPECT_EQ(result<int64_t>(*fresh), (std::vector<int64_t>{0, 1, 2, 3}));
}

TEST_P(EngineTest, WhatIsNoEngineOrNotOfThisTensorRtIsRefused) {
  open();
  for (const char* other : {"", "f", "\x08\x07onnx", "TFL3"}) {
    EXPECT_EQ(error_of([&] { load_bytes(other); })->code(), ErrorCode::kInvalidModel);
  }
  const auto damaged = error_of([&] { load_bytes("ftrt" + std::string(100, 'x')); });
  EXPECT_EQ(damaged->code(), ErrorCode::kInvalidModel);
  EXPECT_NE(damaged->cause().find("Magic tag does not match"), std::string::npos) << damaged->cause();
  const auto other = error_of([&] { load_bytes("ftrt edge-infer-simulator 7\nend\n"); });
  EXPECT_EQ(other->code(), ErrorCode::kInvalidModel);
  EXPECT_NE(other->cause().find("please rebuild"), std::string::npos) << other->cause();
  const std::string whole = plan(kAdd);
  EXPECT_EQ(error_of([&] { load_bytes(whole.substr(0, whole.size() - 4)); })->code(), ErrorCode::kInvalidModel);
  ModelSource nowhere;
  nowhere.path = "/nowhere/model.engine";
  EXPECT_EQ(error_of([&] { device->load(nowhere, {}); })->code(), ErrorCode::kModelNotFound);
}

TEST_P(EngineTest, TensorsThatCannotBeCarriedAreRefusedInWords) {
  open();
  const auto refused = [&](const std::string& input) {
    const auto error = error_of([&] { load("input \"x\" " + input + "\noutput \"y\" identity \"x\"\n"); });
    EXPECT_EQ(error->code(), ErrorCode::kUnsupported);
    return error->message();
  };
  EXPECT_EQ(refused("fp8 4"), "The tensor 'x' of the engine holds FP8 values, which no tensor here can carry.");
  EXPECT_EQ(refused("int4 4"), "The tensor 'x' of the engine holds INT4 values, which no tensor here can carry.");
  EXPECT_EQ(refused("fp4 4"), "The tensor 'x' of the engine holds FP4 values, which no tensor here can carry.");
  EXPECT_EQ(refused("f32 4 format 4"), "The tensor 'x' of the engine has a vectorised layout.");
  EXPECT_EQ(refused("i32 ? host"), "The tensor 'x' of the engine is one of shapes, and of an open shape itself.");
}

TEST_P(EngineTest, OptionsThatAnEngineCannotFollowAreRefused) {
  open();
  LoadOptions precision, properties;
  precision.precision = "f16";
  properties.properties = {{"A", "B"}};
  EXPECT_EQ(error_of([&] { load(kAdd, precision); })->code(), ErrorCode::kUnsupported);
  EXPECT_EQ(error_of([&] { load(kAdd, properties); })->code(), ErrorCode::kInvalidArgument);
  precision.precision = "auto";
  EXPECT_NE(load(kAdd, precision), nullptr);
}

TEST_P(EngineTest, AnEngineForTheDlaRunsOnACoreThatIsNamed) {
  open("gpu cc=8.7 integrated=1");
  const std::string on_dla = std::string(kAdd) + "dla\n";
  EXPECT_EQ(error_of([&] { load(on_dla); })->code(), ErrorCode::kInvalidModel);
  const auto gpu = device;
  device = backend->open("0:dla1");
  EXPECT_EQ(device->info().id, "0:dla1");
  EXPECT_EQ(device->info().capabilities.precisions, (std::vector<std::string>{"f16", "int8"}));
  const auto model = load(on_dla);
  EXPECT_EQ(model->info().devices, (std::vector<std::string>{"0:dla1"}));
  const auto request = model->create_request();
  request->bind({{4}});
  fill(*request, {0, 1, 2, 3});
  request->run();
  EXPECT_EQ(result(*request), (Floats{1, 2, 3, 4}));
  EXPECT_EQ(backend->open("0"), gpu);
  const auto error = error_of([&] { backend->open("0:dla2"); });
  EXPECT_EQ(error->code(), ErrorCode::kUnavailable);
  EXPECT_EQ(error->message(), "There is no DLA core 2: TensorRT sees 2.");
}

TEST_P(EngineTest, StandardPluginsAreThereWhenAnEngineNeedsThem) {
  open();
  std::vector<std::string> errors;
  const auto listener = add_log_listener([&](LogLevel level, const std::string&, const std::string& text) {
    if (level == LogLevel::kError) errors.push_back(text);
  });
  for (int i = 0; i < 2; ++i) {
    const auto request = load(std::string(kAdd) + "plugin EfficientNMS_TRT\n")->create_request();
    request->bind({{4}});
    request->run();
  }
  EXPECT_EQ(errors, std::vector<std::string>());  // nothing that the first try said
}

TEST_P(EngineTest, PluginsOfOthersComeFromTheirLibrary) {
  open();
  const std::string needy = std::string(kAdd) + "plugin Custom_TRT\n";
  const auto missing = error_of([&] { load(needy); });
  EXPECT_EQ(missing->code(), ErrorCode::kUnsupported);
  EXPECT_NE(missing->cause().find("Cannot find plugin: Custom_TRT"), std::string::npos) << missing->cause();
  LoadOptions options;
  options.properties = {{"PLUGINS", "/nowhere/libplugin.so"}};
  const auto nowhere = error_of([&] { load(needy, options); });
  EXPECT_EQ(nowhere->code(), ErrorCode::kUnavailable);
  EXPECT_EQ(nowhere->message(), "The plugin library /nowhere/libplugin.so cannot be opened.");
  const std::string library = folder() + "/libcustom_plugin_simulator.so";
  options.properties = {{"PLUGINS", library + "::" + library}, {"CUDA_GRAPH", "NO"}};
  for (int i = 0; i < 2; ++i) EXPECT_NE(load(needy, options), nullptr);
}

TEST_P(EngineTest, WithoutAContextTheLoadFailsInTensorRtsWords) {
  open();
  const auto error = error_of([&] { load(std::string(kAdd) + "no-context\n"); });
  EXPECT_EQ(error->code(), ErrorCode::kOutOfMemory);
  EXPECT_NE(error->cause().find("OutOfMemory"), std::string::npos);
}

TEST_P(EngineTest, ACancelledRunEndsWithoutAResultAndTheNextOneIsWell) {
  open();
  const auto request = load(std::string(kAdd) + "duration_us 1000\n")->create_request();
  request->bind({{4}});
  std::atomic<bool> ended{false};
  std::thread other([&] {
    while (!ended) request->cancel();  // from before it begins
  });
  std::optional<ErrorCode> code;
  // A run may be over before the other thread has had its turn: then once more.
  for (int i = 0; i < 1000 && !code; ++i) code = code_of([&] { request->run(); });
  ended = true;
  other.join();
  EXPECT_EQ(code, ErrorCode::kAborted);
  request->run();
  EXPECT_EQ(result(*request), (Floats{1, 1, 1, 1}));
}

TEST_P(EngineTest, ARunThatLosesTheGpuSaysSoAndSoDoesEverythingLater) {
  open("fail kernel 700 2");
  const auto model = load(kAdd);
  const auto request = model->create_request();
  request->bind({{4}});
  request->run();
  const auto error = error_of([&] { request->run(); });
  EXPECT_EQ(error->code(), ErrorCode::kDeviceLost);
  EXPECT_EQ(error->cause(), "CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access was encountered");
  EXPECT_EQ(error_of([&] { request->run(); })->code(), ErrorCode::kDeviceLost);
  EXPECT_EQ(error_of([&] { request->bind({{4}}); })->code(), ErrorCode::kDeviceLost);
  EXPECT_EQ(error_of([&] { model->create_request(); })->code(), ErrorCode::kDeviceLost);
  EXPECT_EQ(error_of([&] { load(kAdd); })->code(), ErrorCode::kDeviceLost);
}

TEST_P(EngineTest, ARunIsRecordedOnceAndThenLaunchedAsAWhole) {
  open();
  const auto model = load(kAdd);
  EXPECT_EQ(model->info().properties.at("CUDA_GRAPH"), "YES");
  const auto first = model->create_request(), second = model->create_request();
  for (const auto& request : {first.get(), second.get()}) request->bind({{4}});
  EXPECT_EQ(CudaSimulator::live("graphs"), 0u);
  for (float i = 0; i < 3; ++i) {
    for (const auto& request : {first.get(), second.get()}) {
      fill(*request, {i, 1, 2, 3});
      request->run();
      EXPECT_EQ(result(*request), (Floats{i + 1, 2, 3, 4}));
      EXPECT_EQ(request->graph_runs(), i == 0 ? 0u : 1u);
      EXPECT_EQ(request->bytes_transferred(), 32u);
      EXPECT_EQ(request->bytes_copied(), 0u);
    }
  }
  EXPECT_EQ(CudaSimulator::live("graphs"), 2u);
  // Other memory, so another graph.
  first->bind({{4}});
  EXPECT_EQ(CudaSimulator::live("graphs"), 1u);
  for (float i = 0; i < 2; ++i) {
    fill(*first, {5, 6, 7, i});
    first->run();
    EXPECT_EQ(result(*first), (Floats{6, 7, 8, i + 1}));
    EXPECT_EQ(first->graph_runs(), i == 0 ? 0u : 1u);
  }
}

TEST_P(EngineTest, WhatCannotBeRecordedRunsAllTheSame) {
  open();
  std::vector<std::string> said;
  const auto listener = add_log_listener([&](LogLevel level, const std::string& from, const std::string& text) {
    if (level == LogLevel::kInfo && from == "tensorrt" && text.find("CUDA graph") != std::string::npos) {
      said.push_back(text);
    }
  });
  const std::string synchronizes = std::string(kAdd) + "synchronizes\n";
  const auto model = load(synchronizes);
  for (int i = 0; i < 2; ++i) {
    const auto request = model->create_request();
    request->bind({{4}});
    for (float j = 0; j < 3; ++j) {
      fill(*request, {j, 1, 2, 3});
      request->run();
      EXPECT_EQ(result(*request), (Floats{j + 1, 2, 3, 4}));
      EXPECT_EQ(request->graph_runs(), 0u);
    }
  }
  ASSERT_EQ(said.size(), 1u);  // once a model
  EXPECT_NE(said[0].find("CUresult 900"), std::string::npos) << said[0];
  // The driver that refuses it at any of the steps.
  for (const char* function : {"cuStreamBeginCapture_v2", "cuStreamEndCapture", "cuGraphInstantiateWithFlags"}) {
    simulator.tell(std::string("fail ") + function + " 2");
    const auto request = load(kAdd)->create_request();
    request->bind({{4}});
    for (int j = 0; j < 2; ++j) {
      fill(*request, {0, 1, 2, 3});
      request->run();
      EXPECT_EQ(result(*request), (Floats{1, 2, 3, 4}));
      EXPECT_EQ(request->graph_runs(), 0u);
    }
    EXPECT_NE(said.back().find("out of memory"), std::string::npos) << said.back();
  }
  EXPECT_EQ(said.size(), 4u);
}

TEST_P(EngineTest, GraphsCanBeAskedForAndForbidden) {
  open();
  const auto replayed = [&](const std::string& lines, const char* value, std::vector<Shape> shapes) {
    LoadOptions options;
    if (value != nullptr) options.properties = {{"CUDA_GRAPH", value}};
    const auto model = load(lines, options);
    const auto request = model->create_request();
    request->bind(shapes);
    request->run();
    request->run();
    return std::make_pair(model->info().properties.at("CUDA_GRAPH"), request->graph_runs());
  };
  using Outcome = std::pair<std::string, size_t>;
  EXPECT_EQ(replayed(kAdd, "NO", {{4}}), (Outcome{"NO", 0}));
  EXPECT_EQ(replayed(kOpen, nullptr, {{3, 2}}), (Outcome{"NO", 0}));
  EXPECT_EQ(replayed(kOpen, "YES", {{3, 2}}), (Outcome{"YES", 1}));
  // The sizes of the outputs differ from run to run.
  if (is_by_name()) {
    EXPECT_EQ(replayed("input \"x\" f32 4\noutput \"y\" nonzero \"x\"\n", "YES", {{4}}), (Outcome{"YES", 0}));
  }
}

TEST_P(EngineTest, AFailedBindLeavesNoGraphOfOtherMemory) {
  open();
  LoadOptions options;
  options.properties = {{"CUDA_GRAPH", "YES"}};
  const auto request = load(kOpen, options)->create_request();
  request->bind({{1, 2}});
  request->run();
  request->run();
  EXPECT_EQ(request->graph_runs(), 1u);
  simulator.tell("fail cuMemAlloc_v2 2");
  EXPECT_EQ(error_of([&] { request->bind({{8, 2}}); })->code(), ErrorCode::kOutOfMemory);
  simulator.tell("");
  for (float i = 0; i < 2; ++i) {
    fill(*request, {4, i});
    request->run();
    EXPECT_EQ(result(*request), (Floats{5, i + 1}));
    EXPECT_EQ(request->graph_runs(), i == 0 ? 0u : 1u);
  }
}

TEST_P(EngineTest, AGraphThatLosesTheGpuSaysSo) {
  open();
  const auto request = load(kAdd)->create_request();
  request->bind({{4}});
  request->run();
  simulator.tell("fail kernel 719");
  const auto error = error_of([&] { request->run(); });
  EXPECT_EQ(error->code(), ErrorCode::kDeviceLost);
  EXPECT_EQ(error->cause(), "CUDA_ERROR_LAUNCH_FAILED: unspecified launch failure");
}

TEST_P(EngineTest, EverythingOnTheGpuIsFreed) {
  open();
  LoadOptions options;
  options.properties = {{"CUDA_GRAPH", "YES"}};
  for (int i = 0; i < 3; ++i) {
    const auto model = load(kOpen, options);
    const auto first = model->create_request(), second = model->create_request();
    first->bind({{1, 2}});
    second->bind({{4, 2}});
    second->bind({{8, 2}});
    second->run();
  }
  for (const char* what : {"device", "streams", "events", "graphs"}) EXPECT_EQ(CudaSimulator::live(what), 0u) << what;
  while (CudaSimulator::live("host") != 0) std::this_thread::yield();  // freed on the reaper's thread
}

TEST_P(EngineTest, TheVersionIsTheLibrarys) {
  open();
  EXPECT_EQ(backend->version().substr(0, backend->version().find('.')), std::to_string(major()));
  EXPECT_EQ(backend->devices().at(0).capabilities.formats, (std::vector<std::string>{"engine", "onnx"}));
  EXPECT_EQ(error_of([&] { backend->open("1"); })->code(), ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace edge::tensorrt
