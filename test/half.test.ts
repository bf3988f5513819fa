/** f16 and bf16: every value of both formats, every rounding, and the arguments. */
import { fromBf16, fromF16, toBf16, toF16 } from '../lib/index.js';
import { codeOf } from './backends/conformance/harness.js';
import { thrown } from './support/wait.js';

/** The value of IEEE 754 binary16 bits, by the format's definition. */
function f16Value(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** bfloat16 is the upper half of an f32. */
function bf16Value(bits: number): number {
  return new Float32Array(Uint32Array.of(bits << 16).buffer)[0]!;
}

/** The next f32 away from 0, or towards it. */
function neighbour(value: number, step: 1 | -1): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer);
  bits[0]! += step;
  return new Float32Array(bits.buffer)[0]!;
}

const formats = [
  { name: 'f16', from: fromF16, to: toF16, value: f16Value, infinity: 0x7c00 },
  { name: 'bf16', from: fromBf16, to: toBf16, value: bf16Value, infinity: 0x7f80 },
];
const all = Uint16Array.from({ length: 0x10000 }, (_, i) => i);

describe.each(formats)('$name', ({ from, to, value, infinity }) => {
  it('all 65,536 values widen exactly', () => {
    const wide = from(all);
    for (const bits of all) {
      if (!Object.is(wide[bits], value(bits))) throw new Error(`${bits}: ${String(wide[bits])}, not ${value(bits)}`);
    }
  });

  it('all of them come back: the same bits, NaN as a NaN', () => {
    const back = to(from(all));
    for (const bits of all) {
      if (Number.isNaN(value(bits))) expect(value(back[bits]!)).toBeNaN();
      else if (back[bits] !== bits) throw new Error(`${bits} came back as ${String(back[bits])}`);
    }
  });

  it('between two values it takes the nearer one, in the middle the even one', () => {
    const below: number[] = [];
    const middle: number[] = [];
    const above: number[] = [];
    for (let bits = 0; bits + 1 < infinity; bits++) {
      const half = (value(bits) + value(bits + 1)) / 2;
      middle.push(half);
      below.push(neighbour(half, -1));
      above.push(neighbour(half, 1));
    }
    // All three lists hold f32 values exactly: both formats have fewer than 23 bits of fraction.
    for (const sign of [1, -1]) {
      const narrow = (values: readonly number[]): Uint16Array => to(Float32Array.from(values, (one) => sign * one));
      const [down, even, up] = [narrow(below), narrow(middle), narrow(above)];
      const mask = sign > 0 ? 0 : 0x8000;
      for (let bits = 0; bits + 1 < infinity; bits++) {
        if (down[bits] !== (bits | mask)) throw new Error(`below the middle of ${bits}: ${String(down[bits])}`);
        if (up[bits] !== ((bits + 1) | mask)) throw new Error(`above the middle of ${bits}: ${String(up[bits])}`);
        if (even[bits] !== ((bits + (bits & 1)) | mask))
          throw new Error(`the middle of ${bits}: ${String(even[bits])}`);
      }
    }
  });

  it('beyond the largest value it is infinite', () => {
    const largest = value(infinity - 1);
    const limit = largest + (largest - value(infinity - 2)) / 2; // the middle to what would come next
    const values = Float32Array.of(largest, neighbour(limit, -1), limit, 3.4028234663852886e38, Infinity, -Infinity);
    expect([...to(values)]).toEqual([infinity - 1, infinity - 1, infinity, infinity, infinity, infinity | 0x8000]);
  });

  it('zeros keep their sign, and what is too small becomes one', () => {
    expect([...to(Float32Array.of(0, -0, 1e-45, -1e-45))]).toEqual([0, 0x8000, 0, 0x8000]);
  });

  it('every length, also those that no vector fills', () => {
    for (let length = 0; length < 70; length++) {
      const source = Float32Array.from({ length }, (_, i) => i - 3);
      const narrow = to(source);
      expect(narrow).toHaveLength(length);
      expect([...from(narrow)]).toEqual([...source]);
    }
  });

  it('views at any offset; nothing beside them is touched', () => {
    const memory = new Uint16Array(40).fill(0xffff);
    const target = memory.subarray(3, 20);
    const source = new Float32Array(30).map((_, i) => i).subarray(5, 22);
    expect(to(source, target)).toBe(target);
    expect([...from(target)]).toEqual([...source]);
    expect([...memory.subarray(0, 3), ...memory.subarray(20)]).toEqual(Array(23).fill(0xffff));
    const wide = new Float32Array(20).fill(-1);
    from(target, wide.subarray(1, 18));
    expect([...wide]).toEqual([-1, ...source, -1, -1]);
  });

  it('targets of another length, and other arrays, are refused', () => {
    const numbers = Float32Array.of(1, 2, 3);
    const wrong = thrown(() => to(numbers, new Uint16Array(2)));
    expect(wrong).toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: "Expected the target to have the source's length, 3, got 2.",
    });
    for (const work of [
      () => from(new Uint16Array(2), new Float32Array(3)),
      () => to(new Float64Array(3) as unknown as Float32Array),
      () => from(new Int16Array(3) as unknown as Uint16Array),
      () => to([1, 2] as unknown as Float32Array),
      () => to(undefined as unknown as Float32Array),
      () => from(null as unknown as Uint16Array),
      () => to(numbers, new Int16Array(3) as unknown as Uint16Array),
      () => from(new Uint16Array(3), [0, 0, 0] as unknown as Float32Array),
    ]) {
      expect(codeOf(thrown(work))).toBe('ERR_INVALID_ARGUMENT');
    }
  });
});
