// A latency distribution in logarithmic buckets: 32 an octave, so any quantile is within 2 % of the truth.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace edge {

struct HistogramSummary {
  uint64_t count = 0;
  double mean = 0, min = 0, max = 0;  // nanoseconds
  double p50 = 0, p90 = 0, p95 = 0, p99 = 0, p999 = 0;
};

// Not thread-safe: its owner's lock guards it.
class Histogram {
 public:
  // Negative values count as 0, values above 18 minutes as 18 minutes.
  void record(int64_t nanoseconds);
  HistogramSummary summary() const;

 private:
  static constexpr int kSubBits = 5;
  static constexpr int kMaxBits = 40;
  static constexpr size_t kBuckets = (kMaxBits - kSubBits + 1) << kSubBits;

  static size_t bucket(uint64_t value);
  static double middle(size_t bucket);
  double quantile(double q) const;

  std::array<uint64_t, kBuckets> counts_{};
  uint64_t count_ = 0;
  uint64_t min_ = UINT64_MAX, max_ = 0;
  double sum_ = 0;
};

}  // namespace edge
