/** f16 and bf16 values: conversion in native code, round to nearest even. Both formats travel as Uint16Array. */
import { describe } from './dtypes.js';
import { InferenceError } from './errors.js';
import { guarded, native } from './native.js';

type Conversion = 'f32ToF16' | 'f16ToF32' | 'f32ToBf16' | 'bf16ToF32';

function check(array: unknown, kind: 'Float32Array' | 'Uint16Array', what: string): void {
  // By tag, not by instanceof: arrays may come from another realm. Native code relies on this.
  if (ArrayBuffer.isView(array) && (array as { [Symbol.toStringTag]?: string })[Symbol.toStringTag] === kind) return;
  throw new InferenceError('ERR_INVALID_ARGUMENT', `Expected ${what} to be a ${kind}, got ${describe(array)}.`, {
    remedy: 'f32 values are a Float32Array, f16 and bf16 values a Uint16Array.',
  });
}

function convert(name: Conversion, source: ArrayLike<number>, target: ArrayLike<number>): void {
  if (target.length !== source.length) {
    throw new InferenceError(
      'ERR_INVALID_ARGUMENT',
      `Expected the target to have the source's length, ${source.length}, got ${target.length}.`,
      { remedy: 'Give an array of the same length, or none.' },
    );
  }
  type Call = (source: ArrayLike<number>, target: ArrayLike<number>) => void;
  guarded(() => (native()[name] as Call)(source, target));
}

function narrow(name: 'f32ToF16' | 'f32ToBf16', source: Float32Array, target?: Uint16Array): Uint16Array {
  check(source, 'Float32Array', 'the source');
  const result = target ?? new Uint16Array(source.length);
  check(result, 'Uint16Array', 'the target');
  convert(name, source, result);
  return result;
}

function widen(name: 'f16ToF32' | 'bf16ToF32', source: Uint16Array, target?: Float32Array): Float32Array {
  check(source, 'Uint16Array', 'the source');
  const result = target ?? new Float32Array(source.length);
  check(result, 'Float32Array', 'the target');
  convert(name, source, result);
  return result;
}

/** To IEEE 754 binary16; beyond ±65,504 values become infinite. Writes into `target` where one is given. */
export function toF16(source: Float32Array, target?: Uint16Array): Uint16Array {
  return narrow('f32ToF16', source, target);
}

export function fromF16(source: Uint16Array, target?: Float32Array): Float32Array {
  return widen('f16ToF32', source, target);
}

/** To bfloat16: the range of f32 with 8 bits of precision. Writes into `target` where one is given. */
export function toBf16(source: Float32Array, target?: Uint16Array): Uint16Array {
  return narrow('f32ToBf16', source, target);
}

export function fromBf16(source: Uint16Array, target?: Float32Array): Float32Array {
  return widen('bf16ToF32', source, target);
}
