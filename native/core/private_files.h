// Files and folders of this user that nobody else may change: how they are told, read, written and removed.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace edge {

// Ours, no link, and closed to everybody else.
bool is_private_folder(const std::string& path);

// With those above it, mode 0700; true where it is there in the end.
bool make_folders(const std::string& path);

// Sorted; empty where there is no such folder.
std::vector<std::string> names_in(const std::string& folder);

// Of a file, or of the files in a folder without those in its folders.
uint64_t size_of(const std::string& path);

// Never follows a link out of the folder.
void remove_tree(const std::string& path);

// Hands a file over in pieces. False where it cannot be read to its end, or is not ours alone: a regular file without
// another name that only this user may write.
bool read_private(const std::string& path, const std::function<void(const uint8_t* data, size_t size)>& piece);

// All of a small one; empty where it is no private file, or longer than `most`.
std::string read_private_text(const std::string& path, size_t most);

// Makes a file, mode 0600, which is on the disk when this returns. False where it exists or cannot be written whole.
bool write_private(const std::string& path, const void* data, size_t size);

// Waits until what was written to a file, or a folder's names, are on the disk.
bool flush(const std::string& path);

}  // namespace edge
