// The cache of compiled models among threads and processes: one makes an entry, the others wait; and its form for SDKs
// that read and write files themselves.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "../support/cache_folder.h"
#include "../support/gate.h"
#include "core/artifact_cache.h"

namespace edge::test {
namespace {

class ArtifactSharingTest : public CacheFolder {
 protected:
  // Gives the bytes of key "a", which `make` compiles.
  std::string kept_with(const std::function<void()>& make, const std::atomic<bool>* cancelled = nullptr) const {
    bool from_cache = false;
    const auto compile = [&] {
      make();
      return std::vector<uint8_t>{'o', 'k'};
    };
    const auto bytes = kept_bytes(place_, "a", {}, compile, cancelled, from_cache);
    return {bytes.begin(), bytes.end()};
  }

  // A process that is making key "a", and goes on with it until it is killed. It never returns here.
  pid_t maker() const {
    int ready[2];
    if (pipe(ready) != 0) return -1;
    const pid_t child = fork();
    if (child == 0) {
      kept_with([&] {
        if (write(ready[1], "x", 1) != 1) _exit(1);
        for (;;) pause();
      });
      _exit(2);
    }
    char byte;
    const bool makes = read(ready[0], &byte, 1) == 1;
    close(ready[0]);
    close(ready[1]);
    return makes ? child : -1;
  }
  static void end(pid_t child) {
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
  }
};

TEST_F(ArtifactSharingTest, OneOfManyThreadsMakesIt) {
  std::atomic<int> made{0}, waiting{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      ++waiting;
      const std::string bytes = kept_with([&] {
        ++made;
        eventually([&] { return waiting == 8; });
        sleep_ms(50);  // the others get to the lock
      });
      EXPECT_EQ(bytes, "ok");
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(made, 1);
  EXPECT_TRUE(is_tidy());
}

// Also agree on one secret: or they would not believe each other.
TEST_F(ArtifactSharingTest, OneOfManyProcessesMakesIt) {
  int made[2], start[2];
  ASSERT_EQ(pipe(made), 0);
  ASSERT_EQ(pipe(start), 0);
  std::vector<pid_t> children;
  for (int i = 0; i < 6; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      close(start[1]);
      char byte;
      if (read(start[0], &byte, 1) != 0) _exit(2);  // all at once, when nobody holds the other end any more
      const std::string bytes = kept_with([&] {
        if (write(made[1], "x", 1) != 1) _exit(3);
        sleep_ms(50);
      });
      _exit(bytes == "ok" && log_.empty() ? 0 : 4);
    }
    children.push_back(child);
  }
  close(start[0]);
  close(start[1]);
  for (const pid_t child : children) {
    int status = -1;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  close(made[1]);
  char bytes[16];
  EXPECT_EQ(read(made[0], bytes, sizeof bytes), 1);
  close(made[0]);
  EXPECT_TRUE(is_tidy());
}

TEST_F(ArtifactSharingTest, WhenTheFirstOneDiesTheNextOneMakesIt) {
  const pid_t child = maker();
  ASSERT_GT(child, 0);
  std::atomic<bool> dead{false};
  std::atomic<int> made{0};
  std::thread next([&] {
    kept_with([&] {
      EXPECT_TRUE(dead);
      ++made;
    });
  });
  sleep_ms(50);  // it waits by now, or comes later: both is well
  dead = true;
  end(child);
  next.join();
  EXPECT_EQ(made, 1);
  EXPECT_EQ(kept_with([] { FAIL(); }), "ok");
  EXPECT_TRUE(is_tidy()) << "what the dead one left";
}

TEST_F(ArtifactSharingTest, OtherEntriesDoNotWait) {
  const pid_t child = maker();
  ASSERT_GT(child, 0);
  EXPECT_FALSE(has("b"));
  EXPECT_TRUE(has("b"));
  EXPECT_FALSE(is_tidy()) << "what somebody is making stays";
  end(child);
}

TEST_F(ArtifactSharingTest, WhoWaitsCanBeCancelled) {
  const pid_t child = maker();
  ASSERT_GT(child, 0);
  std::atomic<bool> cancelled{false};
  std::thread waiting([&] { EXPECT_EQ(code_of([&] { kept_with([] { FAIL(); }, &cancelled); }), ErrorCode::kAborted); });
  sleep_ms(50);
  cancelled = true;
  waiting.join();
  end(child);
}

TEST_F(ArtifactSharingTest, ALockThatSomebodyLeftHoldsNobodyUp) {
  kept_with([] {});
  remove_tree(entry());
  put(folder() + "/.lock-a", "");
  EXPECT_EQ(kept_with([] {}), "ok");
  EXPECT_TRUE(is_tidy());
}

class ArtifactFolderTest : public CacheFolder {
 protected:
  bool use(const FolderUse& found, const FolderUse& fill) const {
    return kept_folder(place_, "a", {{"model", "m"}}, found, fill, nullptr);
  }
  static bool never(const std::string&) {
    ADD_FAILURE();
    return false;
  }
  static bool fill(const std::string& folder) {
    put(folder + "/1.blob", "one");
    put(folder + "/2.blob", "two");
    return true;
  }
};

TEST_F(ArtifactFolderTest, ShowsWhatWasWrittenIntoIt) {
  const FolderUse found = [&](const std::string& folder) {
    EXPECT_EQ(folder, entry());
    return contents_of(folder + "/1.blob") == "one" && contents_of(folder + "/2.blob") == "two";
  };
  const mode_t before = umask(0);  // whatever an SDK's files may be
  EXPECT_TRUE(use(never, fill));
  umask(before);
  EXPECT_TRUE(use(found, never));
  EXPECT_EQ(names_in(entry()), (std::vector<std::string>{"1.blob", "2.blob", "facts", "seal"}));
  for (const std::string& name : names_in(entry())) EXPECT_EQ(mode_of(entry() + "/" + name), 0600u) << name;
  put(entry() + "/2.blob", "owt");
  EXPECT_TRUE(use(never, fill));
  EXPECT_TRUE(use(found, never));
  EXPECT_TRUE(is_tidy());
}

TEST_F(ArtifactFolderTest, WhatIsOfNoUseIsMadeAnew) {
  EXPECT_TRUE(use(never, fill));
  int shown = 0;
  const FolderUse refuse = [&](const std::string&) {
    ++shown;
    return false;
  };
  const FolderUse other = [](const std::string& folder) {
    put(folder + "/3.blob", "three");
    return true;
  };
  EXPECT_TRUE(use(refuse, other));
  EXPECT_EQ(shown, 1);
  EXPECT_EQ(log_, "");
  EXPECT_EQ(names_in(entry()), (std::vector<std::string>{"3.blob", "facts", "seal"}));
}

TEST_F(ArtifactFolderTest, WhatFailedOrWroteNothingIsNotKept) {
  EXPECT_FALSE(use(never, [](const std::string& folder) { return !fill(folder); }));
  EXPECT_TRUE(entries().empty());
  EXPECT_TRUE(use(never, [](const std::string&) { return true; }));  // a device that does not export
  EXPECT_TRUE(entries().empty());
  EXPECT_EQ(log_, "");
  EXPECT_TRUE(use(never, [](const std::string& folder) {
    put(folder + "/cut-off.blob", "");
    return true;
  }));
  EXPECT_TRUE(entries().empty());
  EXPECT_NE(log_, "");
  EXPECT_TRUE(is_tidy());
}

}  // namespace
}  // namespace edge::test
