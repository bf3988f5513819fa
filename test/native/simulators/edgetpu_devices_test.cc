// The Edge TPU simulator's devices: who may open them, and what a control folder does to them and to their runs.
#include <chrono>
#include <thread>

#include "../support/gate.h"
#include "edgetpu_fixture.h"

namespace edge::test {
namespace {

class EdgeTpuSimulatorDevices : public EdgeTpuSimulator {};
INSTANTIATE_TEST_SUITE_P(, EdgeTpuSimulatorDevices, testing::Values(OLD_SIMULATOR, NEW_SIMULATOR), layout_name);

TEST_P(EdgeTpuSimulatorDevices, SharesADeviceInsideAProcess) {
  tell("devices", "pci /dev/apex_0\n");
  auto one = std::make_unique<Loaded>(driver, kPci, "/dev/apex_0"),
       two = std::make_unique<Loaded>(driver, kPci, "/dev/apex_0");
  EXPECT_TRUE(one->run() && one->is_right() && two->run() && two->is_right());
  one.reset();
  EXPECT_TRUE(two->run() && two->is_right());
  EXPECT_FALSE(has_logged("close"));
  two.reset();
  EXPECT_TRUE(has_logged("close pci /dev/apex_0"));
  EXPECT_EQ(runs_of("/dev/apex_0"), 3);
}

TEST_P(EdgeTpuSimulatorDevices, GivesAPcieDeviceToOneProcess) {
  tell("devices", "pci /dev/apex_0\n");
  {
    const OtherProcess holder([&] { return open_device(driver, kPci, "/dev/apex_0"); });
    EXPECT_EQ(open_device(driver, kPci, "/dev/apex_0"), nullptr);
    EXPECT_EQ(read("held_dev_apex_0").find(std::to_string(holder.pid()) + " "), 0u);
  }
  // Killed: it closed nothing, the kernel did.
  EXPECT_NE(open_device(driver, kPci, "/dev/apex_0"), nullptr);
}

TEST_P(EdgeTpuSimulatorDevices, EndsTheProcessWhoseStickAnotherTakes) {
  testing::GTEST_FLAG(death_test_style) = "fast";
  Loaded first(driver);
  ASSERT_TRUE(first.run());
  // The other library: in a copy of this process this one has the stick open already.
  const Driver other(driver.layout == Layout::old ? NEW_SIMULATOR : OLD_SIMULATOR);
  const OtherProcess second([&] { return open_device(other); });
  EXPECT_DEATH(first.run(), "transfer on tag 1 failed. Abort.");
}

TEST_P(EdgeTpuSimulatorDevices, FailsTheRunThatItWasTold) {
  Loaded loaded(driver);
  ASSERT_TRUE(loaded.run());
  tell("faults", "fail 3\nfail 5 /dev/apex_0\n");
  EXPECT_TRUE(loaded.run() && loaded.run());
  EXPECT_FALSE(loaded.run());
  EXPECT_NE(loaded.interpreter.errors().find("Failed to execute request. Deadline exceeded"), std::string::npos);
  for (int run = 0; run < 4; ++run) EXPECT_TRUE(loaded.run() && loaded.is_right()) << run;
  tell("faults", "fail every\n");
  EXPECT_FALSE(loaded.run() || loaded.run());
  tell("faults", "");
  EXPECT_TRUE(loaded.run());
}

TEST_P(EdgeTpuSimulatorDevices, CountsRunsPerDeviceAndOverProcesses) {
  tell("devices", "usb /a\nusb /b\n");
  tell("faults", "fail 4 /b\n");
  const auto runs = [&](const char* path, int count) {
    return in_child([&] {
      Loaded loaded(driver, kUsb, path);
      int good = 0;
      for (int run = 0; run < count; ++run) good += loaded.run() ? 1 : 0;
      return good;
    });
  };
  EXPECT_EQ(runs("/b", 2), 2);
  EXPECT_EQ(runs("/a", 5), 5);
  EXPECT_EQ(runs("/b", 1), 1);
  EXPECT_EQ(runs("/b", 1), 0);
  EXPECT_EQ(runs("/b", 3), 3);
  EXPECT_EQ(runs_of("/a"), 5);
  EXPECT_EQ(runs_of("/b"), 7);
  EXPECT_EQ(runs_of("*"), 12);
}

TEST_P(EdgeTpuSimulatorDevices, HangsUntilTheFileSaysSomethingElse) {
  Loaded loaded(driver), other(driver);
  tell("faults", "hang 1\n");
  std::thread hung([&] { EXPECT_FALSE(loaded.run()); });
  ASSERT_TRUE(eventually([&] { return has_logged("hang run 1"); }));
  // The device does one thing at a time.
  Gate done;
  std::thread waiting([&] {
    EXPECT_TRUE(other.run() && other.is_right());
    done.open();
  });
  EXPECT_FALSE(done.wait(std::chrono::milliseconds(100)));
  tell("faults", "");
  hung.join();
  waiting.join();
  EXPECT_TRUE(loaded.run() && loaded.is_right());
}

TEST_P(EdgeTpuSimulatorDevices, AbortsInTheRunThatItWasTold) {
  testing::GTEST_FLAG(death_test_style) = "fast";
  Loaded loaded(driver);
  tell("faults", "abort 2\n");
  ASSERT_TRUE(loaded.run());
  EXPECT_DEATH(loaded.run(), "Deadline exceeded: USB transfer error 2");
  EXPECT_TRUE(loaded.run() && loaded.is_right());  // the third
}

TEST_P(EdgeTpuSimulatorDevices, LosesARunInProgressWithItsDevice) {
  tell("devices", std::string("usb ") + kStick + "\n");
  tell("latency_us", "3600000000\n");
  auto loaded = std::make_unique<Loaded>(driver);
  std::thread running([&] { EXPECT_FALSE(loaded->run()); });
  ASSERT_TRUE(eventually([&] { return runs_of(kStick) == 1; }));
  tell("devices", "");
  running.join();
  EXPECT_NE(loaded->interpreter.errors().find("Failed to execute request. Not found: USB transfer error 5"),
            std::string::npos);
  tell("latency_us", "0\n");
  EXPECT_TRUE(driver.paths().empty());

  // Back at another place: the open one stays lost, the new one works.
  tell("devices", "usb /sys/bus/usb/devices/1-5\n");
  EXPECT_FALSE(loaded->run());
  Loaded moved(driver, kUsb, "/sys/bus/usb/devices/1-5");
  EXPECT_TRUE(moved.run() && moved.is_right());
}

TEST_P(EdgeTpuSimulatorDevices, OpensAStickAnewThatWasPluggedInAgainAtItsPlace) {
  tell("devices", std::string("usb ") + kStick + " 4\n");
  auto loaded = std::make_unique<Loaded>(driver);
  ASSERT_TRUE(loaded->run());
  tell("devices", std::string("usb ") + kStick + " 5\n");
  EXPECT_FALSE(loaded->run());
  // As in the driver, whoever asks while the lost one is still held shares it.
  EXPECT_FALSE(Loaded(driver).run());
  loaded.reset();
  Loaded again(driver);
  EXPECT_TRUE(again.run() && again.is_right());
}

TEST_P(EdgeTpuSimulatorDevices, UnplugsItselfInTheRunThatItWasTold) {
  tell("devices", std::string("usb ") + kStick + "\npci /dev/apex_0\n");
  tell("faults", std::string("unplug 2 ") + kStick + "\n");
  auto stick = std::make_unique<Loaded>(driver);
  Loaded card(driver, kPci, "/dev/apex_0");
  EXPECT_TRUE(stick->run() && card.run());
  EXPECT_FALSE(stick->run());
  EXPECT_EQ(driver.paths(), std::vector<std::string>{"pci /dev/apex_0"});
  EXPECT_TRUE(card.run());
  stick.reset();
  EXPECT_EQ(open_device(driver), nullptr);
  tell("devices", std::string("usb ") + kStick + "\npci /dev/apex_0\n");
  Loaded back(driver);
  EXPECT_TRUE(back.run() && back.is_right());
}

}  // namespace
}  // namespace edge::test
