#include "core/histogram.h"

#include <algorithm>
#include <cmath>

namespace edge {

size_t Histogram::bucket(uint64_t value) {
  if (value < (1u << kSubBits)) return value;
  const int exponent = 63 - __builtin_clzll(value);
  const uint64_t sub = (value >> (exponent - kSubBits)) & ((1u << kSubBits) - 1);
  return (static_cast<size_t>(exponent - kSubBits + 1) << kSubBits) + sub;
}

double Histogram::middle(size_t bucket) {
  if (bucket < (1u << kSubBits)) return static_cast<double>(bucket);
  const int exponent = static_cast<int>(bucket >> kSubBits) + kSubBits - 1;
  const double width = std::ldexp(1.0, exponent - kSubBits);
  const auto sub = static_cast<double>(bucket & ((1u << kSubBits) - 1));
  return std::ldexp(1.0, exponent) + (sub + 0.5) * width;
}

void Histogram::record(int64_t nanoseconds) {
  constexpr uint64_t kLimit = (uint64_t{1} << kMaxBits) - 1;
  const uint64_t value = nanoseconds < 0 ? 0 : std::min(static_cast<uint64_t>(nanoseconds), kLimit);
  ++counts_[bucket(value)];
  ++count_;
  sum_ += static_cast<double>(value);
  min_ = std::min(min_, value);
  max_ = std::max(max_, value);
}

double Histogram::quantile(double q) const {
  const auto rank = static_cast<uint64_t>(std::ceil(q * static_cast<double>(count_)));
  uint64_t seen = 0;
  for (size_t i = 0; i < kBuckets; ++i) {
    seen += counts_[i];
    if (seen >= rank && counts_[i] > 0) {
      return std::clamp(middle(i), static_cast<double>(min_), static_cast<double>(max_));
    }
  }
  return static_cast<double>(max_);
}

HistogramSummary Histogram::summary() const {
  HistogramSummary s;
  if (count_ == 0) return s;
  s.count = count_;
  s.mean = sum_ / static_cast<double>(count_);
  s.min = static_cast<double>(min_);
  s.max = static_cast<double>(max_);
  s.p50 = quantile(0.50);
  s.p90 = quantile(0.90);
  s.p95 = quantile(0.95);
  s.p99 = quantile(0.99);
  s.p999 = quantile(0.999);
  return s;
}

}  // namespace edge
