#include "core/pipeline_wiring.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "core/error.h"

namespace edge {
namespace {

constexpr const char* kRemedy =
    "Give all segments of one model, in their order, as the compiler has written them together.";

std::string describe(const TensorSpec& spec) {
  return std::string(dtype_name(spec.dtype)) + ' ' + (spec.rank_known ? shape_text(spec.shape) : "of any shape");
}

std::string quoted(const std::string& name) { return '\'' + name + '\''; }

bool shapes_meet(const TensorSpec& a, const TensorSpec& b) {
  if (!a.rank_known || !b.rank_known) return true;
  return a.shape.size() == b.shape.size() &&
         std::equal(a.shape.begin(), a.shape.end(), b.shape.begin(),
                    [](int64_t one, int64_t other) { return one < 0 || other < 0 || one == other; });
}

// `first` does with `a` what `verb` says: "gives" or "takes".
void check_meets(const std::string& first, const char* verb, const TensorSpec& a, const std::string& second,
                 const TensorSpec& b) {
  // Where only one of the files tells what its integers stand for, it is believed.
  const bool same_numbers = !a.quantization || !b.quantization || *a.quantization == *b.quantization;
  if (a.dtype == b.dtype && shapes_meet(a, b) && same_numbers) return;
  std::string how =
      quoted(a.name) + " as " + describe(a) + ", " + second + " takes " + quoted(b.name) + " as " + describe(b);
  if (a.dtype == b.dtype && shapes_meet(a, b)) how += ", quantised by another scale or zero point";
  throw Error(ErrorCode::kInvalidModel, "The segments do not fit: " + first + ' ' + verb + ' ' + how + '.', kRemedy);
}

std::optional<size_t> find(const std::vector<TensorSpec>& specs, const std::string& name) {
  const auto found =
      std::find_if(specs.begin(), specs.end(), [&](const TensorSpec& spec) { return spec.name == name; });
  if (found == specs.end()) return std::nullopt;
  return static_cast<size_t>(found - specs.begin());
}

class Wiring {
 public:
  explicit Wiring(const std::vector<SegmentPorts>& segments) : segments_(segments) {
    for (size_t s = 0; s < segments.size(); ++s) add(s);
    gather_outputs();
  }
  PipelineWiring result;

 private:
  void add(size_t s) {
    const SegmentPorts& segment = segments_[s];
    std::vector<std::optional<TensorSource>> sources;
    bool linked = false;
    for (const TensorSpec& input : *segment.inputs) {
      sources.push_back(given_before(s, input.name));
      linked |= sources.back().has_value();
    }
    if (!linked && s > 0 && sources.size() == 1 && segments_[s - 1].outputs->size() == 1) {
      check_order(s);
      sources[0] = TensorSource{s - 1, 0};
      linked = true;
    }
    if (!linked && s > 0) {
      throw Error(
          ErrorCode::kInvalidModel,
          "The segments do not fit: " + label(s) + " takes nothing that " + label(s - 1) + " or one before it gives.",
          kRemedy);
    }
    std::vector<TensorSource> all;
    for (size_t i = 0; i < sources.size(); ++i) {
      const TensorSpec& input = (*segment.inputs)[i];
      if (!sources[i]) {
        all.push_back(from_caller(s, input));
        continue;
      }
      const auto [giver, index] = *sources[i];
      check_meets(label(giver), "gives", (*segments_[giver].outputs)[index], label(s), input);
      taken_.insert({giver, index});
      all.push_back(*sources[i]);
    }
    result.segment_inputs.push_back(std::move(all));
  }

  std::string label(size_t s) const {
    const std::string& name = segments_[s].name;
    return "segment " + std::to_string(s + 1) + (name.empty() ? "" : " (" + name + ')');
  }

  std::optional<TensorSource> given_before(size_t segment, const std::string& name) const {
    while (segment-- > 0) {
      if (const auto index = find(*segments_[segment].outputs, name)) return TensorSource{segment, *index};
    }
    return std::nullopt;
  }

  // Before a link that no name confirms: names that say that the files are in another order.
  void check_order(size_t s) const {
    for (const TensorSpec& output : *segments_[s].outputs) {
      const auto index = find(result.inputs, output.name);
      if (!index) continue;
      throw Error(ErrorCode::kInvalidModel,
                  "The segments are in the wrong order: " + label(s) + " gives " + quoted(output.name) + ", which " +
                      label(first_takers_[*index]) + " takes.",
                  kRemedy);
    }
  }

  TensorSource from_caller(size_t s, const TensorSpec& input) {
    const auto known = find(result.inputs, input.name);
    if (known) {
      check_meets(label(first_takers_[*known]), "takes", result.inputs[*known], label(s), input);
      return {TensorSource::kCaller, *known};
    }
    result.inputs.push_back(input);
    first_takers_.push_back(s);
    return {TensorSource::kCaller, result.inputs.size() - 1};
  }

  void gather_outputs() {
    for (size_t s = 0; s < segments_.size(); ++s) {
      for (size_t i = 0; i < segments_[s].outputs->size(); ++i) {
        if (taken_.count({s, i}) > 0) continue;
        const TensorSpec& spec = (*segments_[s].outputs)[i];
        if (const auto other = find(result.outputs, spec.name)) {
          throw Error(ErrorCode::kInvalidModel,
                      "Two segments give an output " + quoted(spec.name) +
                          " of the whole: " + label(result.output_sources[*other].segment) + " and " + label(s) + '.',
                      kRemedy);
        }
        result.outputs.push_back(spec);
        result.output_sources.push_back({s, i});
      }
    }
  }

  const std::vector<SegmentPorts>& segments_;
  std::vector<size_t> first_takers_;           // by input of the whole
  std::set<std::pair<size_t, size_t>> taken_;  // outputs that a segment takes
};

}  // namespace

PipelineWiring wire_segments(const std::vector<SegmentPorts>& segments) { return Wiring(segments).result; }

}  // namespace edge
