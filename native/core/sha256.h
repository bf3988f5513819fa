// SHA-256 (FIPS 180-4) and HMAC (RFC 2104), for keys and seals of files that are kept between runs.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace edge {

using Digest = std::array<uint8_t, 32>;

// Lower-case hexadecimal, 64 digits.
std::string hex(const Digest& digest);

class Sha256 {
 public:
  void add(const void* data, size_t size);
  // A text with its length before it, so that "a" + "bc" and "ab" + "c" differ.
  void add_text(const std::string& text);
  // Both: call once, last.
  Digest digest();
  std::string hex();

 private:
  void block(const uint8_t* bytes);

  std::array<uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<uint8_t, 64> rest_ = {};
  uint64_t size_ = 0;
};

// Lower-case hexadecimal, 64 digits.
std::string sha256_of(const void* data, size_t size);
// Of a file's contents; empty where it cannot be read to its end.
std::string sha256_of_file(const std::string& path);

// Who does not know the secret can neither make it nor tell it from noise.
Digest hmac_sha256(const void* secret, size_t secret_size, const std::string& text);

}  // namespace edge
