// The lock under which a cache entry is made: one holder, and no file afterwards.
#include "core/entry_lock.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <string>
#include <thread>
#include <vector>

#include "core/private_files.h"

namespace edge {
namespace {

class EntryLockTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/edge-infer-entry-lock-test-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    folder_ = folder;
    path_ = folder_ + "/.lock-a";
  }
  void TearDown() override { remove_tree(folder_); }
  std::string folder_, path_;
};

TEST_F(EntryLockTest, HasOneHolderAndLeavesNothing) {
  {
    EntryLock first, second;
    EXPECT_TRUE(first.try_take(path_));
    EXPECT_FALSE(second.try_take(path_));
    EXPECT_TRUE(second.try_take(path_ + "b"));
  }
  EXPECT_TRUE(names_in(folder_).empty());
  EntryLock third;
  EXPECT_TRUE(third.take(path_, nullptr));
}

// Its file goes with each holder: who has opened it meanwhile must not take the lock of a file without a name.
TEST_F(EntryLockTest, HasOneHolderWhileItsFileComesAndGoes) {
  std::atomic<int> inside{0}, taken{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 3000; ++round) {
        EntryLock lock;
        if (!lock.try_take(path_)) continue;
        EXPECT_EQ(++inside, 1);
        ++taken;
        std::this_thread::yield();
        --inside;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(taken, 0);
  EXPECT_TRUE(names_in(folder_).empty());
}

TEST_F(EntryLockTest, SaysWhereNoneCanBeHad) {
  EntryLock lock;
  EXPECT_FALSE(lock.take(folder_ + "/none/.lock-a", nullptr));
  EXPECT_EQ(errno, ENOENT);
  ASSERT_EQ(symlink((folder_ + "/elsewhere").c_str(), path_.c_str()), 0);
  EXPECT_FALSE(lock.take(path_, nullptr)) << "a link is not followed";
  EXPECT_NE(access((folder_ + "/elsewhere").c_str(), F_OK), 0);
}

}  // namespace
}  // namespace edge
