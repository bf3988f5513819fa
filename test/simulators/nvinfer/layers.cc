#include "layers.h"

#include <iomanip>
#include <sstream>
#include <string>

#include "objects.h"
#include "vtables.h"

namespace nvinfer_simulator {
namespace {

std::string quoted(const std::string& text) {
  std::ostringstream json;
  json << std::quoted(text);
  return json.str();
}

// As TensorRT words it; by DataType.
const char* format_of(int dtype) {
  static constexpr const char* kFormats[] = {"Row major linear FP32",
                                             "Row major linear FP16 format",
                                             "Row major Int8 format",
                                             "Row major INT32 format",
                                             "Row major linear BOOL",
                                             "Row major linear UInt8 format",
                                             "FP8",
                                             "Row major linear BFloat16",
                                             "Row major INT64 format",
                                             "INT4",
                                             "FP4"};
  return kFormats[dtype];
}

// As profilers are told it.
std::string layer_name(const Plan& plan, size_t index) {
  return plan.verbosity == "none" ? std::to_string(index) : plan.outputs[index].name;
}

// In JSON, as the engine's verbosity has it.
std::string layer_information(const Plan& plan, size_t index) {
  if (plan.verbosity == "none") return "";
  const Output& output = plan.outputs[index];
  const Input& input = plan.inputs[output.input];
  if (plan.verbosity != "detailed") return quoted(output.name);
  static constexpr const char* kTypes[] = {"Identity", "ElementWise", "NonZero", "Quantize", "Resize"};
  const std::string type = plan.dla ? "DLA" : kTypes[static_cast<int>(output.op)];
  const auto tensor = [](const std::string& name, const Shape& shape, int dtype) {
    bool open = false;
    std::string dims;
    for (const int64_t size : shape) {
      open = open || size < 0;
      dims += (dims.empty() ? "" : ",") + std::to_string(size);
    }
    return "{\"Name\": " + quoted(name) + ", \"Location\": \"Device\", \"Dimensions\": [" + dims +
           "], \"Format/Datatype\": \"" + (open ? "N/A due to dynamic shapes" : format_of(dtype)) + "\"}";
  };
  const std::string computes = output.op == Output::Op::kFakeQuantize ? "Int8" : plan.computes;
  const std::string weights =
      computes.empty() ? "" : ",\n  \"Weights\": {\"Type\": " + quoted(computes) + ", \"Count\": 1}";
  return "{\n  \"Name\": " + quoted(output.name) + ",\n  \"LayerType\": \"" + type + "\",\n  \"Inputs\": [\n  " +
         tensor(input.name, input.shape, input.dtype) + "],\n  \"Outputs\": [\n  " +
         tensor(output.name, input.shape, dtype_of(plan, output)) +
         "],\n  \"ParameterType\": \"ElementWise\",\n  \"nbOps\": 1,\n  \"TacticName\": \"simulated_" + type + "\"" +
         weights + ",\n  \"TacticValue\": \"0x0000000000000000\",\n  \"StreamId\": 0,\n  \"Metadata\": \"\"\n}";
}

struct InspectorWorker {
  void** table;
  const Plan* plan;
  std::string said;  // until the next call
};

const char* information(InspectorWorker* self, int32_t index, int32_t format) {
  constexpr int32_t kJson = 1;
  const auto at = static_cast<size_t>(index);
  self->said = format == kJson && at < self->plan->outputs.size() ? layer_information(*self->plan, at) : "";
  return self->said.c_str();
}

}  // namespace

void* make_inspector(const Plan& plan) {
  static void** const table = [] {
    const char* const name = "VEngineInspector";
    void** const made = make_table(name);
    put(made, name, "getLayerInformation(int, LayerInformationFormat) const", address(&information));
    return made;
  }();
  return Handle<InspectorWorker>::make(new InspectorWorker{table, &plan, ""});
}

bool report(const Plan& plan, const LayerEnds& times, void* profiler) {
  static const int slot = slot_of("IProfiler", "reportLayerTime(char const*, float)");
  for (const LayerEnds::Time end : times.ends) {
    if (end == LayerEnds::Time{}) return false;
  }
  void** const table = *static_cast<void***>(profiler);
  LayerEnds::Time before = times.begin;
  for (size_t i = 0; i < times.ends.size(); ++i) {
    const float ms = std::chrono::duration<float, std::milli>(times.ends[i] - before).count();
    reinterpret_cast<void (*)(void*, const char*, float)>(table[slot])(profiler, layer_name(plan, i).c_str(), ms);
    before = times.ends[i];
  }
  return true;
}

}  // namespace nvinfer_simulator
