// Compiled models on disk, for the backends: made once, by whichever process comes first, and found again by the
// others.
//
// An entry is a folder of its own in DIRECTORY/BACKEND, named by its key. It is signed with a secret of this user, so
// that an SDK is shown nothing but what was made here, for this key, and is unchanged: a compiled model may be native
// code. All that goes wrong costs a compilation, never correctness, and never an error.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace edge {

// What an entry is, for people: the model, the device, the release. Names without blanks.
using Facts = std::vector<std::pair<std::string, std::string>>;

struct CachePlace {
  std::string directory;  // the user's; entries are in a folder of ours in it, mode 0700
  std::string backend;
  uint64_t limit = uint64_t{4} << 30;  // bytes of all entries: the one that was not used for longest goes first
};

// The bytes of the entry `key`; else those that `make` returns, which are kept. `from_cache` tells which it was. While
// another thread or process makes the same entry it waits for that one, and throws kAborted when `cancelled`, which may
// be null, becomes true meanwhile. Throws what `make` and `takes` throw. Kept bytes that `takes`, if it is given,
// returns false for are made anew: an SDK may refuse later what it made itself. Keys are file names that do not begin
// with a dot.
using Takes = std::function<bool(const std::vector<uint8_t>& bytes)>;
std::vector<uint8_t> kept_bytes(const CachePlace& place, const std::string& key, const Facts& facts,
                                const std::function<std::vector<uint8_t>()>& make, const std::atomic<bool>* cancelled,
                                bool& from_cache, const Takes& takes = {});

// The same for an SDK that reads and writes files itself. `use` is called with the folder of the entry, if it is there,
// and returns whether that served; else `fill` with an empty folder, and what it wrote there is kept where it returns
// true. False: neither served, or nothing can be kept here.
using FolderUse = std::function<bool(const std::string& folder)>;
bool kept_folder(const CachePlace& place, const std::string& key, const Facts& facts, const FolderUse& use,
                 const FolderUse& fill, const std::atomic<bool>* cancelled);

}  // namespace edge
