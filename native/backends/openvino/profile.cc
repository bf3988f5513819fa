#include "backends/openvino/profile.h"

#include <memory>

#include "backends/openvino/devices.h"
#include "core/tensor.h"

namespace edge::openvino {

std::vector<LayerTime> profile_of(const Runtime& runtime, const InferRequest* request) {
  const Api& api = runtime.api;
  if (api.ov_infer_request_get_profiling_info == nullptr || api.ov_profiling_info_list_free == nullptr) {
    throw Error(ErrorCode::kUnsupported, "OpenVINO " + runtime.version + " does not tell the times of layers.",
                "Use a newer release.", "openvino");
  }
  ProfilingInfoList list{};
  runtime.check(api.ov_infer_request_get_profiling_info(request, &list), ErrorCode::kBackend,
                "OpenVINO does not tell the times of the layers.", "Run the request first.");
  const auto free_list = [&](ProfilingInfoList* done) { api.ov_profiling_info_list_free(done); };
  const std::unique_ptr<ProfilingInfoList, decltype(free_list)> owner(&list, free_list);
  constexpr int kExecuted = 2;
  const auto text = [](const char* words) { return std::string(words != nullptr ? words : ""); };
  std::vector<LayerTime> layers;
  for (size_t i = 0; i < list.size; ++i) {
    const ProfilingInfo& one = list.infos[i];
    if (one.status != kExecuted) continue;
    layers.push_back({text(one.node_name), text(one.node_type), text(one.exec_type), one.real_time * 1000});
  }
  return layers;
}

std::string kernel_precision(const std::string& kernel) {
  std::string word = to_id(kernel.substr(kernel.rfind('_') + 1));
  if (word.rfind("fp", 0) == 0) word.erase(1, 1);  // FP32
  return parse_dtype(word) ? word : std::string();
}

}  // namespace edge::openvino
