/** Values of every dtype at the edges of what it holds, and their comparison bit by bit. */
import type { Dtype, TensorData } from '../../lib/types.js';

/** Five values each. f16 and bf16 are raw bits: infinity, −0, the largest, the smallest, a NaN with a payload. */
export const edgeValues: Readonly<Record<Dtype, TensorData>> = {
  f32: Float32Array.of(NaN, -0, -Infinity, 3.4028234663852886e38, 1e-45),
  f16: Uint16Array.of(0x7c00, 0x8000, 0x7bff, 0x0001, 0x7e01),
  bf16: Uint16Array.of(0x7f80, 0x8000, 0x7f7f, 0x0001, 0x7fc1),
  f64: Float64Array.of(NaN, -0, -Infinity, 1.7976931348623157e308, 5e-324),
  i8: Int8Array.of(-128, 127, 0, 1, -1),
  u8: Uint8Array.of(0, 255, 1, 127, 128),
  i16: Int16Array.of(-32768, 32767, 0, 1, -1),
  u16: Uint16Array.of(0, 65535, 1, 32767, 32768),
  i32: Int32Array.of(-2147483648, 2147483647, 0, 1, -1),
  u32: Uint32Array.of(0, 4294967295, 1, 2147483647, 2147483648),
  i64: BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n, 0n, -1n, 2n ** 53n + 1n),
  u64: BigUint64Array.of(0n, 2n ** 64n - 1n, 1n, 2n ** 63n, 2n ** 53n + 1n),
  bool: Uint8Array.of(0, 1, 1, 0, 1),
};

export const dtypes = Object.keys(edgeValues) as Dtype[];

/** The bytes as hexadecimal text: equal where the values are, NaN and −0 included. */
export function bits(data: TensorData): string {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex');
}

export function kindOf(data: TensorData): string {
  return Object.prototype.toString.call(data).slice(8, -1);
}

/** Writes all values of `from` into `to`, which has the same type and length. */
export function write(to: TensorData, from: TensorData): void {
  expect(kindOf(to)).toBe(kindOf(from));
  (to as Uint8Array).set(from as Uint8Array);
}

/** Plain numbers, for comparing and printing. */
export function numbers(data: TensorData): number[] {
  return Array.from(data as Float32Array, Number);
}
