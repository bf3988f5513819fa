// Whether two loaded models are the same to their caller: inputs and outputs, dtypes and shapes.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace edge {

// Where each of `wanted` is in `offered`: by name where the names are the same, else by position, because formats name
// tensors differently. Throws kInvalidModel, naming `id`, where they differ in number or dtype, or where a shape that
// the first takes is not one that the second takes. `what` is "input" or "output".
std::vector<size_t> match_specs(const std::vector<TensorSpec>& wanted, const std::vector<TensorSpec>& offered,
                                const char* what, const std::string& id);

}  // namespace edge
