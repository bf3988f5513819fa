// The latency histogram: quantiles against exact ones, and values at the edges.
#include "core/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace edge::test {
namespace {

// The value of rank ⌈q·n⌉, which is what the histogram approximates.
double exact(const std::vector<int64_t>& sorted, double q) {
  const auto rank = static_cast<size_t>(std::ceil(q * static_cast<double>(sorted.size()) - 1e-9));
  return static_cast<double>(sorted[std::max<size_t>(rank, 1) - 1]);
}

void expect_close(std::vector<int64_t> values, const char* what) {
  Histogram histogram;
  double sum = 0;
  for (const int64_t value : values) {
    histogram.record(value);
    sum += static_cast<double>(value);
  }
  std::sort(values.begin(), values.end());
  const HistogramSummary s = histogram.summary();
  EXPECT_EQ(s.count, values.size()) << what;
  EXPECT_EQ(s.min, static_cast<double>(values.front())) << what;
  EXPECT_EQ(s.max, static_cast<double>(values.back())) << what;
  EXPECT_NEAR(s.mean, sum / static_cast<double>(values.size()), 1e-6 * s.max) << what;
  const struct {
    double q, value;
  } all[] = {{0.5, s.p50}, {0.9, s.p90}, {0.95, s.p95}, {0.99, s.p99}, {0.999, s.p999}};
  for (const auto& one : all) {
    const double wanted = exact(values, one.q);
    EXPECT_NEAR(one.value, wanted, 0.02 * wanted) << what << ", quantile " << one.q;
  }
}

TEST(HistogramTest, QuantilesAreWithinTwoPercent) {
  std::mt19937_64 random(7);
  std::vector<int64_t> uniform, exponential, lognormal, bimodal, small, one = {123'456'789};
  std::exponential_distribution<double> wait(1e-6);
  std::lognormal_distribution<double> latency(13, 1.5);
  for (int i = 0; i < 20'000; ++i) {
    uniform.push_back(static_cast<int64_t>(random() % 10'000'000));
    exponential.push_back(static_cast<int64_t>(wait(random)));
    lognormal.push_back(static_cast<int64_t>(latency(random)));
    bimodal.push_back(i % 100 == 0 ? 50'000'000 : 12'000);
    small.push_back(static_cast<int64_t>(random() % 40));
  }
  expect_close(uniform, "uniform");
  expect_close(exponential, "exponential");
  expect_close(lognormal, "lognormal");
  expect_close(bimodal, "bimodal");
  expect_close(small, "small");
  expect_close(one, "one");
}

TEST(HistogramTest, EveryMagnitudeHasItsBucket) {
  for (int bit = 0; bit < 40; ++bit) {
    for (const int64_t step : {-1, 0, 1}) {
      const int64_t value = std::min((int64_t{1} << bit) + step, (int64_t{1} << 40) - 1);
      Histogram histogram;
      histogram.record(0);
      histogram.record(value);
      histogram.record((int64_t{1} << 40) - 1);
      EXPECT_NEAR(histogram.summary().p50, static_cast<double>(value), 0.02 * static_cast<double>(value)) << value;
    }
  }
}

TEST(HistogramTest, EmptyIsZero) {
  const HistogramSummary s = Histogram().summary();
  EXPECT_EQ(s.count, 0u);
  EXPECT_EQ(s.mean, 0);
  EXPECT_EQ(s.min, 0);
  EXPECT_EQ(s.max, 0);
  EXPECT_EQ(s.p50, 0);
  EXPECT_EQ(s.p999, 0);
}

TEST(HistogramTest, ExtremesAreClamped) {
  Histogram histogram;
  histogram.record(INT64_MIN);
  histogram.record(-1);
  histogram.record(0);
  histogram.record(INT64_MAX);
  const HistogramSummary s = histogram.summary();
  EXPECT_EQ(s.count, 4u);
  EXPECT_EQ(s.min, 0);
  EXPECT_EQ(s.max, std::ldexp(1, 40) - 1);  // 18 minutes
  EXPECT_EQ(s.p50, 0);
  EXPECT_NEAR(s.p999, s.max, 0.02 * s.max);
}

}  // namespace
}  // namespace edge::test
