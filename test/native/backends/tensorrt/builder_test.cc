// Engines built from ONNX models on a simulated TensorRT of each major version: what the builder is told, what is
// refused.
#include "backends/tensorrt/builder.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "builder_fixture.h"
#include "core/error.h"
#include "core/private_files.h"

namespace edge::tensorrt {
namespace {

using test::BuilderTest;
using test::error_of;
using test::Floats;
using test::OnnxModel;
using test::Properties;

INSTANTIATE_TEST_SUITE_P(Releases, BuilderTest, testing::ValuesIn(test::kReleases), test::release_name);

TEST_P(BuilderTest, AModelIsBuiltAndRuns) {
  open();
  const auto model = load(OnnxModel::add({2, 2}));
  EXPECT_EQ(model->inputs()[0].shape, (Shape{2, 2}));
  EXPECT_EQ(model->info().precision, is_by_name() ? "f32" : "model");
  EXPECT_EQ(run(*model, {2, 2}, {1, 2, 3, 4}), (Floats{2, 3, 4, 5}));
}

TEST_P(BuilderTest, WithoutAWordTheModelsOwnTypesAreKept) {
  open();
  const std::string onnx = OnnxModel::add({4});
  // TensorFloat-32, TensorRT's default, would be less than f32.
  EXPECT_EQ(built(onnx, {}), (major() < 10 ? "weak" : "typed") + defaults());
  const std::string kind = major() < 11 ? "weak" : "typed";
  EXPECT_EQ(built(onnx, with({}, "f32")), kind + defaults());
  if (major() < 11) {
    EXPECT_EQ(built(onnx, with({}, "f16")), kind + " fp16" + defaults());
  } else {  // there only the model says it
    EXPECT_EQ(refusal(onnx, with({}, "f16"))->code(), ErrorCode::kUnsupported);
    EXPECT_EQ(built(onnx, with({{"STRONGLY_TYPED", "YES"}}, "f16")), kind + defaults());
  }
  const std::string all[] = {" fp16 tf32", " fp16 bf16 tf32", " tf32"};
  EXPECT_EQ(built(onnx, with({}, "auto")), kind + all[major() < 10 ? 0 : major() - 9] + defaults());
  if (major() == 10) {
    EXPECT_EQ(built(onnx, with({}, "bf16")), kind + " bf16" + defaults());
    // The precision is the network's then: the flags would be refused.
    EXPECT_EQ(built(onnx, with({{"STRONGLY_TYPED", "YES"}}, "f16")), "typed" + defaults());
  }
  if (major() == 8) {
    EXPECT_EQ(refusal(onnx, with({}, "bf16"))->code(), ErrorCode::kUnsupported);
    EXPECT_EQ(refusal(onnx, with({{"STRONGLY_TYPED", "YES"}}))->code(), ErrorCode::kUnsupported);
  }
}

TEST_P(BuilderTest, ThePropertiesReachTheBuilder) {
  open();
  if (!is_by_name()) {
    EXPECT_EQ(built(OnnxModel::add({4}), with({{"WORKSPACE", "268435456"}, {"REFIT", "YES"}}, "f32")),
              "weak refit level 3 workspace 268435456 hardware 0");
    for (const char* name :
         {"BUILDER_OPTIMIZATION_LEVEL", "VERSION_COMPATIBLE", "HARDWARE_COMPATIBILITY", "MAX_AUX_STREAMS"}) {
      const std::string value = name[0] == 'B' || name[0] == 'M' ? "5" : name[0] == 'V' ? "YES" : "AMPERE_PLUS";
      EXPECT_EQ(refusal(OnnxModel::add({4}), with({{name, value}}))->code(), ErrorCode::kUnsupported) << name;
    }
    return;
  }
  EXPECT_EQ(
      built(OnnxModel::add({4}), with({{"BUILDER_OPTIMIZATION_LEVEL", "5"},
                                       {"WORKSPACE", "268435456"},
                                       {"HARDWARE_COMPATIBILITY", "AMPERE_PLUS"},
                                       {"VERSION_COMPATIBLE", "YES"},
                                       {"SPARSE_WEIGHTS", "YES"},
                                       {"REFIT", "YES"}},
                                      "f32")),
      std::string(major() < 11 ? "weak" : "typed") + " refit sparse compatible level 5 workspace 268435456 hardware 1");
}

TEST_P(BuilderTest, AuxiliaryStreamsAreToldAndLimited) {
  open();
  EXPECT_EQ(load(OnnxModel::add({1}))->info().properties.at("AUX_STREAMS"), is_by_name() ? "2" : "0");
  if (!is_by_name()) return;
  const auto none = load(OnnxModel::add({1}), with({{"MAX_AUX_STREAMS", "0"}}));
  EXPECT_EQ(none->info().properties.at("AUX_STREAMS"), "0");
  EXPECT_EQ(refusal(OnnxModel::add({1}), with({{"MAX_AUX_STREAMS", "65"}}))->code(), ErrorCode::kInvalidArgument);
}

TEST_P(BuilderTest, AVersionCompatibleEngineIsLoadedAfterItsBuild) {
  if (!is_by_name()) return;
  open();
  const auto model = load(OnnxModel::add({1}), with({{"VERSION_COMPATIBLE", "YES"}}));
  EXPECT_EQ(run(*model, {1}, {1}), (Floats{2}));
}

TEST_P(BuilderTest, OpenShapesNeedARange) {
  open();
  const std::string onnx = OnnxModel::add({-1, 2});
  const auto error = refusal(onnx);
  EXPECT_EQ(error->code(), ErrorCode::kInvalidArgument);
  EXPECT_NE(error->message().find("'x'"), std::string::npos);
  LoadOptions fixed;
  fixed.shapes["x"] = {3, 2};
  const auto one = load(onnx, fixed);
  EXPECT_EQ(one->outputs()[0].shape, (Shape{3, 2}));
  // Also where profiles leave no choice each request runs.
  const auto twice = load(onnx, with({{"OPT_SHAPES", "x:3x2;x:3x2"}}));
  EXPECT_EQ(twice->info().optimal_in_flight, 2u);
  for (const auto& model : {one, twice}) {
    std::vector<std::unique_ptr<Request>> requests;
    for (size_t i = 0; i < model->info().optimal_in_flight; ++i) {
      requests.push_back(model->create_request());
      requests.back()->bind({{3, 2}});
      fill(*requests.back(), {1, 2, 3, 4, 5, 6});
      requests.back()->run();
      EXPECT_EQ(result(*requests.back()), (Floats{2, 3, 4, 5, 6, 7}));
    }
  }
  const auto range = load(onnx, with({{"MIN_SHAPES", "x:1x2"}, {"OPT_SHAPES", "x:4x2"}, {"MAX_SHAPES", "x:8x2"}}));
  EXPECT_EQ(range->inputs()[0].shape, (Shape{-1, 2}));
  EXPECT_EQ(run(*range, {1, 2}, {1, 2}), (Floats{2, 3}));
  EXPECT_EQ(run(*range, {2, 2}, {1, 2, 3, 4}), (Floats{2, 3, 4, 5}));
  const auto request = range->create_request();
  EXPECT_EQ(error_of([&] { request->bind({{9, 2}}); })->code(), ErrorCode::kInvalidTensor);
  const auto two = load(onnx, with({{"OPT_SHAPES", "x:2x2;x:4x2"}}));
  EXPECT_EQ(two->info().properties.at("OPTIMIZATION_PROFILES"), "2");
}

TEST_P(BuilderTest, WrongOptionsAreRefusedBeforeAnythingIsBuilt) {
  open("build_abort 1");
  for (const auto& [name, value] : Properties{{"BUILDER_OPTIMIZATION_LEVEL", "6"},
                                              {"BUILDER_OPTIMIZATION_LEVEL", "-1"},
                                              {"HARDWARE_COMPATIBILITY", "all"},
                                              {"WORKSPACE", "2 GB"},
                                              {"WORKSPACE", "99999999999999999999"},
                                              {"REFIT", "maybe"},
                                              {"OPT_SHAPES", "x"},
                                              {"OPT_SHAPES", "x:"},
                                              {"OPT_SHAPES", ":2"},
                                              {"OPT_SHAPES", "x:2x"},
                                              {"OPT_SHAPES", "x:-2"},
                                              {"OPT_SHAPES", "x:2,x:2"},
                                              {"OPT_SHAPES", "x:99999999999"},
                                              {"OPT_SHAPES", "z:1x2"},
                                              {"OPT_SHAPES", "x:4x3"},
                                              {"OPT_SHAPES", "x:4"},
                                              {"MIN_SHAPES", "x:1x2"},
                                              {"UNKNOWN", "1"}}) {
    const auto error = refusal(OnnxModel::add({-1, 2}), with({{name, value}}));
    ASSERT_TRUE(error) << name << "=" << value;
    EXPECT_EQ(error->code(), ErrorCode::kInvalidArgument) << name << "=" << value;
    EXPECT_NE(error->remedy(), "");
  }
  const auto shrinking = with({{"OPT_SHAPES", "x:4x2"}, {"MAX_SHAPES", "x:2x2"}});
  EXPECT_EQ(refusal(OnnxModel::add({-1, 2}), shrinking)->code(), ErrorCode::kInvalidArgument);
  // What is built already cannot be told how.
  const std::string engine =
      "ftrt edge-infer-simulator " + std::to_string(major()) + "\ninput \"x\" f32 4\noutput \"y\" add \"x\" 1\nend\n";
  EXPECT_EQ(refusal(engine, with({{"REFIT", "YES"}}))->code(), ErrorCode::kUnsupported);
  EXPECT_EQ(refusal(engine, with({}, "f16"))->code(), ErrorCode::kUnsupported);
}

// A TensorRT in a folder of its own, where one library is none.
TEST_P(BuilderTest, ALibraryBesideThatCannotBeOpenedSaysWhy) {
  simulator.tell("");
  const std::string number = std::to_string(major());
  char folder[] = "/tmp/edge-infer-beside-XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  const std::string here = std::string(folder) + "/", real = BuilderTest::folder() + "/";
  for (const char* const name : {"libnvinfer.so.", "libnvinfer_plugin.so."})
    ASSERT_EQ(symlink((real + name + number).c_str(), (here + name + number).c_str()), 0);
  const std::string parser = here + "libnvonnxparser.so." + number;
  std::ofstream(parser) << "no library";
  const CudaApi cuda = open_cuda(test::CudaSimulator::library());
  const auto gpu = std::make_shared<Gpu>(cuda, list_gpus(cuda).at(0));
  const Gpu::Current current(*gpu);
  const Runtime runtime(open_infer(here + "libnvinfer.so." + number), -1);
  const std::string onnx = OnnxModel::add({1});
  BuildProgress progress({}, nullptr);
  const auto error = error_of(
      [&] { build_engine(gpu, runtime, bytes_of(onnx), "", read_build_options({}, runtime.api().version), progress); });
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->code(), ErrorCode::kUnavailable);
  EXPECT_NE(error->message().find(parser), std::string::npos) << error->message();
  EXPECT_EQ(error->cause().find("No such file"), std::string::npos) << error->cause();
  remove_tree(folder);
}

TEST_P(BuilderTest, ParserErrorsNameTheNode) {
  open();
  const std::string onnx =
      OnnxModel().input("x", {4}).output("y").node("Identity", {"x"}, "a").node("Quux", {"a"}, "y", "odd one").bytes();
  const auto error = refusal(onnx);
  EXPECT_EQ(error->code(), ErrorCode::kInvalidModel);
  EXPECT_EQ(error->cause(), major() < 10 ? "node 1: No importer registered for op: Quux"
                                         : "node 1 'odd one' (Quux): No importer registered for op: Quux");
  for (const std::string& junk : {std::string(), std::string("junk"), onnx.substr(0, onnx.size() / 2)}) {
    EXPECT_EQ(refusal(junk)->code(), ErrorCode::kInvalidModel);
  }
}

TEST_P(BuilderTest, WhatIsBuiltHereTellsOfItsLayers) {
  open();
  const auto layers = load(OnnxModel::add({4}))->layers();
  ASSERT_EQ(layers.size(), is_by_name() ? 1u : 0u);
  for (const LayerInfo& layer : layers) EXPECT_EQ(layer.type + " " + layer.precision, "ElementWise f32");
}

TEST_P(BuilderTest, ABuildThatFailsSaysWhy) {
  open("build_memory 1");
  const auto error = refusal(OnnxModel::add({4}));
  EXPECT_EQ(error->code(), ErrorCode::kOutOfMemory);
  EXPECT_NE(error->cause().find("8589934592"), std::string::npos);
  simulator.tell("");
  EXPECT_EQ(run(*load(OnnxModel::add({1})), {1}, {1}), (Floats{2}));
}

TEST_P(BuilderTest, ForTheDlaTheCoreIsSet) {
  open("gpu cc=8.7 integrated=1");
  device = backend->open("0:dla1");
  LoadOptions options = with({{"STRONGLY_TYPED", "YES"}}, "f16");
  if (major() < 11) options = with({}, "f16");
  options.allow_partial = true;
  const std::string text = built(OnnxModel::add({4}), options, 1);
  EXPECT_NE(text.find(" dla 1"), std::string::npos) << text;
  EXPECT_NE(text.find(" fallback"), std::string::npos) << text;
  EXPECT_EQ(run(*load(OnnxModel::add({1}), options), {1}, {1}), (Floats{2}));
  if (major() < 11) {  // the DLA has no f32
    EXPECT_NE(refusal(OnnxModel::add({1}))->cause().find("DLA validation failed"), std::string::npos);
  }
}

TEST_P(BuilderTest, WhatWasBuiltIsKept) {
  open("build_ms 1");
  char folder[] = "/tmp/edge-infer-engines-XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  const std::shared_ptr<void> removed(nullptr, [&](void*) { remove_tree(folder); });
  LoadOptions options;
  options.cache_directory = folder;
  options.only_cached = true;
  const auto nothing = refusal(OnnxModel::add({1}), options);
  EXPECT_EQ(nothing->code(), ErrorCode::kBackend);
  EXPECT_NE(nothing->message().find(folder), std::string::npos);
  options.only_cached = false;
  EXPECT_FALSE(load(OnnxModel::add({1}), options)->info().from_cache);
  simulator.tell("build_abort 1");  // nothing is built from here on
  for (const bool only : {false, true}) {
    options.only_cached = only;
    const auto model = load(OnnxModel::add({1}), options);
    EXPECT_TRUE(model->info().from_cache);
    EXPECT_EQ(run(*model, {1}, {1}), (Floats{2}));
  }
  // Another model, other options, another GPU: other engines.
  options.only_cached = true;
  EXPECT_TRUE(refusal(OnnxModel::add({1}, 2), options));
  LoadOptions other = options;
  other.properties = {{"WORKSPACE", "1048576"}};
  EXPECT_TRUE(refusal(OnnxModel::add({1}), other));
  other = options;
  other.precision = "f32";
  EXPECT_TRUE(refusal(OnnxModel::add({1}), other));
}

TEST_P(BuilderTest, StandardPluginsAreThereWhenAModelNeedsThem) {
  open();
  const auto onnx = OnnxModel().input("x", {1}).output("y").node("EfficientNMS_TRT", {"x"}, "y").bytes();
  EXPECT_EQ(run(*load(onnx), {1}, {7}), (Floats{7}));
}

}  // namespace
}  // namespace edge::tensorrt
