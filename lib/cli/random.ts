/** Deterministic random tensors: the same seed, input name and shape give the same values on every machine. */
import type { Dtype, Shape, TensorData } from '../types.js';

/** FNV-1a, 32 bits, over UTF-16 code units: gives each input its own sequence. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value >>> 0;
}

/** sfc32 ("small fast counter", Chris Doty-Humphrey, PractRand): uniform 32-bit integers. */
export function generator(seed: number, name: string): () => number {
  let a = seed >>> 0;
  let b = Math.floor(seed / 2 ** 32) >>> 0;
  let c = hash(name);
  let counter = 1;
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    return sum >>> 0;
  };
  for (let i = 0; i < 12; i++) next(); // until the seed's bits have spread
  return next;
}

/** The bits of an f16 for k / 1024 with k from 0 to 1023: exact, and never subnormal. */
function halfBits(k: number): number {
  if (k === 0) return 0;
  const exponent = 31 - Math.clz32(k); // k / 1024 = 2^(exponent − 10) · (k / 2^exponent)
  return ((exponent - 10 + 15) << 10) | ((k << (10 - exponent)) & 0x3ff);
}

/** The bits of a bf16 for k / 256 with k from 0 to 255: an f32's upper half. */
function brainBits(k: number): number {
  const bits = new Uint32Array(new Float32Array([k / 256]).buffer)[0] ?? 0;
  return bits >>> 16;
}

/**
 * Random values: floats from 0 to below 1, `u8` 0 to 255, `i8` −128 to 127, `bool` and wider integers 0 or 1. Wider
 * integers are mostly token ids, indices and lengths; what lies outside a model's tables can crash an SDK.
 */
export function randomTensor(dtype: Dtype, shape: Shape, seed: number, name: string): TensorData {
  const next = generator(seed, name);
  const count = shape.reduce((product, dimension) => product * dimension, 1);
  const bit = (): number => next() >>> 31;
  const bigBit = (): bigint => BigInt(bit());
  switch (dtype) {
    case 'f32':
      // 24 bits: every value is exact in an f32, and below 1.
      return new Float32Array(count).map(() => (next() >>> 8) / 2 ** 24);
    case 'f64':
      return new Float64Array(count).map(() => next() / 2 ** 32);
    case 'f16':
      return new Uint16Array(count).map(() => halfBits(next() >>> 22));
    case 'bf16':
      return new Uint16Array(count).map(() => brainBits(next() >>> 24));
    case 'u8':
      return new Uint8Array(count).map(() => next() >>> 24);
    case 'i8':
      return new Int8Array(count).map(() => next() >> 24);
    case 'bool':
      return new Uint8Array(count).map(bit);
    case 'i16':
      return new Int16Array(count).map(bit);
    case 'u16':
      return new Uint16Array(count).map(bit);
    case 'i32':
      return new Int32Array(count).map(bit);
    case 'u32':
      return new Uint32Array(count).map(bit);
    case 'i64':
      return new BigInt64Array(count).map(bigBit);
    case 'u64':
      return new BigUint64Array(count).map(bigBit);
  }
}
