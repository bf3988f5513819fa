#include "backends/tensorrt/engine_cache.h"

#include <string>
#include <utility>

#include "backends/tensorrt/build_options.h"
#include "backends/tensorrt/builder.h"
#include "backends/tensorrt/files.h"
#include "core/error.h"
#include "core/external_data.h"
#include "core/sha256.h"

namespace edge::tensorrt {
namespace {

constexpr const char* kArchitecture =
#if defined(__aarch64__)
    "arm64";
#elif defined(__x86_64__)
    "x64";
#else
    "other";
#endif

// Of all that decides what is built; empty where something of it cannot be read.
std::string key_of(const Facts& facts, const std::vector<std::string>& files, const BuildOptions& build) {
  Sha256 hash;
  hash.add_text("engine 1");
  for (const auto& [name, value] : facts) hash.add_text(name), hash.add_text(value);
  for (const std::string& file : files) {
    const std::string sum = sha256_of_file(file);
    if (sum.empty()) return {};
    hash.add_text(sum);
  }
  hash.add_text(build.text());
  return hash.hex();
}

}  // namespace

std::vector<uint8_t> engine_of(const std::shared_ptr<const Gpu>& gpu, const Runtime& runtime, const ModelSource& source,
                               Bytes onnx, const LoadOptions& options, const std::vector<std::string>& plugins,
                               const Takes& takes, bool& from_cache) {
  const BuildOptions build = read_build_options(options, runtime.api().version);
  // Weights beside the model are what the builder reads, and code of plugins may be what it puts into the engine. A
  // converted model has them in it, and its name in the key has their sums.
  std::vector<std::string> files;
  if (build.converted_from.empty()) files = external_files(source, "tensorrt");
  files.insert(files.end(), plugins.begin(), plugins.end());
  const auto make = [&] {
    if (!options.only_cached) {
      BuildProgress progress(options.on_progress, options.cancelled);
      return build_engine(gpu, runtime, onnx, source.path, build, progress);
    }
    throw Error(ErrorCode::kBackend,
                "The engine was built, but it could not be kept in " + options.cache_directory + ".",
                "The log says why. Make room there, or name another folder with `cache`.", "tensorrt",
                "The engine is not in the cache.");
  };
  const GpuFacts& facts = gpu->facts();
  const Facts about = {{"model", build.converted_from.empty() ? sha256_of(onnx.data, onnx.size) : build.converted_from},
                       {"release", "TensorRT " + runtime.api().version.text()},
                       {"device", facts.name},
                       {"compute-capability", std::to_string(facts.major) + "." + std::to_string(facts.minor)},
                       {"driver", std::to_string(facts.driver)},
                       {"dla-core", std::to_string(runtime.dla_core())},
                       {"architecture", kArchitecture},
                       {"precision", options.precision.empty() ? "model" : options.precision}};
  const CachePlace place{options.cache_directory, "tensorrt"};
  const auto key_now = [&] { return place.directory.empty() ? std::string() : key_of(about, files, build); };
  from_cache = false;
  // What a calibration found out is part of the key, and is there only after the build.
  const bool learns = !build.calibration_inputs.empty() && !is_there(build.calibration_cache);
  if (build.calibrates()) files.push_back(build.calibration_cache);
  if (learns) {
    std::vector<uint8_t> engine = make();
    const std::string key = key_now();
    bool found = false;
    return key.empty() ? engine : kept_bytes(place, key, about, [&] { return engine; }, nullptr, found);
  }
  const std::string key = key_now();
  if (key.empty()) return make();
  return kept_bytes(place, key, about, make, options.cancelled.get(), from_cache, takes);
}

}  // namespace edge::tensorrt
