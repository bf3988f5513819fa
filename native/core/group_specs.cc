#include "core/group_specs.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"

namespace edge {
namespace {

std::string spec_text(const TensorSpec& spec) {
  return std::string(dtype_name(spec.dtype)) + ' ' + (spec.rank_known ? shape_text(spec.shape) : "of any shape");
}

// Every shape that `wanted` stands for is one that `offered` takes.
bool covers(const TensorSpec& offered, const TensorSpec& wanted) {
  if (!offered.rank_known) return true;
  return wanted.rank_known && offered.shape.size() == wanted.shape.size() &&
         std::equal(wanted.shape.begin(), wanted.shape.end(), offered.shape.begin(),
                    [](int64_t asked, int64_t given) { return given < 0 || given == asked; });
}

[[noreturn]] void differ(const std::string& how) {
  throw Error(ErrorCode::kInvalidModel, "The devices of the model are not alike: " + how + ".",
              "Give files of the same model: as many inputs and outputs, of the same dtypes and shapes.");
}

}  // namespace

std::vector<size_t> match_specs(const std::vector<TensorSpec>& wanted, const std::vector<TensorSpec>& offered,
                                const char* what, const std::string& id) {
  if (wanted.size() != offered.size()) {
    differ("on " + id + " it has " + std::to_string(offered.size()) + ' ' + what + (offered.size() == 1 ? "" : "s") +
           ", on the first " + std::to_string(wanted.size()));
  }
  std::vector<size_t> order(wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i) {
    const auto found = std::find_if(offered.begin(), offered.end(),
                                    [&](const TensorSpec& spec) { return spec.name == wanted[i].name; });
    if (found == offered.end()) {
      std::iota(order.begin(), order.end(), size_t{0});
      break;
    }
    order[i] = static_cast<size_t>(found - offered.begin());
  }
  for (size_t i = 0; i < wanted.size(); ++i) {
    const TensorSpec& spec = offered[order[i]];
    // Where only one of the files tells what its integers stand for, the other is believed.
    const bool same_numbers =
        !spec.quantization || !wanted[i].quantization || *spec.quantization == *wanted[i].quantization;
    if (spec.dtype == wanted[i].dtype && covers(spec, wanted[i])) {
      if (same_numbers) continue;
      differ(std::string("the ") + what + " '" + spec.name + "' is quantised by another scale or zero point on " + id +
             " than on the first");
    }
    differ(std::string("the ") + what + " '" + spec.name + "' is " + spec_text(spec) + " on " + id +
           ", on the first '" + wanted[i].name + "' is " + spec_text(wanted[i]));
  }
  return order;
}

}  // namespace edge
