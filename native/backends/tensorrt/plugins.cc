#include "backends/tensorrt/plugins.h"

#include <mutex>
#include <optional>
#include <set>
#include <sstream>

#include "backends/tensorrt/infer.h"
#include "core/error.h"
#include "core/exit_guard.h"
#include "core/library.h"

namespace edge::tensorrt {
namespace {

std::mutex mutex;  // one thread opens at a time

void register_standard_plugins(const InferApi& api) {
  const std::string remedy = "Install it with TensorRT; its libraries must stay together.";
  Library library = open_beside(api, "libnvinfer_plugin.so", "TensorRT's library of standard plugins", remedy);
  bool (*initialize)(void* logger, const char* name_space) = nullptr;
  library.resolve("initLibNvInferPlugins", initialize);
  library.check("holds no plugins of TensorRT's.", remedy);
  const Words words;
  if (initialize(logger_of(api.version.major), "")) return;
  throw Error(ErrorCode::kUnavailable, "TensorRT's standard plugins do not start.", remedy, "tensorrt", words.text());
}

}  // namespace

std::string load_standard_plugins(const InferApi& api) {
  static auto* const outcome = new std::optional<std::string>;
  std::lock_guard<std::mutex> lock(mutex);
  if (!*outcome) {
    try {
      register_standard_plugins(api);
      *outcome = "";
    } catch (const Error& error) {
      *outcome = error.message() + (error.cause().empty() ? "" : " " + error.cause());
    }
  }
  return **outcome;
}

std::vector<std::string> plugin_files(const std::string& paths) {
  std::vector<std::string> files;
  std::istringstream list(paths);
  for (std::string path; std::getline(list, path, ':');) {
    if (!path.empty()) files.push_back(path);
  }
  return files;
}

void load_plugin_libraries(const std::vector<std::string>& files) {
  static auto* const opened = new std::set<std::string>;
  std::lock_guard<std::mutex> lock(mutex);
  for (const std::string& path : files) {
    if (opened->count(path) != 0) continue;
    const Words words;  // what their constructors say is no error of a model
    const Library library(path, "The plugin library", "Check the path, and that it was built for this TensorRT.",
                          "tensorrt");
    guard_exit();
    opened->insert(path);
  }
}

}  // namespace edge::tensorrt
