// TFLite models of one operator, made byte by byte: a plain one, and one that is "compiled" and carries the plain one
// as its twin.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace edge::test {

constexpr int kUint8 = 3, kInt8 = 9;  // the same number in files and in memory

// out = first - second, both of `length` numbers, scale 1, zero point 0, saturating.
std::string make_subtraction(int type, int length);

struct Compiled {
  int minimum_runtime = 10;
  std::string package_identifier = "DWN1";
  bool carries_twin = true;
  bool before_that_on_cpu = false;  // first = first - second by TFLite itself, then the compiled operator
};
std::string make_compiled_subtraction(int type, int length, const Compiled& compiled = {});

// The flexbuffer map in the compiled operator. An empty twin is left out.
std::string make_custom_options(int minimum_runtime, const std::string& package_identifier, const std::string& twin);

}  // namespace edge::test
