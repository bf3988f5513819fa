// The text format of echo models (see echo.h).
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/backend.h"

namespace edge::echo {

enum class Fault { kNone, kCrash, kAbort, kExit, kLeak };

enum class Op { kIdentity, kAdd, kMultiply, kNonZero };

struct OutputRule {
  Op op = Op::kIdentity;
  size_t input = 0;
  double number = 0;
};

struct Program {
  std::vector<TensorSpec> inputs, outputs;
  std::vector<OutputRule> rules;  // one an output
  int delay_ms = 0, cancel_ms = 0, spin_us = 0, load_ms = 0;
  uint64_t fail_at = 0, hang_at = 0, stuck_at = 0, fault_at = 0;  // 0: never
  Fault fault = Fault::kNone, load_fault = Fault::kNone, end_fault = Fault::kNone;
  std::string once;  // a file; empty: always
  ErrorCode fail_code = ErrorCode::kBackend;
  std::optional<ErrorCode> refuse;
  bool copy = false;
  size_t optimal = 1;
  uint64_t lost_at = 0;                     // 0: never
  std::optional<int64_t> lost_ms, lose_ms;  // none: until `restore`
  bool lose = false, restore = false, needs_reload = false;
};

// Throws kInvalidModel with the line that is wrong; `settings` are statements that win over the text's, and `device` is
// the one that it is loaded on.
Program parse(const std::string& text, const std::vector<std::pair<std::string, std::string>>& settings,
              const std::string& device = "cpu");

}  // namespace edge::echo
