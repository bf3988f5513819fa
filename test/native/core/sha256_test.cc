// SHA-256 against the examples of FIPS 180-4 and RFC 6234, in one piece and in many.
#include "core/sha256.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <string>

namespace edge {
namespace {

std::string sum(const std::string& text, size_t piece) {
  Sha256 hash;
  for (size_t at = 0; at < text.size(); at += piece) hash.add(text.data() + at, std::min(piece, text.size() - at));
  return hash.hex();
}

TEST(Sha256Test, GivesTheStandardsExamples) {
  const std::pair<std::string, const char*> examples[] = {
      {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
      {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
      {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
       "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
      {std::string(1'000'000, 'a'), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
  };
  for (const auto& [text, expected] : examples) {
    for (const size_t piece : {1u, 7u, 63u, 64u, 65u, 1'000'000u}) EXPECT_EQ(sum(text, piece), expected) << piece;
  }
}

TEST(Sha256Test, TextsAreKeptApart) {
  Sha256 one, other;
  one.add_text("a"), one.add_text("bc");
  other.add_text("ab"), other.add_text("c");
  EXPECT_NE(one.hex(), other.hex());
}

TEST(Sha256Test, OfAFile) {
  const std::string path = testing::TempDir() + "edge-infer-sha256";
  FILE* file = std::fopen(path.c_str(), "wb");
  ASSERT_NE(file, nullptr);
  std::fputs("abc", file);
  std::fclose(file);
  EXPECT_EQ(sha256_of_file(path), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  std::remove(path.c_str());
  EXPECT_EQ(sha256_of_file(path), "");
  EXPECT_EQ(sha256_of_file(testing::TempDir()), "") << "a folder has no contents";
}

}  // namespace
}  // namespace edge
