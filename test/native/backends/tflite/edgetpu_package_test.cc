// What is read of a compiled model's package before the driver sees it, also where the file is damaged.
#include "backends/tflite/edgetpu_package.h"

#include <gtest/gtest.h>

#include <cstring>

namespace edge::tflite {
namespace {

using Bytes = std::vector<uint8_t>;

void put(Bytes& bytes, size_t at, uint32_t value, size_t size) {
  if (bytes.size() < at + size) bytes.resize(at + size);
  std::memcpy(bytes.data() + at, &value, size);
}

// A FlatBuffer of a table with one i32, behind `before` other bytes.
Bytes package(int version, size_t before = 3) {
  Bytes bytes(before, 0xee);
  put(bytes, before, 16, 4);  // the root table lies 16 bytes on
  for (const char letter : {'D', 'W', 'N', '1'}) bytes.push_back(static_cast<uint8_t>(letter));
  put(bytes, before + 8, 6, 2);   // the list of fields: its size,
  put(bytes, before + 10, 8, 2);  // the table's,
  put(bytes, before + 12, 4, 2);  // and where field 0 lies
  put(bytes, before + 14, 0, 2);
  put(bytes, before + 16, 8, 4);  // the table: its list of fields lies 8 bytes back
  put(bytes, before + 20, static_cast<uint32_t>(version), 4);
  return bytes;
}

TEST(EdgeTpuPackageTest, TellsTheRuntimeVersionThatItNeeds) { EXPECT_EQ(minimum_runtime_version(package(13)), 13); }

TEST(EdgeTpuPackageTest, TheHighestOfSeveralCounts) {
  Bytes both = package(12);
  const Bytes second = package(14, 5), third = package(10);
  both.insert(both.end(), second.begin(), second.end());
  both.insert(both.end(), third.begin(), third.end());
  EXPECT_EQ(minimum_runtime_version(both), 14);
}

TEST(EdgeTpuPackageTest, WithoutOneAModelIsNotCompiled) {
  EXPECT_EQ(minimum_runtime_version({}), std::nullopt);
  EXPECT_EQ(minimum_runtime_version(Bytes(1000, 'D')), std::nullopt);
  EXPECT_EQ(minimum_runtime_version({'D', 'W', 'N', '1'}), std::nullopt);  // nothing stands before it
}

TEST(EdgeTpuPackageTest, AFieldThatIsLeftOutIsZero) {
  Bytes bytes = package(13);
  put(bytes, 3 + 12, 0, 2);
  EXPECT_EQ(minimum_runtime_version(bytes), 0);
  bytes = package(13);
  put(bytes, 3 + 8, 4, 2);
  EXPECT_EQ(minimum_runtime_version(bytes), 0);
}

TEST(EdgeTpuPackageTest, NothingIsReadBesideADamagedOne) {
  const Bytes whole = package(13);
  for (size_t size = 0; size < whole.size(); ++size) {
    minimum_runtime_version(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)));
  }
  for (size_t at = 0; at < whole.size(); ++at) {
    for (const int value : {0, 1, 0x7f, 0x80, 0xff}) {
      Bytes damaged = whole;
      damaged[at] = static_cast<uint8_t>(value);
      minimum_runtime_version(damaged);
    }
  }
}

}  // namespace
}  // namespace edge::tflite
