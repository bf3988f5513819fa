// The seal of a folder: the checksums of its files, signed with a secret that only this user can read. It tells what
// was made here from what was damaged, changed, or brought from elsewhere.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/sha256.h"

namespace edge {

using Secret = Digest;

constexpr const char* kSeal = "seal";  // the file's name

// The secret of the entries in `folder`, which is private: from its file `.key`, which is made where there is none, or
// none to be trusted. Processes that do this at the same time agree on one. False where it cannot be made.
bool read_secret(const std::string& folder, Secret& secret);

// Seals the files in `folder` under this name, which is signed too. False where one is empty, no file, or not private.
bool write_seal(const std::string& folder, const std::string& name, const Secret& secret);

// Whether the folder is private and holds just what was sealed, under this name. Files that were added later are
// removed: an SDK shall not see them. With `bytes` also reads `file`, which has to be there; they are what was checked.
bool is_sealed(const std::string& folder, const std::string& name, const Secret& secret, const std::string& file = {},
               std::vector<uint8_t>* bytes = nullptr);

}  // namespace edge
