#include "control.h"

#include <cstdlib>
#include <fstream>
#include <map>
#include <mutex>
#include <sstream>

namespace cuda_simulator {
namespace {

std::string read_control() {
  const char* folder = std::getenv("EDGE_INFER_CUDA_SIMULATOR");
  if (folder == nullptr || *folder == 0) return {};
  std::ifstream file(std::string(folder) + "/control");
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

GpuEntry parse_gpu(std::istringstream& words, unsigned number) {
  GpuEntry gpu;
  gpu.number = number;
  for (std::string word; words >> word;) {
    const size_t equals = word.find('=');
    const std::string key = word.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : word.substr(equals + 1);
    if (key == "cc") {
      gpu.major = std::atoi(value.c_str());
      gpu.minor = std::atoi(value.c_str() + value.find('.') + 1);
    } else if (key == "integrated") {
      gpu.integrated = value == "1";
    } else if (key == "map") {
      gpu.map = value == "1";
    } else if (key == "memory") {
      gpu.memory = std::strtoull(value.c_str(), nullptr, 10);
    } else if (key == "number") {
      gpu.number = static_cast<unsigned>(std::atoi(value.c_str()));
    } else if (key == "name") {
      std::string rest;
      std::getline(words, rest);
      gpu.name = value + rest;
    }
  }
  return gpu;
}

}  // namespace

Control Control::current() {
  Control control;
  std::istringstream lines(read_control());
  bool listed = false;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string word;
    words >> word;
    if (word == "gpu") {
      control.gpus.push_back(parse_gpu(words, static_cast<unsigned>(control.gpus.size())));
      listed = true;
    } else if (word == "no-gpus") {
      listed = true;
    } else if (word == "init") {
      words >> control.init_error;
    } else if (word == "latency_us") {
      words >> control.latency_us;
    } else if (word == "driver") {
      words >> control.driver;
    }
  }
  if (!listed) control.gpus.push_back({});
  return control;
}

int fault_of(const std::string& function) {
  static auto* const mutex = new std::mutex;
  static auto* const counts = new std::map<std::string, unsigned>;
  static auto* const last = new std::string;
  const std::lock_guard<std::mutex> lock(*mutex);
  const std::string text = read_control();  // one at a time: who read the old text must not come after who read the new
  if (text != *last) {                      // counted since the last writing
    *last = text;
    counts->clear();
  }
  const unsigned count = ++(*counts)[function];
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string word, what;
    int code = 0;
    unsigned nth = 0;
    if (!(words >> word >> what >> code) || word != "fail" || what != function) continue;
    if (!(words >> nth) || nth == count) return code;
  }
  return 0;
}

}  // namespace cuda_simulator
