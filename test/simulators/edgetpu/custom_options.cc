#include "custom_options.h"

#include <cstdint>
#include <cstring>

#include "failure.h"

namespace edgetpu_simulator {
namespace {

// Little-endian numbers at any place, or an exception: nothing is read outside.
class Bytes {
 public:
  Bytes(std::string_view bytes, const char* complaint) : bytes_(bytes), complaint_(complaint) {}

  uint64_t number(uint64_t at, uint64_t width) const {
    uint64_t value = 0;
    std::memcpy(&value, slice(at, width).data(), width);
    return value;
  }
  std::string_view slice(uint64_t at, uint64_t length) const {
    if (at > bytes_.size() || length > bytes_.size() - at) fail();
    return bytes_.substr(at, length);
  }
  // The place that the offset at `at` points back to.
  uint64_t back(uint64_t at, uint64_t width) const { return before(at, number(at, width)); }
  uint64_t before(uint64_t at, uint64_t distance) const {
    if (distance > at) fail();
    return at - distance;
  }
  size_t size() const { return bytes_.size(); }
  [[noreturn]] void fail() const { throw Failure(complaint_); }

 private:
  std::string_view bytes_;
  const char* complaint_;
};

// Types of flexbuffers: a packed type is the type in the upper six bits and the binary logarithm of a width below.
constexpr unsigned kKey = 4, kString = 5, kMap = 9, kBlob = 25;
unsigned type_of(uint64_t packed) { return static_cast<unsigned>(packed >> 2); }
uint64_t width_of(uint64_t packed) { return uint64_t{1} << (packed & 3); }

// The bytes under `key` of the map that is the root.
std::optional<std::string_view> find(const Bytes& bytes, std::string_view key) {
  // From the end: width of the root, its packed type, the root itself, which is an offset to the map.
  const uint64_t root_width = bytes.number(bytes.before(bytes.size(), 1), 1);
  const uint64_t type_at = bytes.before(bytes.size(), 2);
  const uint64_t packed_root = bytes.number(type_at, 1);
  if (type_of(packed_root) != kMap || root_width > 8) bytes.fail();
  const uint64_t values = bytes.back(bytes.before(type_at, root_width), root_width);
  // Before the values: offset to the keys, width of the keys, number of both. After them: one packed type each.
  const uint64_t width = width_of(packed_root);
  const uint64_t keys = bytes.back(bytes.before(values, 3 * width), width);
  const uint64_t key_width = bytes.number(bytes.before(values, 2 * width), width);
  const uint64_t count = bytes.number(bytes.before(values, width), width);
  if (key_width > 8 || count > bytes.size()) bytes.fail();
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t name = bytes.back(keys + i * key_width, key_width);
    if (bytes.size() - name <= key.size()) continue;  // with its terminating zero
    if (bytes.slice(name, key.size()) != key || bytes.number(name + key.size(), 1) != 0) continue;
    const uint64_t packed = bytes.number(values + count * width + i, 1);
    const unsigned type = type_of(packed);
    if (type != kString && type != kBlob && type != kKey) bytes.fail();
    const uint64_t at = bytes.back(values + i * width, width);
    const uint64_t length = bytes.number(bytes.before(at, width_of(packed)), width_of(packed));
    return bytes.slice(at, length);
  }
  return std::nullopt;
}

}  // namespace

CustomOptions read_custom_options(std::string_view options) {
  const Bytes bytes(options, "Failed precondition: Missing raw model data.");
  const auto package = find(bytes, "4");
  if (!package) bytes.fail();
  return {*package, find(bytes, "edge_infer_twin")};
}

int minimum_runtime_version(std::string_view package) {
  const Bytes bytes(package, "Internal: Package verification failed.");
  if (bytes.slice(4, 4) != "DWN1") bytes.fail();
  const uint64_t table = bytes.number(0, 4);
  // A signed distance to the table's own table of fields; a writer may have put it on either side.
  const auto distance = static_cast<int32_t>(bytes.number(table, 4));
  const uint64_t fields = static_cast<uint64_t>(static_cast<int64_t>(table) - distance);
  if (bytes.number(fields, 2) < 6) return 0;
  const uint64_t field = bytes.number(fields + 4, 2);
  return field == 0 ? 0 : static_cast<int>(static_cast<int32_t>(bytes.number(table + field, 4)));
}

}  // namespace edgetpu_simulator
