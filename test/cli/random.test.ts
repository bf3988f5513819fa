// Random tensors: the same everywhere, within what each dtype may hold; and file names for odd tensor names.
import { fileNames } from '../../lib/cli/file-names.js';
import { randomTensor } from '../../lib/cli/random.js';
import type { Dtype } from '../../lib/types.js';

/** An independent reading of 16-bit floats. */
function half(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const mantissa = bits & 1023;
  const value = exponent === 0 ? mantissa * 2 ** -24 : (1 + mantissa / 1024) * 2 ** (exponent - 15);
  return bits & 0x8000 ? -value : value;
}

const brain = (bits: number): number => new Float32Array(Uint32Array.of(bits << 16).buffer)[0] ?? NaN;

describe('randomTensor', () => {
  test('the values of one seed are fixed: a report can be repeated', () => {
    expect([...randomTensor('u8', [8], 1, 'images')]).toEqual([...randomTensor('u8', [8], 1, 'images')]);
    // From another implementation of sfc32 (Python).
    expect([...randomTensor('u8', [8], 7, 'x')]).toEqual([52, 110, 55, 76, 159, 12, 109, 190]);
    expect([...randomTensor('f32', [2, 2], 7, 'x')]).toEqual([
      0.20494341850280762, 0.43170714378356934, 0.21542882919311523, 0.29875648021698,
    ]);
  });

  test('seed, name and nothing else decide', () => {
    const values = (seed: number, name: string, length = 64): string => randomTensor('u8', [length], seed, name).join();
    const different = new Set([values(0, 'a'), values(1, 'a'), values(2 ** 40, 'a'), values(0, 'b'), values(0, '')]);
    expect(different.size).toBe(5);
    expect(values(3, 'a', 128).startsWith(values(3, 'a'))).toBe(true);
  });

  test.each<[Dtype, (bits: number | bigint) => number, number, number, number]>([
    ['f32', Number, 0, 1, 0.5],
    ['f64', Number, 0, 1, 0.5],
    ['f16', (bits) => half(Number(bits)), 0, 1, 0.5],
    ['bf16', (bits) => brain(Number(bits)), 0, 1, 0.5],
    ['u8', Number, 0, 255, 127.5],
    ['i8', Number, -128, 127, -0.5],
    ['bool', Number, 0, 1, 0.5],
    ['i16', Number, 0, 1, 0.5],
    ['u16', Number, 0, 1, 0.5],
    ['i32', Number, 0, 1, 0.5],
    ['u32', Number, 0, 1, 0.5],
    ['i64', Number, 0, 1, 0.5],
    ['u64', Number, 0, 1, 0.5],
  ])('%s stays in its range and fills it evenly', (dtype, value, least, most, mean) => {
    const data = [...(randomTensor(dtype, [100, 200], 42, 'x') as Iterable<number | bigint>)].map(value);
    expect(data).toHaveLength(20_000);
    expect(data.every((item) => item >= least && item <= most)).toBe(true);
    if (['f32', 'f64', 'f16', 'bf16'].includes(dtype)) expect(Math.max(...data)).toBeLessThan(1);
    const average = data.reduce((sum, item) => sum + item, 0) / data.length;
    expect(Math.abs(average - mean)).toBeLessThan((most - least) * 0.02);
    // Both ends are reached, as nearly as 20,000 values do.
    expect(Math.min(...data) - least).toBeLessThan((most - least) * 0.01);
    expect(most - Math.max(...data)).toBeLessThan((most - least) * 0.01);
  });

  test('scalars and empty tensors', () => {
    expect(randomTensor('f32', [], 0, 'x')).toHaveLength(1);
    expect(randomTensor('i64', [0, 3], 0, 'x')).toHaveLength(0);
  });
});

describe('fileNames', () => {
  test.each<[string[], string[]]>([
    [['output0'], ['output0.npy']],
    [
      ['a/b:0', 'a_b_0'],
      ['a_b_0.npy', 'a_b_0-2.npy'],
    ],
    [
      ['', '..', '.'],
      ['output.npy', 'output-2.npy', 'output-3.npy'],
    ],
    [['../../etc/passwd'], ['_.._etc_passwd.npy']],
    [
      ['-rf', '.hidden'],
      ['rf.npy', 'hidden.npy'],
    ],
    [
      ['a', 'A', 'a-2', 'a'],
      ['a.npy', 'A-2.npy', 'a-2-2.npy', 'a-3.npy'],
    ],
    [['ü\0\n名'], ['_.npy']],
  ])('%j', (names, files) => {
    expect(fileNames(names, '.npy')).toEqual(files);
  });

  test('long names stay within what file systems take', () => {
    const [one = '', two = ''] = fileNames(['x'.repeat(5000), 'x'.repeat(5001)], '.npy');
    expect(one.length).toBeLessThan(120);
    expect(two).not.toBe(one);
  });
});
