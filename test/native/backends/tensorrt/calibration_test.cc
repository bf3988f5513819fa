// Engines in int8: of models that are quantised themselves, and by calibration.
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "../../support/cache_folder.h"
#include "backends/tensorrt/files.h"
#include "builder_fixture.h"

namespace edge::tensorrt {
namespace {

using test::contents_of;
using test::error_of;
using test::Floats;
using test::OnnxModel;

// Files for one test.
class Int8Test : public test::BuilderTest {
 protected:
  void SetUp() override {
    char name[] = "/tmp/edge-infer-calibration-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    folder = name;
  }
  void TearDown() override { remove_tree(folder); }

  struct Batch {
    std::string name;
    Floats values;
  };
  static std::string file_of(const std::vector<std::vector<Batch>>& batches) {
    std::string bytes = "edge-infer calibration 1\n";
    const auto put = [&](auto value) { bytes.append(reinterpret_cast<const char*>(&value), sizeof value); };
    for (const auto& batch : batches) {
      put(static_cast<uint32_t>(batch.size()));
      for (const Batch& input : batch) {
        put(static_cast<uint32_t>(input.name.size()));
        bytes += input.name;
        put(static_cast<uint64_t>(input.values.size() * sizeof(float)));
        bytes.append(reinterpret_cast<const char*>(input.values.data()), input.values.size() * sizeof(float));
      }
    }
    return bytes;
  }
  LoadOptions calibrated(const std::string& inputs = "", const std::string& precision = "i8") const {
    LoadOptions options = with({{"CALIBRATION_CACHE", folder + "/cache"}}, precision);
    if (inputs.empty()) return options;
    test::put(folder + "/inputs", inputs);
    options.properties.emplace_back("CALIBRATION_INPUTS", folder + "/inputs");
    return options;
  }
  std::string folder;
};
INSTANTIATE_TEST_SUITE_P(Releases, Int8Test, testing::ValuesIn(test::kReleases), test::release_name);

TEST_P(Int8Test, AQuantisedModelComputesInInt8) {
  open();
  const std::string onnx = OnnxModel::fake_quantize({3}, 0.5F);
  const bool weak = major() < 11;
  EXPECT_EQ(built(onnx, with({}, "i8")), (weak ? "weak int8" : "typed") + defaults());
  // Without a word it is the model's own.
  EXPECT_EQ(built(onnx, {}), (major() < 10 ? "weak int8" : "typed") + defaults());
  if (weak) {
    EXPECT_EQ(built(onnx, with({}, "f16")), "weak fp16 int8" + defaults());
  }
  if (major() == 10) {
    EXPECT_EQ(built(onnx, with({{"STRONGLY_TYPED", "YES"}}, "i8")), "typed" + defaults());
  }
  const auto model = load(onnx, with({}, "i8"));
  EXPECT_EQ(run(*model, {3}, {0.3F, -1.1F, 1000}), (Floats{0.5F, -1, 63.5F}));
}

TEST_P(Int8Test, WithoutAWordOnHowItIsRefused) {
  open();
  const auto error = refusal(OnnxModel::add({2}), with({}, "i8"));
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code(), ErrorCode::kUnsupported);
  EXPECT_NE(error->remedy().find("Q/DQ"), std::string::npos);
  EXPECT_EQ(error->remedy().find("calibrat") != std::string::npos, major() < 11);
  if (major() >= 11) return;
  simulator.tell("no_int8 1");
  const auto old = refusal(OnnxModel::fake_quantize({2}, 1), with({}, "i8"));
  ASSERT_TRUE(old);
  EXPECT_EQ(old->code(), ErrorCode::kUnsupported);
  EXPECT_NE(old->message().find("compute capability"), std::string::npos);
}

TEST_P(Int8Test, InputsCalibrateAndLeaveACache) {
  open();
  const std::string onnx = OnnxModel::add({2});
  const auto options = calibrated(file_of({{{"x", {1, -254}}}, {{"x", {3, 4}}}}));
  if (major() >= 11) {
    EXPECT_EQ(refusal(onnx, options)->code(), ErrorCode::kUnsupported);
    return;
  }
  EXPECT_NE(built(onnx, options).find("int8" + defaults() + " calibrated with 2 batches"), std::string::npos);
  // 254 / 127
  const std::string cache = contents_of(folder + "/cache");
  EXPECT_NE(cache.find("-EntropyCalibration2\nx: 40000000\n"), std::string::npos) << cache;
  // From here on without the inputs, also where somebody still names them.
  for (const auto& later : {calibrated(), options}) {
    EXPECT_NE(built(onnx, later).find(" calibrated from a cache of "), std::string::npos);
  }
  EXPECT_EQ(contents_of(folder + "/cache"), cache);
  EXPECT_NE(built(onnx, calibrated("", "auto")).find("fp16 int8"), std::string::npos);
  test::put(folder + "/cache", "TRT-8601-MinMaxCalibration\nx: 3f800000\n");
  EXPECT_NE(built(onnx, calibrated()).find(" calibrated from a cache of "), std::string::npos);
}

TEST_P(Int8Test, OpenShapesAreCalibratedAtTheBest) {
  if (major() >= 11) return;
  open();
  auto options = calibrated(file_of({{{"x", {1, 2, 3, 127}}}}));
  options.properties.emplace_back("OPT_SHAPES", "x:2x2");
  options.properties.emplace_back("MAX_SHAPES", "x:8x2");
  EXPECT_NE(built(OnnxModel::add({-1, 2}), options).find("calibrated with 1 batches"), std::string::npos);
  EXPECT_NE(contents_of(folder + "/cache").find("x: 3f800000\n"), std::string::npos);
}

TEST_P(Int8Test, WhatDoesNotFitIsRefused) {
  if (major() >= 11) return;
  open();
  const std::string onnx = OnnxModel::add({2});
  const std::string good = file_of({{{"x", {1, 2}}}});
  const auto expect = [&](const std::string& inputs, const char* words) {
    const auto error = refusal(onnx, calibrated(inputs));
    ASSERT_TRUE(error) << words;
    EXPECT_EQ(error->code(), ErrorCode::kInvalidArgument) << error->message();
    EXPECT_NE(error->message().find(words), std::string::npos) << error->message();
    EXPECT_FALSE(is_there(folder + "/cache"));
  };
  expect("something else", "are not in");
  expect(file_of({}), "are none");
  expect(good.substr(0, good.size() - 1), "are cut off");
  expect(good + "abc", "are cut off");
  expect(file_of({{{"x", {1, 2}}}, {{"x", {1}}}}), "have 4 bytes of 'x' in batch 2, where the model takes 8");
  expect(file_of({{{"z", {1, 2}}}}), "have 'z' in batch 1");
  expect(file_of({{}}), "lack 'x' in batch 1");
  expect(file_of({{{"x", {1, 2}}, {"x", {1, 2}}}}), "twice");
  expect(good.substr(0, 25) + std::string(4, '\xff') + good.substr(29), "are cut off");
  // No calibration cache; none at all; one for what is quantised already; one that nobody asked for.
  test::put(folder + "/cache", "x: 3f800000\n");
  EXPECT_EQ(refusal(onnx, calibrated())->code(), ErrorCode::kInvalidArgument);
  ASSERT_EQ(std::remove((folder + "/cache").c_str()), 0);
  EXPECT_EQ(refusal(onnx, calibrated())->code(), ErrorCode::kModelNotFound);
  EXPECT_EQ(refusal(OnnxModel::fake_quantize({2}, 1), calibrated(good))->code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(refusal(onnx, calibrated(good, "f16"))->code(), ErrorCode::kInvalidArgument);
}

TEST_P(Int8Test, AnEngineIsKeptForItsCalibration) {
  if (major() >= 11) return;
  open();
  const std::string onnx = OnnxModel::add({2});
  auto options = calibrated(file_of({{{"x", {1, 2}}}}));
  options.cache_directory = folder + "/engines";
  options.only_cached = true;
  EXPECT_EQ(refusal(onnx, options)->code(), ErrorCode::kBackend);
  options.only_cached = false;
  EXPECT_FALSE(load(onnx, options)->info().from_cache);
  // What it learnt is what it is found by, whoever names it.
  EXPECT_TRUE(load(onnx, options)->info().from_cache);
  auto later = calibrated();
  later.cache_directory = options.cache_directory;
  later.only_cached = true;
  EXPECT_TRUE(load(onnx, later)->info().from_cache);
  test::put(folder + "/cache", "TRT-8601-EntropyCalibration2\nx: 3f800000\n");
  EXPECT_EQ(refusal(onnx, later)->code(), ErrorCode::kBackend);
}

TEST_P(Int8Test, TimesAreKeptForTheNextBuild) {
  open();
  const std::string onnx = OnnxModel::add({2});
  const auto options = with({{"TIMING_CACHE", folder + "/timing"}});
  EXPECT_NE(built(onnx, options).find(" timed 0"), std::string::npos);
  EXPECT_NE(built(onnx, options).find(" timed 1"), std::string::npos);
  test::put(folder + "/timing", "no timing cache");
  EXPECT_NE(built(onnx, options).find(" timed 0"), std::string::npos);
  EXPECT_NE(built(onnx, options).find(" timed 1"), std::string::npos);
  // What cannot be written costs the next build its time, and nothing more.
  EXPECT_NE(built(onnx, with({{"TIMING_CACHE", folder + "/none/timing"}})).find(" timed 0"), std::string::npos);
}

}  // namespace
}  // namespace edge::tensorrt
