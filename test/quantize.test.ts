/** `quantize` and `dequantize`: every dtype, several scales, targets in place, and wrong arguments. */
import { dequantize, loadModel, quantize, type QuantizedDtype } from '../lib/index.js';
import { codeOf } from './backends/conformance/harness.js';
import { echo } from './support/echo.js';
import { thrown } from './support/wait.js';

const ranges: [QuantizedDtype, number, number][] = [
  ['i8', -128, 127],
  ['u8', 0, 255],
  ['i16', -32768, 32767],
  ['u16', 0, 65535],
  ['i32', -(2 ** 31), 2 ** 31 - 1],
];

describe.each(ranges)('%s', (dtype, low, high) => {
  it('halves go away from zero, what is beyond is clamped, NaN is the zero point', () => {
    const source = Float32Array.of(0.25, 0.75, -0.25, 1.2, 1e30, -1e30, Infinity, -Infinity, NaN);
    const result = quantize(source, { scale: 0.5, zeroPoint: 10, dtype });
    expect([...result]).toEqual([11, 12, 9, 12, high, low, high, low, 10]);
    expect([...dequantize(result, { scale: 0.5, zeroPoint: 10 }).subarray(0, 4)]).toEqual([0.5, 1, -0.5, 1]);
  });

  it('the integers of the range come back', () => {
    // f32 holds all of 16 bits, and of 32 what is a multiple of 256.
    const step = dtype === 'i32' ? 2 ** 24 : 1;
    const all = quantize(
      Float32Array.from({ length: (high - low + 1) / step }, (_, i) => low + i * step),
      { scale: 1, dtype },
    );
    expect([...all.subarray(0, 2), ...all.subarray(-1)]).toEqual([low, low + step, high - step + 1]);
    const options = { scale: 1 / 128, zeroPoint: dtype === 'i32' ? 0 : low + 5 };
    const back = quantize(dequantize(all, options), { ...options, dtype });
    expect(Buffer.from(back.buffer).equals(Buffer.from(all.buffer))).toBe(true);
  });

  it('a pair for each slice of an axis', () => {
    const source = Float32Array.of(1, 1, 1, 2, 2, 2);
    const pairs = { scale: [1, 0.5, 0.25], zeroPoint: [0, 1, 2] };
    const last = quantize(source, { ...pairs, axis: 1, shape: [2, 3], dtype });
    expect([...last]).toEqual([1, 3, 6, 2, 5, 10]);
    expect([...dequantize(last, { ...pairs, axis: 1, shape: [2, 3] })]).toEqual([...source]);
    const first = quantize(source, { ...pairs, axis: 0, shape: [3, 2], dtype });
    expect([...first]).toEqual([1, 1, 3, 5, 10, 10]);
    expect([...dequantize(first, { ...pairs, axis: 0, shape: [3, 2] })]).toEqual([...source]);
  });
});

it('a scale is what a model holds, an f32', () => {
  const reals = dequantize(Uint8Array.of(3), { scale: 0.1 });
  expect(reals[0]).toBe(Math.fround(3 * Math.fround(0.1)));
});

it('fills a request and reads it, by what the model says of itself', async () => {
  const lines = ['input x u8 1,2', 'output y = identity x', 'quantized x - 0.5 128', 'quantized y 1 0.5 128 0.25 0'];
  const model = await loadModel(echo(...lines), { device: 'echo' });
  const request = model.createRequest();
  const [input, output] = [model.inputs[0]!, model.outputs[0]!];
  const x = request.inputs['x']!.data as Uint8Array;
  const options = { ...input.quantization!, dtype: input.dtype, shape: input.shape };
  expect(quantize(Float32Array.of(-1, 3), options, x)).toBe(x);
  await request.run();
  const y = request.outputs['y']!.data as Uint8Array;
  expect([...y]).toEqual([126, 134]);
  const target = new Float32Array(4).fill(-1);
  const reals = dequantize(y, { ...output.quantization!, shape: output.shape }, target.subarray(1, 3));
  expect(reals.buffer).toBe(target.buffer);
  expect([...target]).toEqual([-1, -1, 33.5, -1]);
  request.dispose();
  await model.dispose();
});

it('views at any offset; nothing beside them is touched', () => {
  const memory = new Int16Array(40).fill(77);
  const source = new Float32Array(40).map((_, i) => i).subarray(3, 20);
  const target = memory.subarray(5, 22);
  quantize(source, { scale: 1, dtype: 'i16' }, target);
  expect([...target]).toEqual([...source]);
  expect([...memory.subarray(0, 5), ...memory.subarray(22)]).toEqual(Array(23).fill(77));
});

it('nothing at all', () => {
  expect(quantize(new Float32Array(0), { scale: 1, dtype: 'i8' })).toEqual(new Int8Array(0));
  expect(dequantize(new Int8Array(0), { scale: [], zeroPoint: [], axis: 1, shape: [3, 0] })).toHaveLength(0);
});

const reals = new Float32Array(6);
const scale = 1;
test.each<[string, () => unknown, RegExp]>([
  ['no f32', () => quantize(new Float64Array(6) as never, { scale, dtype: 'i8' }), /source to be a Float32Array/],
  ['no integers', () => dequantize(reals as never, { scale }), /source to be an array of integers/],
  ['no array', () => dequantize([1] as never, { scale }), /source to be an array of integers/],
  [
    'unsigned 32 bits',
    () => dequantize(new Uint32Array(1) as never, { scale }),
    /array of integers of 8, 16 or signed 32/,
  ],
  ['another dtype', () => quantize(reals, { scale, dtype: 'f16' }), /`dtype` to be 'i8', .* got 'f16'/],
  ['no dtype', () => quantize(reals, { scale } as never), /`dtype` to be .* got undefined/],
  ['a name of Object', () => quantize(reals, { scale, dtype: 'toString' as never }), /`dtype` to be/],
  [
    'another target',
    () => quantize(reals, { scale, dtype: 'i8' }, new Uint8Array(6) as never),
    /target to be an array of i8/,
  ],
  ['a short target', () => quantize(reals, { scale, dtype: 'i8' }, new Int8Array(5)), /6 real numbers and 5 integers/],
  ['a real target', () => dequantize(new Int8Array(1), { scale }, [0] as never), /target to be a Float32Array/],
  ['no options', () => dequantize(new Int8Array(1), null as never), /`options` to be an object/],
  ['no scale', () => quantize(reals, { dtype: 'i8' } as never), /`scale` to be a number or several, got undefined/],
  ['a scale in words', () => quantize(reals, { scale: ['1'] as never, dtype: 'i8' }), /`scale` to be .* got '1'/],
  ['a scale of 0', () => quantize(reals, { scale: 0, dtype: 'i8' }), /scale of 0.* is not a positive number/],
  ['a scale of NaN', () => quantize(reals, { scale: NaN, dtype: 'i8' }), /scale of -?nan is not a positive number/],
  ['a scale that f32 cannot hold', () => quantize(reals, { scale: 1e-50, dtype: 'i8' }), /is not a positive number/],
  [
    'half a zero point',
    () => quantize(reals, { scale, zeroPoint: 0.5, dtype: 'i8' }),
    /`zeroPoint` to be whole numbers/,
  ],
  ['a zero point of NaN', () => quantize(reals, { scale, zeroPoint: NaN, dtype: 'i8' }), /`zeroPoint` to be whole/],
  [
    'a large zero point',
    () => quantize(reals, { scale, zeroPoint: 128, dtype: 'i8' }),
    /zero point 128 is not a value/,
  ],
  ['two scales', () => quantize(reals, { scale: [1, 2], dtype: 'i8' }), /Expected 1 scales and zero points, got 2/],
  ['half an axis', () => quantize(reals, { scale, axis: 0.5, dtype: 'i8' }), /`axis` to be null or a dimension/],
  ['no shape', () => quantize(reals, { scale, axis: 0, dtype: 'i8' }), /`shape` to be the dimensions of 6 values/],
  ['a wrong shape', () => quantize(reals, { scale, axis: 0, shape: [5], dtype: 'i8' }), /dimensions of 6 values/],
  [
    'no such axis',
    () => quantize(reals, { scale, axis: 1, shape: [6], dtype: 'i8' }),
    /axis 1 is none of the shape \[6\]/,
  ],
  ['too few', () => quantize(reals, { scale: [1, 1], axis: 0, shape: [6], dtype: 'i8' }), /Expected 6 scales/],
])('refused: %s', (_, work, message) => {
  const error = thrown(work);
  expect(codeOf(error)).toBe('ERR_INVALID_ARGUMENT');
  expect((error as Error).message).toMatch(message);
  expect((error as { remedy: string }).remedy).not.toBe('');
});
