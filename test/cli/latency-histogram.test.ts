// The latency histogram against sorted values.
import { LatencyHistogram } from '../../lib/cli/latency-histogram.js';
import { generator } from '../../lib/cli/random.js';

function recorded(values: readonly number[]): LatencyHistogram {
  const histogram = new LatencyHistogram();
  for (const value of values) histogram.record(value);
  return histogram;
}

function nearestRank(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(Math.ceil((percent / 100) * sorted.length), 1) - 1] ?? NaN;
}

test.each([
  ['microseconds', 1e-3],
  ['milliseconds', 1],
  ['minutes', 60_000],
])('percentiles are within 0.1 %% of the sorted values: %s', (_, scale) => {
  const next = generator(1, 'latencies');
  // A long tail, as latencies have.
  const values = Array.from({ length: 5000 }, () => scale / (next() / 2 ** 32 + 1e-3));
  const histogram = recorded(values);
  for (const percent of [0.1, 1, 25, 50, 90, 95, 99, 99.9]) {
    const expected = nearestRank(values, percent);
    expect(Math.abs(histogram.percentile(percent) - expected) / expected).toBeLessThan(1e-3);
  }
  const summary = histogram.summary();
  expect(summary.max).toBe(Math.max(...values));
  expect(summary.min).toBe(Math.min(...values));
  expect(summary.mean).toBeCloseTo(values.reduce((sum, value) => sum + value, 0) / values.length, 6);
  expect(summary.p50).toBe(histogram.percentile(50));
  expect(summary.p999).toBe(histogram.percentile(99.9));
});

test('one value, equal values, nothing', () => {
  expect(recorded([3]).summary()).toMatchObject({ count: 1, mean: 3, min: 3, max: 3, p50: 3, p999: 3 });
  expect(recorded([2, 2, 2, 2]).summary()).toMatchObject({ p50: 2, p99: 2 });
  expect(recorded([]).summary().p50).toBeNaN();
  expect(recorded([]).bars(10, 5).counts).toEqual([]);
});

test('values at the ends of what it holds are not lost', () => {
  const histogram = recorded([0, 1e-9, 1e12]);
  expect(histogram.count).toBe(3);
  expect(histogram.percentile(100)).toBe(1e12);
});

test('bars hold every value, each in its place', () => {
  const histogram = recorded([1, 1.05, 2, 2.5, 3.95, 10, 11]);
  const bars = histogram.bars(3, 4);
  expect(bars).toMatchObject({ from: 1, above: 2 });
  expect(bars.width).toBeCloseTo(1, 6);
  expect(bars.counts.reduce((sum, count) => sum + count, 0) + bars.above).toBe(7);
  expect(bars.counts[0]).toBe(2);
  expect(bars.counts[2]).toBe(1);
});

test('bars of equal values have a width', () => {
  const { width, counts } = recorded([5, 5]).bars(4, 5);
  expect(width).toBeGreaterThan(0);
  expect(counts).toEqual([2, 0, 0, 0]);
});
