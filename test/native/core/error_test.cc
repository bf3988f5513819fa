// The error that leaves native code, and what becomes of foreign exceptions.
#include "core/error.h"

#include <gtest/gtest.h>

#include <new>
#include <set>
#include <stdexcept>
#include <system_error>

namespace edge::test {
namespace {

template <typename Thrown>
Error translated(const Thrown& thrown) {
  try {
    throw thrown;
  } catch (...) {
    return current_error("some-backend");
  }
}

TEST(ErrorTest, KeepsItsFieldsThroughCopies) {
  Error copy(ErrorCode::kAborted, "");
  {
    const Error error(ErrorCode::kDeviceBusy, "It is busy.", "Wait.", "tpu", "owner: 7");
    copy = error;
  }
  EXPECT_EQ(copy.code(), ErrorCode::kDeviceBusy);
  EXPECT_STREQ(copy.what(), "It is busy.");
  EXPECT_EQ(copy.message(), "It is busy.");
  EXPECT_EQ(copy.remedy(), "Wait.");
  EXPECT_EQ(copy.backend(), "tpu");
  EXPECT_EQ(copy.cause(), "owner: 7");
  static_assert(std::is_nothrow_copy_constructible_v<Error>);
}

TEST(ErrorTest, EveryCodeHasANameOfItsOwn) {
  std::set<std::string> names;
  for (int i = 0; i <= static_cast<int>(ErrorCode::kAborted); ++i) {
    const std::string name = error_code_name(static_cast<ErrorCode>(i));
    EXPECT_EQ(name.rfind("ERR_", 0), 0u) << name;
    EXPECT_TRUE(names.insert(name).second) << name;
  }
  EXPECT_STREQ(error_code_name(ErrorCode::kQueueFull), "ERR_QUEUE_FULL");
  EXPECT_STREQ(error_code_name(ErrorCode::kBackend), "ERR_BACKEND");
}

TEST(ErrorTest, ForeignExceptionsAreTranslated) {
  const Error own = translated(Error(ErrorCode::kTimeout, "late", "", "own-backend"));
  EXPECT_EQ(own.code(), ErrorCode::kTimeout);
  EXPECT_EQ(own.backend(), "own-backend");
  EXPECT_EQ(translated(std::bad_alloc()).code(), ErrorCode::kOutOfMemory);
  const Error foreign = translated(std::runtime_error("the SDK's words"));
  EXPECT_EQ(foreign.code(), ErrorCode::kBackend);
  EXPECT_EQ(foreign.cause(), "the SDK's words");
  EXPECT_EQ(foreign.backend(), "some-backend");
  EXPECT_EQ(translated(42).code(), ErrorCode::kBackend);
  const Error thread = translated(std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again)));
  EXPECT_EQ(thread.code(), ErrorCode::kOutOfMemory);
  EXPECT_EQ(translated(std::system_error(std::make_error_code(std::errc::io_error))).code(), ErrorCode::kBackend);
  for (const Error& one : {foreign, translated(42), translated(std::bad_alloc()), thread}) EXPECT_NE(one.remedy(), "");
}

}  // namespace
}  // namespace edge::test
