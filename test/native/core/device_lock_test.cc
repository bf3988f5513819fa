// The lock that keeps a device to one process: shared inside, exclusive outside, gone with its process.
#include "core/device_lock.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "core/error.h"

namespace edge {
namespace {

class DeviceLockTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/edge-infer-lock-test-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    folder_ = folder;
    setenv("EDGE_INFER_LOCKS", folder, 1);
  }
  void TearDown() override {
    unsetenv("EDGE_INFER_LOCKS");
    unlink((folder_ + "/edge-infer-fake-edgetpu-usb-1-4.lock").c_str());
    rmdir(folder_.c_str());
  }
  std::string folder_;
};

constexpr char kDevice[] = "fake:edgetpu:usb-1-4";

// What lock_device() throws; nothing else.
std::string refusal() {
  try {
    lock_device(kDevice);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kDeviceBusy);
    EXPECT_NE(error.remedy(), "");
    return error.message();
  }
  return {};
}

// A process that has taken the lock, and holds it until it is killed. It never returns here.
pid_t holder() {
  int ready[2];
  if (pipe(ready) != 0) return -1;
  const pid_t child = fork();
  if (child == 0) {
    const auto lock = lock_device(kDevice);
    if (write(ready[1], "x", 1) != 1) _exit(1);
    for (;;) pause();
  }
  char byte;
  const bool held = read(ready[0], &byte, 1) == 1;
  close(ready[0]);
  close(ready[1]);
  return held ? child : -1;
}

TEST_F(DeviceLockTest, ModelsOfOneProcessShareIt) {
  const auto first = lock_device(kDevice);
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(lock_device(kDevice), first);
}

TEST_F(DeviceLockTest, AnotherProcessIsToldWhoHasIt) {
  const pid_t child = holder();
  ASSERT_GT(child, 0);
  EXPECT_NE(refusal().find("process " + std::to_string(child)), std::string::npos);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_NE(lock_device(kDevice), nullptr);  // gone with its process, however that ended
}

TEST_F(DeviceLockTest, ItIsFreeWhenTheLastHolderIsGone) {
  auto first = lock_device(kDevice);
  auto second = lock_device(kDevice);
  first.reset();
  second.reset();
  const pid_t child = holder();
  ASSERT_GT(child, 0);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

TEST_F(DeviceLockTest, OtherDevicesAreNotConcerned) {
  const auto first = lock_device(kDevice);
  const auto other = lock_device("fake:edgetpu:usb-1-5");
  EXPECT_NE(other, nullptr);
  EXPECT_NE(other, first);
  unlink((folder_ + "/edge-infer-fake-edgetpu-usb-1-5.lock").c_str());
}

TEST_F(DeviceLockTest, ALinkOfSomebodyElsesIsNotFollowed) {
  const std::string target = folder_ + "/target";
  ASSERT_EQ(symlink(target.c_str(), (folder_ + "/edge-infer-fake-edgetpu-usb-1-4.lock").c_str()), 0);
  const auto lock = lock_device(kDevice);  // in /run/lock or /tmp then
  EXPECT_NE(access(target.c_str(), F_OK), 0);
}

}  // namespace
}  // namespace edge
