#include "models.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>

namespace edge::test {
namespace {

// A flatbuffer is written from the front here: every reference points to what is appended after it.
using Write = std::function<size_t(std::string&)>;  // appends itself, returns where it begins

struct Slot {
  size_t width = 4;
  uint64_t number = 0;
  Write reference;
};
Slot number(uint64_t value, size_t width = 4) { return {width, value, nullptr}; }
Slot reference(Write target) { return {4, 0, std::move(target)}; }

void align(std::string& bytes, size_t to, size_t ahead = 0) {
  while ((bytes.size() + ahead) % to != 0) bytes += '\0';
}
void put(std::string& bytes, uint64_t value, size_t width) {
  bytes.append(reinterpret_cast<const char*>(&value), width);
}
void patch(std::string& bytes, size_t at, uint64_t value) { std::memcpy(&bytes[at], &value, 4); }

Write table(const std::map<size_t, Slot>& slots) {
  return [slots](std::string& bytes) {
    const size_t fields = slots.empty() ? 0 : slots.rbegin()->first + 1;
    align(bytes, 4, 2 * (2 + fields));
    const size_t head = bytes.size(), start = head + 2 * (2 + fields);
    std::vector<size_t> offsets(fields);
    size_t size = 4;
    for (const auto& [at, slot] : slots) {
      while (size % slot.width != 0) ++size;
      offsets[at] = size;
      size += slot.width;
    }
    put(bytes, start - head, 2);
    put(bytes, size, 2);
    for (const size_t offset : offsets) put(bytes, offset, 2);
    put(bytes, start - head, 4);
    for (const auto& [at, slot] : slots) {
      bytes.resize(start + offsets[at]);
      put(bytes, slot.number, slot.width);
    }
    for (const auto& [at, slot] : slots) {
      if (slot.reference) patch(bytes, start + offsets[at], slot.reference(bytes) - (start + offsets[at]));
    }
    return start;
  };
}

template <typename Number>
Write numbers(const std::vector<Number>& values) {
  return [values](std::string& bytes) {
    align(bytes, std::max<size_t>(sizeof(Number), 4), 4);
    const size_t start = bytes.size();
    put(bytes, values.size(), 4);
    bytes.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(Number));
    return start;
  };
}

Write text(const std::string& value) {
  return [value](std::string& bytes) {
    align(bytes, 4);
    const size_t start = bytes.size();
    put(bytes, value.size(), 4);
    bytes += value + '\0';
    return start;
  };
}

Write list(const std::vector<Write>& items) {
  return [items](std::string& bytes) {
    align(bytes, 4);
    const size_t start = bytes.size();
    put(bytes, items.size(), 4);
    bytes.resize(start + 4 + 4 * items.size());
    for (size_t i = 0; i < items.size(); ++i) {
      const size_t at = start + 4 + 4 * i;
      patch(bytes, at, items[i](bytes) - at);
    }
    return start;
  };
}

std::string finish(const Write& root, const std::string& identifier) {
  std::string bytes(4, '\0');
  bytes += identifier;
  patch(bytes, 0, root(bytes));
  return bytes;
}

Write tensor(const std::string& name, int type, int length) {
  const Write quantization = table({{2, reference(numbers<float>({1}))}, {3, reference(numbers<int64_t>({0}))}});
  return table({{0, reference(numbers<int32_t>({1, length}))},
                {1, number(static_cast<uint64_t>(type), 1)},
                {2, number(0)},
                {3, reference(text(name))},
                {4, reference(quantization)}});
}

Write operation(uint64_t code, int first, int second, int result, const std::string& options) {
  std::map<size_t, Slot> slots = {
      {0, number(code)}, {1, reference(numbers<int32_t>({first, second}))}, {2, reference(numbers<int32_t>({result}))}};
  if (!options.empty()) slots[5] = reference(numbers<char>({options.begin(), options.end()}));
  return table(slots);
}

constexpr uint64_t kSubtract = 41, kCustom = 32;
Write builtin(uint64_t code) { return table({{0, number(code, 1)}, {2, number(1)}, {3, number(code)}}); }
Write custom(const std::string& name) {
  return table({{0, number(kCustom, 1)}, {1, reference(text(name))}, {2, number(1)}, {3, number(kCustom)}});
}

std::string model(const std::vector<Write>& codes, const std::vector<Write>& tensors,
                  const std::vector<Write>& operations) {
  const Write graph = table({{0, reference(list(tensors))},
                             {1, reference(numbers<int32_t>({0, 1}))},
                             {2, reference(numbers<int32_t>({2}))},
                             {3, reference(list(operations))}});
  return finish(table({{0, number(3)},
                       {1, reference(list(codes))},
                       {2, reference(list({graph}))},
                       {4, reference(list({table({})}))}}),
                "TFL3");
}

}  // namespace

std::string make_subtraction(int type, int length) {
  return model({builtin(kSubtract)},
               {tensor("first", type, length), tensor("second", type, length), tensor("out", type, length)},
               {operation(0, 0, 1, 2, "")});
}

std::string make_custom_options(int minimum_runtime, const std::string& package_identifier, const std::string& twin) {
  const std::string package = finish(table({{0, number(static_cast<uint64_t>(minimum_runtime))}}), package_identifier);
  // Four bytes for every offset and size. Types: integer 1, string 5, map 9, blob 25; the 2 below them says four bytes.
  constexpr int kInteger = 1 << 2 | 2, kString = 5 << 2 | 2, kMap = 9 << 2 | 2, kBlob = 25 << 2 | 2;
  std::string bytes;
  const auto block = [&](const std::string& contents) {
    align(bytes, 4);
    put(bytes, contents.size(), 4);
    bytes += contents;
    return bytes.size() - contents.size();
  };
  const auto key = [&](const std::string& name) {
    bytes += name + '\0';
    return bytes.size() - name.size() - 1;
  };
  const auto back = [&](size_t target) { put(bytes, bytes.size() - target, 4); };
  const size_t package_at = block(package), twin_at = twin.empty() ? 0 : block(twin);
  const size_t names[] = {key("1"), key("4"), key("edge_infer_twin")};
  const uint64_t count = twin.empty() ? 2 : 3;
  align(bytes, 4);
  put(bytes, count, 4);
  const size_t keys = bytes.size();
  for (uint64_t i = 0; i < count; ++i) back(names[i]);
  back(keys);
  put(bytes, 4, 4);
  put(bytes, count, 4);
  const size_t values = bytes.size();
  put(bytes, 1, 4);
  back(package_at);
  if (!twin.empty()) back(twin_at);
  bytes += static_cast<char>(kInteger);
  bytes += static_cast<char>(kString);
  if (!twin.empty()) bytes += static_cast<char>(kBlob);
  align(bytes, 4);
  back(values);
  bytes += static_cast<char>(kMap);
  bytes += static_cast<char>(4);
  return bytes;
}

std::string make_compiled_subtraction(int type, int length, const Compiled& compiled) {
  const std::string options = make_custom_options(compiled.minimum_runtime, compiled.package_identifier,
                                                  compiled.carries_twin ? make_subtraction(type, length) : "");
  const int first = compiled.before_that_on_cpu ? 3 : 0;
  std::vector<Write> operations = {operation(0, first, 1, 2, options)};
  if (compiled.before_that_on_cpu) operations.insert(operations.begin(), operation(1, 0, 1, 3, ""));
  return model({custom("edgetpu-custom-op"), builtin(kSubtract)},
               {tensor("first", type, length), tensor("second", type, length), tensor("out", type, length),
                tensor("between", type, length)},
               operations);
}

}  // namespace edge::test
