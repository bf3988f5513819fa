// The slots by which the adapters call TensorRT, against the table of facts.
#include "backends/tensorrt/slots.h"

#include <gtest/gtest.h>

#include <string>

namespace edge::tensorrt {
namespace {

struct Fact {
  int major;
  const char* class_name;
  int slot;
  const char* since;
  const char* signature;
};
constexpr Fact kFacts[] = {
#define SLOT(major, class_name, slot, since, signature) {major, #class_name, slot, since, signature},
#include "nvinfer/vtables.def"
#undef SLOT
};

struct Use {
  const char* class_name;
  const char* signature;
  int Slots::* slot;
  const char* signature_8 = nullptr;  // where it differs
};
constexpr Use kUses[] = {
    {"VRuntime", "deserializeCudaEngine(void const*, unsigned long)", &Slots::deserialize,
     "deserializeCudaEngine(void const*, unsigned long, IPluginFactory*)"},
    {"VRuntime", "setDLACore(int)", &Slots::set_dla_core},
    {"VRuntime", "getNbDLACores() const", &Slots::dla_core_count},
    {"VCudaEngine", "createExecutionContext(ExecutionContextAllocationStrategy)", &Slots::create_context,
     "createExecutionContext()"},
    {"VCudaEngine", "getNbOptimizationProfiles() const", &Slots::profile_count},
    {"VCudaEngine", "getTensorShape(char const*) const", &Slots::engine_shape},
    {"VCudaEngine", "getTensorDataType(char const*) const", &Slots::dtype},
    {"VCudaEngine", "getTensorLocation(char const*) const", &Slots::location},
    {"VCudaEngine", "isShapeInferenceIO(char const*) const", &Slots::is_shape_tensor},
    {"VCudaEngine", "getTensorIOMode(char const*) const", &Slots::mode},
    {"VCudaEngine", "getTensorFormat(char const*) const", &Slots::format},
    {"VCudaEngine", "getProfileShape(char const*, int, OptProfileSelector) const", &Slots::profile_shape},
    {"VCudaEngine", "getNbIOTensors() const", &Slots::tensor_count},
    {"VCudaEngine", "getIOTensorName(int) const", &Slots::tensor_name},
    {"VExecutionContext", "setOptimizationProfileAsync(int, CUstream_st*)", &Slots::set_profile},
    {"VExecutionContext", "setInputShape(char const*, Dims64 const&)", &Slots::set_input_shape,
     "setInputShape(char const*, Dims32 const&)"},
    {"VExecutionContext", "getTensorShape(char const*) const", &Slots::context_shape},
    {"VExecutionContext", "setTensorAddress(char const*, void*)", &Slots::set_address},
    {"VExecutionContext", "setOutputAllocator(char const*, IOutputAllocator*)", &Slots::set_allocator},
    {"VExecutionContext", "enqueueV3(CUstream_st*)", &Slots::enqueue},
};
static_assert(sizeof kUses / sizeof kUses[0] == sizeof(Slots) / sizeof(int), "every slot is checked");

class SlotsTest : public testing::TestWithParam<int> {};

TEST_P(SlotsTest, AreThoseOfTheTableOfFacts) {
  const int major = GetParam();
  const Slots* slots = slots_of(major);
  ASSERT_NE(slots, nullptr);
  for (const Use& use : kUses) {
    const std::string signature = major == 8 && use.signature_8 != nullptr ? use.signature_8 : use.signature;
    const Fact* found = nullptr;
    for (const Fact& fact : kFacts) {
      if (fact.major == major && signature == fact.signature && std::string(use.class_name) == fact.class_name)
        found = &fact;
    }
    ASSERT_NE(found, nullptr) << signature;
    EXPECT_EQ(slots->*use.slot, found->slot) << signature;
    // Nothing that the oldest release of the major, or 8.5, does not have.
    const std::string since = found->since;
    EXPECT_TRUE(since.rfind(std::to_string(major) + ".0", 0) == 0 || since.rfind("8.5", 0) == 0) << signature;
  }
}
INSTANTIATE_TEST_SUITE_P(Majors, SlotsTest, testing::Values(8, 10, 11), testing::PrintToStringParamName());

TEST(Slots, OfOtherMajorsThereAreNone) {
  for (const int major : {0, 7, 9, 12}) EXPECT_EQ(slots_of(major), nullptr);
}

}  // namespace
}  // namespace edge::tensorrt
