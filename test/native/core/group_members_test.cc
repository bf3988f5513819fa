// Members of a group that are not alike: other memory, other names and orders, loaded late, with variables, or hanging.
#include <gtest/gtest.h>

#include "../support/echo_group.h"
#include "../support/fake_model.h"
#include "../support/gate.h"
#include "core/clock.h"
#include "core/group.h"
#include "core/group_specs.h"

namespace edge::test {
namespace {

using State = Health::State;

// The model x -> x + 1, whose requests do what the hooks say and live in memory of their own.
MemberSpec fake_member(const std::string& id, size_t tier, const std::shared_ptr<FakeModel>& model) {
  MemberSpec spec;
  spec.id = id;
  spec.backend = "fake";
  spec.tier = tier;
  spec.loaded = {FakeModel::device(), model, make_host_allocator()};
  return spec;
}

std::vector<MemberSpec> list(MemberSpec first, MemberSpec second) {
  std::vector<MemberSpec> specs;
  specs.push_back(std::move(first));
  specs.push_back(std::move(second));
  return specs;
}

// Hooks own what they use: a probe may still call them when the test is over.
struct Fakes {
  Fakes(std::vector<MemberSpec> specs, GroupOptions options = quick())
      : group(GroupModel::create(std::move(specs), options)),
        session(Session::create(group, group->device(), EchoGroup::lanes(1), make_host_allocator())) {}
  std::shared_ptr<GroupModel> group;
  std::shared_ptr<Session> session;
};

std::function<void()> lost() {
  return [] { throw Error(ErrorCode::kDeviceLost, "gone"); };
}

class GroupMembersTest : public testing::Test {
 protected:
  void TearDown() override { EXPECT_TRUE(all_gone()) << "sessions, requests or lanes were left behind"; }
};

TEST_F(GroupMembersTest, WhatCannotBeSharedIsCopiedAndCounted) {
  const auto model = FakeModel::create();
  Fakes fakes(
      list(fake_member("fake:0", 0, FakeModel::create({nullptr, nullptr, lost()})), fake_member("fake:1", 1, model)));
  const auto slot = fakes.session->create_slot({});
  float* in = input_values(*fakes.session, slot);
  const float* out = output_values(*fakes.session, slot);
  for (int round = 0; round < 3; ++round) {
    in[0] = static_cast<float>(round);
    fakes.session->run_sync(slot);
    EXPECT_EQ(out[0], round + 1.f);
  }
  EXPECT_EQ(output_values(*fakes.session, slot), out);
  // The first run found the other device lost only after its 16 bytes of input had been copied to it.
  EXPECT_EQ(fakes.session->statistics().bytes_copied, 3u * 32 + 16);
  EXPECT_EQ(model->violations, 0u);
}

// A run that is cancelled, on a device that ends it only when it is lost.
TEST_F(GroupMembersTest, ARunThatNobodyWaitsForIsNotMadeAgain) {
  for (const bool by_deadline : {true, false}) {
    const auto entered = std::make_shared<Gate>(), cancelled = std::make_shared<Gate>();
    FakeHooks hooks;
    hooks.run = [entered, cancelled] {
      entered->open();
      EXPECT_TRUE(cancelled->wait());  // it comes after the caller's answer
      throw Error(ErrorCode::kDeviceLost, "gone");
    };
    hooks.cancel = [cancelled] { cancelled->open(); };
    const auto second = FakeModel::create();
    Fakes fakes(list(fake_member("fake:0", 0, FakeModel::create(hooks)), fake_member("fake:1", 1, second)));
    const auto sink = std::make_shared<Recorder>();
    const auto slot = fakes.session->create_slot({});
    // The deadline may pass before the run has begun; then there is nothing to lose.
    fakes.session->submit(slot, 1, sink, by_deadline ? now_ns() + 30'000'000 : 0, false);
    if (!by_deadline) {
      ASSERT_TRUE(entered->wait());
      fakes.session->end_early(1, ErrorCode::kAborted);
    }
    ASSERT_TRUE(sink->wait(1));
    ASSERT_TRUE(eventually([&] { return !fakes.session->busy(slot); }));
    EXPECT_EQ(sink->only(1).code, by_deadline ? ErrorCode::kTimeout : ErrorCode::kAborted);
    EXPECT_EQ(second->runs, 0u);
    cancelled->open();
    fakes.session->run_sync(slot);
    EXPECT_EQ(second->runs, 1u);
  }
}

TEST_F(GroupMembersTest, VariablesBeginAnewOnTheOtherDeviceEveryTime) {
  const auto shared_away = std::make_shared<std::atomic<bool>>(false);
  const auto shared_resets = std::make_shared<std::atomic<int>>(0);
  std::atomic<bool>& away = *shared_away;
  std::atomic<int>& resets = *shared_resets;
  FakeHooks first, second;
  first.run = [shared_away] {
    if (*shared_away) throw Error(ErrorCode::kDeviceLost, "gone");
  };
  first.create = first.run;
  second.reset_state = [shared_resets] { ++*shared_resets; };
  Fakes fakes(
      list(fake_member("fake:0", 0, FakeModel::create(first)), fake_member("fake:1", 1, FakeModel::create(second))));
  const auto slot = fakes.session->create_slot({});
  const auto back = [&] {
    away = false;
    ASSERT_TRUE(eventually([&] { return fakes.group->members().at(0).state == State::kHealthy; }));
    fakes.session->run_sync(slot);
  };
  fakes.session->run_sync(slot);
  away = true;
  for (int i = 0; i < 3; ++i) fakes.session->run_sync(slot);
  EXPECT_EQ(resets, 0);  // a request that has never run has nothing to forget
  back();
  away = true;
  for (int i = 0; i < 3; ++i) fakes.session->run_sync(slot);
  EXPECT_EQ(resets, 1);
  fakes.session->borrow(slot, [](Request& request) { request.reset_state(); });
  EXPECT_EQ(resets, 2);
}

TEST_F(GroupMembersTest, AProbeThatHangsKeepsNothingAlive) {
  const auto away = std::make_shared<std::atomic<bool>>(false);
  const auto gate = std::make_shared<Gate>(), probing = std::make_shared<Gate>();
  FakeHooks hooks;
  hooks.run = [away, gate, probing] {
    if (!away->exchange(true)) throw Error(ErrorCode::kDeviceLost, "gone");
    probing->open();
    EXPECT_TRUE(gate->wait());
  };
  std::weak_ptr<GroupModel> group;
  {
    Fakes fakes(
        list(fake_member("fake:0", 0, FakeModel::create(hooks)), fake_member("fake:1", 1, FakeModel::create())));
    group = fakes.group;
    const auto slot = fakes.session->create_slot({});
    fakes.session->run_sync(slot);
    ASSERT_TRUE(probing->wait());
    fakes.session->run_sync(slot);
    fakes.group.reset();
    Gate disposed;
    fakes.session->dispose([&] { disposed.open(); });
    EXPECT_TRUE(disposed.wait());
  }
  EXPECT_TRUE(eventually([&] { return group.expired(); }));
  gate->open();
}

TEST_F(GroupMembersTest, AMemberThatCouldNotBeLoadedJoinsLater) {
  const auto plugged = std::make_shared<Gate>();
  MemberSpec late;
  late.id = "fake:0";
  late.backend = "fake";
  late.error = Error(ErrorCode::kUnavailable, "not plugged in");
  const auto model = FakeModel::create();
  late.load = [plugged, model]() -> LoadedMember {
    if (!plugged->is_open()) throw Error(ErrorCode::kUnavailable, "still not plugged in");
    return fake_member("fake:0", 0, model).loaded;
  };
  EventRecorder events;
  const auto second = FakeModel::create();
  Fakes fakes(list(std::move(late), fake_member("fake:1", 1, second)));
  const auto slot = fakes.session->create_slot({});
  fakes.session->run_sync(slot);
  EXPECT_EQ(second->runs, 1u);
  ASSERT_TRUE(eventually([&] { return fakes.group->members().at(0).last_error == "still not plugged in"; }));
  plugged->open();
  ASSERT_TRUE(eventually([&] { return fakes.group->members().at(0).state == State::kHealthy; }));
  fakes.session->run_sync(slot);
  EXPECT_EQ(second->runs, 1u);
  EXPECT_EQ(fakes.group->members().at(0).runs, 1u);
  ASSERT_TRUE(eventually([&] { return events.heard().size() == 2; }));
  EXPECT_EQ(events.heard(), (std::vector<std::string>{"deviceRecovered fake:0", "failover fake:0 from fake:1"}));
}

TEST_F(GroupMembersTest, OneThatTurnsOutToBeAnotherModelStaysOut) {
  MemberSpec late;
  late.id = "fake:0";
  late.load = [] { return fake_member("fake:0", 0, FakeModel::create({}, {5})).loaded; };
  Fakes fakes(list(std::move(late), fake_member("fake:1", 1, FakeModel::create())));
  ASSERT_TRUE(eventually([&] { return !fakes.group->members().at(0).last_error.empty(); }));
  EXPECT_NE(fakes.group->members().at(0).last_error.find("[5] on fake:0"), std::string::npos);
  EXPECT_EQ(fakes.group->members().at(0).state, State::kLost);
  const auto slot = fakes.session->create_slot({});
  fakes.session->run_sync(slot);
}

TEST_F(GroupMembersTest, TensorsAreMatchedByNameElseByPosition) {
  const std::string two = "input a f32 4\ninput b f32 4\noutput p = add a 1\noutput q = add b 2\n";
  const std::string turned = "input b f32 4\ninput a f32 4\noutput q = add b 2\noutput p = add a 1\n";
  const std::string renamed = "input c f32 4\ninput b f32 4\noutput p = add c 1\noutput r = add b 2\n";
  for (const std::string& other : {turned, renamed}) {
    EchoGroup group({{"cpu", 0, two + "lost_at 2\n"}, {"1", 1, other}}, quick());
    const auto slot = group.session->create_slot({});
    for (int round = 0; round < 3; ++round) {
      input_values(*group.session, slot, 0)[0] = 10;
      input_values(*group.session, slot, 1)[0] = 20;
      output_values(*group.session, slot, 0)[0] = output_values(*group.session, slot, 1)[0] = 0;
      group.session->run_sync(slot);
      EXPECT_EQ(output_values(*group.session, slot, 0)[0], 11);
      EXPECT_EQ(output_values(*group.session, slot, 1)[0], 22);
    }
    EXPECT_EQ(group.status(1).runs, 2u);
    EXPECT_EQ(group.session->statistics().bytes_copied, 0u);
  }
}

TEST_F(GroupMembersTest, ModelsThatDifferAreRefusedInWords) {
  const std::vector<std::pair<std::string, std::string>> others = {
      {"input x f32 5\noutput y = add x 1\n", "the input 'x' is f32 [5] on echo:1, on the first 'x' is f32 [4]"},
      {"input x i32 4\noutput y = add x 1\n", "the input 'x' is i32 [4] on echo:1, on the first 'x' is f32 [4]"},
      {"input x f32 4\ninput z f32 4\noutput y = add x 1\n", "on echo:1 it has 2 inputs, on the first 1"},
      {"input x f32 4\noutput y = add x 1\noutput w = add x 1\n", "on echo:1 it has 2 outputs, on the first 1"},
      {"input x f32 4\noutput y = nonzero x\n", "the output 'y' is i64 [?] on echo:1"},
  };
  for (const auto& [text, words] : others) {
    try {
      EchoGroup group({{"cpu", 0, plus(1)}, {"1", 1, text}}, quick());
      ADD_FAILURE() << text << " was taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidModel);
      EXPECT_NE(error.message().find(words), std::string::npos) << error.message();
      EXPECT_NE(error.remedy(), "");
    }
  }
}

TEST_F(GroupMembersTest, AMemberMayTakeMoreShapesThanTheFirst) {
  EchoGroup group({{"cpu", 0, plus(10, "lost_at 1\n")}, {"1", 1, "input x f32 ?\noutput y = add x 20\n"}}, quick());
  const auto slot = group.session->create_slot({});
  input_values(*group.session, slot)[0] = 1;
  const float* out = output_values(*group.session, slot);
  group.session->run_sync(slot);
  EXPECT_EQ(out[0], 21);
  EXPECT_EQ(group.session->statistics().bytes_copied, 0u);
}

TEST_F(GroupMembersTest, ShapesThatChangeAndOutputsThatTheRunDecides) {
  const std::string text = "input x f32 ?\noutput y = add x 1\noutput n = nonzero x\n";
  EchoGroup group({{"cpu", 0, text + "lost_at 3\n"}, {"1", 1, text}}, quick());
  const auto slot = group.session->create_slot({{2}});
  for (int64_t size = 2; size < 8; ++size) {
    if (size > 2) group.session->reshape(slot, {{size}});
    float* in = input_values(*group.session, slot);
    for (int64_t i = 0; i < size; ++i) in[i] = static_cast<float>(i);  // the first is 0
    group.session->run_sync(slot);
    const auto& outputs = group.session->outputs(slot);
    EXPECT_EQ(outputs[0].shape, Shape{size});
    EXPECT_EQ(outputs[1].shape, Shape{size - 1});
    for (int64_t i = 0; i < size; ++i) EXPECT_EQ(output_values(*group.session, slot)[i], static_cast<float>(i + 1));
    EXPECT_EQ(static_cast<const int64_t*>(outputs[1].buffer->data())[size - 2], size - 1);
  }
  EXPECT_EQ(group.status(1).runs, 4u);
  EXPECT_EQ(code_of([&] { group.session->reshape(slot, {{2, 2}}); }), ErrorCode::kInvalidTensor);
  EXPECT_EQ(group.session->inputs(slot).at(0).shape, Shape{7});
}

TEST(GroupSpecsTest, AnUnknownRankTakesEverythingButIsNotEverything) {
  TensorSpec any, fixed;
  any.name = fixed.name = "x";
  any.rank_known = false;
  fixed.shape = {2};
  EXPECT_EQ(match_specs({fixed}, {any}, "input", "b"), std::vector<size_t>{0});
  EXPECT_EQ(code_of([&] { match_specs({any}, {fixed}, "input", "b"); }), ErrorCode::kInvalidModel);
}

}  // namespace
}  // namespace edge::test
