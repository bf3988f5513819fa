// The lock that keeps a device to one process: shared inside, exclusive outside, gone with its process.
#include "core/device_lock.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "../support/recorder.h"
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
    unlink(file().c_str());
    rmdir(folder_.c_str());
  }
  std::string file() const { return folder_ + "/edge-infer-fake-edgetpu-usb-1-4.lock"; }
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
  ASSERT_EQ(symlink(target.c_str(), file().c_str()), 0);
  EXPECT_EQ(test::code_of([] { lock_device(kDevice); }), ErrorCode::kPermission);
  EXPECT_NE(access(target.c_str(), F_OK), 0);
}

// As another user's file in a folder of all users may be.
TEST_F(DeviceLockTest, AFileThatCanOnlyBeReadLocksAllTheSame) {
  const pid_t child = holder();
  ASSERT_GT(child, 0);
  ASSERT_EQ(chmod(file().c_str(), 0444), 0);
  const auto refused_as_another_user = [] {
    // Root opens everything: tried as somebody else where we are root.
    const pid_t other = fork();
    if (other == 0) {
      if (geteuid() == 0 && setuid(65534) != 0) _exit(2);
      try {
        lock_device(kDevice);
      } catch (const Error& error) {
        _exit(error.code() == ErrorCode::kDeviceBusy ? 0 : 3);
      }
      _exit(1);
    }
    int status = -1;
    waitpid(other, &status, 0);
    return status;
  };
  ASSERT_EQ(chmod(folder_.c_str(), 0755), 0);
  EXPECT_EQ(refused_as_another_user(), 0);
  EXPECT_NE(refusal().find("process " + std::to_string(child)), std::string::npos) << "the pid of its owner is gone";
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

TEST_F(DeviceLockTest, WhereNoFileCanBeMadeNothingIsLocked) {
  setenv("EDGE_INFER_LOCKS", (folder_ + "/none").c_str(), 1);
  EXPECT_EQ(lock_device(kDevice), nullptr);
}

}  // namespace
}  // namespace edge
