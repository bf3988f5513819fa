// A cache of compiled models in a folder of its own, for the tests of core/artifact_cache.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <atomic>
#include <fstream>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/artifact_cache.h"
#include "core/log.h"
#include "core/private_files.h"
#include "recorder.h"

namespace edge::test {

inline std::string contents_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline void put(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

inline mode_t mode_of(const std::string& path) {
  struct stat status{};
  return ::lstat(path.c_str(), &status) == 0 ? status.st_mode & 07777 : 0;
}

class CacheFolder : public ::testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/edge-infer-cache-test-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    place_ = {folder, "fake"};
    listener_ =
        add_log_listener([this](LogLevel, const std::string&, const std::string& message) { log_ += message + "\n"; });
  }
  void TearDown() override {
    listener_.reset();
    remove_tree(place_.directory);
  }

  std::string folder() const { return place_.directory + "/" + place_.backend; }
  std::string entry(const std::string& key = "a") const { return folder() + "/" + key; }

  // What the cache gives for this key, made as `text` where it is not there.
  std::string kept(const std::string& key = "a", const std::string& text = "compiled") {
    const auto make = [&] {
      ++made_;
      return std::vector<uint8_t>(text.begin(), text.end());
    };
    bool from_cache = false;
    const int before = made_;
    const auto bytes = kept_bytes(place_, key, {{"model", "m"}}, make, nullptr, from_cache);
    EXPECT_EQ(from_cache, made_ == before);
    return {bytes.begin(), bytes.end()};
  }
  // Whether the cache has it.
  bool has(const std::string& key = "a", const std::string& text = "compiled") {
    const int before = made_;
    EXPECT_EQ(kept(key, text), text);
    return made_ == before;
  }
  // Without those that begin with a dot, which are of the cache's housekeeping.
  std::set<std::string> entries() const {
    std::set<std::string> found;
    for (const std::string& name : names_in(folder())) {
      if (name[0] != '.') found.insert(name);
    }
    return found;
  }
  // Whether anything is left of an entry's making.
  bool is_tidy() const { return names_in(folder()).size() == entries().size() + 1; }  // `.key`

  CachePlace place_;
  int made_ = 0;
  std::string log_;

 private:
  std::shared_ptr<void> listener_;
};

}  // namespace edge::test
