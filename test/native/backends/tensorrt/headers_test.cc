// How TensorRT is called and how it calls back, against its own headers: the compiler counts the slots. Compiled once
// for each folder of headers that CMake is given, as another program than the other tests, which need none.
#include <NvInfer.h>
#include <NvOnnxParser.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "backends/tensorrt/builder_slots.h"
#include "backends/tensorrt/calibrator.h"
#include "backends/tensorrt/files.h"
#include "backends/tensorrt/infer.h"
#include "backends/tensorrt/profiler.h"
#include "backends/tensorrt/progress.h"
#include "backends/tensorrt/slots.h"
#include "core/log.h"
#include "core/private_files.h"

// Whether the headers are of this release or newer.
#define SINCE(major, minor) (NV_TENSORRT_MAJOR * 100 + NV_TENSORRT_MINOR >= (major) * 100 + (minor))

// Whether the headers are of this release or newer.
#define SINCE(major, minor) (NV_TENSORRT_MAJOR * 100 + NV_TENSORRT_MINOR >= (major) * 100 + (minor))

namespace edge::tensorrt {
namespace {

using nvinfer1::apiv::VCudaEngine;
#if SINCE(8, 2)
using nvinfer1::apiv::VEngineInspector;
#endif
using nvinfer1::apiv::VExecutionContext;
using nvinfer1::apiv::VRuntime;

// A pointer to a virtual function is, in the C++ ABI of x86-64 and AArch64, its place in the table in bytes; on x86-64
// plus one, which says that it is virtual, and on AArch64 that is said in the second word.
template <typename Member>
int slot(Member member) {
  std::ptrdiff_t words[2];
  static_assert(sizeof words == sizeof member);
  std::memcpy(words, &member, sizeof words);
#if defined(__aarch64__)
  EXPECT_EQ(words[1] & 1, 1) << "it is not virtual";
  return static_cast<int>(words[0] / static_cast<std::ptrdiff_t>(sizeof(void*)));
#else
  EXPECT_EQ(words[0] & 1, 1) << "it is not virtual";
  return static_cast<int>((words[0] - 1) / static_cast<std::ptrdiff_t>(sizeof(void*)));
#endif
}

TEST(TensorRtHeaders, HaveEveryFunctionInTheSlotThatIsCalled) {
  const Slots* const found = slots_of(NV_TENSORRT_MAJOR);
  ASSERT_NE(found, nullptr) << "no slots for TensorRT " << NV_TENSORRT_MAJOR;
  const Slots& slots = *found;
  using nvinfer1::Dims;
#if NV_TENSORRT_MAJOR < 10
  using Deserialize = nvinfer1::ICudaEngine* (VRuntime::*)(const void*, std::size_t, nvinfer1::IPluginFactory*);
  using CreateContext = nvinfer1::IExecutionContext* (VCudaEngine::*)();
#else
  using Deserialize = nvinfer1::ICudaEngine* (VRuntime::*)(const void*, std::size_t);
  using CreateContext = nvinfer1::IExecutionContext* (VCudaEngine::*)(nvinfer1::ExecutionContextAllocationStrategy);
#endif
  EXPECT_EQ(slots.deserialize, slot<Deserialize>(&VRuntime::deserializeCudaEngine));
  EXPECT_EQ(slots.set_dla_core, slot(&VRuntime::setDLACore));
  EXPECT_EQ(slots.dla_core_count, slot(&VRuntime::getNbDLACores));
#if SINCE(8, 6)
  EXPECT_EQ(slots.allow_host_code, slot(&VRuntime::setEngineHostCodeAllowed));
#endif
  EXPECT_EQ(slots.create_context, slot<CreateContext>(&VCudaEngine::createExecutionContext));
  EXPECT_EQ(slots.profile_count, slot(&VCudaEngine::getNbOptimizationProfiles));
#if SINCE(8, 5)
  EXPECT_EQ(slots.engine_shape, slot(&VCudaEngine::getTensorShape));
  EXPECT_EQ(slots.dtype, slot(&VCudaEngine::getTensorDataType));
  EXPECT_EQ(slots.location, slot(&VCudaEngine::getTensorLocation));
  EXPECT_EQ(slots.mode, slot(&VCudaEngine::getTensorIOMode));
  EXPECT_EQ(slots.format,
            slot<nvinfer1::TensorFormat (VCudaEngine::*)(const char*) const>(&VCudaEngine::getTensorFormat));
  EXPECT_EQ(slots.profile_shape, slot(&VCudaEngine::getProfileShape));
  EXPECT_EQ(slots.tensor_count, slot(&VCudaEngine::getNbIOTensors));
  EXPECT_EQ(slots.tensor_name, slot(&VCudaEngine::getIOTensorName));
#endif
  EXPECT_EQ(slots.set_profile, slot(&VExecutionContext::setOptimizationProfileAsync));
#if SINCE(8, 5)
  EXPECT_EQ(slots.set_input_shape,
            slot<bool (VExecutionContext::*)(const char*, const Dims&)>(&VExecutionContext::setInputShape));
  EXPECT_EQ(slots.context_shape, slot(&VExecutionContext::getTensorShape));
  EXPECT_EQ(slots.set_address, slot(&VExecutionContext::setTensorAddress));
  EXPECT_EQ(slots.set_allocator, slot(&VExecutionContext::setOutputAllocator));
  EXPECT_EQ(slots.enqueue, slot(&VExecutionContext::enqueueV3));
#endif
  EXPECT_EQ(slots.set_profiler, slot(&VExecutionContext::setProfiler));
#if SINCE(8, 2)
  EXPECT_EQ(slots.set_emits_profile, slot(&VExecutionContext::setEnqueueEmitsProfile));
  EXPECT_EQ(slots.report_profile, slot(&VExecutionContext::reportToProfiler));
#endif
  EXPECT_EQ(slots.layer_count, slot(&VCudaEngine::getNbLayers));
#if SINCE(8, 4)
  EXPECT_EQ(slots.create_inspector, slot(&VCudaEngine::createEngineInspector));
  EXPECT_EQ(slots.layer_information, slot(&VEngineInspector::getLayerInformation));
#endif
#if NV_TENSORRT_MAJOR < 10
  EXPECT_EQ(slots.create_bare_context, slot(&VCudaEngine::createExecutionContextWithoutDeviceMemory));
  EXPECT_EQ(kBindingSlots.count, slot(&VCudaEngine::getNbBindings));
  EXPECT_EQ(kBindingSlots.name, slot(&VCudaEngine::getBindingName));
  EXPECT_EQ(kBindingSlots.is_input, slot(&VCudaEngine::bindingIsInput));
  EXPECT_EQ(kBindingSlots.shape, slot(&VCudaEngine::getBindingDimensions));
  EXPECT_EQ(kBindingSlots.dtype, slot(&VCudaEngine::getBindingDataType));
  EXPECT_EQ(kBindingSlots.location, slot(&VCudaEngine::getLocation));
  EXPECT_EQ(kBindingSlots.format, slot(&VCudaEngine::getBindingFormat));
  EXPECT_EQ(kBindingSlots.profile_shape, slot(&VCudaEngine::getProfileDimensions));
  EXPECT_EQ(kBindingSlots.is_of_shapes, slot(&VCudaEngine::isShapeBinding));
  EXPECT_EQ(kBindingSlots.is_executed, slot(&VCudaEngine::isExecutionBinding));
  EXPECT_EQ(kBindingSlots.has_implicit_batch, slot(&VCudaEngine::hasImplicitBatchDimension));
  EXPECT_EQ(kBindingSlots.set_shape, slot(&VExecutionContext::setBindingDimensions));
  EXPECT_EQ(kBindingSlots.context_shape, slot(&VExecutionContext::getBindingDimensions));
  EXPECT_EQ(kBindingSlots.set_shape_values, slot(&VExecutionContext::setInputShapeBinding));
  EXPECT_EQ(kBindingSlots.shape_values, slot(&VExecutionContext::getShapeBinding));
  EXPECT_EQ(kBindingSlots.enqueue, slot(&VExecutionContext::enqueueV2));
#endif
#if SINCE(8, 6)
  EXPECT_EQ(slots.aux_stream_count, slot(&VCudaEngine::getNbAuxStreams));
#endif
#if NV_TENSORRT_MAJOR < 11
  EXPECT_EQ(slots.scratch_size, slot(&VCudaEngine::getDeviceMemorySize));
  EXPECT_EQ(slots.set_scratch, slot(&VExecutionContext::setDeviceMemory));
#else
  EXPECT_EQ(slots.scratch_size, slot(&VCudaEngine::getDeviceMemorySizeV2));
  EXPECT_EQ(slots.set_scratch, slot(&VExecutionContext::setDeviceMemoryV2));
#endif
#if NV_TENSORRT_MAJOR >= 10
  EXPECT_EQ(static_cast<int>(nvinfer1::ExecutionContextAllocationStrategy::kUSER_MANAGED), 2);
#endif
}

TEST(TensorRtHeaders, HaveTheBuildersFunctionsInTheSlotsThatAreCalled) {
  using nvinfer1::apiv::VBuilder;
  using nvinfer1::apiv::VBuilderConfig;
  using nvinfer1::apiv::VHostMemory;
  using nvinfer1::apiv::VNetworkDefinition;
  using nvinfer1::apiv::VOptimizationProfile;
  using nvinfer1::apiv::VTensor;
  using nvonnxparser::IParser;
  using nvonnxparser::IParserError;
  const BuilderSlots& slots = builder_slots_of(NV_TENSORRT_MAJOR);
  EXPECT_EQ(slots.create_config, slot(&VBuilder::createBuilderConfig));
  EXPECT_EQ(slots.create_network, slot(&VBuilder::createNetworkV2));
  EXPECT_EQ(slots.create_profile, slot(&VBuilder::createOptimizationProfile));
  EXPECT_EQ(slots.build, slot(&VBuilder::buildSerializedNetwork));
  EXPECT_EQ(slots.clear_flag, slot(&VBuilderConfig::clearFlag));
  EXPECT_EQ(slots.set_flag, slot(&VBuilderConfig::setFlag));
  EXPECT_EQ(slots.set_dla_core, slot(&VBuilderConfig::setDLACore));
  EXPECT_EQ(slots.set_device_type, slot(&VBuilderConfig::setDefaultDeviceType));
  EXPECT_EQ(slots.add_profile, slot(&VBuilderConfig::addOptimizationProfile));
#if SINCE(8, 6)
  EXPECT_EQ(slots.set_max_aux_streams, slot(&VBuilderConfig::setMaxAuxStreams));
#endif
#if SINCE(8, 4)
  EXPECT_EQ(slots.set_pool_limit, slot(&VBuilderConfig::setMemoryPoolLimit));
#endif
  EXPECT_EQ(slots.set_verbosity, slot(&VBuilderConfig::setProfilingVerbosity));
#if SINCE(8, 6)
  EXPECT_EQ(slots.set_level, slot(&VBuilderConfig::setBuilderOptimizationLevel));
  EXPECT_EQ(slots.set_hardware_level, slot(&VBuilderConfig::setHardwareCompatibilityLevel));
#endif
#if NV_TENSORRT_MAJOR < 11
  EXPECT_EQ(slots.has_fast_int8, slot(&VBuilder::platformHasFastInt8));
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  EXPECT_EQ(slots.set_calibrator, slot(&VBuilderConfig::setInt8Calibrator));
  EXPECT_EQ(slots.set_calibration_profile, slot(&VBuilderConfig::setCalibrationProfile));
#pragma GCC diagnostic pop
#endif
  EXPECT_EQ(slots.create_timing_cache, slot(&VBuilderConfig::createTimingCache));
  EXPECT_EQ(slots.set_timing_cache, slot(&VBuilderConfig::setTimingCache));
  EXPECT_EQ(slots.timing_cache, slot(&VBuilderConfig::getTimingCache));
#if NV_TENSORRT_MAJOR >= 10
  EXPECT_EQ(slots.set_progress_monitor, slot(&VBuilderConfig::setProgressMonitor));
#endif
  EXPECT_EQ(slots.serialize, slot(&nvinfer1::apiv::VTimingCache::serialize));
  EXPECT_EQ(slots.input_count, slot(&VNetworkDefinition::getNbInputs));
  EXPECT_EQ(slots.layer_count, slot(&VNetworkDefinition::getNbLayers));
  EXPECT_EQ(slots.layer, slot(&VNetworkDefinition::getLayer));
  EXPECT_EQ(slots.layer_type, slot(&nvinfer1::apiv::VLayer::getType));
  EXPECT_EQ(slots.tensor_type, slot(&VTensor::getType));
  EXPECT_EQ(slots.input, slot(&VNetworkDefinition::getInput));
  EXPECT_EQ(slots.tensor_name, slot(&VTensor::getName));
  EXPECT_EQ(slots.tensor_shape, slot(&VTensor::getDimensions));
  EXPECT_EQ(slots.set_dimensions, slot(&VOptimizationProfile::setDimensions));
  EXPECT_EQ(slots.data, slot(&VHostMemory::data));
  EXPECT_EQ(slots.size, slot(&VHostMemory::size));
  EXPECT_EQ(slots.parse, slot(&IParser::parse));
  EXPECT_EQ(slots.error_count, slot(&IParser::getNbErrors));
  EXPECT_EQ(slots.error, slot(&IParser::getError));
  // Nobody can point to a destructor: there are two behind clearErrors(), the deleting one last.
  EXPECT_EQ(slots.parser_destructor, slot(&IParser::clearErrors) + 2);
#if SINCE(8, 6)
  EXPECT_EQ(slots.parser_destructor, slot(&IParser::getUsedVCPluginLibraries) - 1);
#endif
  EXPECT_EQ(slots.description, slot(&IParserError::desc));
  EXPECT_EQ(slots.node, slot(&IParserError::node));
#if NV_TENSORRT_MAJOR >= 10
  EXPECT_EQ(slots.node_name, slot(&IParserError::nodeName));
  EXPECT_EQ(slots.node_operator, slot(&IParserError::nodeOperator));
#endif
}

TEST(TensorRtHeaders, HaveTheBuildersNumbers) {
  const auto number = [](auto value) { return static_cast<int>(value); };
  using Flag = nvinfer1::BuilderFlag;
  const BuilderFlags& flags = builder_flags_of(NV_TENSORRT_MAJOR);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#if NV_TENSORRT_MAJOR < 11
  EXPECT_EQ(flags.f16, number(Flag::kFP16));
  EXPECT_EQ(flags.int8, number(Flag::kINT8));
#endif
#if NV_TENSORRT_MAJOR == 10
  EXPECT_EQ(flags.bf16, number(Flag::kBF16));
  EXPECT_EQ(number(nvinfer1::NetworkDefinitionCreationFlag::kSTRONGLY_TYPED), 1);
#endif
#pragma GCC diagnostic pop
  EXPECT_EQ(layer_types_of(NV_TENSORRT_MAJOR).quantize, number(nvinfer1::LayerType::kQUANTIZE));
  EXPECT_EQ(layer_types_of(NV_TENSORRT_MAJOR).dequantize, number(nvinfer1::LayerType::kDEQUANTIZE));
  EXPECT_EQ(flags.gpu_fallback, number(Flag::kGPU_FALLBACK));
  EXPECT_EQ(flags.refit, number(Flag::kREFIT));
  EXPECT_EQ(flags.tf32, number(Flag::kTF32));
  EXPECT_EQ(flags.sparse_weights, number(Flag::kSPARSE_WEIGHTS));
#if SINCE(8, 6)
  EXPECT_EQ(flags.version_compatible, number(Flag::kVERSION_COMPATIBLE));
#endif
#if SINCE(8, 4)
  EXPECT_EQ(number(nvinfer1::MemoryPoolType::kWORKSPACE), 0);
#endif
  EXPECT_EQ(number(nvinfer1::DeviceType::kDLA), 1);
#if SINCE(8, 6)
  EXPECT_EQ(number(nvinfer1::HardwareCompatibilityLevel::kAMPERE_PLUS), 1);
#endif
#if NV_TENSORRT_MAJOR >= 10
  EXPECT_EQ(number(nvinfer1::HardwareCompatibilityLevel::kSAME_COMPUTE_CAPABILITY), 2);
#endif
}

// Its classes have a virtual destructor, and then the pointer to the one that does the work.
template <typename Class>
struct Opened : Class {
  static std::ptrdiff_t worker_offset() {
    alignas(16) static char place[sizeof(Opened)];
    auto* const object = reinterpret_cast<Opened*>(place);
    return reinterpret_cast<char*>(&object->mImpl) - place;
  }
};

template <>
std::ptrdiff_t Opened<nvinfer1::ILayer>::worker_offset() {
  alignas(16) static char place[sizeof(Opened)];
  auto* const object = reinterpret_cast<Opened*>(place);
  return reinterpret_cast<char*>(&object->mLayer) - place;
}

TEST(TensorRtHeaders, HaveTheWorkerBehindTheTable) {
  EXPECT_EQ(Opened<nvinfer1::ILayer>::worker_offset(), static_cast<std::ptrdiff_t>(sizeof(void*)));
  EXPECT_EQ(Opened<nvinfer1::ITimingCache>::worker_offset(), static_cast<std::ptrdiff_t>(sizeof(void*)));
  EXPECT_EQ(Opened<nvinfer1::IRuntime>::worker_offset(), static_cast<std::ptrdiff_t>(sizeof(void*)));
  EXPECT_EQ(Opened<nvinfer1::ICudaEngine>::worker_offset(), static_cast<std::ptrdiff_t>(sizeof(void*)));
  EXPECT_EQ(Opened<nvinfer1::IExecutionContext>::worker_offset(), static_cast<std::ptrdiff_t>(sizeof(void*)));
  EXPECT_EQ(Opened<nvinfer1::IBuilder>::worker_offset(), static_cast<std::ptrdiff_t>(sizeof(void*)));
  EXPECT_EQ(Opened<nvinfer1::IBuilderConfig>::worker_offset(), static_cast<std::ptrdiff_t>(sizeof(void*)));
  EXPECT_EQ(Opened<nvinfer1::INetworkDefinition>::worker_offset(), static_cast<std::ptrdiff_t>(sizeof(void*)));
  EXPECT_EQ(Opened<nvinfer1::IOptimizationProfile>::worker_offset(), static_cast<std::ptrdiff_t>(sizeof(void*)));
  EXPECT_EQ(Opened<nvinfer1::IHostMemory>::worker_offset(), static_cast<std::ptrdiff_t>(sizeof(void*)));
  EXPECT_EQ(Opened<nvinfer1::ITensor>::worker_offset(), static_cast<std::ptrdiff_t>(sizeof(void*)));
#if SINCE(8, 2)
  EXPECT_EQ(Opened<nvinfer1::IEngineInspector>::worker_offset(), static_cast<std::ptrdiff_t>(sizeof(void*)));
#endif
}

TEST(TensorRtHeaders, HaveTheNumbersThatAreCompared) {
  const auto number = [](auto value) { return static_cast<int>(value); };
  using nvinfer1::DataType;
  const DataType types[] = {DataType::kFLOAT, DataType::kHALF, DataType::kINT8, DataType::kINT32, DataType::kBOOL};
  for (int i = 0; i < 5; ++i) EXPECT_EQ(number(types[i]), i);
#if SINCE(8, 5)
  EXPECT_EQ(number(DataType::kUINT8), 5);
#endif
#if SINCE(8, 6)
  EXPECT_EQ(number(DataType::kFP8), 6);
#endif
#if NV_TENSORRT_MAJOR >= 10
  EXPECT_EQ(number(DataType::kBF16), 7);
  EXPECT_EQ(number(DataType::kINT64), 8);
  EXPECT_EQ(number(DataType::kINT4), 9);
  EXPECT_EQ(number(nvinfer1::ExecutionContextAllocationStrategy::kSTATIC), 0);
#endif
#if SINCE(8, 2)
  EXPECT_EQ(number(nvinfer1::LayerInformationFormat::kJSON), 1);
#endif
  EXPECT_EQ(number(nvinfer1::ProfilingVerbosity::kDETAILED), 2);
#if SINCE(8, 5)
  EXPECT_EQ(number(nvinfer1::TensorIOMode::kINPUT), 1);
#endif
  EXPECT_EQ(number(nvinfer1::TensorLocation::kHOST), 1);
  EXPECT_EQ(number(nvinfer1::TensorFormat::kLINEAR), 0);
  EXPECT_EQ(number(nvinfer1::OptProfileSelector::kMIN), number(Bound::kMin));
  EXPECT_EQ(number(nvinfer1::OptProfileSelector::kOPT), number(Bound::kOptimal));
  EXPECT_EQ(number(nvinfer1::OptProfileSelector::kMAX), number(Bound::kMax));
}

TEST(TensorRtHeaders, ItsLoggerIsOurs) {
  std::vector<std::pair<LogLevel, std::string>> heard;
  const auto listener = add_log_listener(
      [&](LogLevel level, const std::string&, const std::string& text) { heard.emplace_back(level, text); });
  auto* const logger = static_cast<nvinfer1::ILogger*>(logger_of(NV_TENSORRT_MAJOR));
  const Words words;
  using Severity = nvinfer1::ILogger::Severity;
  logger->log(Severity::kINTERNAL_ERROR, "internal");
  logger->log(Severity::kERROR, "error");
  logger->log(Severity::kWARNING, "warning");
  logger->log(Severity::kINFO, "info");
  logger->log(Severity::kVERBOSE, "verbose");
  EXPECT_EQ(words.text(), "internal\nerror\nwarning");
  using Lines = std::vector<std::pair<LogLevel, std::string>>;
  EXPECT_EQ(heard, (Lines{{LogLevel::kError, "internal"},
                          {LogLevel::kError, "error"},
                          {LogLevel::kWarning, "warning"},
                          {LogLevel::kDebug, "info"}}));
#if NV_TENSORRT_MAJOR >= 11
  EXPECT_EQ(logger->getAPILanguage(), nvinfer1::APILanguage::kCPP);
  EXPECT_STREQ(logger->getInterfaceInfo().kind, "ILogger");
#endif
}

#if SINCE(8, 5)
TEST(TensorRtHeaders, ItsOutputAllocatorIsOurs) {
  struct Sink final : OutputSink {
    CuAddress place(size_t bytes) noexcept override { return 0x1000 + bytes; }
    void on_shape(Shape given) noexcept override { shape = std::move(given); }
    Shape shape;
  } sink;
  const auto owner = make_output_allocator(NV_TENSORRT_MAJOR, sink);
  auto* const allocator = static_cast<nvinfer1::IOutputAllocator*>(owner.get());
  const auto placed = [](void* place) { return reinterpret_cast<uintptr_t>(place); };
#if NV_TENSORRT_MAJOR >= 10
  EXPECT_EQ(placed(allocator->reallocateOutputAsync("y", nullptr, 24, 256, nullptr)), 0x1018u);
  EXPECT_EQ(allocator->getAPILanguage(), nvinfer1::APILanguage::kCPP);
  EXPECT_STREQ(allocator->getInterfaceInfo().kind, "IOutputAllocator");
#endif
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  EXPECT_EQ(placed(allocator->reallocateOutput("y", nullptr, 16, 256)), 0x1010u);
#pragma GCC diagnostic pop
  nvinfer1::Dims dims{};
  dims.nbDims = 3;
  dims.d[0] = 2;
  dims.d[1] = 3;
  dims.d[2] = 100'000;
  allocator->notifyShape("y", dims);
  EXPECT_EQ(sink.shape, (Shape{2, 3, 100'000}));
}
#endif

#if NV_TENSORRT_MAJOR >= 10
TEST(TensorRtHeaders, ItsProgressMonitorIsOurs) {
  std::vector<std::string> told;
  const auto cancelled = std::make_shared<std::atomic<bool>>(false);
  BuildProgress ours([&](const std::string& phase, double) { told.push_back(phase); }, cancelled);
  auto* const monitor = static_cast<nvinfer1::IProgressMonitor*>(ours.interface());
  EXPECT_EQ(monitor->getAPILanguage(), nvinfer1::APILanguage::kCPP);
  EXPECT_STREQ(monitor->getInterfaceInfo().kind, "IProgressMonitor");
  monitor->phaseStart("outer", nullptr, 2);
  EXPECT_EQ(told, (std::vector<std::string>{"outer"}));
  EXPECT_TRUE(monitor->stepComplete("outer", 0));
  *cancelled = true;
  EXPECT_FALSE(monitor->stepComplete("outer", 1));
  monitor->phaseFinish("outer");
}
#endif

#if NV_TENSORRT_MAJOR < 11
TEST(TensorRtHeaders, ItsCalibratorIsOurs) {
  char folder[] = "/tmp/edge-infer-calibrator-XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  BuildOptions options;
  options.calibration_cache = std::string(folder) + "/cache";
  const std::string text = "TRT-8601-EntropyCalibration2\nx: 3f800000\n";
  ASSERT_TRUE(replace_file(options.calibration_cache, text.data(), text.size()));
  Calibrator ours(NV_TENSORRT_MAJOR, options, nullptr, {});
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  auto* const calibrator = static_cast<nvinfer1::IInt8Calibrator*>(ours.interface());
  EXPECT_EQ(calibrator->getBatchSize(), 1);
  size_t size = 0;
  const void* const cache = calibrator->readCalibrationCache(size);
  EXPECT_EQ(std::string(static_cast<const char*>(cache), size), text);
  EXPECT_EQ(calibrator->getAlgorithm(), nvinfer1::CalibrationAlgoType::kENTROPY_CALIBRATION_2);
  void* binding = nullptr;
  const char* name = "x";
  EXPECT_FALSE(calibrator->getBatch(&binding, &name, 1));  // it has no inputs
  calibrator->writeCalibrationCache("other", 5);
  EXPECT_EQ(read_file(options.calibration_cache).size(), text.size());
  EXPECT_EQ(static_cast<int>(nvinfer1::CalibrationAlgoType::kMINMAX_CALIBRATION), 3);
#if NV_TENSORRT_MAJOR >= 10
  EXPECT_EQ(calibrator->getAPILanguage(), nvinfer1::APILanguage::kCPP);
  EXPECT_STREQ(calibrator->getInterfaceInfo().kind, "IInt8EntropyCalibrator2");
#endif
#pragma GCC diagnostic pop
  remove_tree(folder);
}
#endif

TEST(TensorRtHeaders, ItsProfilerIsOurs) {
  Profiler ours(NV_TENSORRT_MAJOR);
  auto* const profiler = static_cast<nvinfer1::IProfiler*>(ours.interface());
  profiler->reportLayerTime("conv1", 0.5f);
  profiler->reportLayerTime("other", 2);
  LayerInfo conv1;
  conv1.name = "conv1";
  conv1.type = "CaskConvolution";
  const auto times = ours.times({conv1});
  ASSERT_EQ(times.size(), 2u);
  EXPECT_EQ(times[0].name + " " + times[0].type, "conv1 CaskConvolution");
  EXPECT_EQ(times[0].ns, 500'000);
  EXPECT_EQ(times[1].name + " " + times[1].type, "other ");
#if NV_TENSORRT_MAJOR >= 11
  EXPECT_EQ(profiler->getAPILanguage(), nvinfer1::APILanguage::kCPP);
  EXPECT_STREQ(profiler->getInterfaceInfo().kind, "IProfiler");
#endif
}

}  // namespace
}  // namespace edge::tensorrt
