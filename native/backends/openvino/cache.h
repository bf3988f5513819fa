// What OpenVINO compiles is kept in core/artifact_cache: here is what an entry's key is made of, and how OpenVINO reads
// and writes one. Its own cache of blobs in a folder does both.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "backends/openvino/compiler.h"
#include "core/artifact_cache.h"

namespace edge::openvino {

struct CacheKey {
  // Of everything that decides what is compiled: the bytes of the model, its weights and the files beside it, the
  // device with its full name and driver, the release, the options. Empty where something of it cannot be read.
  std::string text;
  Facts facts;
};

CacheKey cache_key(const Runtime& runtime, const std::string& device, const DeviceInfo& info, const ModelSource& source,
                   const std::vector<std::string>& files, const LoadOptions& options, const Properties& properties);

// Calls `compile` with a folder for OpenVINO's cache, and again without one ("") where that fails; it returns whether
// the model came from the cache. Throws only what `compile` throws without a folder, and kAborted when `cancelled`,
// which may be null, becomes true while somebody else compiles the same.
void compile_cached(const CacheKey& key, const std::string& directory, const std::atomic<bool>* cancelled,
                    const std::function<bool(const std::string& folder)>& compile);

}  // namespace edge::openvino
