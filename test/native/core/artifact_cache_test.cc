// The cache of compiled models: found again, never believed when it is not just what was kept there, and never in the
// way.
#include "core/artifact_cache.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <utility>

#include "../support/cache_folder.h"
#include "core/sha256.h"

namespace edge::test {
namespace {

using ArtifactCacheTest = CacheFolder;

TEST_F(ArtifactCacheTest, FindsWhatItKept) {
  EXPECT_FALSE(has());
  EXPECT_TRUE(has());
  EXPECT_FALSE(has("b", "other"));
  EXPECT_TRUE(has("b", "other"));
  EXPECT_TRUE(has());
  EXPECT_TRUE(is_tidy());
  EXPECT_EQ(log_, "");
}

TEST_F(ArtifactCacheTest, KeepsItWhereNobodyElseMayLook) {
  const mode_t before = umask(0);
  kept();
  umask(before);
  for (const std::string& path : {folder(), entry()}) EXPECT_EQ(mode_of(path), 0700u) << path;
  for (const std::string& name : names_in(entry())) EXPECT_EQ(mode_of(entry() + "/" + name), 0600u) << name;
  EXPECT_EQ(names_in(entry()), (std::vector<std::string>{"data", "facts", "seal"}));
  EXPECT_EQ(mode_of(folder() + "/.key"), 0600u);
  EXPECT_EQ(contents_of(folder() + "/.key").size(), 32u);
}

TEST_F(ArtifactCacheTest, SaysWhatAnEntryIs) {
  bool from_cache = false;
  const auto make = [] { return std::vector<uint8_t>{1}; };
  kept_bytes(place_, "a", {{"model", "m.onnx"}, {"device", "two\nlines"}}, make, nullptr, from_cache);
  const std::string facts = contents_of(entry() + "/facts");
  EXPECT_EQ(facts.substr(0, facts.find("made ")), "model m.onnx\ndevice two lines\n");
  EXPECT_EQ(facts.size(), facts.find("made ") + 5 + 20 + 1) << facts;
}

TEST_F(ArtifactCacheTest, AnotherSecretIsAnotherCache) {
  kept();
  const std::string first = contents_of(folder() + "/.key");
  remove_tree(folder());
  kept();
  EXPECT_NE(contents_of(folder() + "/.key"), first);
}

struct Damage {
  const char* name;
  std::function<void(const std::string& entry)> inflict;
};

void PrintTo(const Damage& damage, std::ostream* out) { *out << damage.name; }

class DamagedArtifactTest : public CacheFolder, public ::testing::WithParamInterface<Damage> {};

void change(const std::string& path, const std::function<void(std::string&)>& how) {
  std::string text = contents_of(path);
  how(text);
  put(path, text);
}

void turn_a_bit(const std::string& path, size_t at) {
  change(path, [&](std::string& text) { text.at(at) = static_cast<char>(text.at(at) ^ 1); });
}

std::string elsewhere(const std::string& entry) {
  return entry.substr(0, entry.rfind('/', entry.rfind('/') - 1)) + "/x";
}

void move_and_link(const std::string& entry, const std::string& path) {
  ASSERT_EQ(rename(path.c_str(), elsewhere(entry).c_str()), 0);
  ASSERT_EQ(symlink(elsewhere(entry).c_str(), path.c_str()), 0);
}

TEST_P(DamagedArtifactTest, IsMadeAnewAndKeptAgain) {
  EXPECT_FALSE(has());
  GetParam().inflict(entry());
  EXPECT_EQ(log_, "");
  EXPECT_FALSE(has());
  EXPECT_NE(log_.find("is made anew"), std::string::npos) << log_;
  EXPECT_TRUE(has());
  EXPECT_TRUE(is_tidy());
}

const Damage kDamages[] = {
    {"TheDataDiffers", [](const std::string& entry) { turn_a_bit(entry + "/data", 3); }},
    {"TheDataIsCutOff", [](const std::string& entry) { EXPECT_EQ(truncate((entry + "/data").c_str(), 3), 0); }},
    {"TheDataIsEmpty", [](const std::string& entry) { EXPECT_EQ(truncate((entry + "/data").c_str(), 0), 0); }},
    {"TheDataIsLonger", [](const std::string& entry) { change(entry + "/data", [](auto& text) { text += "x"; }); }},
    {"TheDataIsGone", [](const std::string& entry) { unlink((entry + "/data").c_str()); }},
    {"TheDataIsALink", [](const std::string& entry) { move_and_link(entry, entry + "/data"); }},
    {"TheDataHasAnotherName",
     [](const std::string& entry) { EXPECT_EQ(link((entry + "/data").c_str(), elsewhere(entry).c_str()), 0); }},
    {"OthersMayWriteTheData", [](const std::string& entry) { chmod((entry + "/data").c_str(), 0620); }},
    {"TheFactsDiffer", [](const std::string& entry) { turn_a_bit(entry + "/facts", 6); }},
    {"TheFactsAreGone", [](const std::string& entry) { unlink((entry + "/facts").c_str()); }},
    {"TheSignedPartDiffers", [](const std::string& entry) { turn_a_bit(entry + "/seal", 40); }},
    {"TheSignatureDiffers",
     [](const std::string& entry) {
       change(entry + "/seal", [](auto& text) { text[text.size() - 2] = text[text.size() - 2] == '0' ? '1' : '0'; });
     }},
    {"TheSealIsCutOff", [](const std::string& entry) { EXPECT_EQ(truncate((entry + "/seal").c_str(), 65), 0); }},
    {"TheSealIsEmpty", [](const std::string& entry) { EXPECT_EQ(truncate((entry + "/seal").c_str(), 0), 0); }},
    {"TheSealIsGone", [](const std::string& entry) { unlink((entry + "/seal").c_str()); }},
    {"TheSealIsOnlyChecksums",  // which everybody can make who can write here
     [](const std::string& entry) {
       turn_a_bit(entry + "/data", 3);
       std::string data = contents_of(entry + "/data");
       Sha256 hash;
       hash.add(data.data(), data.size());
       change(entry + "/seal", [&](auto& text) { text.replace(text.find('\n') + 1, 64, hash.hex()); });
     }},
    {"OthersMayEnterTheFolder", [](const std::string& entry) { chmod(entry.c_str(), 0750); }},
    {"OthersMayWriteToTheFolder", [](const std::string& entry) { chmod(entry.c_str(), 0720); }},
    {"TheFolderIsALink", [](const std::string& entry) { move_and_link(entry, entry); }},
    {"TheFolderIsAFile",
     [](const std::string& entry) {
       remove_tree(entry);
       put(entry, "compiled");
     }},
    {"TheSecretIsAnotherOne", [](const std::string& entry) { turn_a_bit(entry + "/../.key", 31); }},
    {"TheSecretIsCutOff", [](const std::string& entry) { EXPECT_EQ(truncate((entry + "/../.key").c_str(), 31), 0); }},
    {"TheSecretIsLonger", [](const std::string& entry) { change(entry + "/../.key", [](auto& s) { s += "x"; }); }},
    {"OthersMayReadTheSecret", [](const std::string& entry) { chmod((entry + "/../.key").c_str(), 0640); }},
    {"TheSecretIsALink",
     [](const std::string& entry) { move_and_link(entry, entry.substr(0, entry.rfind('/')) + "/.key"); }},
    {"TheSecretIsAFolder",
     [](const std::string& entry) {
       unlink((entry + "/../.key").c_str());
       mkdir((entry + "/../.key").c_str(), 0700);
     }},
    {"TheSecretIsGone", [](const std::string& entry) { unlink((entry + "/../.key").c_str()); }},
};

INSTANTIATE_TEST_SUITE_P(Each, DamagedArtifactTest, ::testing::ValuesIn(kDamages),
                         [](const auto& one) { return std::string(one.param.name); });

TEST_F(ArtifactCacheTest, ASecretThatIsNoneIsReplaced) {
  kept();
  const std::string first = contents_of(folder() + "/.key");
  chmod((folder() + "/.key").c_str(), 0644);
  kept();
  EXPECT_NE(contents_of(folder() + "/.key"), first) << "others may have read it";
  EXPECT_EQ(mode_of(folder() + "/.key"), 0600u);
}

TEST_F(ArtifactCacheTest, AnEntryIsGoodUnderItsOwnKeyOnly) {
  kept("a", "of a");
  kept("b", "of b");
  remove_tree(entry("b"));
  ASSERT_EQ(rename(entry("a").c_str(), entry("b").c_str()), 0);
  EXPECT_FALSE(has("b", "of b"));
  EXPECT_FALSE(has("a", "of a"));
}

TEST_F(ArtifactCacheTest, AnEntryIsGoodForItsOwnBackendOnly) {
  kept();
  const std::string other = place_.directory + "/other";
  ASSERT_EQ(rename(folder().c_str(), other.c_str()), 0);  // with its secret
  place_.backend = "other";
  EXPECT_FALSE(has());
}

TEST_F(ArtifactCacheTest, WhatSomebodyAddsIsRemoved) {
  kept();
  put(entry() + "/more", "more");
  mkdir((entry() + "/folder").c_str(), 0700);
  put(entry() + "/folder/more", "more");
  EXPECT_TRUE(has());
  EXPECT_EQ(names_in(entry()), (std::vector<std::string>{"data", "facts", "seal"}));
}

TEST_F(ArtifactCacheTest, WhatMakeThrowsComesOutAndNothingIsKept) {
  bool from_cache = true;
  const auto make = []() -> std::vector<uint8_t> { throw Error(ErrorCode::kInvalidModel, "bad"); };
  EXPECT_EQ(code_of([&] { kept_bytes(place_, "a", {}, make, nullptr, from_cache); }), ErrorCode::kInvalidModel);
  EXPECT_FALSE(from_cache);
  EXPECT_TRUE(entries().empty());
  EXPECT_TRUE(is_tidy());
  EXPECT_FALSE(has());
}

TEST_F(ArtifactCacheTest, TheOneThatWasNotUsedForLongestGoesFirst) {
  const std::string large(1000, 'x');
  for (const char* key : {"a", "b", "c"}) kept(key, large);
  time_t age = 100;
  for (const char* key : {"a", "b", "c"}) {
    const timespec times[2] = {{age, 0}, {age, 0}};
    ASSERT_EQ(utimensat(AT_FDCWD, entry(key).c_str(), times, 0), 0);
    age += 100;
  }
  EXPECT_TRUE(has("a", large));  // used just now
  place_.limit = 3 * size_of(entry("a")) + 100;
  kept("d", large);
  EXPECT_EQ(entries(), (std::set<std::string>{"a", "c", "d"}));
  place_.limit = size_of(entry("a")) + 100;
  kept("e", large);
  EXPECT_EQ(entries(), (std::set<std::string>{"e"}));
}

TEST_F(ArtifactCacheTest, WhatIsLargerThanTheCacheMayBeIsNotKept) {
  kept("a", "small");
  place_.limit = 1000;
  EXPECT_FALSE(has("b", std::string(1000, 'x')));
  EXPECT_EQ(entries(), (std::set<std::string>{"a"}));
  EXPECT_NE(log_.find("larger than the cache"), std::string::npos) << log_;
  EXPECT_TRUE(is_tidy());
}

TEST_F(ArtifactCacheTest, WhatEndedProcessesLeftIsRemoved) {
  kept();
  mkdir((folder() + "/.new-b-abcdef").c_str(), 0700);
  put(folder() + "/.new-b-abcdef/data", "half");
  mkdir((folder() + "/.new-c-abcdef").c_str(), 0700);
  put(folder() + "/.lock-b", "");
  EXPECT_TRUE(has());  // only who writes tidies up
  EXPECT_FALSE(is_tidy());
  EXPECT_FALSE(has("c"));
  EXPECT_EQ(entries(), (std::set<std::string>{"a", "c"}));
  EXPECT_TRUE(is_tidy());
}

// Serves without a cache, with a line in the log.
#define EXPECT_PASSED_OVER() \
  EXPECT_FALSE(has());       \
  EXPECT_FALSE(has());       \
  EXPECT_NE(log_, "");       \
  log_.clear()

TEST_F(ArtifactCacheTest, AFolderThatCannotBeUsedIsPassedOver) {
  mkdir(folder().c_str(), 0700);
  for (const mode_t open : {0770, 0707, 0750, 0720}) {
    chmod(folder().c_str(), open);
    EXPECT_PASSED_OVER();
  }
  EXPECT_TRUE(names_in(folder()).empty());
  chmod(folder().c_str(), 0700);
  const std::string elsewhere = place_.directory + "/elsewhere";
  ASSERT_EQ(rename(folder().c_str(), elsewhere.c_str()), 0);
  ASSERT_EQ(symlink(elsewhere.c_str(), folder().c_str()), 0);
  EXPECT_PASSED_OVER();
  EXPECT_TRUE(names_in(elsewhere).empty());
  place_.directory = "/proc/no-such-folder";
  EXPECT_PASSED_OVER();
}

TEST_F(ArtifactCacheTest, AProcessThatMayNotWriteLargeFilesHasNoCache) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  if (before.rlim_cur != RLIM_INFINITY) GTEST_SKIP() << "files are limited in size";
  const rlimit small{4, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  EXPECT_PASSED_OVER();
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_FALSE(has());
  EXPECT_TRUE(has());
}

TEST_F(ArtifactCacheTest, OneThatCannotBeWrittenIsReadAllTheSame) {
  kept();
  EXPECT_EQ(chmod(folder().c_str(), 0500), 0);
  // Root writes everywhere: tried as somebody else where we are root.
  const pid_t child = fork();
  if (child == 0) {
    if (geteuid() == 0) {
      for (const std::string& path : {place_.directory, folder(), entry(), entry() + "/data", entry() + "/facts",
                                      entry() + "/seal", folder() + "/.key"})
        if (chown(path.c_str(), 65534, 65534) != 0) _exit(2);
      if (setuid(65534) != 0) _exit(2);
    }
    if (!has()) _exit(3);
    if (has("b") || has("b") || log_.find("cannot be written") == std::string::npos) _exit(4);
    _exit(0);
  }
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  chmod(folder().c_str(), 0700);
}

TEST_F(ArtifactCacheTest, AFullDisk) {
  // In a process of its own, whose mounts nobody else sees.
  const pid_t child = fork();
  if (child == 0) {
    if (unshare(CLONE_NEWNS) != 0 || mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) _exit(77);
    if (mount("tmpfs", place_.directory.c_str(), "tmpfs", 0, "size=3m,mode=700") != 0) _exit(77);
    const std::string large(4 << 20, 'x'), fits(1 << 20, 'x'), nearly((2 << 20) + 1000, 'x');
    if (has("large", large) || has("large", large) || !entries().empty() || !is_tidy()) _exit(3);
    if (log_.find("cannot be written") == std::string::npos) _exit(4);
    if (has("nearly", nearly) || has("nearly", nearly) || !entries().empty() || !is_tidy()) _exit(5);
    if (log_.find("the disk is full") == std::string::npos) _exit(6);
    _exit(has("fits", fits) || !has("fits", fits) ? 7 : 0);
  }
  int status = -1;
  waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) GTEST_SKIP() << "no disk can be mounted here";
  EXPECT_EQ(status, 0);
}

TEST_F(ArtifactCacheTest, WhatTheSdkRefusesIsMadeAnew) {
  kept();
  int made = 0;
  const auto make = [&] {
    ++made;
    return std::vector<uint8_t>{'n', 'e', 'w'};
  };
  const auto get = [&](bool taken) {
    bool from_cache = false;
    const auto bytes = kept_bytes(place_, "a", {}, make, nullptr, from_cache, [&](const auto&) { return taken; });
    EXPECT_EQ(from_cache, taken);
    return std::string(bytes.begin(), bytes.end());
  };
  EXPECT_EQ(get(true), "compiled");
  EXPECT_EQ(get(false), "new");
  EXPECT_EQ(get(true), "new");
  EXPECT_EQ(made, 1);
  // What it says of the bytes ends the load and loses nothing.
  bool from_cache = false;
  const auto fail = [](const auto&) -> bool { throw Error(ErrorCode::kOutOfMemory, "no memory"); };
  EXPECT_THROW(kept_bytes(place_, "a", {}, make, nullptr, from_cache, fail), Error);
  EXPECT_EQ(get(true), "new");
  EXPECT_TRUE(is_tidy());
}

}  // namespace
}  // namespace edge::test
