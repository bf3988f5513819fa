// SHA-256 against the examples of FIPS 180-4 and RFC 6234, in one piece and in many; HMAC against those of RFC 4231.
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

TEST(HmacTest, GivesTheStandardsExamples) {
  struct Example {
    std::string secret, text;
    const char* expected;
  };
  std::string counting;
  for (char c = 1; c <= 25; ++c) counting += c;
  const Example examples[] = {
      {std::string(20, '\x0b'), "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
      {"Jefe", "what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
      {std::string(20, '\xaa'), std::string(50, '\xdd'),
       "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
      {counting, std::string(50, '\xcd'), "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
      {std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First",
       "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
      {std::string(131, '\xaa'),
       "This is a test using a larger than block-size key and a larger than block-size data. The key needs to be "
       "hashed before being used by the HMAC algorithm.",
       "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
  };
  for (const Example& example : examples) {
    EXPECT_EQ(hex(hmac_sha256(example.secret.data(), example.secret.size(), example.text)), example.expected);
  }
}

}  // namespace
}  // namespace edge
