#include "core/seal.h"

#include <sys/random.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "core/entry_lock.h"
#include "core/private_files.h"

namespace edge {
namespace {

constexpr const char* kKey = ".key";
constexpr size_t kLongestSeal = 1 << 16;
constexpr size_t kSignature = 65;  // 64 digits and the end of the line

// The signed part: what it is, then a line for each file: its checksum, a blank, its name. Empty where that cannot be
// said. With `bytes` also reads `file`.
std::string seal_text(const std::string& folder, const std::string& name, const std::string& file,
                      std::vector<uint8_t>* bytes) {
  std::string text = "edge-infer cache 2 " + name + "\n";
  bool has_file = bytes == nullptr;
  for (const std::string& one : names_in(folder)) {
    if (one == kSeal) continue;
    if (one.find('\n') != std::string::npos) return {};
    const std::string path = folder + "/" + one;
    const bool wanted = bytes != nullptr && one == file;
    if (wanted) {
      bytes->clear();
      bytes->reserve(size_of(path));
    }
    Sha256 hash;
    uint64_t size = 0;
    const bool whole = read_private(path, [&](const uint8_t* data, size_t count) {
      hash.add(data, count);
      size += count;
      if (wanted) bytes->insert(bytes->end(), data, data + count);
    });
    if (!whole || size == 0) return {};
    has_file = has_file || wanted;
    text += hash.hex() + " " + one + "\n";
  }
  return has_file ? text : std::string();
}

std::string signature(const std::string& text, const Secret& secret) {
  return hex(hmac_sha256(secret.data(), secret.size(), text)) + "\n";
}

// In a time that does not depend on where they differ.
bool same(const std::string& one, const std::string& other) {
  unsigned difference = one.size() != other.size();
  for (size_t i = 0; i < one.size() && i < other.size(); ++i) difference |= static_cast<uint8_t>(one[i] ^ other[i]);
  return difference == 0;
}

// Only what nobody else could read or write is a secret.
bool load_secret(const std::string& path, Secret& secret) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0 || (status.st_mode & 07777) != 0600) return false;
  const std::string bytes = read_private_text(path, secret.size());
  if (bytes.size() != secret.size()) return false;
  std::memcpy(secret.data(), bytes.data(), bytes.size());
  return true;
}

bool fill_random(Secret& secret) {
  for (size_t at = 0; at < secret.size();) {
    const ssize_t count = ::getrandom(secret.data() + at, secret.size() - at, 0);
    if (count < 0 && errno != EINTR) return false;
    if (count > 0) at += static_cast<size_t>(count);
  }
  return true;
}

}  // namespace

bool read_secret(const std::string& folder, Secret& secret) {
  const std::string path = folder + "/" + kKey;
  if (load_secret(path, secret)) return true;
  EntryLock lock;  // others may be about to make it too
  if (!lock.take(folder + "/.lock-" + kKey, nullptr)) return false;
  if (load_secret(path, secret)) return true;
  if (!fill_random(secret)) return false;
  const std::string fresh = path + "-new";
  for (const std::string& old : {fresh, path}) remove_tree(old);
  return write_private(fresh, secret.data(), secret.size()) && ::rename(fresh.c_str(), path.c_str()) == 0;
}

bool write_seal(const std::string& folder, const std::string& name, const Secret& secret) {
  const std::string text = seal_text(folder, name, {}, nullptr);
  if (text.empty() || text.size() + kSignature > kLongestSeal) return false;
  const std::string seal = text + signature(text, secret);
  return write_private(folder + "/" + kSeal, seal.data(), seal.size());
}

bool is_sealed(const std::string& folder, const std::string& name, const Secret& secret, const std::string& file,
               std::vector<uint8_t>* bytes) {
  if (!is_private_folder(folder)) return false;
  const std::string seal = read_private_text(folder + "/" + kSeal, kLongestSeal);
  if (seal.size() <= kSignature) return false;
  const std::string text = seal.substr(0, seal.size() - kSignature);
  if (!same(seal.substr(text.size()), signature(text, secret))) return false;
  for (const std::string& one : names_in(folder)) {
    if (one != kSeal && text.find(" " + one + "\n") == std::string::npos) remove_tree(folder + "/" + one);
  }
  return text == seal_text(folder, name, file, bytes);
}

}  // namespace edge
