// Device events and who hears them; the list of listeners itself is tested with the log.
#include "core/device_events.h"

#include <gtest/gtest.h>

#include <vector>

namespace edge::test {
namespace {

TEST(DeviceEventsTest, EveryListenerHearsAllOfAnEventUntilItsHandleIsGone) {
  std::vector<DeviceEvent> heard;
  int others = 0;
  auto handle = add_device_event_listener([&](const DeviceEvent& event) { heard.push_back(event); });
  const auto other = add_device_event_listener([&](const DeviceEvent&) { ++others; });
  device_event({DeviceEventKind::kFailover, "echo", "echo:1", "echo:cpu", "unplugged", 3});
  handle.reset();
  device_event({DeviceEventKind::kRecovered, "echo", "echo:cpu", "", "", 1});
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_EQ(heard[0].kind, DeviceEventKind::kFailover);
  EXPECT_EQ(heard[0].backend, "echo");
  EXPECT_EQ(heard[0].device, "echo:1");
  EXPECT_EQ(heard[0].from, "echo:cpu");
  EXPECT_EQ(heard[0].message, "unplugged");
  EXPECT_EQ(heard[0].count, 3);
  EXPECT_EQ(others, 2);
}

TEST(DeviceEventsTest, OneLossIsToldOnceHoweverManyNoticeIt) {
  std::vector<DeviceEventKind> heard;
  const auto handle = add_device_event_listener([&](const DeviceEvent& event) { heard.push_back(event.kind); });
  const DeviceEvent lost{DeviceEventKind::kLost, "test", "test:once", "", "", 1};
  const DeviceEvent recovered{DeviceEventKind::kRecovered, "test", "test:once", "", "", 1};
  const DeviceEvent other{DeviceEventKind::kLost, "test", "test:other", "", "", 1};
  device_event(lost);
  device_event_once(lost);
  device_event_once(other);
  device_event_once(recovered);
  device_event_once(recovered);
  device_event_once(lost);
  device_event_forget("test:once");
  device_event_once(lost);
  device_event(lost);
  using Kind = DeviceEventKind;
  EXPECT_EQ(heard,
            (std::vector<Kind>{Kind::kLost, Kind::kLost, Kind::kRecovered, Kind::kLost, Kind::kLost, Kind::kLost}));
}

TEST(DeviceEventsTest, NamesAreThoseOfTheApi) {
  EXPECT_STREQ(device_event_name(DeviceEventKind::kLost), "deviceLost");
  EXPECT_STREQ(device_event_name(DeviceEventKind::kRecovered), "deviceRecovered");
  EXPECT_STREQ(device_event_name(DeviceEventKind::kFailover), "failover");
}

}  // namespace
}  // namespace edge::test
