// The slots by which the adapters call TensorRT, against the table of facts.
#include "backends/tensorrt/slots.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "backends/tensorrt/builder_slots.h"

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

// Null where the table has no such function.
const Fact* fact_of(int major, const char* class_name, const std::string& signature) {
  const Fact* found = nullptr;  // the last one: of two destructors the deleting one
  for (const Fact& fact : kFacts) {
    if (fact.major == major && signature == fact.signature && std::strcmp(class_name, fact.class_name) == 0)
      found = &fact;
  }
  return found;
}

struct Use {
  const char* class_name;
  const char* signature;
  int Slots::* slot;
  const char *signature_8 = nullptr, *signature_11 = nullptr;  // where they differ
};
constexpr Use kUses[] = {
    {"VRuntime", "deserializeCudaEngine(void const*, unsigned long)", &Slots::deserialize,
     "deserializeCudaEngine(void const*, unsigned long, IPluginFactory*)"},
    {"VRuntime", "setDLACore(int)", &Slots::set_dla_core},
    {"VRuntime", "getNbDLACores() const", &Slots::dla_core_count},
    {"VRuntime", "setEngineHostCodeAllowed(bool)", &Slots::allow_host_code},
    {"VCudaEngine", "createExecutionContext(ExecutionContextAllocationStrategy)", &Slots::create_context,
     "createExecutionContext()"},
    {"VCudaEngine", "getNbOptimizationProfiles() const", &Slots::profile_count},
    {"VCudaEngine", "getTensorShape(char const*) const", &Slots::engine_shape},
    {"VCudaEngine", "getTensorDataType(char const*) const", &Slots::dtype},
    {"VCudaEngine", "getTensorLocation(char const*) const", &Slots::location},
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
    {"VExecutionContext", "setProfiler(IProfiler*)", &Slots::set_profiler},
    {"VExecutionContext", "setEnqueueEmitsProfile(bool)", &Slots::set_emits_profile},
    {"VExecutionContext", "reportToProfiler() const", &Slots::report_profile},
    {"VCudaEngine", "getNbLayers() const", &Slots::layer_count},
    {"VCudaEngine", "createEngineInspector() const", &Slots::create_inspector},
    {"VEngineInspector", "getLayerInformation(int, LayerInformationFormat) const", &Slots::layer_information},
    {"VCudaEngine", nullptr, &Slots::create_bare_context, "createExecutionContextWithoutDeviceMemory()"},
    {"VCudaEngine", "getDeviceMemorySize() const", &Slots::scratch_size, nullptr, "getDeviceMemorySizeV2() const"},
    {"VExecutionContext", "setDeviceMemory(void*)", &Slots::set_scratch, nullptr, "setDeviceMemoryV2(void*, long)"},
    {"VCudaEngine", "getNbAuxStreams() const", &Slots::aux_stream_count},
};
static_assert(sizeof kUses / sizeof kUses[0] == sizeof(Slots) / sizeof(int), "every slot is checked");

class SlotsTest : public testing::TestWithParam<int> {};

TEST_P(SlotsTest, AreThoseOfTheTableOfFacts) {
  const int major = GetParam();
  const Slots* slots = slots_of(major);
  ASSERT_NE(slots, nullptr);
  for (const Use& use : kUses) {
    const char* const its_own = major == 8 ? use.signature_8 : major == 11 ? use.signature_11 : nullptr;
    if (its_own == nullptr && use.signature == nullptr) {
      EXPECT_EQ(slots->*use.slot, -1);
      continue;
    }
    const std::string signature = its_own != nullptr ? its_own : use.signature;
    const Fact* const found = fact_of(major, use.class_name, signature);
    ASSERT_NE(found, nullptr) << signature;
    EXPECT_EQ(slots->*use.slot, found->slot) << signature;
    // Nothing that the oldest release of the major does not have, but where the code asks for the version: for tensors
    // by name all over.
    const std::string since = found->since;
    const bool asks = use.slot == &Slots::allow_host_code || use.slot == &Slots::aux_stream_count;
    EXPECT_TRUE(major == 8 ? since < (asks ? "8.7" : "8.6") : since.rfind(std::to_string(major) + ".0", 0) == 0)
        << signature;
  }
}
INSTANTIATE_TEST_SUITE_P(Majors, SlotsTest, testing::Values(8, 10, 11), testing::PrintToStringParamName());

struct BindingUse {
  const char* class_name;
  const char* signature;
  int BindingSlots::* slot;
};
constexpr BindingUse kBindingUses[] = {
    {"VCudaEngine", "getNbBindings() const", &BindingSlots::count},
    {"VCudaEngine", "getBindingName(int) const", &BindingSlots::name},
    {"VCudaEngine", "bindingIsInput(int) const", &BindingSlots::is_input},
    {"VCudaEngine", "getBindingDimensions(int) const", &BindingSlots::shape},
    {"VCudaEngine", "getBindingDataType(int) const", &BindingSlots::dtype},
    {"VCudaEngine", "getLocation(int) const", &BindingSlots::location},
    {"VCudaEngine", "getBindingFormat(int) const", &BindingSlots::format},
    {"VCudaEngine", "getProfileDimensions(int, int, OptProfileSelector) const", &BindingSlots::profile_shape},
    {"VCudaEngine", "isShapeBinding(int) const", &BindingSlots::is_of_shapes},
    {"VCudaEngine", "isExecutionBinding(int) const", &BindingSlots::is_executed},
    {"VCudaEngine", "hasImplicitBatchDimension() const", &BindingSlots::has_implicit_batch},
    {"VExecutionContext", "setBindingDimensions(int, Dims32)", &BindingSlots::set_shape},
    {"VExecutionContext", "getBindingDimensions(int) const", &BindingSlots::context_shape},
    {"VExecutionContext", "setInputShapeBinding(int, int const*)", &BindingSlots::set_shape_values},
    {"VExecutionContext", "getShapeBinding(int, int*) const", &BindingSlots::shape_values},
    {"VExecutionContext", "enqueueV2(void* const*, CUstream_st*, CUevent_st**)", &BindingSlots::enqueue},
};
static_assert(sizeof kBindingUses / sizeof kBindingUses[0] == sizeof(BindingSlots) / sizeof(int));

TEST(Slots, OfBindingsAreThoseOfTheTableOfFacts) {
  for (const BindingUse& use : kBindingUses) {
    const Fact* const found = fact_of(8, use.class_name, use.signature);
    ASSERT_NE(found, nullptr) << use.signature;
    EXPECT_EQ(kBindingSlots.*use.slot, found->slot) << use.signature;
    EXPECT_STREQ(found->since, "8.0.1") << use.signature;
  }
}

struct BuilderUse {
  const char* class_name;
  const char* signature;
  int BuilderSlots::* slot;
  const char* newest_8 = "8.0";       // of the releases of 8 that may lack it: the code asks for the version
  const char* signature_8 = nullptr;  // where it differs; "" where there is none
};
constexpr BuilderUse kBuilderUses[] = {
    {"VBuilder", "createBuilderConfig()", &BuilderSlots::create_config},
    {"VBuilder", "createNetworkV2(unsigned int)", &BuilderSlots::create_network},
    {"VBuilder", "createOptimizationProfile()", &BuilderSlots::create_profile},
    {"VBuilder", "buildSerializedNetwork(INetworkDefinition&, IBuilderConfig&)", &BuilderSlots::build},
    {"VBuilder", "platformHasFastInt8() const", &BuilderSlots::has_fast_int8},
    {"VBuilderConfig", "clearFlag(BuilderFlag)", &BuilderSlots::clear_flag},
    {"VBuilderConfig", "setFlag(BuilderFlag)", &BuilderSlots::set_flag},
    {"VBuilderConfig", "setDLACore(int)", &BuilderSlots::set_dla_core},
    {"VBuilderConfig", "setDefaultDeviceType(DeviceType)", &BuilderSlots::set_device_type},
    {"VBuilderConfig", "addOptimizationProfile(IOptimizationProfile const*)", &BuilderSlots::add_profile},
    {"VBuilderConfig", "setMemoryPoolLimit(MemoryPoolType, unsigned long)", &BuilderSlots::set_pool_limit, "8.4"},
    {"VBuilderConfig", "setProfilingVerbosity(ProfilingVerbosity)", &BuilderSlots::set_verbosity},
    {"VBuilderConfig", "setMaxWorkspaceSize(unsigned long)", &BuilderSlots::set_workspace},
    {"VBuilderConfig", "setBuilderOptimizationLevel(int)", &BuilderSlots::set_level, "8.6"},
    {"VBuilderConfig", "setHardwareCompatibilityLevel(HardwareCompatibilityLevel)", &BuilderSlots::set_hardware_level,
     "8.6"},
    {"VBuilderConfig", "setMaxAuxStreams(int)", &BuilderSlots::set_max_aux_streams, "8.6"},
    {"VBuilderConfig", "setInt8Calibrator(IInt8Calibrator*)", &BuilderSlots::set_calibrator},
    {"VBuilderConfig", "setCalibrationProfile(IOptimizationProfile const*)", &BuilderSlots::set_calibration_profile},
    {"VBuilderConfig", "createTimingCache(void const*, unsigned long) const", &BuilderSlots::create_timing_cache},
    {"VBuilderConfig", "setTimingCache(ITimingCache const&, bool)", &BuilderSlots::set_timing_cache},
    {"VBuilderConfig", "getTimingCache() const", &BuilderSlots::timing_cache},
    {"VBuilderConfig", "setProgressMonitor(IProgressMonitor*)", &BuilderSlots::set_progress_monitor, "9.1"},
    {"VNetworkDefinition", "getNbInputs() const", &BuilderSlots::input_count},
    {"VNetworkDefinition", "getInput(int) const", &BuilderSlots::input},
    {"VNetworkDefinition", "getNbLayers() const", &BuilderSlots::layer_count},
    {"VNetworkDefinition", "getLayer(int) const", &BuilderSlots::layer},
    {"VLayer", "getType() const", &BuilderSlots::layer_type},
    {"VTensor", "getName() const", &BuilderSlots::tensor_name},
    {"VTensor", "getDimensions() const", &BuilderSlots::tensor_shape},
    {"VTensor", "getType() const", &BuilderSlots::tensor_type},
    {"VOptimizationProfile", "setDimensions(char const*, OptProfileSelector, Dims64 const&)",
     &BuilderSlots::set_dimensions, "8.0", "setDimensions(char const*, OptProfileSelector, Dims32)"},
    {"VHostMemory", "data() const", &BuilderSlots::data},
    {"VHostMemory", "size() const", &BuilderSlots::size},
    {"VTimingCache", "serialize() const", &BuilderSlots::serialize},
    {"IParser", "parse(void const*, unsigned long, char const*)", &BuilderSlots::parse},
    {"IParser", "getNbErrors() const", &BuilderSlots::error_count},
    {"IParser", "getError(int) const", &BuilderSlots::error},
    {"IParser", "~dtor", &BuilderSlots::parser_destructor},  // the last of two: the deleting one
    {"IParserError", "desc() const", &BuilderSlots::description},
    {"IParserError", "node() const", &BuilderSlots::node},
    {"IParserError", "nodeName() const", &BuilderSlots::node_name, "8.0", ""},
    {"IParserError", "nodeOperator() const", &BuilderSlots::node_operator, "8.0", ""},
};
static_assert(sizeof kBuilderUses / sizeof kBuilderUses[0] == sizeof(BuilderSlots) / sizeof(int));

TEST_P(SlotsTest, OfTheBuilderAreThoseOfTheTableOfFacts) {
  const int major = GetParam();
  for (const BuilderUse& use : kBuilderUses) {
    const char* const signature = major == 8 && use.signature_8 != nullptr ? use.signature_8 : use.signature;
    const bool is_for_int8 =
        std::strstr(signature, "Int8") != nullptr || std::strstr(signature, "Calibration") != nullptr;
    const bool is_before_8_4 = use.slot == &BuilderSlots::set_workspace;
    if (*signature == 0 || (major == 11 && is_for_int8) || (major > 8 && is_before_8_4)) {
      EXPECT_EQ(builder_slots_of(major).*use.slot, -1) << use.signature;
      continue;
    }
    const Fact* const found = fact_of(major, use.class_name, signature);
    ASSERT_NE(found, nullptr) << signature;
    EXPECT_EQ(builder_slots_of(major).*use.slot, found->slot) << signature;
    const std::string since = found->since;
    EXPECT_TRUE(since.rfind(std::to_string(major) + ".0", 0) == 0 || since.rfind(use.newest_8, 0) == 0) << signature;
  }
}

TEST(Slots, OfOtherMajorsThereAreNone) {
  for (const int major : {0, 7, 9, 12}) EXPECT_EQ(slots_of(major), nullptr);
}

}  // namespace
}  // namespace edge::tensorrt
