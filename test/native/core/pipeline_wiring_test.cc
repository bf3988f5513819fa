// Which tensor of which segment is which of another, and what does not fit.
#include "core/pipeline_wiring.h"

#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <vector>

#include "core/error.h"

namespace edge {

inline bool operator==(const TensorSource& a, const TensorSource& b) {
  return a.segment == b.segment && a.index == b.index;
}

namespace test {
namespace {

constexpr size_t kCaller = TensorSource::kCaller;
using Sources = std::vector<TensorSource>;

TensorSpec spec(const std::string& name, Shape shape = {1}, Dtype dtype = Dtype::kF32) {
  TensorSpec made;
  made.name = name;
  made.dtype = dtype;
  made.shape = std::move(shape);
  return made;
}

// Segments, by what they take and give.
class Segments {
 public:
  Segments& add(std::vector<TensorSpec> inputs, std::vector<TensorSpec> outputs, const std::string& name = "") {
    specs_.push_back(std::move(inputs));
    const auto& first = specs_.back();
    specs_.push_back(std::move(outputs));
    ports_.push_back({name, &first, &specs_.back()});
    return *this;
  }
  PipelineWiring wire() const { return wire_segments(ports_); }
  std::string refusal() const {
    try {
      wire();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidModel);
      EXPECT_NE(error.remedy(), "");
      return error.message();
    }
    ADD_FAILURE() << "it was taken";
    return "";
  }

 private:
  std::deque<std::vector<TensorSpec>> specs_;
  std::vector<SegmentPorts> ports_;
};

std::vector<std::string> names(const std::vector<TensorSpec>& specs) {
  std::vector<std::string> all;
  for (const TensorSpec& one : specs) all.push_back(one.name);
  return all;
}

TEST(PipelineWiringTest, ByNameAlsoOverSegmentsBetween) {
  const PipelineWiring wiring = Segments()
                                    .add({spec("x")}, {spec("a"), spec("b")})
                                    .add({spec("b")}, {spec("c")})
                                    .add({spec("a"), spec("c")}, {spec("y")})
                                    .wire();
  EXPECT_EQ(names(wiring.inputs), std::vector<std::string>{"x"});
  EXPECT_EQ(names(wiring.outputs), std::vector<std::string>{"y"});
  EXPECT_EQ(wiring.segment_inputs[0], (Sources{{kCaller, 0}}));
  EXPECT_EQ(wiring.segment_inputs[1], (Sources{{0, 1}}));
  EXPECT_EQ(wiring.segment_inputs[2], (Sources{{0, 0}, {1, 0}}));
  EXPECT_EQ(wiring.output_sources, (Sources{{2, 0}}));
}

TEST(PipelineWiringTest, ByPositionOnlyWhereThereIsOneOnBothSides) {
  const PipelineWiring wiring = Segments().add({spec("x")}, {spec("y")}).add({spec("x")}, {spec("y")}).wire();
  EXPECT_EQ(wiring.segment_inputs[1], (Sources{{0, 0}}));
  EXPECT_EQ(names(wiring.inputs), std::vector<std::string>{"x"});
  EXPECT_EQ(Segments().add({spec("x")}, {spec("a"), spec("b")}, "one").add({spec("c")}, {spec("y")}, "two").refusal(),
            "The segments do not fit: segment 2 (two) takes nothing that segment 1 (one) or one before it gives.");
}

TEST(PipelineWiringTest, WhatNoSegmentGivesOrTakesIsTheWholes) {
  const PipelineWiring wiring =
      Segments().add({spec("x")}, {spec("m"), spec("side")}).add({spec("m"), spec("x"), spec("w")}, {spec("y")}).wire();
  EXPECT_EQ(names(wiring.inputs), (std::vector<std::string>{"x", "w"}));
  EXPECT_EQ(wiring.segment_inputs[1], (Sources{{0, 0}, {kCaller, 0}, {kCaller, 1}}));
  EXPECT_EQ(names(wiring.outputs), (std::vector<std::string>{"side", "y"}));
}

TEST(PipelineWiringTest, DimensionsThatOneSideLeavesOpenFit) {
  TensorSpec anything = spec("n", {});
  anything.rank_known = false;
  EXPECT_NO_THROW(Segments()
                      .add({spec("x")}, {spec("m", {-1, 4})})
                      .add({spec("m", {2, -1})}, {anything})
                      .add({spec("n", {3})}, {spec("y")})
                      .wire());
  EXPECT_EQ(Segments().add({spec("x")}, {spec("m", {-1, 4})}).add({spec("m", {2, 5})}, {spec("y")}).refusal(),
            "The segments do not fit: segment 1 gives 'm' as f32 [?, 4], segment 2 takes 'm' as f32 [2, 5].");
  EXPECT_EQ(Segments().add({spec("x")}, {spec("m", {4})}).add({spec("m", {4, 1})}, {spec("y")}).refusal(),
            "The segments do not fit: segment 1 gives 'm' as f32 [4], segment 2 takes 'm' as f32 [4, 1].");
}

TEST(PipelineWiringTest, OtherNumbersDoNotFit) {
  TensorSpec given = spec("m", {4}, Dtype::kU8), taken = given;
  given.quantization = Quantization{{0.5F}, {3}, -1};
  // Where one file does not tell, the other is believed.
  EXPECT_NO_THROW(Segments().add({spec("x")}, {given}).add({taken}, {spec("y")}).wire());
  taken.quantization = Quantization{{0.5F}, {4}, -1};
  EXPECT_EQ(Segments().add({spec("x")}, {given}).add({taken}, {spec("y")}).refusal(),
            "The segments do not fit: segment 1 gives 'm' as u8 [4], segment 2 takes 'm' as u8 [4], quantised by "
            "another scale or zero point.");
  EXPECT_EQ(Segments().add({spec("x")}, {given}).add({spec("m", {4}, Dtype::kI8)}, {spec("y")}).refusal(),
            "The segments do not fit: segment 1 gives 'm' as u8 [4], segment 2 takes 'm' as i8 [4].");
}

TEST(PipelineWiringTest, AnInputOfTheWholeThatTwoTakeIsOneThing) {
  EXPECT_EQ(Segments()
                .add({spec("x")}, {spec("m")}, "a.tflite")
                .add({spec("m"), spec("x", {1}, Dtype::kI32)}, {spec("y")}, "b.tflite")
                .refusal(),
            "The segments do not fit: segment 1 (a.tflite) takes 'x' as f32 [1], segment 2 (b.tflite) takes 'x' as "
            "i32 [1].");
}

TEST(PipelineWiringTest, TheWrongOrderAndTwoOutputsOfOneName) {
  EXPECT_EQ(Segments().add({spec("m")}, {spec("y")}, "b").add({spec("x")}, {spec("m")}, "a").refusal(),
            "The segments are in the wrong order: segment 2 (a) gives 'm', which segment 1 (b) takes.");
  EXPECT_EQ(Segments().add({spec("x")}, {spec("m"), spec("y")}).add({spec("m")}, {spec("y")}).refusal(),
            "Two segments give an output 'y' of the whole: segment 1 and segment 2.");
}

}  // namespace
}  // namespace test
}  // namespace edge
