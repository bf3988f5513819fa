// The shim between a driver's delegate and TFLite: drivers of both layouts reach a TFLite of today's.
#include "backends/tflite/delegate_shim.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <utility>

namespace edge::tflite {
namespace {

Status prepare_node(Context*, Node*) { return kOk; }
char payload[] = "the driver's operator";

// What TFLite was told to replace.
struct Told {
  Registration registration{};
  int nodes = 0;
  Delegate* delegate = nullptr;
};
thread_local Told told;

Status replace(Context*, Registration registration, const IntArray* nodes, Delegate* delegate) {
  told = {registration, nodes->size, delegate};
  return kOk;
}

OldRegistration known() { return {nullptr, nullptr, prepare_node, nullptr, nullptr, 0, payload, 7}; }

// As a driver that was built against TFLite up to 2.11 calls it.
Status old_driver(Context* context, Delegate* self) {
  using Old = Status (*)(Context*, OldRegistration, const IntArray*, Delegate*);
  const IntArray nodes{1, {0}};
  const auto call = reinterpret_cast<Old>(reinterpret_cast<void*>(context->ReplaceNodeSubsetsWithDelegateKernels));
  return call(context, known(), &nodes, self);
}

// As one that was built against today's does; the members that are new hold what the shim must not pass on.
Status new_driver(Context* context, Delegate* self) {
  const IntArray nodes{1, {0}};
  return context->ReplaceNodeSubsetsWithDelegateKernels(context, {known(), payload, payload, 5}, &nodes, self);
}

Status failing_driver(Context*, Delegate*) { return 1; }

std::shared_ptr<Delegate> driver(Status (*prepare)(Context*, Delegate*)) {
  auto made = std::make_shared<Delegate>();
  *made = Delegate{};
  made->Prepare = prepare;
  made->flags = kAllowDynamicTensors;
  return made;
}

Context context_of_today() {
  Context context{};
  context.ReplaceNodeSubsetsWithDelegateKernels = replace;
  return context;
}

TEST(DelegateShimTest, DriversOfBothLayoutsReachTflite) {
  for (const auto prepare : {old_driver, new_driver}) {
    const auto outer = shim(driver(prepare));
    EXPECT_EQ(outer->flags, kAllowDynamicTensors);
    Context context = context_of_today();
    told = {};
    EXPECT_EQ(outer->Prepare(&context, outer.get()), kOk);
    EXPECT_EQ(told.nodes, 1);
    EXPECT_EQ(told.delegate, outer.get());
    EXPECT_EQ(told.registration.old.prepare, prepare_node);
    EXPECT_STREQ(told.registration.old.custom_name, payload);
    EXPECT_EQ(told.registration.old.version, 7);
    EXPECT_EQ(told.registration.registration_external, nullptr);
    EXPECT_EQ(told.registration.async_kernel, nullptr);
    EXPECT_EQ(told.registration.inplace_operator, 0u);
    EXPECT_EQ(context.ReplaceNodeSubsetsWithDelegateKernels, replace);  // as it was
  }
}

TEST(DelegateShimTest, TfliteIsAsItWasAfterADriverThatFails) {
  const auto outer = shim(driver(failing_driver));
  Context context = context_of_today();
  EXPECT_EQ(outer->Prepare(&context, outer.get()), 1);
  EXPECT_EQ(context.ReplaceNodeSubsetsWithDelegateKernels, replace);
}

TEST(DelegateShimTest, TwoInterpretersMayPrepareAtOnce) {
  const auto many = [] {
    for (int i = 0; i < 1000; ++i) {
      const auto outer = shim(driver(i % 2 == 0 ? old_driver : new_driver));
      Context context = context_of_today();
      told = {};
      ASSERT_EQ(outer->Prepare(&context, outer.get()), kOk);
      ASSERT_EQ(told.delegate, outer.get());
    }
  };
  std::thread other(many);
  many();
  other.join();
}

}  // namespace
}  // namespace edge::tflite
