#include "backends/echo/parse.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <iomanip>
#include <sstream>

namespace edge::echo {
namespace {

[[noreturn]] void fail(const std::string& line, const std::string& why) {
  throw Error(ErrorCode::kInvalidModel, "The echo model's line '" + line + "' " + why + ".",
              "See native/backends/echo/echo.h for the format.", "echo");
}

ErrorCode parse_code(const std::string& line, const std::string& name) {
  for (int i = 0; i <= static_cast<int>(ErrorCode::kAborted); ++i) {
    if (name == error_code_name(static_cast<ErrorCode>(i))) return static_cast<ErrorCode>(i);
  }
  fail(line, "names no error code");
}

Shape parse_dims(const std::string& line, const std::string& text) {
  Shape shape;
  if (text == "-") return shape;
  std::istringstream dims(text);
  std::string dim;
  while (std::getline(dims, dim, ',')) {
    if (dim == "?") {
      shape.push_back(-1);
    } else {
      int64_t value = 0;
      const auto [end, error] = std::from_chars(dim.data(), dim.data() + dim.size(), value);
      if (error != std::errc() || end != dim.data() + dim.size()) fail(line, "has a dimension that is no number");
      if (value < 0) fail(line, "has a negative dimension");
      shape.push_back(value);
    }
  }
  Shape concrete = shape;
  std::replace(concrete.begin(), concrete.end(), int64_t{-1}, int64_t{1});
  try {
    byte_size(Dtype::kF64, concrete);
  } catch (const Error&) {
    fail(line, "has more elements than memory can hold");
  }
  return shape;
}

void parse_input(Program& program, const std::string& line, std::istringstream& words) {
  TensorSpec spec;
  std::string dtype, dims;
  if (!(words >> std::quoted(spec.name) >> dtype >> dims)) fail(line, "needs a name, a dtype and dimensions");
  const auto known = parse_dtype(dtype);
  if (!known) fail(line, "has an unknown dtype");
  spec.dtype = *known;
  spec.shape = parse_dims(line, dims);
  program.inputs.push_back(std::move(spec));
}

Fault parse_fault(const std::string& line, std::istringstream& words) {
  static const std::pair<const char*, Fault> faults[] = {
      {"crash", Fault::kCrash}, {"abort", Fault::kAbort}, {"exit", Fault::kExit}, {"leak", Fault::kLeak}};
  std::string name;
  words >> name;
  for (const auto& [known, fault] : faults) {
    if (name == known) return fault;
  }
  fail(line, "needs crash, abort, exit or leak");
}

void parse_output(Program& program, const std::string& line, std::istringstream& words) {
  TensorSpec spec;
  OutputRule rule;
  std::string equals, op, input;
  if (!(words >> std::quoted(spec.name) >> equals >> op >> std::quoted(input)) || equals != "=") {
    fail(line, "needs a name, '=', an operation and an input");
  }
  const auto source = std::find_if(program.inputs.begin(), program.inputs.end(),
                                   [&](const TensorSpec& candidate) { return candidate.name == input; });
  if (source == program.inputs.end()) fail(line, "names an input that was not declared before");
  rule.input = static_cast<size_t>(source - program.inputs.begin());
  spec.dtype = source->dtype;
  spec.shape = source->shape;
  if (op == "nonzero") {
    rule.op = Op::kNonZero;
    spec.dtype = Dtype::kI64;
    spec.shape = {-1};
  } else if (op == "add" || op == "multiply") {
    rule.op = op == "add" ? Op::kAdd : Op::kMultiply;
    if (!(words >> rule.number)) fail(line, "needs a number");
  } else if (op != "identity") {
    fail(line, "has an unknown operation");
  }
  program.outputs.push_back(std::move(spec));
  program.rules.push_back(rule);
}

void parse_quantization(Program& program, const std::string& line, std::istringstream& words) {
  std::string name, axis;
  if (!(words >> std::quoted(name) >> axis)) fail(line, "needs a name and an axis");
  TensorSpec* spec = nullptr;
  for (std::vector<TensorSpec>* specs : {&program.inputs, &program.outputs}) {
    for (TensorSpec& candidate : *specs) {
      if (candidate.name == name) spec = &candidate;
    }
  }
  if (spec == nullptr) fail(line, "names no input or output that was declared before");
  Quantization& quantization = spec->quantization.emplace();
  if (axis != "-") {
    const auto [end, error] = std::from_chars(axis.data(), axis.data() + axis.size(), quantization.axis);
    if (error != std::errc() || end != axis.data() + axis.size() || quantization.axis < 0 ||
        static_cast<size_t>(quantization.axis) >= spec->shape.size()) {
      fail(line, "needs an axis of the shape, or '-'");
    }
  }
  float scale = 0;
  int32_t zero_point = 0;
  while (words >> scale >> zero_point) {
    quantization.scales.push_back(scale);
    quantization.zero_points.push_back(zero_point);
  }
  const int64_t pairs = quantization.axis < 0 ? 1 : spec->shape[static_cast<size_t>(quantization.axis)];
  if (!words.eof() || static_cast<int64_t>(quantization.scales.size()) != pairs) {
    fail(line, "needs a scale and a zero point, for each slice along the axis");
  }
}

void parse_line(Program& program, const std::string& line, const std::string& device) {
  std::istringstream words(line);
  std::string word;
  if (!(words >> word)) return;
  const auto number = [&](auto& target) {
    long long value = 0;
    if (!(words >> value) || value < 0 || value > INT32_MAX) fail(line, "needs a number from 0 to 2147483647");
    target = static_cast<std::decay_t<decltype(target)>>(value);
  };
  const auto milliseconds = [&](std::optional<int64_t>& target) {
    target.reset();
    if ((words >> std::ws).eof()) return;
    number(target.emplace());
  };
  const auto code = [&] {
    std::string name;
    words >> name;
    return parse_code(line, name);
  };
  if (word == "input") {
    parse_input(program, line, words);
  } else if (word == "output") {
    parse_output(program, line, words);
  } else if (word == "quantized") {
    parse_quantization(program, line, words);
  } else if (word == "delay_ms") {
    number(program.delay_ms);
  } else if (word == "cancel_ms") {
    number(program.cancel_ms);
  } else if (word == "spin_us") {
    number(program.spin_us);
  } else if (word == "load_ms") {
    number(program.load_ms);
  } else if (word == "fail_at") {
    number(program.fail_at);
    program.fail_code = code();
  } else if (word == "hang_at") {
    number(program.hang_at);
  } else if (word == "stuck_at") {
    number(program.stuck_at);
  } else if (word == "fault_at") {
    number(program.fault_at);
    program.fault = parse_fault(line, words);
  } else if (word == "load_fault") {
    program.load_fault = parse_fault(line, words);
  } else if (word == "end_fault") {
    program.end_fault = parse_fault(line, words);
  } else if (word == "once") {
    if (!(words >> std::quoted(program.once))) fail(line, "needs a path");
  } else if (word == "refuse") {
    program.refuse = code();
  } else if (word == "on") {
    std::string wanted, rest;
    if (!(words >> wanted) || !std::getline(words, rest)) fail(line, "needs a device and a statement");
    Program other = program;  // what is for another device must be a statement too
    parse_line(wanted == device ? program : other, rest, device);
  } else if (word == "lost_at") {
    number(program.lost_at);
    milliseconds(program.lost_ms);
  } else if (word == "lose") {
    program.lose = true;
    milliseconds(program.lose_ms);
  } else if (word == "restore") {
    program.restore = true;
  } else if (word == "needs_reload") {
    program.needs_reload = true;
  } else if (word == "copy") {
    program.copy = true;
  } else if (word == "optimal") {
    number(program.optimal);
  } else {
    fail(line, "is not understood");
  }
}

}  // namespace

Program parse(const std::string& text, const std::vector<std::pair<std::string, std::string>>& settings,
              const std::string& device) {
  Program program;
  std::istringstream lines(text);
  std::string line;
  std::string word, version;
  if (!std::getline(lines, line) || line.rfind("echo", 0) != 0 ||
      !(std::istringstream(line.substr(0, line.find('#'))) >> word >> version) || word != "echo" || version != "1") {
    throw Error(ErrorCode::kInvalidModel, "This is not an echo model: its first line is not 'echo 1'.",
                "Load it with the backend that its format is for.", "echo");
  }
  while (std::getline(lines, line)) {
    parse_line(program, line.substr(0, line.find('#')), device);
  }
  for (const auto& [name, value] : settings) parse_line(program, name + ' ' + value, device);
  make_names_unique(program.inputs);
  make_names_unique(program.outputs);
  return program;
}

}  // namespace edge::echo
