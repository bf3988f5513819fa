/** Element types: names, arrays, shapes, and what is said about wrong ones. */
import {
  acceptsShape,
  checkInput,
  checkShape,
  describe as described,
  elementCount,
  emptyView,
  parsePrecision,
  shapeText,
  viewOf,
} from '../lib/dtypes.js';
import type { Dtype, InputValue, TensorSpec } from '../lib/types.js';
import { dtypes, edgeValues, kindOf } from './support/values.js';
import { thrown } from './support/wait.js';

const bytes: Record<Dtype, number> = {
  f32: 4,
  f16: 2,
  bf16: 2,
  f64: 8,
  i8: 1,
  u8: 1,
  i16: 2,
  u16: 2,
  i32: 4,
  u32: 4,
  i64: 8,
  u64: 8,
  bool: 1,
};

it.each(dtypes)('%s has its array', (dtype) => {
  const buffer = new ArrayBuffer(64);
  const view = viewOf(dtype, buffer, 3);
  expect(view.length).toBe(3);
  expect(view.byteLength).toBe(3 * bytes[dtype]);
  expect(view.buffer).toBe(buffer);
  expect(view.byteOffset).toBe(0);
  expect(kindOf(view)).toBe(kindOf(edgeValues[dtype]));
  expect(emptyView(dtype).length).toBe(0);
  expect(kindOf(emptyView(dtype))).toBe(kindOf(view));
});

it('elementCount', () => {
  expect(elementCount([])).toBe(1);
  expect(elementCount([2, 3, 4])).toBe(24);
  expect(elementCount([2, 0, 4])).toBe(0);
});

it('shapeText', () => {
  expect(shapeText(null)).toBe('any shape');
  expect(shapeText([])).toBe('[]');
  expect(shapeText([1, -1, 3])).toBe('[1, ?, 3]');
});

it.each([
  ['f32', 'f32'],
  ['fp32', 'f32'],
  ['FLOAT32', 'f32'],
  ['F16', 'f16'],
  ['fp16', 'f16'],
  ['float16', 'f16'],
  ['BF16', 'bf16'],
  ['bfloat16', 'bf16'],
  ['i8', 'i8'],
  ['INT8', 'i8'],
  ['Auto', 'auto'],
])('the precision %s is %s', (spelling, precision) => {
  expect(parsePrecision(spelling)).toBe(precision);
});

it('no precision stays none; others are refused, also those of the prototype', () => {
  expect(parsePrecision(undefined)).toBeUndefined();
  for (const wrong of ['int4', '', 'f32 ', 5, null, {}, 'constructor', 'toString', '__proto__']) {
    expect(thrown(() => parsePrecision(wrong))).toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
  }
});

it('describes values shortly', () => {
  expect(described('text')).toBe("'text'");
  expect(described('x'.repeat(100))).toBe(`'${'x'.repeat(57)}…'`);
  expect(described(5)).toBe('5');
  expect(described(10n)).toBe('10');
  expect(described(null)).toBe('null');
  expect(described(undefined)).toBe('undefined');
  expect(described([1, 2])).toBe('an array');
  expect(described({ a: 1 })).toBe('an object');
  expect(described(() => 1)).toBe('a function');
  expect(described(new Float32Array(3))).toBe('a Float32Array of 12 bytes');
  expect(described(new DataView(new ArrayBuffer(4)))).toBe('a DataView of 4 bytes');
  expect(described(Symbol('s'))).toBe('Symbol(s)');
});

it('checkShape takes dimensions that are whole and not negative', () => {
  expect(checkShape([1, 0, 2], 'it')).toEqual([1, 0, 2]);
  expect(checkShape([], 'it')).toEqual([]);
  for (const wrong of [[-1], [1.5], [NaN], ['1'], [null], [2 ** 53], '1,2', null, undefined, { length: 1, 0: 1 }, 5]) {
    expect(thrown(() => checkShape(wrong, 'it'))).toMatchObject({
      code: 'ERR_INVALID_TENSOR',
      message: expect.stringMatching(
        /^Expected the shape of it to be an array of integers that are not negative, got /,
      ),
    });
  }
});

it('acceptsShape', () => {
  const spec = (shape: number[] | null): TensorSpec => ({ name: 'x', dtype: 'f32', shape });
  expect(acceptsShape(spec([2, -1]), [2, 7])).toBe(true);
  expect(acceptsShape(spec([2, -1]), [2, 0])).toBe(true);
  expect(acceptsShape(spec([2, -1]), [3, 7])).toBe(false);
  expect(acceptsShape(spec([2, -1]), [2])).toBe(false);
  expect(acceptsShape(spec([2, -1]), [2, 7, 1])).toBe(false);
  expect(acceptsShape(spec([]), [])).toBe(true);
  expect(acceptsShape(spec(null), [1, 2, 3])).toBe(true);
});

describe('checkInput', () => {
  const check = (spec: TensorSpec, value: unknown): { length: number; shape: readonly number[] } => {
    const { bytes: found, shape } = checkInput(spec, value as InputValue);
    return { length: found.length, shape };
  };

  it.each(dtypes)('takes the array of %s and no other', (dtype) => {
    const spec: TensorSpec = { name: 'x', dtype, shape: [5] };
    expect(check(spec, edgeValues[dtype])).toEqual({ length: 5 * bytes[dtype], shape: [5] });
    for (const other of dtypes) {
      if (kindOf(edgeValues[other]) === kindOf(edgeValues[dtype])) continue;
      expect(thrown(() => check(spec, edgeValues[other]))).toMatchObject({ code: 'ERR_INVALID_TENSOR' });
    }
  });

  it('gives the bytes of the view, not those of its buffer', () => {
    const data = new Float32Array(10).subarray(2, 5);
    const { bytes: found } = checkInput({ name: 'x', dtype: 'f32', shape: [3] }, data);
    expect([found.byteOffset, found.byteLength]).toEqual([8, 12]);
    expect(found.buffer).toBe(data.buffer);
  });

  it('finds the one dimension that the values decide', () => {
    const spec: TensorSpec = { name: 'x', dtype: 'f32', shape: [2, -1, 3] };
    expect(check(spec, new Float32Array(12)).shape).toEqual([2, 2, 3]);
    expect(check(spec, new Float32Array(0)).shape).toEqual([2, 0, 3]);
    expect(thrown(() => check(spec, new Float32Array(7)))).toMatchObject({
      message: "The shape of the input 'x', [2, ?, 3], cannot be told from 7 values.",
      remedy: 'Pass { data, shape }.',
    });
    // 0 times anything is 0: nothing can be told.
    expect(thrown(() => check({ ...spec, shape: [0, -1] }, new Float32Array(0)))).toMatchObject({
      code: 'ERR_INVALID_TENSOR',
    });
    expect(thrown(() => check({ ...spec, shape: null }, new Float32Array(6)))).toMatchObject({
      message: "The shape of the input 'x', any shape, cannot be told from 6 values.",
    });
    expect(check({ ...spec, shape: null }, { data: new Float32Array(6), shape: [3, 2] }).shape).toEqual([3, 2]);
  });

  it('takes arrays of another realm', () => {
    const foreign = require('node:vm').runInNewContext('new Float32Array([1, 2, 3])') as Float32Array;
    expect(check({ name: 'x', dtype: 'f32', shape: [3] }, foreign)).toEqual({ length: 12, shape: [3] });
  });
});
