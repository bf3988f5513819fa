#include "vtables.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace nvinfer_simulator {
namespace {

struct Fact {
  int major;
  const char* class_name;
  int slot;
  const char* since;
  const char* signature;
};
constexpr Fact kFacts[] = {
#define SLOT(major, class_name, slot, since, signature) {major, #class_name, slot, since, signature},
#include "vtables.def"
#undef SLOT
};
constexpr size_t kCount = sizeof kFacts / sizeof kFacts[0];

bool is_there(const Fact& fact) {
  int major = 0, minor = 0;
  std::sscanf(fact.since, "%d.%d", &major, &minor);
  return major < kMajor || (major == kMajor && minor <= kMinor);
}

[[noreturn]] void refuse(const Fact& fact) {
  std::fprintf(stderr, "nvinfer simulator: slot %d of %s was called: %s (since %s; this is %d.%d)\n", fact.slot,
               fact.class_name, fact.signature, fact.since, kMajor, kMinor);
  std::abort();
}

[[noreturn]] void fail(const char* class_name, const std::string& signature) {
  std::fprintf(stderr, "nvinfer simulator: TensorRT %d.%d has no %s::%s\n", kMajor, kMinor, class_name,
               signature.c_str());
  std::abort();
}

// Of this major version. The last that fits: where there are two destructors, the deleting one.
const Fact* fact_of(const char* class_name, const std::string& signature) {
  const Fact* found = nullptr;
  for (const Fact& fact : kFacts) {
    if (fact.major == kMajor && std::strcmp(fact.class_name, class_name) == 0 && signature == fact.signature)
      found = &fact;
  }
  return found;
}

template <size_t Index>
void wrong() {
  refuse(kFacts[Index]);
}

template <size_t... Indices>
void* wrong_of(size_t index, std::index_sequence<Indices...>) {
  static void (*const functions[])() = {wrong<Indices>...};
  return address(functions[index]);
}

}  // namespace

void** make_table(const char* class_name) {
  // Two words before the first function, as compilers put them there.
  auto** const table = static_cast<void**>(std::calloc(128, sizeof(void*))) + 2;
  for (size_t i = 0; i < kCount; ++i) {
    const Fact& fact = kFacts[i];
    if (fact.major != kMajor || std::strcmp(fact.class_name, class_name) != 0) continue;
    table[fact.slot] = wrong_of(i, std::make_index_sequence<kCount>());
  }
  return table;
}

int slot_of(const char* class_name, const std::string& signature) {
  const Fact* const fact = fact_of(class_name, signature);
  if (fact == nullptr || !is_there(*fact)) fail(class_name, signature);
  return fact->slot;
}

void put(void** table, const char* class_name, const std::string& signature, void* function) {
  const Fact* const fact = fact_of(class_name, signature);
  if (fact == nullptr) fail(class_name, signature);
  if (is_there(*fact)) table[fact->slot] = function;
}

}  // namespace nvinfer_simulator
