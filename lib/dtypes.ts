/** Element types: their names, their typed arrays, and checks of what callers pass. */
import { InferenceError } from './errors.js';
import type { Dtype, InputValue, Precision, Shape, TensorData, TensorSpec } from './types.js';

interface DtypeFacts {
  readonly bytes: number;
  readonly make: (buffer: ArrayBuffer, length: number) => TensorData;
  /** Names of the arrays that carry it; the first one is what we return. */
  readonly arrays: readonly string[];
}

const facts: Readonly<Record<Dtype, DtypeFacts>> = {
  f32: { bytes: 4, make: (b, n) => new Float32Array(b, 0, n), arrays: ['Float32Array'] },
  f16: { bytes: 2, make: (b, n) => new Uint16Array(b, 0, n), arrays: ['Uint16Array', 'Float16Array'] },
  bf16: { bytes: 2, make: (b, n) => new Uint16Array(b, 0, n), arrays: ['Uint16Array'] },
  f64: { bytes: 8, make: (b, n) => new Float64Array(b, 0, n), arrays: ['Float64Array'] },
  i8: { bytes: 1, make: (b, n) => new Int8Array(b, 0, n), arrays: ['Int8Array'] },
  u8: { bytes: 1, make: (b, n) => new Uint8Array(b, 0, n), arrays: ['Uint8Array', 'Uint8ClampedArray'] },
  i16: { bytes: 2, make: (b, n) => new Int16Array(b, 0, n), arrays: ['Int16Array'] },
  u16: { bytes: 2, make: (b, n) => new Uint16Array(b, 0, n), arrays: ['Uint16Array'] },
  i32: { bytes: 4, make: (b, n) => new Int32Array(b, 0, n), arrays: ['Int32Array'] },
  u32: { bytes: 4, make: (b, n) => new Uint32Array(b, 0, n), arrays: ['Uint32Array'] },
  i64: { bytes: 8, make: (b, n) => new BigInt64Array(b, 0, n), arrays: ['BigInt64Array'] },
  u64: { bytes: 8, make: (b, n) => new BigUint64Array(b, 0, n), arrays: ['BigUint64Array'] },
  bool: { bytes: 1, make: (b, n) => new Uint8Array(b, 0, n), arrays: ['Uint8Array'] },
};

/** An array of `count` elements over the start of a buffer. */
export function viewOf(dtype: Dtype, buffer: ArrayBuffer, count: number): TensorData {
  return facts[dtype].make(buffer, count);
}

export function emptyView(dtype: Dtype): TensorData {
  return viewOf(dtype, new ArrayBuffer(0), 0);
}

export function elementCount(shape: Shape): number {
  let count = 1;
  for (const dim of shape) count *= dim;
  return count;
}

export function shapeText(shape: Shape | null): string {
  return shape === null ? 'any shape' : `[${shape.map((dim) => (dim < 0 ? '?' : String(dim))).join(', ')}]`;
}

const precisions = new Map<string, Precision>(
  Object.entries({
    f32: 'f32',
    fp32: 'f32',
    float32: 'f32',
    f16: 'f16',
    fp16: 'f16',
    float16: 'f16',
    bf16: 'bf16',
    bfloat16: 'bf16',
    i8: 'i8',
    int8: 'i8',
    auto: 'auto',
  } as const),
);

/** Takes the usual spellings of a precision; undefined stays undefined. */
export function parsePrecision(value: unknown): Precision | undefined {
  if (value === undefined) return undefined;
  const precision = typeof value === 'string' ? precisions.get(value.toLowerCase()) : undefined;
  if (precision === undefined) {
    throw new InferenceError(
      'ERR_INVALID_ARGUMENT',
      `Expected \`precision\` to be 'f32', 'f16', 'bf16', 'i8' or 'auto', got ${describe(value)}.`,
      { remedy: 'Correct the option.' },
    );
  }
  return precision;
}

/** A value for a message: short, and never a dump of its contents. */
export function describe(value: unknown): string {
  if (typeof value === 'string') return `'${value.length > 60 ? `${value.slice(0, 57)}…` : value}'`;
  if (value === null || typeof value !== 'object') return typeof value === 'function' ? 'a function' : String(value);
  if (ArrayBuffer.isView(value)) return `a ${arrayName(value)} of ${value.byteLength} bytes`;
  return Array.isArray(value) ? 'an array' : 'an object';
}

// By tag, not by instanceof: arrays may come from another realm.
function arrayName(value: ArrayBufferView): string {
  return (value as unknown as { [Symbol.toStringTag]?: string })[Symbol.toStringTag] ?? 'DataView';
}

function invalid(message: string, remedy: string): InferenceError {
  return new InferenceError('ERR_INVALID_TENSOR', message, { remedy });
}

export function checkShape(shape: unknown, of: string): Shape {
  const dims = shape as readonly unknown[];
  if (!Array.isArray(shape) || !dims.every((dim) => Number.isSafeInteger(dim) && (dim as number) >= 0)) {
    throw invalid(
      `Expected the shape of ${of} to be an array of integers that are not negative, got ${
        Array.isArray(shape) ? `[${dims.map(String).join(', ').slice(0, 80)}]` : describe(shape)
      }.`,
      'Give every dimension as a number.',
    );
  }
  return shape as Shape;
}

export function acceptsShape(spec: TensorSpec, shape: Shape): boolean {
  if (spec.shape === null) return true;
  return spec.shape.length === shape.length && spec.shape.every((dim, i) => dim < 0 || dim === shape[i]);
}

/** The one dynamic dimension that the number of values decides, if there is exactly one. */
function inferShape(spec: TensorSpec, length: number): Shape | null {
  if (spec.shape === null) return null;
  const unknown = spec.shape.filter((dim) => dim < 0).length;
  if (unknown === 0) return spec.shape;
  const known = spec.shape.reduce((product, dim) => (dim < 0 ? product : product * dim), 1);
  if (unknown > 1 || known === 0 || length % known !== 0) return null;
  return spec.shape.map((dim) => (dim < 0 ? length / known : dim));
}

/** An input value checked against its specification: the values' bytes and their shape. */
export function checkInput(spec: TensorSpec, value: InputValue | undefined): { bytes: Uint8Array; shape: Shape } {
  const of = `the input '${spec.name}'`;
  const tensor = value as { data?: TensorData; shape?: Shape } | TensorData | null | undefined;
  const data = ArrayBuffer.isView(tensor) ? tensor : tensor?.data;
  if (data === undefined || !ArrayBuffer.isView(data)) {
    throw invalid(
      `Expected ${of} to be a ${facts[spec.dtype].arrays[0] ?? ''} or { data, shape }, got ${describe(value)}.`,
      `Pass values for every input of the model.`,
    );
  }
  const name = arrayName(data);
  if (!facts[spec.dtype].arrays.includes(name)) {
    throw invalid(
      `Expected ${of} (${spec.dtype}) to be a ${facts[spec.dtype].arrays.join(' or ')}, got a ${name}.`,
      'Convert the values to the dtype that the model takes.',
    );
  }
  const { length } = data;
  const given = ArrayBuffer.isView(tensor) ? undefined : tensor?.shape;
  const shape = given === undefined ? inferShape(spec, length) : checkShape(given, of);
  if (shape === null) {
    throw invalid(
      `The shape of ${of}, ${shapeText(spec.shape)}, cannot be told from ${length} values.`,
      'Pass { data, shape }.',
    );
  }
  if (!acceptsShape(spec, shape)) {
    throw invalid(
      `Expected ${of} to have the shape ${shapeText(spec.shape)}, got ${shapeText(shape)}.`,
      'Resize the input, or load the model with `shapes`.',
    );
  }
  if (elementCount(shape) !== length) {
    throw invalid(
      `Expected ${of} of the shape ${shapeText(shape)} to have ${elementCount(shape)} values, got ${length}.`,
      length === 0
        ? 'An array that was transferred to another thread is empty.'
        : 'Pass as many values as the shape holds.',
    );
  }
  return { bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength), shape };
}
