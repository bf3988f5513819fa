// The Edge TPU simulator against a real TFLite library: that it does what the driver does where that bites.
#include "edgetpu_fixture.h"

namespace edge::test {
namespace {

INSTANTIATE_TEST_SUITE_P(, EdgeTpuSimulator, testing::Values(OLD_SIMULATOR, NEW_SIMULATOR), layout_name);

TEST_P(EdgeTpuSimulator, ClaimsTheCompiledNodeAndComputesWhatTheTwinDoes) {
  const OwnedDelegate delegate = open_device(driver);
  for (const bool before_that_on_cpu : {false, true}) {
    Compiled compiled;
    compiled.before_that_on_cpu = before_that_on_cpu;
    Interpreter interpreter(make_compiled_subtraction(kUint8, kLength, compiled), delegate.get(), driver.layout);
    ASSERT_TRUE(interpreter.is_ready()) << interpreter.errors();
    EXPECT_EQ(interpreter.claimed(), 1);
    interpreter.set_input(0, kFirst);
    interpreter.set_input(1, {1, 1, 1, 1, 1, 1, 1, 20});
    ASSERT_TRUE(interpreter.invoke()) << interpreter.errors();
    EXPECT_EQ(interpreter.output(),
              before_that_on_cpu ? (Bytes{3, 4, 5, 6, 7, 8, 9, 0}) : (Bytes{4, 5, 6, 7, 8, 9, 10, 0}));
    EXPECT_EQ(interpreter.input(0), kFirst);  // unsigned: as it was
  }
  EXPECT_EQ(runs_of(kStick), 2);
}

TEST(EdgeTpuSimulatorLayouts, OnlyTodaysWorksUnwrapped) {
  const auto runs = [](const Driver& driver) {
    const OwnedDelegate delegate = open_device(driver);
    Interpreter interpreter(make_compiled_subtraction(kUint8, kLength), delegate.get(), Layout::unwrapped);
    if (!interpreter.is_ready()) return false;
    interpreter.set_input(0, kFirst);
    interpreter.set_input(1, kSecond);
    return interpreter.invoke() && interpreter.output() == kDifference;
  };
  EXPECT_TRUE(runs(Driver(NEW_SIMULATOR)));
  // The old one crashes in one way or another; it must not happen to work, or nobody would miss a wrapper.
  EXPECT_NE(in_child([&] { return runs(Driver(OLD_SIMULATOR)) ? 42 : 0; }), 42);
}

TEST_P(EdgeTpuSimulator, LeavesSignedInputsFlipped) {
  const OwnedDelegate delegate = open_device(driver);
  Interpreter interpreter(make_compiled_subtraction(kInt8, 4), delegate.get(), driver.layout);
  ASSERT_TRUE(interpreter.is_ready()) << interpreter.errors();
  const Bytes first = {10, 0, 0xfb, 0x80}, second = {3, 0xff, 2, 1};  // 10 0 -5 -128, 3 -1 2 1
  for (int run = 0; run < 2; ++run) {
    interpreter.set_input(0, first);
    interpreter.set_input(1, second);
    ASSERT_TRUE(interpreter.invoke()) << interpreter.errors();
    EXPECT_EQ(interpreter.output(), (Bytes{7, 1, 0xf9, 0x80})) << run;
    EXPECT_EQ(interpreter.input(0), (Bytes{0x8a, 0x80, 0x7b, 0}));
    EXPECT_EQ(interpreter.input(1), (Bytes{0x83, 0x7f, 0x82, 0x81}));
  }
  // Who does not restore them gets something else: -118 -128 123 0 minus -125 127 -126 -127.
  ASSERT_TRUE(interpreter.invoke());
  EXPECT_EQ(interpreter.output(), (Bytes{7, 0x80, 127, 127}));
  // Also where the run itself fails.
  interpreter.set_input(0, first);
  tell("faults", "fail 1\n");
  EXPECT_FALSE(interpreter.invoke());
  EXPECT_EQ(interpreter.input(0), (Bytes{0x8a, 0x80, 0x7b, 0}));
}

TEST_P(EdgeTpuSimulator, RunsARealModelByTheTwinThatTheEnvironmentNames) {
  const char* assets = std::getenv("EDGE_INFER_ASSETS");
  if (assets == nullptr) GTEST_SKIP() << "EDGE_INFER_ASSETS is not set";
  const std::string twin = std::string(assets) + "/models/mobilenet_v1_0.25_128_quant.tflite";
  const auto contents = [](const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  const std::string compiled = contents(std::string(assets) + "/models/mobilenet_v1_0.25_128_quant_edgetpu.tflite");
  const OwnedDelegate delegate = open_device(driver);
  Interpreter without(compiled, delegate.get(), driver.layout);
  EXPECT_FALSE(without.is_ready());
  EXPECT_NE(without.errors().find("EDGE_INFER_EDGETPU_TWIN"), std::string::npos);

  setenv("EDGE_INFER_EDGETPU_TWIN", twin.c_str(), 1);
  Interpreter on_device(compiled, delegate.get(), driver.layout), on_cpu(contents(twin), nullptr, Layout::unwrapped);
  ASSERT_TRUE(on_device.is_ready() && on_cpu.is_ready()) << on_device.errors();
  EXPECT_EQ(on_device.claimed(), 1);
  Bytes picture(128 * 128 * 3);
  for (size_t i = 0; i < picture.size(); ++i) picture[i] = static_cast<uint8_t>(i * 2654435761u >> 24);
  for (Interpreter* interpreter : {&on_device, &on_cpu}) {
    interpreter->set_input(0, picture);
    ASSERT_TRUE(interpreter->invoke()) << interpreter->errors();
  }
  EXPECT_EQ(on_device.output(), on_cpu.output());
}

TEST_P(EdgeTpuSimulator, LeavesAModelThatIsNotCompiledToTheCpu) {
  const OwnedDelegate delegate = open_device(driver);
  Interpreter interpreter(make_subtraction(kUint8, kLength), delegate.get(), driver.layout);
  ASSERT_TRUE(interpreter.is_ready());
  EXPECT_EQ(interpreter.claimed(), 0);
  interpreter.set_input(0, kFirst);
  interpreter.set_input(1, kSecond);
  ASSERT_TRUE(interpreter.invoke());
  EXPECT_EQ(interpreter.output(), kDifference);
  EXPECT_EQ(runs_of(kStick), 0);
}

TEST_P(EdgeTpuSimulator, RefusesAPackageForANewerRuntimeAndWhatIsNone) {
  const OwnedDelegate delegate = open_device(driver);
  Compiled newer;
  newer.minimum_runtime = 14;
  const std::string model = make_compiled_subtraction(kUint8, kLength, newer);
  EXPECT_TRUE(Interpreter(model, delegate.get(), driver.layout).is_ready());
  tell("version", "BuildLabel(edge-infer-simulator), RuntimeVersion(13)\n");
  Interpreter refused(model, delegate.get(), driver.layout);
  EXPECT_FALSE(refused.is_ready());
  EXPECT_NE(refused.errors().find("Failed to prepare for TPU. Failed precondition: Package requires runtime version "
                                  "(14), which is newer than this runtime version (13)."),
            std::string::npos);
  Compiled other;
  other.package_identifier = "DWN0";
  Interpreter unknown(make_compiled_subtraction(kUint8, kLength, other), delegate.get(), driver.layout);
  EXPECT_FALSE(unknown.is_ready());
  EXPECT_NE(unknown.errors().find("Package verification failed"), std::string::npos);
}

TEST_P(EdgeTpuSimulator, SaysThatItIsASimulatorOrWhatItWasTold) {
  EXPECT_NE(std::string(driver.version()).find("simulator"), std::string::npos);
  EXPECT_NE(std::string(driver.version()).find("RuntimeVersion(14)"), std::string::npos);
  tell("version", "BuildLabel(of another day), RuntimeVersion(12)\n");
  EXPECT_STREQ(driver.version(), "BuildLabel(of another day), RuntimeVersion(12)");
}

TEST_P(EdgeTpuSimulator, ListsWhatTheFileSays) {
  EXPECT_EQ(driver.paths(), (std::vector<std::string>{std::string("usb ") + kStick}));
  tell("devices", "pci /dev/apex_0\nusb /sys/bus/usb/devices/2-1 7\nnonsense\n");
  EXPECT_EQ(driver.paths(), (std::vector<std::string>{"pci /dev/apex_0", "usb /sys/bus/usb/devices/2-1"}));
  tell("devices", "");
  EXPECT_TRUE(driver.paths().empty());
  EXPECT_EQ(open_device(driver), nullptr);
  EXPECT_EQ(open_device(driver, kUsb, nullptr), nullptr);
}

TEST_P(EdgeTpuSimulator, OpensByTypeAndPathOrTheFirstThatIsFree) {
  tell("devices", "pci /dev/apex_0\npci /dev/apex_1\nusb /sys/bus/usb/devices/2-1\n");
  EXPECT_EQ(open_device(driver, kUsb, "/dev/apex_0"), nullptr);
  EXPECT_EQ(open_device(driver, kPci, "/dev/apex_2"), nullptr);
  EXPECT_EQ(open_device(driver, 7, "/dev/apex_0"), nullptr);
  const OwnedDelegate second = open_device(driver, kPci, "/dev/apex_1");
  ASSERT_NE(second, nullptr);
  // One that is open already is shared before another one is opened.
  const OwnedDelegate shared = open_device(driver, kPci, nullptr);
  EXPECT_FALSE(has_logged("open pci /dev/apex_0"));
  const OwnedDelegate stick = open_device(driver, kUsb, nullptr);
  EXPECT_TRUE(has_logged("open usb /sys/bus/usb/devices/2-1\n"));
}

TEST_P(EdgeTpuSimulator, ChecksOptions) {
  using Options = std::vector<DriverOption>;
  for (const Options& wrong : {Options{{"Performance", "Highest"}}, Options{{"Usb.AlwaysDfu", "true"}},
                               Options{{"Usb.MaxBulkInQueueLength", "257"}},
                               Options{{"Usb.MaxBulkInQueueLength", "1x"}}, Options{{"Perfomance", "High"}}}) {
    EXPECT_EQ(open_device(driver, kUsb, kStick, wrong), nullptr) << wrong[0].name << " " << wrong[0].value;
  }
  EXPECT_NE(open_device(driver, kUsb, kStick,
                        {{"Performance", "High"}, {"Usb.AlwaysDfu", "False"}, {"Usb.MaxBulkInQueueLength", "256"}}),
            nullptr);
  EXPECT_TRUE(has_logged(std::string("open usb ") + kStick +
                         " Performance=High Usb.AlwaysDfu=False Usb.MaxBulkInQueueLength=256\n"));
}

TEST_P(EdgeTpuSimulator, EndsTheProcessWhereANameIsMissing) {
  testing::GTEST_FLAG(death_test_style) = "fast";
  EXPECT_DEATH(open_device(driver, kUsb, nullptr, {{"Performance", "High"}}), "Check failed: name");
  EXPECT_DEATH(open_device(driver, kUsb, kStick, {{nullptr, "High"}}), "without a name");
  EXPECT_DEATH(driver.create_delegate(kUsb, kStick, nullptr, 1), "Check failed: options");
  EXPECT_DEATH(driver.list_devices(nullptr), "Check failed");
}

TEST_P(EdgeTpuSimulator, IsOneStickWhereNoFolderIsNamed) {
  unsetenv("EDGE_INFER_EDGETPU_SIMULATOR");
  EXPECT_EQ(driver.paths(), std::vector<std::string>{std::string("usb ") + kStick});
  Loaded loaded(driver);
  EXPECT_TRUE(loaded.run() && loaded.is_right() && loaded.run() && loaded.is_right());
}

TEST_P(EdgeTpuSimulator, OpensNothingWhereItMayNotWrite) {
  std::filesystem::create_directory(folder_ + "/record");  // so that not even root can write that file
  EXPECT_EQ(driver.paths().size(), 1u);
  driver.verbosity(1);
  testing::internal::CaptureStderr();
  EXPECT_EQ(open_device(driver), nullptr);
  EXPECT_NE(testing::internal::GetCapturedStderr().find("Failed to open device [usb] at"), std::string::npos);
}

TEST_P(EdgeTpuSimulator, IsAPluginOfTheRuntimeToo) {
  tell("devices", "usb /a\npci /dev/apex_0\nusb /b\n");
  const auto opens = [&](const std::string& device) {
    std::string key = "device", value = device;
    char *keys[] = {key.data()}, *values[] = {value.data()};
    std::filesystem::remove(folder_ + "/log");
    Delegate* delegate = driver.plugin_create(keys, values, 1, nullptr);
    if (delegate == nullptr) return std::string();
    driver.plugin_destroy(delegate);
    std::istringstream words(read("log"));
    std::string pid, open, bus, path;
    words >> pid >> open >> bus >> path;
    return path;
  };
  EXPECT_EQ(opens(""), "/dev/apex_0");
  EXPECT_EQ(opens("usb"), "/a");
  EXPECT_EQ(opens("usb:1"), "/b");
  EXPECT_EQ(opens(":1"), "/dev/apex_0");
  EXPECT_EQ(opens("pci:0"), "/dev/apex_0");
  EXPECT_EQ(opens("pci:1"), "");
  EXPECT_EQ(opens("gpu"), "");
}

}  // namespace
}  // namespace edge::test
