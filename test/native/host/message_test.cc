// What parent and host write, the other side reads; and what makes no sense is refused, never believed.
#include "host/message.h"

#include <gtest/gtest.h>

#include <random>

namespace edge::test {
namespace {

using host::Kind;
using host::Reader;
using host::Writer;

// What a receiver gets: the kind is taken off before.
Reader received(const Writer& writer) { return Reader(writer.bytes().substr(1)); }

TEST(MessageTest, EverythingComesBackAsItWas) {
  Writer writer(Kind::kAnswer);
  write(writer, Error(ErrorCode::kDeviceLost, "m", "r", "b", std::string("c\0c", 3)));
  TensorSpec spec;
  spec.name = "a b";
  spec.dtype = Dtype::kBF16;
  spec.shape = {-1, 3};
  spec.rank_known = false;
  spec.quantization = Quantization{{0.5f, 0.25f, 0x1p-149f}, {-128, 0, INT32_MAX}, 1};
  write(writer, std::vector<TensorSpec>{spec, {}});
  DeviceInfo device;
  device.id = "gpu.1";
  device.name = "Name";
  device.type = "gpu";
  device.driver = "1.2";
  device.capabilities.cancellable = true;
  device.capabilities.precisions = {"f32", "f16"};
  device.capabilities.formats = {"onnx"};
  device.capabilities.in_flight = 6;
  write(writer, device);
  ModelInfo model;
  model.precision = "bf16";
  model.optimal_in_flight = 7;
  model.properties = {{"K", "V"}, {"L", ""}};
  model.from_cache = true;
  model.devices = {"gpu", "cpu"};
  write(writer, model);
  write(writer, std::vector<LayerInfo>{{"n", "t", "d", "p", "k"}});
  write(writer, std::vector<LayerTime>{{"n", "t", "k", 5}});
  write(writer, std::optional<StageTimes>({6, 7, 8}));
  write(writer, std::optional<StageTimes>());
  write(writer, std::vector<Shape>{{}, {1, 2}});
  LoadOptions options;
  options.precision = "f32";
  options.threads = 3;
  options.streams = 4;
  options.performance_hint = "latency";
  options.signature = "detect";
  options.properties = {{"P", "Q"}};
  options.shapes = {{"x", {1, 2, 3}}};
  options.allow_partial = options.profile = true;
  options.cache_directory = "/c";
  write(writer, options);

  Reader reader = received(writer);
  const Error error = read_error(reader);
  EXPECT_EQ(error.code(), ErrorCode::kDeviceLost);
  EXPECT_EQ(error.message() + error.remedy() + error.backend(), "mrb");
  EXPECT_EQ(error.cause(), std::string("c\0c", 3));
  const auto specs = read_specs(reader);
  ASSERT_EQ(specs.size(), 2u);
  EXPECT_EQ(specs[0].name, "a b");
  EXPECT_EQ(specs[0].dtype, Dtype::kBF16);
  EXPECT_EQ(specs[0].shape, (Shape{-1, 3}));
  EXPECT_FALSE(specs[0].rank_known);
  EXPECT_TRUE(specs[0].quantization == spec.quantization);
  EXPECT_TRUE(specs[1].rank_known);
  EXPECT_FALSE(specs[1].quantization);
  const DeviceInfo read_device = read_device_info(reader);
  EXPECT_EQ(read_device.id + read_device.name + read_device.type + read_device.driver, "gpu.1Namegpu1.2");
  EXPECT_TRUE(read_device.capabilities.cancellable);
  EXPECT_FALSE(read_device.capabilities.async);
  EXPECT_EQ(read_device.capabilities.precisions, device.capabilities.precisions);
  EXPECT_EQ(read_device.capabilities.in_flight, 6);
  const ModelInfo read_model = read_model_info(reader);
  EXPECT_EQ(read_model.precision, "bf16");
  EXPECT_EQ(read_model.optimal_in_flight, 7u);
  EXPECT_EQ(read_model.properties, model.properties);
  EXPECT_TRUE(read_model.from_cache);
  EXPECT_EQ(read_model.devices, model.devices);
  const auto layers = read_layers(reader);
  EXPECT_EQ(layers[0].precision + layers[0].kernel, "pk");
  EXPECT_EQ(read_layer_times(reader)[0].ns, 5);
  const auto stages = read_stage_times(reader);
  ASSERT_TRUE(stages);
  EXPECT_EQ((std::vector<int64_t>{stages->h2d, stages->compute, stages->d2h}), (std::vector<int64_t>{6, 7, 8}));
  EXPECT_FALSE(read_stage_times(reader));
  EXPECT_EQ(read_shapes(reader), (std::vector<Shape>{{}, {1, 2}}));
  const LoadOptions read_options = read_load_options(reader);
  EXPECT_EQ(read_options.precision, "f32");
  EXPECT_EQ(read_options.threads, 3);
  EXPECT_EQ(read_options.streams, 4);
  EXPECT_EQ(read_options.performance_hint, "latency");
  EXPECT_EQ(read_options.signature, "detect");
  EXPECT_EQ(read_options.properties, options.properties);
  EXPECT_EQ(read_options.shapes, options.shapes);
  EXPECT_TRUE(read_options.allow_partial && read_options.profile);
  EXPECT_EQ(read_options.cache_directory, "/c");
  EXPECT_EQ(reader.left(), 0u);
}

// Seeded, so that a failure can be found again. Either an edge::Error or a value; memory stays as large as the message.
TEST(MessageTest, GarbageIsRefusedOrHarmless) {
  const std::vector<void (*)(Reader&)> readers = {
      [](Reader& from) { read_error(from); },       [](Reader& from) { read_specs(from); },
      [](Reader& from) { read_device_info(from); }, [](Reader& from) { read_model_info(from); },
      [](Reader& from) { read_layers(from); },      [](Reader& from) { read_layer_times(from); },
      [](Reader& from) { read_shapes(from); },      [](Reader& from) { read_load_options(from); },
  };
  std::mt19937 random(7);
  size_t refused = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes(random() % 64, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random() % 4 == 0 ? random() : random() % 3);
    Reader reader(bytes);
    try {
      readers[random() % readers.size()](reader);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kDeviceLost);
      ++refused;
    }
  }
  EXPECT_GT(refused, 1000u);
}

TEST(MessageTest, AListThatClaimsMoreThanThereIsIsRefused) {
  Writer writer(Kind::kAnswer);
  writer.put(uint64_t{1} << 60);
  Reader reader = received(writer);
  EXPECT_THROW(read_shapes(reader), Error);
}

}  // namespace
}  // namespace edge::test
