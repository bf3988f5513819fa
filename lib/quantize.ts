/** Real numbers and the integers that stand for them in quantised tensors: real = scale · (q − zeroPoint), natively. */
import { describe } from './dtypes.js';
import { InferenceError } from './errors.js';
import { guarded, native } from './native.js';
import { invalidOption } from './options.js';
import type { Dtype, Shape } from './types.js';

/** The arrays that carry quantised tensors, by dtype. */
export interface QuantizedArrays {
  readonly i8: Int8Array;
  readonly u8: Uint8Array;
  readonly i16: Int16Array;
  readonly u16: Uint16Array;
  readonly i32: Int32Array;
}

export type QuantizedDtype = keyof QuantizedArrays;
type QuantizedArray = QuantizedArrays[QuantizedDtype];

/** `{ ...spec.quantization, shape: spec.shape }` of an input or output has all of it. */
export interface QuantizeOptions {
  /** Taken as f32, as models hold it. One for the whole tensor, or one for each slice along `axis`. */
  readonly scale: number | readonly number[] | Float32Array;
  /** As many; default 0. */
  readonly zeroPoint?: number | readonly number[] | Int32Array;
  /** Default `null`: one pair for the whole tensor. */
  readonly axis?: number | null;
  /** Needed only with `axis`. */
  readonly shape?: Shape | null;
}

const dtypesByArray = new Map<string, QuantizedDtype>([
  ['Int8Array', 'i8'],
  ['Uint8Array', 'u8'],
  ['Uint8ClampedArray', 'u8'],
  ['Int16Array', 'i16'],
  ['Uint16Array', 'u16'],
  ['Int32Array', 'i32'],
]);

const makers: Readonly<Record<QuantizedDtype, (length: number) => QuantizedArray>> = {
  i8: (length) => new Int8Array(length),
  u8: (length) => new Uint8Array(length),
  i16: (length) => new Int16Array(length),
  u16: (length) => new Uint16Array(length),
  i32: (length) => new Int32Array(length),
};

// By tag, not by instanceof: arrays may come from another realm. Native code relies on this.
function tagOf(value: unknown): string {
  return ArrayBuffer.isView(value) ? String((value as { [Symbol.toStringTag]?: string })[Symbol.toStringTag]) : '';
}

function checkReals(array: unknown, what: string): Float32Array {
  if (tagOf(array) !== 'Float32Array') throw wrongArray(what, 'a Float32Array', array);
  return array as Float32Array;
}

function dtypeOf(array: unknown, what: string): QuantizedDtype {
  const dtype = dtypesByArray.get(tagOf(array));
  if (dtype === undefined) throw wrongArray(what, 'an array of integers of 8, 16 or signed 32 bits', array);
  return dtype;
}

function wrongArray(what: string, expected: string, got: unknown): InferenceError {
  return new InferenceError('ERR_INVALID_ARGUMENT', `Expected ${what} to be ${expected}, got ${describe(got)}.`, {
    remedy: 'Real numbers are a Float32Array, quantised ones an array of the dtype.',
  });
}

function list(name: string, value: unknown): number[] {
  const values = typeof value === 'number' ? [value] : Array.isArray(value) || ArrayBuffer.isView(value) ? value : null;
  if (values === null) throw invalidOption(name, 'a number or several', value);
  const numbers = [...(values as Iterable<unknown>)];
  const wrong = numbers.find((one) => typeof one !== 'number');
  if (wrong !== undefined) throw invalidOption(name, 'a number or several', wrong);
  return numbers as number[];
}

function convert(
  direction: 'quantize' | 'dequantize',
  reals: Float32Array,
  integers: QuantizedArray,
  dtype: QuantizedDtype,
  options: QuantizeOptions,
): void {
  if (reals.length !== integers.length) {
    throw new InferenceError(
      'ERR_INVALID_ARGUMENT',
      `Expected the target to have the source's length, got ${reals.length} real numbers and ${integers.length} integers.`,
      { remedy: 'Give an array of the same length, or none.' },
    );
  }
  const axis = options.axis ?? -1;
  if (!Number.isInteger(axis) || axis < -1) throw invalidOption('axis', 'null or a dimension from 0', axis);
  const shape = axis < 0 ? [reals.length] : options.shape;
  const fits =
    Array.isArray(shape) &&
    shape.every((dim) => Number.isSafeInteger(dim) && dim >= 0) &&
    (shape as Shape).reduce((product, dim) => product * dim, 1) === reals.length;
  if (!fits) throw invalidOption('shape', `the dimensions of ${reals.length} values, because of \`axis\``, shape);
  const scales = Float32Array.from(list('scale', options.scale));
  const given = list('zeroPoint', options.zeroPoint ?? new Int32Array(scales.length));
  const zeroPoints = Int32Array.from(given);
  const wrong = given.find((one, i) => one !== zeroPoints[i]);
  if (wrong !== undefined) throw invalidOption('zeroPoint', 'whole numbers of 32 bits', wrong);
  const bytes = new Uint8Array(integers.buffer, integers.byteOffset, integers.byteLength);
  guarded(() => native()[direction](reals, bytes, dtype, shape as Shape, scales, zeroPoints, axis));
}

/**
 * Real numbers as integers of a quantised tensor, rounded exactly as TFLite's reference kernels round: x / scale to the
 * nearest whole number, halves away from zero, then the zero point is added and the sum clamped to the dtype. NaN becomes
 * the zero point. Writes into `target` where one is given, such as `request.inputs.x.data`.
 */
export function quantize<D extends QuantizedDtype>(
  source: Float32Array,
  options: QuantizeOptions & { readonly dtype: D },
  target?: QuantizedArrays[D],
): QuantizedArrays[D];
/** With the dtype of a specification, which is checked here: `{ ...spec.quantization, dtype: spec.dtype }`. */
export function quantize(
  source: Float32Array,
  options: QuantizeOptions & { readonly dtype: Dtype },
  target?: QuantizedArray,
): QuantizedArray;
export function quantize(
  source: Float32Array,
  options: QuantizeOptions & { readonly dtype: Dtype },
  target?: QuantizedArray,
): QuantizedArray {
  checkReals(source, 'the source');
  if (typeof options !== 'object' || options === null) throw invalidOption('options', 'an object', options);
  const make = Object.prototype.hasOwnProperty.call(makers, options.dtype)
    ? makers[options.dtype as QuantizedDtype]
    : undefined;
  if (make === undefined) throw invalidOption('dtype', "'i8', 'u8', 'i16', 'u16' or 'i32'", options.dtype);
  const dtype = options.dtype as QuantizedDtype;
  const result = target ?? make(source.length);
  if (dtypeOf(result, 'the target') !== dtype) throw wrongArray('the target', `an array of ${dtype}`, target);
  convert('quantize', source, result, dtype, options);
  return result;
}

/**
 * The real numbers that the integers of a quantised tensor stand for, exactly as TFLite's reference kernels compute them.
 * The array's kind is the dtype. Writes into `target` where one is given.
 */
export function dequantize(
  source: QuantizedArray | Uint8ClampedArray,
  options: QuantizeOptions,
  target?: Float32Array,
): Float32Array {
  const dtype = dtypeOf(source, 'the source');
  if (typeof options !== 'object' || options === null) throw invalidOption('options', 'an object', options);
  const result = checkReals(target ?? new Float32Array(source.length), 'the target');
  convert('dequantize', result, source as QuantizedArray, dtype, options);
  return result;
}
