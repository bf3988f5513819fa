// The reader of a compiled model's options: what it finds, and that damaged bytes end in a Failure and nowhere else.
#include "custom_options.h"

#include <gtest/gtest.h>

#include <random>

#include "failure.h"
#include "models.h"

namespace edge::test {
namespace {

using edgetpu_simulator::Failure;
using edgetpu_simulator::minimum_runtime_version;
using edgetpu_simulator::read_custom_options;

// In memory of exactly that size, where a sanitizer sees the first byte beyond.
bool is_taken(const std::string& bytes) {
  const std::vector<char> exact(bytes.begin(), bytes.end());
  try {
    minimum_runtime_version(read_custom_options({exact.data(), exact.size()}).package);
    return true;
  } catch (const Failure&) {
    return false;
  }
}

TEST(CustomOptionsTest, FindsPackageAndTwin) {
  const std::string bytes = make_custom_options(13, "DWN1", "the twin's bytes");
  const auto options = read_custom_options(bytes);
  EXPECT_EQ(options.twin, "the twin's bytes");
  EXPECT_EQ(minimum_runtime_version(options.package), 13);
  const std::string without = make_custom_options(12, "DWN1", "");
  EXPECT_EQ(read_custom_options(without).twin, std::nullopt);
  EXPECT_EQ(minimum_runtime_version(read_custom_options(without).package), 12);
}

TEST(CustomOptionsTest, RefusesWhatIsCutOff) {
  const std::string bytes = make_custom_options(13, "DWN1", "twin");
  ASSERT_TRUE(is_taken(bytes));
  for (size_t cut = 1; cut <= bytes.size(); ++cut) {
    EXPECT_FALSE(is_taken(bytes.substr(cut))) << cut;  // the package stands first
    is_taken(bytes.substr(0, bytes.size() - cut));     // another byte is the root: it may even make sense
  }
}

TEST(CustomOptionsTest, ReadsNothingOutsideWhateverIsDamaged) {
  const std::string bytes = make_custom_options(13, "DWN1", "twin");
  std::mt19937 random(5);
  int taken = 0, refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string damaged = bytes;
    for (unsigned change = 0; change <= random() % 3; ++change) {
      damaged[random() % damaged.size()] = static_cast<char>(random() % 4 == 0 ? 0xff : random());
    }
    ++(is_taken(damaged) ? taken : refused);
  }
  // Both happen, or the damage was too small or too large to mean anything.
  EXPECT_GT(taken, 1000);
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace edge::test
