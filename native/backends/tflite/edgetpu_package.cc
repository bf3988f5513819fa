#include "backends/tflite/edgetpu_package.h"

#include <algorithm>
#include <iterator>

#include "backends/tflite/flatbuffer.h"

namespace edge::tflite {
namespace {

// Field 0 of the root table: the minimum runtime version. Source: the schema of libedgetpu's executables.
std::optional<int> version_of(const Flatbuffer& package) {
  try {
    return package.value<int32_t>(package.root(), 0);
  } catch (const Error&) {
    return std::nullopt;  // no package: four letters like its identifier
  }
}

}  // namespace

std::optional<int> minimum_runtime_version(const std::vector<uint8_t>& model) {
  static constexpr char kIdentifier[] = {'D', 'W', 'N', '1'};
  std::optional<int> highest;
  auto from = model.begin();
  for (;;) {
    const auto found = std::search(from, model.end(), std::begin(kIdentifier), std::end(kIdentifier));
    if (found == model.end()) return highest;
    from = found + 1;
    if (found - model.begin() < 4) continue;
    const auto begin = static_cast<size_t>(found - model.begin()) - 4;
    const auto version = version_of(Flatbuffer(model.data() + begin, model.size() - begin));
    if (version) highest = std::max(highest.value_or(0), *version);
  }
}

}  // namespace edge::tflite
