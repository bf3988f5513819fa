// Finds the files that an ONNX model keeps its tensors in, before an SDK follows their names.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "core/backend.h"

namespace edge {

// The names in `external_data` of all tensors, in subgraphs, attributes and functions too. Reads the fields' headers
// and skips their contents. Files that are no ONNX have none; a broken one may have some. Throws kInvalidModel for
// messages nested deeper than any reader takes, kPermission where the file cannot be read.
std::set<std::string> external_locations(const ModelSource& source);

// The absolute paths of these files. Throws kInvalidModel for a name that leaves the model's folder (absolute, with
// "..", by a link), for what is no regular file or has a second name elsewhere (a hard link), for one that is missing,
// and for any where the model came from memory: it has no folder then. Source of the rules: the security notes on
// external data in ONNX's own checker. `backend` is whose errors these are.
std::vector<std::string> external_files(const ModelSource& source, const std::string& backend);

}  // namespace edge
