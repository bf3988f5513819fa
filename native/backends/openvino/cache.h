// Compiled models on disk: OpenVINO's own blobs, each in a private folder that is sealed by checksums. OpenVINO is
// shown only what is unchanged since it wrote it; everything else costs a compilation, never correctness.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "backends/openvino/compiler.h"

namespace edge::openvino {

// Of everything that decides what is compiled: the bytes of the model, its weights and the files beside it, the device
// with its full name and driver, the release, the options. Empty where something of it cannot be read.
std::string cache_key(const Runtime& runtime, const std::string& device, const DeviceInfo& info,
                      const ModelSource& source, const std::vector<std::string>& files, const LoadOptions& options,
                      const Properties& properties);

// Calls `compile` with a folder for OpenVINO's cache, and again without one ("") where that fails; it returns whether
// the model came from the cache. Entries lie in `directory`/openvino, mode 0700, at most 4 GiB together: the one that
// was not used for longest goes first. Throws only what `compile` throws without a folder.
void compile_cached(const std::string& key, const std::string& directory,
                    const std::function<bool(const std::string& folder)>& compile);

}  // namespace edge::openvino
