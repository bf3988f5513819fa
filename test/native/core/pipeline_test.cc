// Runs through several segments: shared memory, turns, cancellation, and what their ends leave behind.
#include "core/pipeline.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "../support/echo_group.h"
#include "../support/fake_model.h"
#include "../support/gate.h"
#include "../support/recorder.h"
#include "core/pipeline_request.h"
#include "core/replay.h"

namespace edge::test {
namespace {

class PipelineTest : public testing::Test {
 protected:
  void TearDown() override { EXPECT_TRUE(all_gone()) << "sessions, requests or lanes were left behind"; }
};

PipelineSegment echo_segment(const std::string& text, const std::string& device = "cpu", size_t in_flight = 1) {
  const LoadedMember loaded = EchoGroup::load_on(*echo::open(""), make_host_allocator(), device, text);
  return {"", loaded.model, loaded.device, loaded.allocator, in_flight};
}

std::string step(const std::string& from, const std::string& to, int number, const std::string& more = "") {
  return "input " + from + " f32 4\noutput " + to + " = add " + from + ' ' + std::to_string(number) + '\n' + more;
}

PipelineSegment fake_segment(FakeHooks hooks) {
  return {"", FakeModel::create(std::move(hooks)), FakeModel::device(), make_host_allocator(), 1};
}

struct Running {
  explicit Running(std::vector<PipelineSegment> segments, size_t in_flight = 0)
      : pipeline(PipelineModel::create(std::move(segments))) {
    SessionOptions options;
    options.in_flight = in_flight;
    options.queue_limit = 4096;
    session = Session::create(pipeline, pipeline->device(), options, make_host_allocator());
  }
  void submit(uint64_t token, float value) {
    const std::vector<float> values(4, value);
    session->submit_copy({view_of(values)}, token, sink, 0);
  }
  std::shared_ptr<PipelineModel> pipeline;
  std::shared_ptr<Session> session;
  const std::shared_ptr<Recorder> sink = std::make_shared<Recorder>();
};

// A segment whose SDK asks for the memory of its outputs first: y = x + 1.
class BackwardsModel final : public Model, public std::enable_shared_from_this<BackwardsModel> {
 public:
  BackwardsModel(const std::string& from, const std::string& to) {
    TensorSpec spec;
    spec.shape = {4};
    spec.name = from;
    inputs_ = {spec};
    spec.name = to;
    outputs_ = {spec};
  }
  const std::vector<TensorSpec>& inputs() const override { return inputs_; }
  const std::vector<TensorSpec>& outputs() const override { return outputs_; }
  const ModelInfo& info() const override { return info_; }
  std::unique_ptr<Request> create_request() override { return std::make_unique<BackwardsRequest>(shared_from_this()); }

  const std::shared_ptr<Allocator> allocator = make_replay_allocator(make_host_allocator(), Buffer::Kind::kHost);

 private:
  struct BackwardsRequest final : Request {
    explicit BackwardsRequest(std::shared_ptr<BackwardsModel> of) : model(std::move(of)) {}
    void bind(const std::vector<Shape>& shapes) override {
      out = {{shapes[0], model->allocator->allocate(16), 16}};
      in = {{shapes[0], model->allocator->allocate(16), 16}};
    }
    const std::vector<BoundTensor>& inputs() const override { return in; }
    const std::vector<BoundTensor>& outputs() const override { return out; }
    size_t bytes_transferred() const override { return 5; }
    std::optional<StageTimes> stage_times() const override { return StageTimes{1, 2, 3}; }
    void run() override {
      // Back to front, and in two steps: with one buffer for both it would show.
      auto* to = static_cast<float*>(out[0].buffer->data());
      for (int i = 0; i < 4; ++i) to[i] = 0;
      for (int i = 0; i < 4; ++i) to[i] = static_cast<const float*>(in[0].buffer->data())[i] + 1;
    }
    const std::shared_ptr<BackwardsModel> model;
    std::vector<BoundTensor> in, out;
  };
  std::vector<TensorSpec> inputs_, outputs_;
  ModelInfo info_;
};

TEST_F(PipelineTest, ThroughTheSameBuffersFromEndToEnd) {
  Running running(
      {echo_segment(step("x", "a", 1)), echo_segment(step("a", "b", 10), "1"), echo_segment(step("b", "y", 100), "2")});
  EXPECT_EQ(running.session->options().in_flight, 4u);
  const auto slot = running.session->create_slot({});
  for (int round = 0; round < 3; ++round) {
    float* in = input_values(*running.session, slot);
    for (int i = 0; i < 4; ++i) in[i] = static_cast<float>(round * i);
    running.session->run_sync(slot);
    const float* out = output_values(*running.session, slot);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(out[i], static_cast<float>(round * i + 111));
  }
  EXPECT_EQ(running.session->statistics().bytes_copied, 0u);
}

TEST_F(PipelineTest, WhoCannotBeBoundToItsNeighboursMemoryIsCopiedTo) {
  // Its own allocator knows of no others, so both its input and what the next one takes of it are copied.
  Running running({echo_segment(step("x", "m", 1)), fake_segment({}), echo_segment(step("y", "z", 100))});
  const auto slot = running.session->create_slot({});
  input_values(*running.session, slot)[0] = 5;
  running.session->run_sync(slot);
  EXPECT_EQ(output_values(*running.session, slot)[0], 107);
  EXPECT_EQ(running.session->statistics().bytes_copied, 16u);
}

TEST_F(PipelineTest, WhoAsksForItsBuffersInAnotherOrderIsCopiedTo) {
  const auto backwards = std::make_shared<BackwardsModel>("m", "n");
  Running running({echo_segment(step("x", "m", 1)),
                   {"", backwards, FakeModel::device(), backwards->allocator, 1},
                   echo_segment(step("n", "y", 100))});
  const auto slot = running.session->create_slot({});
  for (int round = 0; round < 2; ++round) {
    input_values(*running.session, slot)[3] = static_cast<float>(round);
    running.session->run_sync(slot);
    EXPECT_EQ(output_values(*running.session, slot)[3], static_cast<float>(round + 102));
  }
  EXPECT_EQ(running.session->statistics().bytes_copied, 2 * 16u);
  EXPECT_EQ(running.session->statistics().bytes_transferred, 2 * 5u);  // what the segments' devices moved
  const auto stages = running.session->times(slot).stages;             // of the only segment that tells
  ASSERT_TRUE(stages);
  EXPECT_EQ((std::vector<int64_t>{stages->h2d, stages->compute, stages->d2h}), (std::vector<int64_t>{1, 2, 3}));
}

TEST_F(PipelineTest, OneFrameASegmentAtATimeAndAllSegmentsAtOnce) {
  // The first frame stays in the second segment until the second frame is in the first one, which waits for that.
  Gate first_in_second, second_in_first;
  std::atomic<int> in_first{0}, in_second{0}, frames{0};
  FakeHooks one, two;
  one.run = [&] {
    EXPECT_EQ(in_first.fetch_add(1), 0);
    if (frames.fetch_add(1) == 1) {
      EXPECT_TRUE(first_in_second.wait());
      EXPECT_EQ(in_second, 1);
      second_in_first.open();
    }
    in_first.fetch_sub(1);
  };
  two.run = [&] {
    EXPECT_EQ(in_second.fetch_add(1), 0);
    first_in_second.open();
    EXPECT_TRUE(second_in_first.wait());
    in_second.fetch_sub(1);
  };
  Running running({fake_segment(one), fake_segment(two)});
  for (uint64_t token = 0; token < 50; ++token) running.submit(token, static_cast<float>(token));
  ASSERT_TRUE(running.sink->wait(50));
  for (uint64_t token = 0; token < 50; ++token) {
    EXPECT_EQ(running.sink->only(token).outputs.at(0), std::vector<float>(4, static_cast<float>(token) + 2));
  }
  const std::vector<SegmentStatus> status = running.pipeline->status();
  for (const SegmentStatus& segment : status) {
    EXPECT_EQ(segment.runs, 50u);
    EXPECT_EQ(segment.failures, 0u);
    EXPECT_EQ(segment.running + segment.waiting, 0u);
    EXPECT_EQ(segment.compute.count, 50u);
  }
  running.pipeline.reset();
}

TEST_F(PipelineTest, ACancelledFrameStopsBeforeTheNextSegment) {
  Gate entered, leave;
  std::atomic<int> second_runs{0};
  FakeHooks one, two;
  one.run = [&] {
    entered.open();
    EXPECT_TRUE(leave.wait());
  };
  two.run = [&] { ++second_runs; };
  Running running({fake_segment(one), fake_segment(two)});
  running.submit(1, 0);
  ASSERT_TRUE(entered.wait());
  running.session->end_early(1, ErrorCode::kAborted);
  EXPECT_EQ(running.sink->only(1).code, ErrorCode::kAborted);
  leave.open();
  ASSERT_TRUE(eventually([&] { return running.session->statistics().running == 0; }));
  EXPECT_EQ(second_runs, 0);
  running.submit(2, 0);
  ASSERT_TRUE(running.sink->wait(2));
  EXPECT_EQ(second_runs, 1);
  running.pipeline.reset();
}

TEST_F(PipelineTest, DisposeIsOverWhenTheRequestsOfAllSegmentsAreGone) {
  const auto one = FakeModel::create(), two = FakeModel::create();
  const auto segment = [](const std::shared_ptr<FakeModel>& model) {
    return PipelineSegment{"", model, FakeModel::device(), make_host_allocator(), 1};
  };
  Running running({segment(one), segment(two)});
  const auto slot = running.session->create_slot({});
  for (uint64_t token = 0; token < 10; ++token) running.submit(token, 0);
  ASSERT_TRUE(running.sink->wait(10));
  running.pipeline.reset();
  Gate disposed;
  size_t left = 1;
  running.session->dispose([&] {
    left = one->created + two->created - one->destroyed - two->destroyed;
    disposed.open();
  });
  ASSERT_TRUE(disposed.wait());
  EXPECT_EQ(left, 0u);
  EXPECT_EQ(one->violations + two->violations, 0u);
}

TEST_F(PipelineTest, FramesThatAreAbortedAtRandomAreAnsweredOnce) {
  Running running({echo_segment(step("x", "a", 1, "spin_us 20\n")), echo_segment(step("a", "b", 10), "1"),
                   echo_segment(step("b", "y", 100, "delay_ms 1\n"), "2")},
                  6);
  constexpr uint64_t kFrames = 400;
  for (uint64_t token = 0; token < kFrames; ++token) {
    running.submit(token, static_cast<float>(token));
    if (token % 3 == 0) running.session->end_early(token - token % 7, ErrorCode::kAborted);
  }
  ASSERT_TRUE(running.sink->wait(kFrames));
  for (uint64_t token = 0; token < kFrames; ++token) {
    const Recorder::Heard heard = running.sink->only(token);
    if (heard.code) {
      EXPECT_EQ(heard.code, ErrorCode::kAborted);
    } else {
      EXPECT_EQ(heard.outputs.at(0), std::vector<float>(4, static_cast<float>(token) + 111));
    }
  }
  ASSERT_TRUE(eventually([&] { return running.session->statistics().running == 0; }));
  for (const SegmentStatus& segment : running.pipeline->status()) {
    EXPECT_EQ(segment.running + segment.waiting, 0u);
    EXPECT_EQ(segment.failures, 0u);
  }
  running.pipeline.reset();
}

TEST_F(PipelineTest, AnErrorNamesTheSegmentAndTheNextFrameRuns) {
  PipelineSegment failing = echo_segment(step("m", "y", 10, "fail_at 1 ERR_DEVICE_LOST\n"));
  failing.name = "b.tflite";
  Running running({echo_segment(step("x", "m", 1)), failing});
  const auto slot = running.session->create_slot({});
  try {
    running.session->run_sync(slot);
    ADD_FAILURE() << "it ran";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kDeviceLost);
    EXPECT_EQ(error.message().rfind("Segment 2 of 2 (b.tflite): ", 0), 0u) << error.message();
    EXPECT_EQ(error.backend(), "echo");
  }
  running.session->run_sync(slot);
  EXPECT_EQ(running.pipeline->status()[1].failures, 1u);
}

TEST_F(PipelineTest, MemoryIsOfTheKindThatTheMostParticularNeeds) {
  // Says that its buffers live in pinned memory, and takes no other.
  class PinnedAllocator final : public Allocator {
   public:
    std::shared_ptr<Buffer> allocate(size_t size) override {
      struct Pinned final : Buffer {
        explicit Pinned(std::shared_ptr<Buffer> on)
            : Buffer(Kind::kPinned, on->data(), on->size()), inner(std::move(on)) {}
        const std::shared_ptr<Buffer> inner;
      };
      return std::make_shared<Pinned>(host_->allocate(size));
    }
    size_t bytes_held() const override { return host_->bytes_held(); }

   private:
    const std::shared_ptr<Allocator> host_ = make_host_allocator();
  };
  const auto pinned_segment = [](const std::string& text) {
    const std::string whole = "echo 1\n" + text;
    const auto device = echo::open("")->open("cpu");
    ModelSource source;
    source.bytes = {reinterpret_cast<const uint8_t*>(whole.data()), whole.size()};
    LoadOptions options;
    options.allocator = make_replay_allocator(std::make_shared<PinnedAllocator>(), Buffer::Kind::kPinned);
    DeviceInfo info = device->info();
    info.capabilities.memory = Buffer::Kind::kPinned;
    return PipelineSegment{"", device->load(source, options), info, options.allocator, 1};
  };
  for (const bool pinned_first : {true, false}) {
    Running running(pinned_first ? std::vector{pinned_segment(step("x", "m", 1)), echo_segment(step("m", "y", 10))}
                                 : std::vector{echo_segment(step("x", "m", 1)), pinned_segment(step("m", "y", 10))});
    const auto slot = running.session->create_slot({});
    input_values(*running.session, slot)[0] = 1;
    running.session->run_sync(slot);
    EXPECT_EQ(output_values(*running.session, slot)[0], 12);
    EXPECT_EQ(running.session->statistics().bytes_copied, 0u);
  }
}

}  // namespace
}  // namespace edge::test
