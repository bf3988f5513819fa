// Signatures are found in the model's bytes, also where these are damaged.
#include "backends/tflite/signature.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "backends/tflite/flatbuffer.h"

namespace edge::tflite {
namespace {

// Writes a flatbuffer front to back: what an offset leads to comes behind it.
class Writer {
 public:
  size_t word(uint32_t value) {
    const size_t place = bytes.size();
    bytes.resize(place + 4);
    set(place, value);
    return place;
  }
  void lead(size_t place) { set(place, static_cast<uint32_t>(bytes.size() - place)); }
  // A table with these fields, of four bytes each, in rising order; `from` leads to it. The places of the fields.
  std::vector<size_t> table(const std::vector<size_t>& slots, size_t from) {
    const size_t entries = slots.empty() ? 0 : slots.back() + 1;
    std::vector<uint16_t> fields(entries);
    for (size_t i = 0; i < slots.size(); ++i) fields[slots[i]] = static_cast<uint16_t>(4 + 4 * i);
    const size_t start = bytes.size();
    half(static_cast<uint16_t>(4 + 2 * entries));
    half(static_cast<uint16_t>(4 + 4 * slots.size()));
    for (const uint16_t field : fields) half(field);
    if (entries % 2 != 0) half(0);
    lead(from);
    word(static_cast<uint32_t>(bytes.size() - start));
    std::vector<size_t> places;
    for (size_t i = 0; i < slots.size(); ++i) places.push_back(word(0));
    return places;
  }
  // The same for a vector's elements.
  std::vector<size_t> vector(size_t from, size_t count) {
    lead(from);
    word(static_cast<uint32_t>(count));
    std::vector<size_t> places;
    for (size_t i = 0; i < count; ++i) places.push_back(word(0));
    return places;
  }
  void text(size_t from, const std::string& value) {
    lead(from);
    word(static_cast<uint32_t>(value.size()));
    bytes.insert(bytes.end(), value.begin(), value.end());
    bytes.resize((bytes.size() + 4) & ~size_t{3});
  }
  void set(size_t place, uint32_t value) { std::memcpy(bytes.data() + place, &value, sizeof value); }

  std::vector<uint8_t> bytes;

 private:
  void half(uint16_t value) {
    bytes.push_back(static_cast<uint8_t>(value & 0xff));
    bytes.push_back(static_cast<uint8_t>(value >> 8));
  }
};

// Two graphs of one input (tensor 3) and one output (tensor 5), and a signature of each: `a` (in, out), `b` (x, y). The
// second graph has an operator of the kind `code`, without options.
std::vector<uint8_t> model(uint32_t code = 0) {
  Writer to;
  const size_t root = to.word(0);
  to.word(0x334c4654);  // TFL3
  const auto fields = to.table({1, 2, 7}, root);
  const auto codes = to.vector(fields[0], 1);
  to.set(to.table({3}, codes[0])[0], code);
  const auto graphs = to.vector(fields[1], 2);
  for (size_t i = 0; i < 2; ++i) {
    const auto graph = to.table({1, 2, 3}, graphs[i]);
    to.set(to.vector(graph[0], 1)[0], 3);
    to.set(to.vector(graph[1], 1)[0], 5);
    const auto operators = to.vector(graph[2], i);
    if (i == 1) to.table({}, operators[0]);
  }
  const auto signatures = to.vector(fields[2], 2);
  const char* const names[2][3] = {{"a", "in", "out"}, {"b", "x", "y"}};
  for (size_t i = 0; i < 2; ++i) {
    const auto signature = to.table({0, 1, 2, 4}, signatures[i]);
    for (size_t side = 0; side < 2; ++side) {
      const auto port = to.table({0, 1}, to.vector(signature[side], 1)[0]);
      to.set(port[1], side == 0 ? 3 : 5);
      to.text(port[0], names[i][1 + side]);
    }
    to.text(signature[2], names[i][0]);
    to.set(signature[3], static_cast<uint32_t>(i));
  }
  return to.bytes;
}

size_t operators_of_first_graph(const std::vector<uint8_t>& bytes) {
  const Flatbuffer buffer(bytes.data(), bytes.size());
  const size_t graph = buffer.follow(buffer.vector(buffer.root(), 2, 4).first);
  return buffer.vector(graph, 3, 4).count;
}

using Names = std::vector<std::string>;

ErrorCode refusal(std::vector<uint8_t> bytes, const std::string& name) {
  try {
    select_signature(bytes, name);
  } catch (const Error& error) {
    EXPECT_FALSE(error.remedy().empty());
    return error.code();
  }
  return ErrorCode::kAborted;  // none
}

TEST(SignatureTest, OfTheFirstGraphGivesNames) {
  std::vector<uint8_t> bytes = model();
  const Signature found = select_signature(bytes, "a");
  EXPECT_EQ(found.inputs, Names{"in"});
  EXPECT_EQ(found.outputs, Names{"out"});
  EXPECT_EQ(bytes, model());
}

TEST(SignatureTest, OfAnotherGraphPutsItFirst) {
  std::vector<uint8_t> bytes = model();
  EXPECT_EQ(operators_of_first_graph(bytes), 0u);
  const Signature found = select_signature(bytes, "b");
  EXPECT_EQ(found.inputs, Names{"x"});
  EXPECT_EQ(found.outputs, Names{"y"});
  EXPECT_EQ(operators_of_first_graph(bytes), 1u);
  EXPECT_EQ(bytes.size(), model().size());
}

TEST(SignatureTest, IsRefusedWhereItIsNotThere) {
  EXPECT_EQ(refusal(model(), "c"), ErrorCode::kInvalidArgument);
  EXPECT_EQ(refusal({}, "a"), ErrorCode::kInvalidModel);
}

TEST(SignatureTest, IsRefusedWhereTheFirstGraphIsCalled) {
  for (const uint32_t caller : {118u, 119u, 129u, 206u}) {
    EXPECT_EQ(refusal(model(caller), "b"), ErrorCode::kUnsupported) << caller;
    EXPECT_EQ(refusal(model(caller), "a"), ErrorCode::kAborted) << caller;
  }
}

TEST(SignatureTest, DamagedBytesAreAnErrorOrASignature) {
  const std::vector<uint8_t> whole = model();
  for (size_t size = 0; size < whole.size(); ++size) {
    std::vector<uint8_t> bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    bytes.shrink_to_fit();  // so that a sanitizer sees what lies behind
    refusal(std::move(bytes), "b");
  }
  for (size_t at = 0; at < whole.size(); ++at) {
    for (const uint8_t value : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
      std::vector<uint8_t> bytes = whole;
      bytes[at] = value;
      refusal(std::move(bytes), "b");
    }
  }
}

}  // namespace
}  // namespace edge::tflite
