#include "backends/tensorrt/build_options.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <sstream>

#include "core/error.h"

namespace edge::tensorrt {
namespace {

constexpr const char* kNames[] = {"BUILDER_OPTIMIZATION_LEVEL",
                                  "CALIBRATION_CACHE",
                                  "CALIBRATION_INPUTS",
                                  "CONVERTED_FROM",
                                  "HARDWARE_COMPATIBILITY",
                                  "MAX_AUX_STREAMS",
                                  "MAX_SHAPES",
                                  "MIN_SHAPES",
                                  "OPT_SHAPES",
                                  "REFIT",
                                  "SPARSE_WEIGHTS",
                                  "STRONGLY_TYPED",
                                  "TIMING_CACHE",
                                  "VERSION_COMPATIBLE",
                                  "WORKSPACE"};

[[noreturn]] void refuse(const std::string& name, const std::string& value, const std::string& remedy) {
  throw Error(ErrorCode::kInvalidArgument, "The property " + name + " cannot be '" + value + "'.", remedy, "tensorrt");
}

// Digits only; `limit` or more is refused.
uint64_t number(const std::string& name, const std::string& value, uint64_t limit, const std::string& remedy) {
  uint64_t result = 0;
  for (const char digit : value) {
    if (digit < '0' || digit > '9' || result > limit / 10) refuse(name, value, remedy);
    result = result * 10 + static_cast<uint64_t>(digit - '0');
  }
  if (value.empty() || result >= limit) refuse(name, value, remedy);
  return result;
}

bool yes(const std::string& name, const std::string& value) {
  if (value != "YES" && value != "NO") refuse(name, value, "Use YES or NO.");
  return value == "YES";
}

using Shapes = std::map<std::string, Shape>;

// `x:1x3x224x224,y:8`, as trtexec takes them; several profiles with semicolons between them.
std::vector<Shapes> parse_shapes(const std::string& name, const std::string& value) {
  const std::string remedy = "Write NAME:1x3x224x224,NAME:8 (and a semicolon between two optimisation profiles).";
  std::vector<Shapes> all;
  std::istringstream profiles(value);
  for (std::string profile; std::getline(profiles, profile, ';');) {
    Shapes shapes;
    std::istringstream inputs(profile);
    for (std::string input; std::getline(inputs, input, ',');) {
      const size_t colon = input.rfind(':');  // names may have some
      if (colon == std::string::npos || colon == 0 || input.back() == 'x') refuse(name, value, remedy);
      Shape shape;
      std::istringstream sizes(input.substr(colon + 1));
      for (std::string size; std::getline(sizes, size, 'x');) {
        shape.push_back(static_cast<int64_t>(number(name, size, uint64_t{1} << 31, remedy)));
      }
      if (!shapes.emplace(input.substr(0, colon), std::move(shape)).second) refuse(name, value, remedy);
    }
    all.push_back(std::move(shapes));
  }
  return all;
}

// One profile of each index: what is not said of the smallest and the largest is as the best one.
std::vector<std::map<std::string, ShapeRange>> combine(const std::vector<Shapes>& smallest,
                                                       const std::vector<Shapes>& best,
                                                       const std::vector<Shapes>& largest) {
  const auto wrong = [](const std::string& what) {
    throw Error(ErrorCode::kInvalidArgument, what,
                "MIN_SHAPES, OPT_SHAPES and MAX_SHAPES name the same inputs, with as many dimensions, from small to "
                "large.",
                "tensorrt");
  };
  for (const auto* bounds : {&smallest, &largest}) {
    if (!bounds->empty() && bounds->size() != best.size()) wrong("The optimisation profiles differ in number.");
  }
  std::vector<std::map<std::string, ShapeRange>> profiles;
  for (size_t i = 0; i < best.size(); ++i) {
    std::map<std::string, ShapeRange> profile;
    for (const auto& [name, shape] : best[i]) profile[name] = {shape, shape, shape};
    const auto set = [&](const std::vector<Shapes>& bounds, Shape ShapeRange::* which) {
      if (bounds.empty()) return;
      for (const auto& [name, shape] : bounds[i]) {
        const auto found = profile.find(name);
        if (found == profile.end() || found->second.best.size() != shape.size())
          wrong("OPT_SHAPES has no such shape for '" + name + "'.");
        found->second.*which = shape;
      }
    };
    set(smallest, &ShapeRange::smallest);
    set(largest, &ShapeRange::largest);
    for (const auto& [name, range] : profile) {
      for (size_t d = 0; d < range.best.size(); ++d) {
        if (range.smallest[d] > range.best[d] || range.best[d] > range.largest[d])
          wrong("The shapes of '" + name + "' do not grow from the smallest to the largest.");
      }
    }
    profiles.push_back(std::move(profile));
  }
  return profiles;
}

void check(const BuildOptions& options, const Version& version) {
  const auto unsupported = [&](const std::string& what, const std::string& remedy) {
    throw Error(ErrorCode::kUnsupported, "TensorRT " + version.text() + " " + what, remedy, "tensorrt");
  };
  const bool before_8_6 = !version.at_least(8, 6);
  if (before_8_6 && options.max_aux_streams >= 0) unsupported("has no auxiliary streams.", "Leave the property out.");
  if (before_8_6 && options.level >= 0) unsupported("has no levels of optimisation.", "Leave the property out.");
  if (before_8_6 && (options.hardware_level != 0 || options.version_compatible))
    unsupported("builds no engines for other hardware or other releases.", "Leave the property out.");
  if (options.strongly_typed && version.major < 10)
    unsupported("has no strongly typed networks.", "Leave the property out.");
  // Without the mark it would be built in f32, and said to be f16.
  if (version.major >= 11 && !options.strongly_typed && (options.precision == "f16" || options.precision == "bf16"))
    unsupported("takes the precision from the model alone.",
                "Give a model in " + options.precision + " (`edge-infer convert` makes it) and STRONGLY_TYPED.");
  if (options.calibrates()) {
    if (version.major >= 11 || options.strongly_typed) {
      unsupported("quantises only what the model itself quantises.",
                  "Leave the calibration out, and give a model with QuantizeLinear and DequantizeLinear nodes (Q/DQ).");
    }
    if (options.precision != "i8" && options.precision != "auto") {
      throw Error(ErrorCode::kInvalidArgument, "Calibration is for engines in int8.",
                  "Load with `precision: 'i8'`, or 'auto' for int8 and f16 together.", "tensorrt");
    }
  }
  if (options.precision == "bf16" && version.major < 10)
    unsupported("has no bf16 on request.", "Use `precision: 'f16'`, or TensorRT 10 or newer.");
}

}  // namespace

std::string BuildOptions::text() const {
  std::ostringstream text;
  text << "precision " << precision << "\ntyped " << strongly_typed << "\nfallback " << gpu_fallback << "\ncompatible "
       << version_compatible << "\nsparse " << sparse_weights << "\nrefit " << refit << "\nworkspace " << workspace
       << "\nlevel " << level << "\nhardware " << hardware_level << "\n";
  if (max_aux_streams >= 0) text << "streams " << max_aux_streams << "\n";
  for (const auto& profile : profiles) {
    text << "profile\n";
    for (const auto& [name, range] : profile) {
      text << name.size() << " " << name << " " << shape_text(range.smallest) << shape_text(range.best)
           << shape_text(range.largest) << "\n";
    }
  }
  return text.str();
}

bool is_build_property(const std::string& name) {
  return std::any_of(std::begin(kNames), std::end(kNames), [&](const char* known) { return name == known; });
}

BuildOptions read_build_options(const LoadOptions& options, const Version& version) {
  BuildOptions build;
  build.precision = options.precision;
  build.gpu_fallback = options.allow_partial;
  std::vector<Shapes> smallest, best, largest;
  for (const auto& [name, value] : options.properties) {
    if (name == "BUILDER_OPTIMIZATION_LEVEL") {
      build.level = static_cast<int>(number(name, value, 6, "Use 0 (built fastest) to 5 (runs fastest)."));
    } else if (name == "HARDWARE_COMPATIBILITY") {
      if (value == "AMPERE_PLUS")
        build.hardware_level = 1;
      else if (value == "SAME_COMPUTE_CAPABILITY")
        build.hardware_level = 2;
      else if (value != "NONE")
        refuse(name, value, "Use NONE, AMPERE_PLUS or SAME_COMPUTE_CAPABILITY.");
    } else if (name == "CALIBRATION_CACHE") {
      build.calibration_cache = value;
    } else if (name == "CALIBRATION_INPUTS") {
      build.calibration_inputs = value;
    } else if (name == "CONVERTED_FROM") {
      build.converted_from = value;
    } else if (name == "TIMING_CACHE") {
      build.timing_cache = value;
    } else if (name == "WORKSPACE") {
      build.workspace = number(name, value, uint64_t{1} << 62, "Give a number of bytes.");
    } else if (name == "MAX_AUX_STREAMS") {
      build.max_aux_streams = static_cast<int>(number(name, value, 65, "Use 0 to 64."));
    } else if (name == "MIN_SHAPES") {
      smallest = parse_shapes(name, value);
    } else if (name == "OPT_SHAPES") {
      best = parse_shapes(name, value);
    } else if (name == "MAX_SHAPES") {
      largest = parse_shapes(name, value);
    } else if (name == "REFIT") {
      build.refit = yes(name, value);
    } else if (name == "SPARSE_WEIGHTS") {
      build.sparse_weights = yes(name, value);
    } else if (name == "STRONGLY_TYPED") {
      build.strongly_typed = yes(name, value);
    } else if (name == "VERSION_COMPATIBLE") {
      build.version_compatible = yes(name, value);
    }
  }
  if (best.empty() && !(smallest.empty() && largest.empty())) {
    throw Error(ErrorCode::kInvalidArgument, "MIN_SHAPES and MAX_SHAPES need OPT_SHAPES.",
                "Give OPT_SHAPES, the shapes that the engine is made for.", "tensorrt");
  }
  build.profiles = combine(smallest, best, largest);
  if (!options.shapes.empty()) {
    if (build.profiles.empty()) build.profiles.emplace_back();
    // A shape that is fixed for the model is what every profile has.
    for (auto& profile : build.profiles) {
      for (const auto& [name, shape] : options.shapes) profile[name] = {shape, shape, shape};
    }
  }
  check(build, version);
  return build;
}

}  // namespace edge::tensorrt
