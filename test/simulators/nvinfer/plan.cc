#include "plan.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <iomanip>
#include <sstream>

#include "vtables.h"

namespace nvinfer_simulator {
namespace {

constexpr const char* kTypes[] = {"f32", "f16", "i8", "i32", "bool", "u8", "fp8", "bf16", "i64", "int4", "fp4"};
constexpr size_t kSizes[] = {4, 2, 1, 4, 1, 1, 1, 2, 8, 1, 1};
constexpr int kInt32 = 3, kInt64 = 8;

int dtype_named(const std::string& name) {
  for (size_t i = 0; i < sizeof kTypes / sizeof kTypes[0]; ++i) {
    if (name == kTypes[i]) return static_cast<int>(i);
  }
  throw std::string("Serialization assertion failed: no type " + name);
}

Shape shape_of(const std::string& text) {
  Shape shape;
  if (text == "-") return shape;
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) shape.push_back(part == "?" ? -1 : std::atoll(part.c_str()));
  return shape;
}

template <typename T>
void add(const void* from, void* to, size_t count, double number) {
  for (size_t i = 0; i < count; ++i) {
    T value;
    std::memcpy(&value, static_cast<const char*>(from) + i * sizeof(T), sizeof value);
    value = static_cast<T>(static_cast<double>(value) + number);
    std::memcpy(static_cast<char*>(to) + i * sizeof(T), &value, sizeof value);
  }
}

void fake_quantize(const void* from, void* to, size_t count, float scale) {
  for (size_t i = 0; i < count; ++i) {
    float value;
    std::memcpy(&value, static_cast<const char*>(from) + i * sizeof value, sizeof value);
    value = std::clamp(std::nearbyint(value / scale), -128.0F, 127.0F) * scale;
    std::memcpy(static_cast<char*>(to) + i * sizeof value, &value, sizeof value);
  }
}

}  // namespace

Plan parse_plan(const std::string& text, int major) {
  std::istringstream lines(text);
  std::string line;
  Plan plan;
  bool ended = false;
  std::getline(lines, line);
  std::istringstream head(line);
  std::string magic, who;
  if (!(head >> magic >> who >> plan.major) || magic != "ftrt" || who != "edge-infer-simulator") {
    throw std::string("Serialization assertion magicTagRead == kMAGIC_TAG failed. Magic tag does not match");
  }
  if (plan.major != major) {
    throw std::string(
        "The engine plan file is not compatible with this version of TensorRT, expecting library version " +
        std::to_string(major) + " got " + std::to_string(plan.major) + ", please rebuild.");
  }
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    std::string word, text_of;
    if (!(words >> word)) continue;
    if (word == "input") {
      Input input;
      std::string dims;
      words >> std::quoted(input.name) >> text_of >> dims;
      input.dtype = dtype_named(text_of);
      input.shape = shape_of(dims);
      while (words >> word) {
        if (word == "range") {
          input.ranges.emplace_back();
          words >> input.ranges.back().smallest >> input.ranges.back().largest;
        }
        if (word == "format") words >> input.format;
        if (word == "host") input.on_host = true;
        if (word == "decides") input.decides_shapes = true;
      }
      plan.inputs.push_back(std::move(input));
    } else if (word == "output") {
      Output output;
      std::string input;
      words >> std::quoted(output.name) >> word >> std::quoted(input);
      for (size_t i = 0; i < plan.inputs.size(); ++i) {
        if (plan.inputs[i].name == input) output.input = i;
      }
      if (word == "add") {
        output.op = Output::Op::kAdd;
        words >> output.number;
      } else if (word == "fakequantize") {
        output.op = Output::Op::kFakeQuantize;
        words >> output.number;
      } else if (word == "resize") {
        output.op = Output::Op::kResize;
        words >> std::quoted(input);
        for (size_t i = 0; i < plan.inputs.size(); ++i) {
          if (plan.inputs[i].name == input) output.shape_input = i;
        }
      } else if (word == "nonzero") {
        if (!is_release(8, 5)) throw std::string("Serialization assertion: this release has no NonZero");
        output.op = Output::Op::kNonZero;
      } else if (word == "shape") {
        output.op = Output::Op::kShape;
      }
      if (!words) throw std::string("Serialization assertion stdVersionRead failed: ") + line;
      plan.outputs.push_back(std::move(output));
    } else if (word == "duration_us") {
      words >> plan.duration_us;
    } else if (word == "aux-streams") {
      words >> plan.aux_streams;
    } else if (word == "scratch") {
      words >> plan.scratch;
    } else if (word == "profiles") {
      words >> plan.profiles;
    } else if (word == "verbosity") {
      words >> plan.verbosity;
    } else if (word == "no-context") {
      plan.no_context = true;
    } else if (word == "implicit-batch") {
      plan.implicit_batch = true;
    } else if (word == "plugin") {
      plan.plugins.emplace_back();
      words >> plan.plugins.back();
    } else if (word == "dla") {
      plan.dla = true;
    } else if (word == "host-code") {
      plan.host_code = true;
    } else if (word == "built") {
      std::getline(words >> std::ws, plan.built);
    } else if (word == "generation") {
      words >> plan.generation;
    } else if (word == "computes") {
      words >> plan.computes;
    } else if (word == "synchronizes") {
      plan.synchronizes = true;
    } else if (word == "end") {
      ended = true;
    }
  }
  if (!ended) throw std::string("Serialization assertion sizeRead == size failed: the plan is cut off");
  return plan;
}

std::string plan_text(const Plan& plan, int major) {
  std::ostringstream text;
  text << "ftrt edge-infer-simulator " << major << "\n";
  for (const Input& input : plan.inputs) {
    text << "input " << std::quoted(input.name) << " " << kTypes[input.dtype] << " ";
    if (input.shape.empty()) text << "-";
    for (size_t i = 0; i < input.shape.size(); ++i) {
      text << (i == 0 ? "" : ",") << (input.shape[i] < 0 ? "?" : std::to_string(input.shape[i]));
    }
    for (const Input::Range& range : input.ranges) text << " range " << range.smallest << " " << range.largest;
    text << "\n";
  }
  constexpr const char* kOperations[] = {"identity", "add", "nonzero", "fakequantize"};
  for (const Output& output : plan.outputs) {
    text << "output " << std::quoted(output.name) << " " << kOperations[static_cast<size_t>(output.op)] << " "
         << std::quoted(plan.inputs[output.input].name);
    if (output.op == Output::Op::kAdd || output.op == Output::Op::kFakeQuantize) text << " " << output.number;
    text << "\n";
  }
  for (const std::string& plugin : plan.plugins) text << "plugin " << plugin << "\n";
  text << "duration_us " << plan.duration_us << "\nprofiles " << plan.profiles << "\n";
  text << "aux-streams " << plan.aux_streams << "\n";
  if (plan.scratch != 0) text << "scratch " << plan.scratch << "\n";
  text << "verbosity " << plan.verbosity << "\n";
  if (plan.dla) text << "dla\n";
  if (plan.host_code) text << "host-code\n";
  if (plan.generation != 0) text << "generation " << plan.generation << "\n";
  if (!plan.computes.empty()) text << "computes " << plan.computes << "\n";
  if (!plan.built.empty()) text << "built " << plan.built << "\n";
  text << "end\n";
  return text.str();
}

int dtype_of(const Plan& plan, const Output& output) {
  if (output.op == Output::Op::kNonZero) return kInt64;
  if (output.op == Output::Op::kShape) return kMajor < 10 ? kInt32 : kInt64;
  return plan.inputs[output.input].dtype;
}

size_t dtype_size(int dtype) { return kSizes[dtype]; }

void compute(const Output& output, int dtype, const void* from, void* to, size_t count) {
  if (count == 0) return;
  if (output.op == Output::Op::kIdentity) {
    std::memcpy(to, from, count * dtype_size(dtype));
  } else if (output.op == Output::Op::kFakeQuantize) {
    fake_quantize(from, to, count, static_cast<float>(output.number));
  } else if (dtype == 0) {
    add<float>(from, to, count, output.number);
  } else {
    add<int32_t>(from, to, count, output.number);
  }
}

std::vector<int64_t> nonzero(const void* from, size_t count) {
  std::vector<int64_t> found;
  for (size_t i = 0; i < count; ++i) {
    float value;
    std::memcpy(&value, static_cast<const char*>(from) + i * sizeof value, sizeof value);
    if (value != 0) found.push_back(static_cast<int64_t>(i));
  }
  return found;
}

}  // namespace nvinfer_simulator
