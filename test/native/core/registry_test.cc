// The backends of a process: names, opening, and one library for all.
#include "core/registry.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "../support/gate.h"
#include "../support/recorder.h"

namespace edge::test {
namespace {

TEST(RegistryTest, TheEchoBackendIsThereForWhoAsks) {
  const auto listed = backend_names(false), all = backend_names(true);
  EXPECT_EQ(std::count(listed.begin(), listed.end(), "echo"), 0);
  EXPECT_EQ(std::count(all.begin(), all.end(), "echo"), 1);
  EXPECT_EQ(std::count(listed.begin(), listed.end(), "openvino"), 1);
}

TEST(RegistryTest, AnUnknownBackendIsUnavailable) {
  for (const char* name : {"", "Echo", "nope", "echo:cpu"}) {
    EXPECT_EQ(code_of([&] { open_backend(name, ""); }), ErrorCode::kUnavailable) << name;
  }
}

TEST(RegistryTest, AMissingLibraryCanBeTriedAgain) {
  EXPECT_EQ(code_of([] { open_backend("openvino", ""); }), ErrorCode::kUnavailable);
  EXPECT_EQ(code_of([] { open_backend("openvino", "/nonexistent/libopenvino_c.so"); }), ErrorCode::kUnavailable);
  EXPECT_EQ(code_of([] { open_backend("openvino", "/also/nonexistent.so"); }), ErrorCode::kUnavailable);
}

TEST(RegistryTest, ALibraryThatIsAnotherIsNamedInTheError) {
  // Every system has this one, and it has none of the functions.
  try {
    open_backend("openvino", "libm.so.6");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnavailable);
    EXPECT_NE(error.message().find("libm.so.6"), std::string::npos) << error.message();
    EXPECT_NE(error.cause().find("ov_core_create"), std::string::npos) << error.cause();
  }
}

TEST(RegistryTest, OneLibraryServesTheProcess) {
  const OpenBackend first = open_backend("echo", "");
  const OpenBackend again = open_backend("echo", first.library);
  EXPECT_EQ(first.backend, again.backend);
  EXPECT_EQ(open_backend("echo", "").backend, first.backend);  // whichever serves
  const std::string other = first.library + "/other.so";
  try {
    open_backend("echo", other + "\n/second.so\n");  // of several SDKs, the last of which is not here
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnavailable);
    EXPECT_NE(error.message().find(other + " with /second.so."), std::string::npos) << error.message();
    EXPECT_FALSE(error.remedy().empty());
  }
}

TEST(RegistryTest, ConcurrentOpeningGivesOneBackend) {
  Gate begin;
  std::vector<std::shared_ptr<Backend>> opened(8);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < opened.size(); ++i) {
    threads.emplace_back([&, i] {
      begin.wait();
      opened[i] = open_backend("echo", "").backend;
      code_of([] { open_backend("openvino", "/nonexistent/libopenvino_c.so"); });
    });
  }
  begin.open();
  for (std::thread& thread : threads) thread.join();
  for (const auto& backend : opened) EXPECT_EQ(backend, opened[0]);
}

TEST(RegistryTest, AnUnknownDeviceIsUnavailable) {
  const auto backend = open_backend("echo", "").backend;
  ASSERT_EQ(backend->devices().size(), 1u);
  EXPECT_EQ(backend->devices()[0].id, "cpu");
  EXPECT_EQ(code_of([&] { backend->open("gpu"); }), ErrorCode::kUnavailable);
  EXPECT_EQ(backend->open("cpu"), backend->open("cpu"));
}

}  // namespace
}  // namespace edge::test
