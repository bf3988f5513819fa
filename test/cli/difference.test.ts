// Differences of two outputs: known numbers, what is not finite, ties, and every dtype.
import { comparable, DifferenceSum, type Difference, type Tolerance } from '../../lib/cli/difference.js';
import type { Dtype, Tensor, TensorData } from '../../lib/types.js';
import { dtypes, edgeValues } from '../support/values.js';

function tensor(values: readonly number[], shape: readonly number[] = [values.length], dtype: Dtype = 'f32'): Tensor {
  return { dtype, shape, data: Float32Array.from(values) };
}

function between(a: Tensor, b: Tensor, tolerance: Partial<Tolerance> = {}): Difference {
  const sum = new DifferenceSum({ atol: 0, rtol: 0, equalNan: false, ...tolerance });
  sum.add('one', a, b);
  return sum.result();
}

const total = ({ histogram }: Difference): number => histogram.reduce((sum, bin) => sum + bin.count, 0);

test('numbers that can be computed by hand', () => {
  const found = between(tensor([3, 0, -4, 1], [2, 2]), tensor([3, 0.5, -4, 3], [2, 2]));
  expect(found).toMatchObject({ values: 4, equal: 2, beyond: 2, maxAbs: 2, meanAbs: 0.625, maxRelative: 1 });
  expect(found.relativeNorm).toBeCloseTo(Math.sqrt(4.25 / 26), 12);
  expect(found.cosine).toBeCloseTo(28 / Math.sqrt(26 * 34.25), 12);
  expect(found.worst).toEqual({ sample: 'one', index: [1, 1], a: 1, b: 3 });
  expect(found.top1).toEqual({ agree: 2, rows: 2 });
});

test('equal tensors', () => {
  const found = between(tensor([1, -2, 0]), tensor([1, -2, 0]));
  expect(found).toMatchObject({ values: 3, equal: 3, beyond: 0, maxAbs: 0, meanAbs: 0, maxRelative: 0, worst: null });
  expect(found).toMatchObject({ relativeNorm: 0, top1: { agree: 1, rows: 1 } });
  expect(found.cosine).toBeCloseTo(1, 12);
  expect(found.histogram[0]).toEqual({ from: 0, to: 0, count: 3 });
});

test('sums over samples: the mean over all values, the worst cosine, the sample that is worst', () => {
  const sum = new DifferenceSum({ atol: 0.1, rtol: 0, equalNan: false });
  expect(sum.add('first', tensor([1, 0]), tensor([1, 0]))).toBe(0);
  expect(sum.add('second', tensor([1, 0]), tensor([0, 1]))).toBe(1);
  expect(sum.add('third', tensor([4, 0]), tensor([3.5, 0]))).toBe(0.5);
  const found = sum.result();
  expect(found).toMatchObject({ values: 6, beyond: 3, maxAbs: 1, cosine: 0, top1: { agree: 2, rows: 3 } });
  expect(found.meanAbs).toBeCloseTo(2.5 / 6, 12);
  expect(found.relativeNorm).toBeCloseTo(Math.sqrt(2.25 / 18), 12);
  expect(found.worst?.sample).toBe('second');
});

describe('the tolerance', () => {
  test('is inclusive, of the reference a, absolute and relative', () => {
    const [a, b] = [tensor([100, 0.5]), tensor([101, 0.75])];
    expect(between(a, b, { atol: 0.25 }).beyond).toBe(1);
    expect(between(a, b, { atol: 1 }).beyond).toBe(0);
    expect(between(a, b, { atol: 0, rtol: 0.01 }).beyond).toBe(1);
    expect(between(a, b, { atol: 0.25, rtol: 0.0075 }).beyond).toBe(0);
    expect(between(b, a, { atol: 0, rtol: 1 / 3 }).beyond).toBe(0); // of 0.75, not of 0.5
    expect(between(a, b, { atol: 0, rtol: 1 / 3 }).beyond).toBe(1);
  });

  test('without one floats are measured and integers have to be equal', () => {
    expect(between(tensor([1]), tensor([9]), { atol: null })).toMatchObject({ beyond: 0, maxAbs: 8 });
    const integers = (value: number): Tensor => ({ dtype: 'u8', shape: [1], data: Uint8Array.of(value) });
    expect(between(integers(1), integers(2), { atol: null }).beyond).toBe(1);
    expect(between(integers(1), integers(2), { atol: 1 }).beyond).toBe(0);
    expect(between(integers(100), integers(102), { atol: 1, rtol: 0.5 }).beyond).toBe(1); // rtol is for floats
  });
});

describe('what is not finite', () => {
  test('NaN on one side is beyond every tolerance, and in no difference', () => {
    const found = between(tensor([1, NaN, 3]), tensor([NaN, 2, 3]), { atol: 1e9, equalNan: true });
    expect(found).toMatchObject({ values: 3, equal: 1, beyond: 2, maxAbs: 0, meanAbs: 0, worst: null });
    expect(found.nonFinite).toEqual({ nanA: 1, nanB: 1, nanBoth: 0, infiniteA: 0, infiniteB: 0, unequal: 2 });
    expect(total(found)).toBe(1);
  });

  test('NaN on both sides passes only where that was asked for', () => {
    const [a, b] = [tensor([NaN, 1]), tensor([NaN, 1])];
    expect(between(a, b, { atol: null }).beyond).toBe(1);
    expect(between(a, b, { equalNan: true }).beyond).toBe(0);
    expect(between(a, b).nonFinite).toMatchObject({ nanBoth: 1, unequal: 0 });
  });

  test('the same infinity is equal, another one is not', () => {
    const found = between(
      tensor([Infinity, -Infinity, Infinity, 1]),
      tensor([Infinity, -Infinity, -Infinity, Infinity]),
      {
        atol: null,
      },
    );
    expect(found).toMatchObject({ equal: 2, beyond: 2 });
    expect(found.nonFinite).toEqual({ nanA: 0, nanB: 0, nanBoth: 0, infiniteA: 3, infiniteB: 4, unequal: 2 });
  });

  test('nothing finite: no cosine, no differences, no NaN in the result', () => {
    const found = between(tensor([NaN, NaN]), tensor([NaN, NaN]));
    expect(found).toMatchObject({ cosine: null, meanAbs: 0, relativeNorm: 0, top1: { agree: 0, rows: 1 } });
    expect(total(found)).toBe(0);
  });
});

describe('top-1', () => {
  test('along the last dimension', () => {
    expect(between(tensor([1, 2, 3, 6, 5, 4], [2, 3]), tensor([1, 2, 3, 4, 5, 6], [2, 3])).top1).toEqual({
      agree: 1,
      rows: 2,
    });
  });

  test('equal scores agree where one of the places is the same', () => {
    expect(between(tensor([5, 5, 1]), tensor([4, 5, 1])).top1).toEqual({ agree: 1, rows: 1 });
    expect(between(tensor([5, 5, 1]), tensor([1, 1, 5])).top1).toEqual({ agree: 0, rows: 1 });
  });

  test('NaN is never the largest', () => {
    expect(between(tensor([NaN, 2, 1]), tensor([0, 2, 1])).top1).toEqual({ agree: 1, rows: 1 });
  });

  test('rows of one value have none; scalars neither', () => {
    expect(between(tensor([1, 2], [2, 1]), tensor([1, 2], [2, 1])).top1).toBeNull();
    expect(between(tensor([1], []), tensor([2], [])).top1).toBeNull();
  });
});

test('the histogram: decades with exact edges, every finite pair once', () => {
  const values = [0, 1e-12, 1e-9, 9.99e-9, 1e-4, 1e-3, 0.5, 1, 999, 1000, 1e30];
  const a: Tensor = { dtype: 'f64', shape: [11], data: new Float64Array(11) };
  const b: Tensor = { dtype: 'f64', shape: [11], data: Float64Array.from(values) };
  const found = between(a, b);
  expect(total(found)).toBe(values.length);
  for (const { from, to, count } of found.histogram) {
    const inside = values.filter((value) =>
      to === 0 ? value === 0 : value > 0 && value >= from && value < (to ?? Infinity),
    );
    expect([from, to, count]).toEqual([from, to, inside.length]);
  }
});

test('every dtype: edge values are equal to themselves and differ from others', () => {
  const shape = [5];
  for (const dtype of dtypes) {
    const data = edgeValues[dtype];
    const same = between({ dtype, shape, data }, { dtype, shape, data }, { equalNan: true });
    expect([dtype, same.beyond, same.maxAbs]).toEqual([dtype, 0, 0]);
    const other = (data as Uint8Array).slice();
    other[2] = other[2] === other[3] ? other[1]! : other[3]!;
    const found = between({ dtype, shape, data }, { dtype, shape, data: other as TensorData }, { equalNan: true });
    expect([dtype, found.beyond]).toEqual([dtype, 1]);
  }
});

test('64-bit integers that no number tells apart', () => {
  const big = (value: bigint): Tensor => ({ dtype: 'i64', shape: [1], data: BigInt64Array.of(value) });
  expect(between(big(2n ** 53n), big(2n ** 53n + 1n))).toMatchObject({ equal: 0, beyond: 1, maxAbs: 1 });
  expect(between(big(-(2n ** 63n)), big(2n ** 63n - 1n)).maxAbs).toBe(2 ** 64);
});

test('floats of two widths are compared by value', () => {
  const half: Tensor = { dtype: 'f16', shape: [2], data: Uint16Array.of(0x3c00, 0xc000) };
  const brain: Tensor = { dtype: 'bf16', shape: [2], data: Uint16Array.of(0x3f80, 0xc000) };
  expect(between(half, tensor([1, -2]))).toMatchObject({ equal: 2, beyond: 0 });
  expect(between(half, brain)).toMatchObject({ equal: 2, beyond: 0 });
  expect(comparable('f16', 'bf16')).toBe(true);
  expect(comparable('f32', 'i32')).toBe(false);
  expect(comparable('u8', 'i8')).toBe(false);
});

test('no values at all, and zero vectors', () => {
  expect(between(tensor([], [0, 3]), tensor([], [0, 3]))).toMatchObject({
    values: 0,
    beyond: 0,
    cosine: null,
    top1: null,
  });
  expect(between(tensor([0, 0]), tensor([0, 0]))).toMatchObject({ cosine: 1, relativeNorm: 0 });
  expect(between(tensor([0, 0]), tensor([0, 1]))).toMatchObject({ cosine: 0, relativeNorm: null });
});
