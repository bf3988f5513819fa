// Compares every declaration of api.h with the headers of a pinned OpenVINO (built once for each release): the compiler
// sees both, so a parameter too many, a constness or a size that differs shows here and not as a crash.
#include "backends/openvino/api.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <type_traits>

#include "backends/openvino/element_type.h"
#include "openvino/c/openvino.h"
#if !__has_include("openvino/c/ov_util.h")
// Releases before 2025 have no log: nothing to compare with.
extern "C" void ov_util_set_log_callback(void (*)(const char*));
#endif

namespace edge::openvino {
namespace {

// Which type of the headers each of ours stands for.
template <typename Ours>
struct Twin {};
template <>
struct Twin<Core> : std::common_type<ov_core_t> {};
template <>
struct Twin<OvModel> : std::common_type<ov_model_t> {};
template <>
struct Twin<CompiledModel> : std::common_type<ov_compiled_model_t> {};
template <>
struct Twin<InferRequest> : std::common_type<ov_infer_request_t> {};
template <>
struct Twin<ConstPort> : std::common_type<ov_output_const_port_t> {};
template <>
struct Twin<Tensor> : std::common_type<ov_tensor_t> {};
template <>
struct Twin<Version> : std::common_type<ov_version_t> {};
template <>
struct Twin<AvailableDevices> : std::common_type<ov_available_devices_t> {};
template <>
struct Twin<OvShape> : std::common_type<ov_shape_t> {};
template <>
struct Twin<Dimension> : std::common_type<ov_dimension_t> {};
template <>
struct Twin<PartialShape> : std::common_type<ov_partial_shape_t> {};
template <>
struct Twin<Callback> : std::common_type<ov_callback_t> {};
template <>
struct Twin<ProfilingInfo> : std::common_type<ov_profiling_info_t> {};
template <>
struct Twin<ProfilingInfoList> : std::common_type<ov_profiling_info_list_t> {};

template <typename Ours, typename Theirs>
struct SameSignature;

// Whether a value of one type can be passed where the other is declared.
template <typename Ours, typename Theirs>
constexpr bool compatible() {
  if constexpr (std::is_same_v<Ours, Theirs>) {
    return true;
  } else if constexpr (std::is_const_v<Ours> != std::is_const_v<Theirs>) {
    return false;
  } else if constexpr (std::is_const_v<Ours>) {
    return compatible<std::remove_const_t<Ours>, std::remove_const_t<Theirs>>();
  } else if constexpr (std::is_pointer_v<Ours> || std::is_pointer_v<Theirs>) {
    if constexpr (std::is_pointer_v<Ours> && std::is_pointer_v<Theirs>) {
      return compatible<std::remove_pointer_t<Ours>, std::remove_pointer_t<Theirs>>();
    } else {
      return false;
    }
  } else if constexpr (std::is_function_v<Ours> && std::is_function_v<Theirs>) {
    return SameSignature<Ours, Theirs>::value;
  } else if constexpr (std::is_enum_v<Theirs>) {
    return std::is_same_v<Ours, std::underlying_type_t<Theirs>>;
  } else if constexpr (std::is_class_v<Ours> && std::is_class_v<Theirs>) {
    return std::is_same_v<typename Twin<Ours>::type, Theirs>;
  } else if constexpr (std::is_integral_v<Ours> && std::is_integral_v<Theirs>) {
    return sizeof(Ours) == sizeof(Theirs) && std::is_signed_v<Ours> == std::is_signed_v<Theirs> &&
           std::is_same_v<Ours, bool> == std::is_same_v<Theirs, bool>;
  } else {
    return false;
  }
}

template <typename Ours, typename... OurParameters, typename Theirs, typename... TheirParameters>
constexpr bool same_parameters(Ours (*)(OurParameters...), Theirs (*)(TheirParameters...)) {
  if constexpr (sizeof...(OurParameters) == sizeof...(TheirParameters)) {
    return (compatible<OurParameters, TheirParameters>() && ...);
  } else {
    return false;
  }
}

template <typename Ours, typename Theirs>
struct SameSignature : std::false_type {};
template <typename Ours, typename... OurParameters, typename Theirs, typename... TheirParameters>
struct SameSignature<Ours(OurParameters...), Theirs(TheirParameters...)>
    : std::bool_constant<compatible<Ours, Theirs>() &&
                         same_parameters(static_cast<Ours (*)(OurParameters...)>(nullptr),
                                         static_cast<Theirs (*)(TheirParameters...)>(nullptr))> {};
// Both take further arguments; if only one does, it is the first template that fits.
template <typename Ours, typename... OurParameters, typename Theirs, typename... TheirParameters>
struct SameSignature<Ours(OurParameters..., ...), Theirs(TheirParameters..., ...)>
    : SameSignature<Ours(OurParameters...), Theirs(TheirParameters...)> {};

template <typename Ours, typename Theirs>
constexpr bool same() {
  return SameSignature<std::remove_pointer_t<Ours>, std::remove_pointer_t<Theirs>>::value;
}

// The comparison itself must be able to say no.
static_assert(same<int (*)(const char*), ov_status_e (*)(const char*)>());
static_assert(!same<int (*)(char*), int (*)(const char*)>());
static_assert(!same<int (*)(char**), int (*)(char*)>());
static_assert(!same<int (*)(int), int (*)(int, int)>());
static_assert(!same<int (*)(int, ...), int (*)(int)>());
static_assert(!same<int (*)(int), int (*)(int, ...)>());
static_assert(!same<int (*)(int), int (*)(size_t)>());
static_assert(!same<int (*)(int64_t), int (*)(size_t)>());
static_assert(!same<void (*)(), int (*)()>());
static_assert(!same<int (*)(unsigned), int (*)(ov_status_e)>());
static_assert(!same<int (*)(Core*), int (*)(ov_model_t*)>());
static_assert(!same<int (*)(OvShape), int (*)(ov_partial_shape_t)>());
static_assert(!same<int (*)(OvShape), int (*)(ov_shape_t*)>());
static_assert(!same<void (*)(void (*)(const char*)), void (*)(void (*)(char*))>());

TEST(OpenVinoApiTest, EveryFunctionIsDeclaredAsInTheHeaders) {
  int count = 0;
#define EDGE_COMPARE(name, result, parameters) \
  ++count;                                     \
  EXPECT_TRUE((same<decltype(Api::name), decltype(&::name)>())) << #name " is not declared as in OpenVINO's headers";
  EDGE_OPENVINO_FUNCTIONS(EDGE_COMPARE)
  EDGE_OPENVINO_OPTIONAL_FUNCTIONS(EDGE_COMPARE)
#undef EDGE_COMPARE
#define EDGE_COUNT(name, result, parameters) ++count;
  EDGE_OPENVINO_LEGACY_FUNCTIONS(EDGE_COUNT)  // in no pinned header
#undef EDGE_COUNT
  // As many function pointers as compared: none is declared beside the lists.
  EXPECT_EQ(sizeof(Api), count * sizeof(void (*)()));
}

#define EXPECT_SAME_MEMBER(ours, our_member, theirs, their_member)                        \
  EXPECT_EQ(offsetof(ours, our_member), offsetof(theirs, their_member));                  \
  EXPECT_TRUE((compatible<decltype(ours::our_member), decltype(theirs::their_member)>())) \
      << #ours "::" #our_member " is of another type than " #theirs "::" #their_member

#define EXPECT_SAME_LAYOUT(ours, theirs)     \
  EXPECT_EQ(sizeof(ours), sizeof(theirs));   \
  EXPECT_EQ(alignof(ours), alignof(theirs)); \
  EXPECT_TRUE(std::is_standard_layout_v<ours>)

TEST(OpenVinoApiTest, StructuresLieInMemoryAsInTheHeaders) {
  EXPECT_SAME_LAYOUT(Version, ov_version_t);
  EXPECT_SAME_MEMBER(Version, build_number, ov_version_t, buildNumber);
  EXPECT_SAME_MEMBER(Version, description, ov_version_t, description);
  EXPECT_SAME_LAYOUT(AvailableDevices, ov_available_devices_t);
  EXPECT_SAME_MEMBER(AvailableDevices, devices, ov_available_devices_t, devices);
  EXPECT_SAME_MEMBER(AvailableDevices, size, ov_available_devices_t, size);
  EXPECT_SAME_LAYOUT(OvShape, ov_shape_t);
  EXPECT_SAME_MEMBER(OvShape, rank, ov_shape_t, rank);
  EXPECT_SAME_MEMBER(OvShape, dims, ov_shape_t, dims);
  EXPECT_SAME_LAYOUT(Dimension, ov_dimension_t);
  EXPECT_SAME_MEMBER(Dimension, min, ov_dimension_t, min);
  EXPECT_SAME_MEMBER(Dimension, max, ov_dimension_t, max);
  EXPECT_SAME_LAYOUT(PartialShape, ov_partial_shape_t);
  EXPECT_SAME_MEMBER(PartialShape, rank, ov_partial_shape_t, rank);
  EXPECT_SAME_MEMBER(PartialShape, dims, ov_partial_shape_t, dims);
  EXPECT_SAME_LAYOUT(ProfilingInfo, ov_profiling_info_t);
  EXPECT_EQ(offsetof(ProfilingInfo, status), offsetof(ov_profiling_info_t, status));
  EXPECT_EQ(sizeof(ProfilingInfo::status), sizeof(ov_profiling_info_t::status));
  EXPECT_EQ(2, static_cast<int>(ov_profiling_info_t::EXECUTED));
  EXPECT_SAME_MEMBER(ProfilingInfo, real_time, ov_profiling_info_t, real_time);
  EXPECT_SAME_MEMBER(ProfilingInfo, cpu_time, ov_profiling_info_t, cpu_time);
  EXPECT_SAME_MEMBER(ProfilingInfo, node_name, ov_profiling_info_t, node_name);
  EXPECT_SAME_MEMBER(ProfilingInfo, exec_type, ov_profiling_info_t, exec_type);
  EXPECT_SAME_MEMBER(ProfilingInfo, node_type, ov_profiling_info_t, node_type);
  EXPECT_SAME_LAYOUT(ProfilingInfoList, ov_profiling_info_list_t);
  EXPECT_SAME_MEMBER(ProfilingInfoList, infos, ov_profiling_info_list_t, profiling_infos);
  EXPECT_SAME_MEMBER(ProfilingInfoList, size, ov_profiling_info_list_t, size);
  EXPECT_SAME_LAYOUT(Callback, ov_callback_t);
  EXPECT_SAME_MEMBER(Callback, function, ov_callback_t, callback_func);
  EXPECT_SAME_MEMBER(Callback, args, ov_callback_t, args);
}

TEST(OpenVinoApiTest, StatusCodesAreThoseOfTheHeaders) {
  EXPECT_EQ(kOk, static_cast<int>(OK));
  EXPECT_EQ(kInferCancelled, static_cast<int>(INFER_CANCELLED));
}

TEST(OpenVinoApiTest, ElementTypesAreThoseOfTheHeaders) {
  EXPECT_EQ(Numbering::k2025, numbering_of("")) << "unknown texts count as the newest";
  const Numbering these = static_cast<int>(DYNAMIC) == 0 ? Numbering::k2025 : Numbering::k2024;
  const struct {
    ov_element_type_e type;
    const char* name;
  } all[] = {{DYNAMIC, "dynamic"}, {BOOLEAN, "bool"},  {BF16, "bf16"},     {F16, "f16"},       {F32, "f32"},
             {F64, "f64"},         {I4, "i4"},         {I8, "i8"},         {I16, "i16"},       {I32, "i32"},
             {I64, "i64"},         {U1, "u1"},         {U2, "u2"},         {U3, "u3"},         {U4, "u4"},
             {U6, "u6"},           {U8, "u8"},         {U16, "u16"},       {U32, "u32"},       {U64, "u64"},
             {NF4, "nf4"},         {F8E4M3, "f8e4m3"}, {F8E5M3, "f8e5m2"}, {STRING, "string"}, {F4E2M1, "f4e2m1"},
             {F8E8M0, "f8e8m0"}};
  for (const auto& one : all) {
    EXPECT_EQ(element_type_name(one.type, these), one.name);
    const auto dtype = to_dtype(one.type, these);
    if (!dtype) continue;
    EXPECT_EQ(to_element_type(*dtype, these), static_cast<ElementType>(one.type)) << one.name;
  }
  // (The headers misspell f8e5m2.) Every dtype of ours is one of them.
  for (int i = 0; i <= static_cast<int>(Dtype::kBool); ++i) {
    const auto dtype = static_cast<Dtype>(i);
    EXPECT_EQ(to_dtype(to_element_type(dtype, these), these), dtype) << dtype_name(dtype);
  }
}

}  // namespace
}  // namespace edge::openvino
