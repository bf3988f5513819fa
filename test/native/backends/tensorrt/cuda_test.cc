// The CUDA driver layer on a simulated driver: what it finds, memory, streams and events, and errors by their meaning.
#include "backends/tensorrt/cuda.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <functional>
#include <numeric>
#include <optional>
#include <thread>
#include <vector>

#include "../../support/cuda_simulator.h"
#include "../../support/gate.h"
#include "../../support/recorder.h"
#include "backends/tensorrt/api.h"
#include "backends/tensorrt/devices.h"
#include "backends/tensorrt/gpu.h"
#include "backends/tensorrt/memory.h"
#include "backends/tensorrt/tensorrt.h"
#include "core/error.h"

namespace edge::tensorrt {
namespace {

using test::CudaSimulator;
using test::error_of;

class CudaTest : public testing::Test {
 protected:
  std::shared_ptr<Gpu> open(const std::string& lines = "") {
    simulator.tell(lines);
    const CudaApi api = open_cuda(CudaSimulator::library());
    return std::make_shared<Gpu>(api, list_gpus(api).at(0));
  }
  const CudaSimulator simulator;
};

TEST_F(CudaTest, ADriverThatIsNotThereIsUnavailable) {
  const auto error = error_of([] { open_cuda("/nowhere/libcuda.so.1"); });
  EXPECT_EQ(error->code(), ErrorCode::kUnavailable);
  EXPECT_NE(error->cause().find("/nowhere/libcuda.so.1"), std::string::npos) << error->cause();
  EXPECT_NE(error->remedy().find("driver"), std::string::npos);
}

TEST_F(CudaTest, ALibraryThatIsNoDriverIsUnavailable) {
  const auto error = error_of([] { open_cuda("libm.so.6"); });
  EXPECT_EQ(error->code(), ErrorCode::kUnavailable);
  EXPECT_EQ(error->cause().rfind("missing: cuInit, ", 0), 0u) << error->cause();
}

TEST_F(CudaTest, ADriverWithoutAGpuIsUnavailableBeforeTensorRtIsTouched) {
  simulator.tell("no-gpus");
  const auto error =
      error_of([] { tensorrt::open(std::string(CudaSimulator::library()) + "\n/nowhere/libnvinfer.so.10"); });
  EXPECT_EQ(error->code(), ErrorCode::kUnavailable);
  EXPECT_EQ(error->message(), "The CUDA driver is there, but it sees no GPU.");
  EXPECT_EQ(error->cause().rfind("CUDA_ERROR_NO_DEVICE", 0), 0u);
}

TEST_F(CudaTest, ADriverThatDoesNotStartIsUnavailableInItsOwnWords) {
  simulator.tell("init 803");
  const auto error = error_of([] { open_cuda(CudaSimulator::library()); });
  EXPECT_EQ(error->code(), ErrorCode::kUnavailable);
  EXPECT_EQ(error->cause(), "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH: system has unsupported display driver");
}

TEST_F(CudaTest, TensorRtThatIsNotThereIsUnavailable) {
  simulator.tell("");
  const auto error =
      error_of([] { tensorrt::open(std::string(CudaSimulator::library()) + "\n/nowhere/libnvinfer.so.10"); });
  EXPECT_EQ(error->code(), ErrorCode::kUnavailable);
  EXPECT_NE(error->message().find("/nowhere/libnvinfer.so.10"), std::string::npos);
  for (const char* libraries : {"", "\n", "/somewhere/libcuda.so.1", "/somewhere/libcuda.so.1\n"}) {
    EXPECT_EQ(error_of([&] { tensorrt::open(libraries); })->code(), ErrorCode::kUnavailable);
  }
}

TEST_F(CudaTest, WordsForAnErrorThatTheDriverDoesNotKnow) { EXPECT_EQ(open()->api().words(12345), "CUresult 12345"); }

TEST_F(CudaTest, FactsOfEveryGpu) {
  simulator.tell("gpu cc=8.7 integrated=1 memory=67108864 number=7 name=Orin (nvgpu)\ngpu cc=7.5 map=0 name=T4");
  const std::vector<GpuFacts> gpus = list_gpus(open_cuda(CudaSimulator::library()));
  ASSERT_EQ(gpus.size(), 2u);
  EXPECT_EQ(gpus[0].name, "Orin (nvgpu)");
  EXPECT_EQ(gpus[0].uuid, "GPU-00112233-4455-6677-8899-aabbccddee07");
  EXPECT_EQ(gpus[0].pci, "0000:08:00.0");
  EXPECT_TRUE(gpus[0].integrated && gpus[0].can_map);
  EXPECT_EQ(gpus[0].memory, 67108864u);
  EXPECT_TRUE(gpus[0].at_least(7, 2) && gpus[0].at_least(8, 7) && !gpus[0].at_least(8, 9) && !gpus[0].at_least(9, 0));
  EXPECT_EQ(gpus[1].ordinal, 1);
  EXPECT_FALSE(gpus[1].integrated || gpus[1].can_map);

  EXPECT_EQ(select(gpus, "1").gpu.name, "T4");
  EXPECT_EQ(select(gpus, "gpu-00112233-4455-6677-8899-aabbccddee07").gpu.ordinal, 0);
  EXPECT_EQ(select(gpus, "GPU-00112233-4455-6677-8899-AABBCCDDEE01").gpu.ordinal, 1);
  for (const char* none : {"2", "", "gpu-0", "-1", "00"}) {
    EXPECT_EQ(error_of([&] { select(gpus, none); })->code(), ErrorCode::kUnavailable) << none;
  }
  EXPECT_EQ(select(gpus, "1").dla_core, -1);
  EXPECT_EQ(select(gpus, "0:DLA1").dla_core, 1);
  for (const char* none : {"0:", "0:dla", "0:dla-1", "0:dla10", "0:dla1x", "0:gpu"}) {
    EXPECT_EQ(error_of([&] { select(gpus, none); })->code(), ErrorCode::kUnavailable) << none;
  }
  EXPECT_NE(error_of([&] { select(gpus, "2"); })->message().find("it sees: 0, 1"), std::string::npos);
}

TEST_F(CudaTest, PrecisionsByComputeCapability) {
  using Words = std::vector<std::string>;
  const auto precisions = [](int major, int minor) {
    GpuFacts gpu;
    gpu.major = major;
    gpu.minor = minor;
    return describe(gpu).capabilities.precisions;
  };
  EXPECT_EQ(precisions(5, 0), (Words{"f32"}));
  EXPECT_EQ(precisions(5, 3), (Words{"f32", "f16"}));  // Nano
  EXPECT_EQ(precisions(6, 1), (Words{"f32", "f16", "int8"}));
  EXPECT_EQ(precisions(6, 2), (Words{"f32", "f16"}));  // TX2
  EXPECT_EQ(precisions(7, 2), (Words{"f32", "f16", "int8"}));
  EXPECT_EQ(precisions(8, 7), (Words{"f32", "f16", "bf16", "int8"}));
}

TEST(TensorRtVersion, OfBothWaysOfCounting) {
  EXPECT_EQ(parse_version(8001).text(), "8.0.1");
  EXPECT_EQ(parse_version(8601).text(), "8.6.1");
  EXPECT_EQ(parse_version(9300).text(), "9.3.0");
  EXPECT_EQ(parse_version(100300).text(), "10.3.0");
  EXPECT_EQ(parse_version(101500).text(), "10.15.0");
  EXPECT_EQ(parse_version(110400).text(), "11.4.0");
  EXPECT_TRUE(parse_version(101500).at_least(10, 1));
  EXPECT_FALSE(parse_version(100000).at_least(10, 1));
}

TEST_F(CudaTest, WhatIsCopiedToTheGpuAndBackIsTheSame) {
  const auto gpu = open();
  const auto allocator = make_pinned_allocator(gpu);
  const auto from = allocator->allocate(4096), to = allocator->allocate(4096);
  auto* bytes = static_cast<uint8_t*>(from->data());
  std::iota(bytes, bytes + 4096, uint8_t{0});
  const Gpu::Current current(*gpu);
  const Stream stream = make_stream(gpu);
  const Event event = make_event(gpu);
  const DeviceMemory memory = make_device_memory(gpu, 4096);
  test::Gate gate;
  const auto wait = [](void* opened) { return static_cast<test::Gate*>(opened)->wait() ? 0 : 719; };
  ASSERT_EQ(CudaSimulator::launch(stream.get(), wait, &gate, 0), 0);
  gpu->check(gpu->api().copy_to_device(memory.get(), from->data(), 4096, stream.get()), "copy");
  gpu->check(gpu->api().copy_to_host(to->data(), memory.get(), 4096, stream.get()), "copy");
  gpu->check(gpu->api().event_record(event.get(), stream.get()), "record");
  EXPECT_EQ(static_cast<uint8_t*>(to->data())[1], 0);  // late: the GPU is still at what came before
  gate.open();
  gpu->check(gpu->api().event_synchronize(event.get()), "wait");
  EXPECT_EQ(std::memcmp(from->data(), to->data(), 4096), 0);
}

TEST_F(CudaTest, MemoryThatIsNotPageLockedIsCopiedToo) {
  const auto gpu = open();
  const Gpu::Current current(*gpu);
  const Stream stream = make_stream(gpu);
  const DeviceMemory memory = make_device_memory(gpu, 64);
  std::vector<uint8_t> from(64, 3), to(64, 0);
  gpu->check(gpu->api().copy_to_device(memory.get(), from.data(), 64, stream.get()), "copy");
  gpu->check(gpu->api().copy_to_host(to.data(), memory.get(), 64, stream.get()), "copy");
  EXPECT_EQ(from, to);
}

TEST_F(CudaTest, MoreThanWasAllocatedIsNotCopied) {
  const auto gpu = open();
  const Gpu::Current current(*gpu);
  const Stream stream = make_stream(gpu);
  const DeviceMemory memory = make_device_memory(gpu, 64);
  std::vector<uint8_t> from(65);
  const auto error = error_of(
      [&] { gpu->check(gpu->api().copy_to_device(memory.get(), from.data(), 65, stream.get()), "copy the inputs"); });
  EXPECT_EQ(error->code(), ErrorCode::kBackend);
  EXPECT_EQ(error->message(), "CUDA could not copy the inputs on Simulated GPU.");
  EXPECT_EQ(error->cause(), "CUDA_ERROR_INVALID_VALUE: invalid argument");
  gpu->check_alive();
}

TEST_F(CudaTest, EmptyMemoryIsMemory) {
  const auto gpu = open();
  const Gpu::Current current(*gpu);
  EXPECT_NE(make_device_memory(gpu, 0).get(), 0u);
  const auto buffer = make_pinned_allocator(gpu)->allocate(0);
  EXPECT_NE(buffer->data(), nullptr);
  EXPECT_EQ(buffer->size(), 0u);
}

TEST_F(CudaTest, TimeMarksTellTheTimeBetweenThem) {
  const auto gpu = open("latency_us 1000");
  const Gpu::Current current(*gpu);
  const Stream stream = make_stream(gpu);
  const Event begin = make_time_mark(gpu), end = make_time_mark(gpu), untimed = make_event(gpu);
  const CudaApi& api = gpu->api();
  float ms = -1;
  EXPECT_NE(api.event_elapsed(&ms, begin.get(), end.get()), kCuOk);  // never recorded
  for (const Event* event : {&begin, &end, &untimed}) EXPECT_EQ(api.event_record(event->get(), stream.get()), kCuOk);
  EXPECT_EQ(api.stream_synchronize(stream.get()), kCuOk);
  EXPECT_NE(api.event_elapsed(&ms, begin.get(), untimed.get()), kCuOk);
  ASSERT_EQ(api.event_elapsed(&ms, begin.get(), end.get()), kCuOk);
  EXPECT_GE(ms, 1);  // as long as the simulated GPU takes for each operation
}

TEST_F(CudaTest, NoMemoryIsToldAndThenItGoesOn) {
  const auto gpu = open("gpu memory=1000000");
  const Gpu::Current current(*gpu);
  EXPECT_EQ(error_of([&] { make_device_memory(gpu, 1000001); })->code(), ErrorCode::kOutOfMemory);
  EXPECT_NE(make_device_memory(gpu, 1000000).get(), 0u);
  simulator.tell("gpu memory=1000000\nfail cuMemHostAlloc 2");
  const auto allocator = make_pinned_allocator(gpu);
  EXPECT_EQ(error_of([&] { allocator->allocate(8); })->code(), ErrorCode::kOutOfMemory);
  EXPECT_EQ(error_of([&] { allocator->allocate(SIZE_MAX); })->code(), ErrorCode::kOutOfMemory);
  EXPECT_EQ(allocator->bytes_held(), 0u);
  simulator.tell("gpu memory=1000000");
  EXPECT_NE(allocator->allocate(8), nullptr);
}

TEST_F(CudaTest, AGpuThatAnotherProcessHasForItselfIsBusy) {
  simulator.tell("fail cuDevicePrimaryCtxRetain 46");
  const CudaApi api = open_cuda(CudaSimulator::library());
  const GpuFacts facts = list_gpus(api).at(0);
  EXPECT_EQ(error_of([&] { Gpu gpu(api, facts); })->code(), ErrorCode::kDeviceBusy);
}

TEST_F(CudaTest, EverythingIsFreed) {
  const auto gpu = open();
  {
    const Gpu::Current current(*gpu);
    Stream stream = make_stream(gpu);
    const Event event = make_event(gpu);
    DeviceMemory one = make_device_memory(gpu, 10), other = make_device_memory(gpu, 20);
    one = std::move(other);
    const Stream moved = std::move(stream);
    EXPECT_EQ(CudaSimulator::live("device"), 2u);
    EXPECT_EQ(CudaSimulator::live("streams"), 1u);
    EXPECT_EQ(CudaSimulator::live("events"), 1u);
  }
  EXPECT_EQ(CudaSimulator::live("device"), 0u);
  EXPECT_EQ(CudaSimulator::live("streams"), 0u);
  EXPECT_EQ(CudaSimulator::live("events"), 0u);
}

TEST_F(CudaTest, RequestBuffersArePinnedOnADiscreteGpuAndMappedOnAnIntegratedOne) {
  const auto discrete = open();
  auto buffer = make_pinned_allocator(discrete)->allocate(100);
  EXPECT_EQ(buffer->kind(), Buffer::Kind::kPinned);
  EXPECT_EQ(buffer->handle(), nullptr);
  EXPECT_FALSE(discrete->maps_outputs());

  const auto orin = open("gpu cc=8.7 integrated=1");
  buffer = make_pinned_allocator(orin)->allocate(100);
  EXPECT_EQ(buffer->kind(), Buffer::Kind::kMapped);
  EXPECT_NE(buffer->handle(), nullptr);
  EXPECT_TRUE(orin->maps_outputs());
  static_cast<uint8_t*>(buffer->data())[99] = 7;
  const auto* seen = static_cast<uint8_t*>(CudaSimulator::resolve(reinterpret_cast<uintptr_t>(buffer->handle()), 100));
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen[99], 7);
  EXPECT_EQ(seen[0], 0);

  EXPECT_FALSE(open("gpu cc=6.2 integrated=1")->maps_outputs());  // TX2: the CPU would read them uncached
  EXPECT_EQ(buffer_kind(*open("gpu cc=8.7 integrated=1 map=0")), Buffer::Kind::kPinned);
}

TEST_F(CudaTest, BuffersAreZeroedCountedAndOutliveTheirAllocator) {
  const auto gpu = open();
  auto allocator = make_pinned_allocator(gpu);
  auto buffer = allocator->allocate(100);
  for (size_t i = 0; i < 100; ++i) ASSERT_EQ(static_cast<uint8_t*>(buffer->data())[i], 0);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer->data()) % 64, 0u);
  EXPECT_EQ(allocator->bytes_held(), 128u);
  const auto other = allocator->allocate(1);
  EXPECT_EQ(allocator->bytes_held(), 192u);
  buffer.reset();
  EXPECT_EQ(allocator->bytes_held(), 64u);
  allocator.reset();
  static_cast<uint8_t*>(other->data())[0] = 1;
  while (CudaSimulator::live("host") != 1) std::this_thread::yield();  // freed on the reaper's thread
}

TEST_F(CudaTest, MemoryOfOthersIsPageLockedWhereTheDriverTakesIt) {
  const auto gpu = open();
  const Gpu::Current current(*gpu);
  alignas(4096) static uint8_t page[4096];
  Registration first = register_memory(gpu, page, 64);
  EXPECT_NE(first.get(), nullptr);
  EXPECT_EQ(register_memory(gpu, page + 128, 64).get(), nullptr);  // of the same page
  EXPECT_EQ(register_memory(gpu, page, 0).get(), nullptr);
  first.reset();
  EXPECT_NE(register_memory(gpu, page + 128, 64).get(), nullptr);
}

int fail_nothing(void*) { return 0; }

TEST_F(CudaTest, AFailedKernelLosesTheGpuForTheProcess) {
  const auto gpu = open("fail kernel 719 2");
  const auto allocator = make_pinned_allocator(gpu);
  const Gpu::Current current(*gpu);
  const Stream stream = make_stream(gpu);
  const Event event = make_event(gpu);
  const auto run = [&] {
    gpu->check(CudaSimulator::launch(stream.get(), fail_nothing, nullptr, 0), "run");
    gpu->check(gpu->api().event_record(event.get(), stream.get()), "record an event");
    gpu->check(gpu->api().event_synchronize(event.get()), "finish a run");
  };
  run();
  gpu->check_alive();
  const auto error = error_of(run);
  EXPECT_EQ(error->code(), ErrorCode::kDeviceLost);
  EXPECT_EQ(error->message().rfind("The GPU Simulated GPU was lost: CUDA could not ", 0), 0u) << error->message();
  EXPECT_EQ(error->cause(), "CUDA_ERROR_LAUNCH_FAILED: unspecified launch failure");
  EXPECT_NE(error->remedy().find("isolate"), std::string::npos);
  EXPECT_EQ(error_of([&] { gpu->check_alive(); })->code(), ErrorCode::kDeviceLost);
  EXPECT_EQ(error_of([&] { make_device_memory(gpu, 1); })->code(), ErrorCode::kDeviceLost);
  EXPECT_EQ(error_of([&] { allocator->allocate(1); })->code(), ErrorCode::kDeviceLost);
}

// As at process.exit(): the driver is torn down while a lane waits in it.
TEST_F(CudaTest, WhoWaitsWhenTheProcessExitsIsLetGo) {
  EXPECT_EXIT(
      {
        const auto gpu = open();
        std::atomic<bool> launched{false};
        std::thread([gpu, &launched] {
          const Gpu::Current current(*gpu);
          const Stream stream = make_stream(gpu);
          gpu->check(CudaSimulator::launch(stream.get(), fail_nothing, nullptr, 60'000'000), "run");
          launched = true;
          const auto error = error_of([&] { gpu->check(gpu->api().stream_synchronize(stream.get()), "wait"); });
          if (!error || error->code() != ErrorCode::kAborted) std::_Exit(1);
          for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
        }).detach();
        while (!launched) std::this_thread::yield();
        std::exit(7);
      },
      testing::ExitedWithCode(7), "");
}

}  // namespace
}  // namespace edge::tensorrt
