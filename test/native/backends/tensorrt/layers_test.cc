// What engines tell of their layers, and how long these and the stages of a run took, on a simulated TensorRT of each
// major version.
#include <random>

#include "backends/tensorrt/inspector.h"
#include "engine_fixture.h"

namespace edge::tensorrt {
namespace {

using test::CudaSimulator;
using test::Floats;

// -------------------------------------------------------------------------------------------------------- the JSON

std::string words(const LayerInfo& layer) {
  return layer.name + " | " + layer.type + " | " + layer.precision + " | " + layer.kernel;
}

constexpr const char* kLayer = R"({
  "Name": "conv \"1\" + relu\u0020\u00e9",
  "LayerType": "CaskConvolution",
  "Inputs": [
  {"Name": "x", "Location": "Device", "Dimensions": [1,3,8,8], "Format/Datatype": "Row major linear FP32"}],
  "Outputs": [
  {"Name": "y", "Dimensions": [1,4,8,8], "Format/Datatype": "Channel major FP16 format where channel % 8 == 0"},
  {"Name": "z", "Dimensions": [], "Format/Datatype": "Row major linear INT32 format"}],
  "Stride": [1,-1], "Scale": 0.5e-3, "HasBias": true, "Alpha": null, "Nested": {"Name": "no", "Outputs": [[{}]]},
  "TacticName": "sm80_xmma_fprop",
  "TacticValue": "0x63f8f4f2ab7d4d2d",
  "Metadata": "a\tb"
})";

TEST(LayerJson, IsReadForWhatItTells) {
  EXPECT_EQ(words(parse_layer(kLayer)), "conv \"1\" + relu é | CaskConvolution | f16 | sm80_xmma_fprop");
  // Of an engine without details there is the name.
  EXPECT_EQ(words(parse_layer(R"("conv1 + relu1")")), "conv1 + relu1 |  |  | ");
  EXPECT_EQ(words(parse_layer("")), " |  |  | ");
  EXPECT_EQ(words(parse_layer("{}")), " |  |  | ");
}

TEST(LayerJson, ThePrecisionIsThatOfTheWeightsOrElseOfTheOutput) {
  const auto precision = [](const std::string& members) { return parse_layer("{" + members + "}").precision; };
  const auto output = [&](const std::string& format) {
    return precision(R"("Outputs": [{"Format/Datatype": ")" + format + R"("}])");
  };
  EXPECT_EQ(output("Row major linear FP32"), "f32");
  EXPECT_EQ(output("Float"), "f32");
  EXPECT_EQ(output("Half"), "f16");
  EXPECT_EQ(output("Row major linear BFloat16"), "bf16");
  EXPECT_EQ(output("Thirty-two wide channel vectorized row major Int8 format."), "i8");
  EXPECT_EQ(output("Row major INT64 format"), "i64");
  EXPECT_EQ(output("Row major linear BOOL"), "bool");
  EXPECT_EQ(output("FP8"), "");
  EXPECT_EQ(output("N/A due to dynamic shapes"), "");
  const std::string f32 = R"("Outputs": [{"Format/Datatype": "Float"}])";
  EXPECT_EQ(precision(f32 + R"(, "Weights": {"Type": "Int8", "Count": 864})"), "i8");
  EXPECT_EQ(precision(f32 + R"(, "Weights": {"Count": 864}, "Bias": {"Type": "Half"})"), "f32");
  EXPECT_EQ(precision(R"("Outputs": [])"), "");
}

TEST(LayerJson, OfOneThatIsNoneRemainsWhatCameBefore) {
  EXPECT_EQ(words(parse_layer(R"({"Name": "a", "LayerType": "b" "TacticName": "c"})")), "a | b |  | ");
  EXPECT_EQ(words(parse_layer(R"({"Name": "a", "Outputs": 7, "TacticName": "c"})")), "a |  |  | c");
  EXPECT_EQ(words(parse_layer(R"({"Name": ["a"], "LayerType": {"a": 1}, "TacticName": "c"})")), " |  |  | c");
  EXPECT_EQ(words(parse_layer(R"({"Name": "\ud83d\ude00 \u00", "TacticName": "c"})")), " |  |  | ");
  EXPECT_EQ(words(parse_layer(R"({"Name": "\ud83d\ude00"})")), "?? |  |  | ");
  EXPECT_EQ(words(parse_layer(R"({"Name": "a\)")), " |  |  | ");
  EXPECT_EQ(words(parse_layer(R"({"Name": "a",, "TacticName": "c"})")), "a |  |  | ");
  for (const char open : {'[', '{'}) {
    const std::string deep = open == '[' ? std::string(1'000'000, '[') : [] {
      std::string text;
      for (int i = 0; i < 200'000; ++i) text += "{\"a\":";
      return text;
    }();
    EXPECT_EQ(words(parse_layer(R"({"Name": "a", "Deep": )" + deep)), "a |  |  | ");
    EXPECT_EQ(words(parse_layer(deep)), " |  |  | ");
  }
}

TEST(LayerJson, IsReadWithinItsBoundsWhateverItSays) {
  const std::string whole = kLayer;
  for (size_t size = 0; size <= whole.size(); ++size) {
    // A copy of this very size, so that who reads on is found out under AddressSanitizer.
    const std::vector<char> part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    const LayerInfo layer = parse_layer({part.data(), part.size()});
    EXPECT_TRUE(layer.kernel.empty() || layer.kernel == "sm80_xmma_fprop") << size;
  }
  std::mt19937 random(1);
  for (int round = 0; round < 20'000; ++round) {
    std::string text = whole;
    for (unsigned i = 0, changes = 1 + random() % 8; i < changes; ++i) {
      constexpr char kMarks[] = "{}[]\",:\\u0 \n\xff";
      const size_t at = random() % text.size();
      if (random() % 3 == 0) {
        text.erase(at, 1 + random() % 20);
      } else {
        text[at] = kMarks[random() % (sizeof kMarks - 1)];
      }
      if (text.empty()) text = "{";
    }
    const LayerInfo layer = parse_layer(text);
    EXPECT_LE(layer.name.size() + layer.type.size() + layer.kernel.size(), 2 * text.size());
  }
}

// --------------------------------------------------------------------------------------------------------- engines

class LayersTest : public test::EngineTest {
 protected:
  static LoadOptions profiled() {
    LoadOptions options;
    options.profile = true;
    return options;
  }
};
INSTANTIATE_TEST_SUITE_P(Releases, LayersTest, testing::ValuesIn(test::kReleases), test::release_name);

constexpr const char* kTwo =
    "input \"x\" f32 4\noutput \"y\" add \"x\" 1\noutput \"say \\\"z\\\"\" identity \"x\"\nduration_us 2000\n";
const std::string kDetailed = std::string(kTwo) + "verbosity detailed\n";

std::vector<std::string> described(Model& model) {
  std::vector<std::string> all;
  for (const LayerInfo& layer : model.layers()) all.push_back(words(layer) + " | " + layer.device);
  return all;
}
using Lines = std::vector<std::string>;

TEST_P(LayersTest, AreToldAsFarAsTheEngineWasBuiltToTell) {
  open();
  if (!is_by_name()) {  // from 8.4.1 on
    EXPECT_EQ(described(*load(kDetailed)), Lines());
    return;
  }
  EXPECT_EQ(described(*load(kDetailed)), (Lines{"y | ElementWise | f32 | simulated_ElementWise | 0",
                                                "say \"z\" | Identity | f32 | simulated_Identity | 0"}));
  EXPECT_EQ(described(*load(kTwo)), (Lines{"y |  |  |  | 0", "say \"z\" |  |  |  | 0"}));
  EXPECT_EQ(described(*load(std::string(kTwo) + "verbosity none\n")), (Lines{"0 |  |  |  | 0", "1 |  |  |  | 0"}));
  EXPECT_EQ(described(*load("input \"x\" i8 ?,2\noutput \"y\" identity \"x\"\nverbosity detailed\n")),
            (Lines{"y | Identity |  | simulated_Identity | 0"}));
}

TEST_P(LayersTest, OnTheDlaAreThoseOfThatType) {
  if (!is_by_name()) return;
  open("gpu cc=8.7 integrated=1");
  device = backend->open("0:dla1");
  EXPECT_EQ(described(*load(kDetailed + "dla\n")),
            (Lines{"y | DLA | f32 | simulated_DLA | 0:dla1", "say \"z\" | DLA | f32 | simulated_DLA | 0:dla1"}));
  EXPECT_EQ(described(*load(kDetailed))[0], "y | ElementWise | f32 | simulated_ElementWise | 0");
  EXPECT_EQ(described(*load(kTwo))[0], "y |  |  |  | ");  // nobody says
}

TEST_P(LayersTest, EveryRunTellsTheirTimes) {
  open();
  const auto model = load(kDetailed, profiled());
  EXPECT_EQ(model->info().properties.at("CUDA_GRAPH"), "NO");
  const auto request = model->create_request(), other = model->create_request();
  EXPECT_TRUE(request->profile().empty());
  for (const auto& each : {request.get(), other.get()}) each->bind({{4}});
  for (float i = 0; i < 3; ++i) {
    fill(*request, {i, 1, 2, 3});
    request->run();
    EXPECT_EQ(result(*request), (Floats{i + 1, 2, 3, 4}));
    EXPECT_EQ(request->graph_runs(), 0u);
    const std::vector<LayerTime> times = request->profile();
    ASSERT_EQ(times.size(), 2u);
    EXPECT_EQ(times[0].name + times[0].type + times[0].kernel,
              is_by_name() ? "yElementWisesimulated_ElementWise" : "y");
    EXPECT_EQ(times[1].name + times[1].type + times[1].kernel,
              is_by_name() ? "say \"z\"Identitysimulated_Identity" : "say \"z\"");
    // By the simulated GPU's clock, by which the first takes so long, however slow the machine is.
    EXPECT_GE(times[0].ns, 2'000'000);
    EXPECT_GT(times[1].ns, 0);
    EXPECT_TRUE(other->profile().empty());
  }
  // Without details there are the names.
  const auto plain = load(kTwo, profiled())->create_request();
  plain->bind({{4}});
  plain->run();
  EXPECT_EQ(plain->profile().at(0).name + plain->profile().at(0).type, "y");
}

TEST_P(LayersTest, NotMeasuredWithoutBeingAsked) {
  open();
  const auto request = load(kDetailed)->create_request();
  request->bind({{4}});
  const size_t events = CudaSimulator::live("events");
  request->run();
  EXPECT_TRUE(request->profile().empty());
  EXPECT_FALSE(request->stage_times());
  EXPECT_EQ(CudaSimulator::live("events"), events);
}

TEST_P(LayersTest, ARunThatFailsHasNoTimes) {
  open();
  const auto request = load(kDetailed, profiled())->create_request();
  request->bind({{4}});
  request->run();
  EXPECT_EQ(request->profile().size(), 2u);
  EXPECT_TRUE(request->stage_times());
  simulator.tell("fail cuMemcpyDtoHAsync_v2 1");
  EXPECT_THROW(request->run(), Error);
  EXPECT_TRUE(request->profile().empty());
  EXPECT_FALSE(request->stage_times());
  // The driver that does not tell: the run is well all the same.
  simulator.tell("fail cuEventElapsedTime 1");
  request->run();
  EXPECT_EQ(request->profile().size(), 2u);
  EXPECT_FALSE(request->stage_times());
}

TEST_P(LayersTest, AskingForGraphsToo) {
  open();
  LoadOptions options = profiled();
  options.properties = {{"CUDA_GRAPH", "YES"}};
  const auto model = load(kDetailed, options);
  EXPECT_EQ(model->info().properties.at("CUDA_GRAPH"), "NO");
  const auto request = model->create_request();
  request->bind({{4}});
  for (int i = 0; i < 2; ++i) request->run();
  EXPECT_EQ(request->graph_runs(), 0u);
  EXPECT_EQ(request->profile().size(), 2u);
}

TEST_P(LayersTest, OpenShapesAndOutputsOfUnknownSizeAreMeasuredToo) {
  if (!is_by_name()) return;  // they are there from 8.5 on
  open();
  const auto request =
      load("input \"x\" f32 ?\noutput \"y\" nonzero \"x\"\noutput \"z\" add \"x\" 1\n", profiled())->create_request();
  for (const int64_t size : {2, 5}) {
    request->bind({{size}});
    fill(*request, Floats(static_cast<size_t>(size), 1));
    request->run();
    EXPECT_EQ(request->profile().size(), 2u);
    EXPECT_TRUE(request->stage_times());
    EXPECT_EQ(result(*request, 1), Floats(static_cast<size_t>(size), 2));
  }
}

TEST_P(LayersTest, TheStagesOfARunAreToldByTheGpusClock) {
  open("latency_us 1000");
  const auto request = load(kTwo, profiled())->create_request();
  request->bind({{4}});
  for (int i = 0; i < 2; ++i) {
    request->run();
    const auto stages = request->stage_times();
    ASSERT_TRUE(stages);
    // What the simulated GPU needs at least for a copy, a kernel of 2 ms, and another copy.
    EXPECT_GE(stages->h2d, 1'000'000);
    EXPECT_GE(stages->compute, 2'000'000);
    EXPECT_GE(stages->d2h, 1'000'000);
  }
}

TEST_P(LayersTest, WhatMeasuresIsFreed) {
  open();
  for (int i = 0; i < 3; ++i) {
    const auto request = load(kDetailed, profiled())->create_request();
    request->bind({{4}});
    request->run();
  }
  for (const char* what : {"device", "streams", "events"}) EXPECT_EQ(CudaSimulator::live(what), 0u) << what;
}

}  // namespace
}  // namespace edge::tensorrt
