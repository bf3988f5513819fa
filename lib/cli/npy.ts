/**
 * Reads and writes arrays as `.npy` files. The format is NumPy's, defined in NEP 1 (numpy/lib/format.py):
 * `\x93NUMPY`, major and minor version, the header's length (v1: 2 bytes, v2 and v3: 4, little-endian), the header (a
 * Python dictionary literal with `descr`, `fortran_order` and `shape`; Latin-1, in v3 UTF-8), then the elements.
 */
import fs from 'node:fs';
import os from 'node:os';
import { InferenceError } from '../errors.js';
import type { Dtype, Shape, TensorData } from '../types.js';
import { parseNpyHeader, type NpyHeader } from './npy-header.js';

export interface NpyArray {
  readonly dtype: Dtype;
  readonly shape: Shape;
  /** Own memory, in C order and the machine's byte order. `f16` as raw bits, `bool` as 0 or 1. */
  readonly data: TensorData;
}

interface Kind {
  readonly dtype: Dtype;
  readonly make: (buffer: ArrayBuffer) => TensorData;
}

/** NumPy's type codes, without the byte order, for the dtypes that both sides know. */
const kinds: Readonly<Record<string, Kind>> = {
  f2: { dtype: 'f16', make: (buffer) => new Uint16Array(buffer) },
  f4: { dtype: 'f32', make: (buffer) => new Float32Array(buffer) },
  f8: { dtype: 'f64', make: (buffer) => new Float64Array(buffer) },
  i1: { dtype: 'i8', make: (buffer) => new Int8Array(buffer) },
  u1: { dtype: 'u8', make: (buffer) => new Uint8Array(buffer) },
  i2: { dtype: 'i16', make: (buffer) => new Int16Array(buffer) },
  u2: { dtype: 'u16', make: (buffer) => new Uint16Array(buffer) },
  i4: { dtype: 'i32', make: (buffer) => new Int32Array(buffer) },
  u4: { dtype: 'u32', make: (buffer) => new Uint32Array(buffer) },
  i8: { dtype: 'i64', make: (buffer) => new BigInt64Array(buffer) },
  u8: { dtype: 'u64', make: (buffer) => new BigUint64Array(buffer) },
  b1: { dtype: 'bool', make: (buffer) => new Uint8Array(buffer) },
};

const magic = Buffer.from('\x93NUMPY', 'latin1');
const bigEndianHost = os.endianness() === 'BE';

function invalid(file: string, why: string, remedy: string): InferenceError {
  return new InferenceError('ERR_INVALID_TENSOR', `${file}: ${why}.`, { remedy });
}

const remake = 'Write the file again with numpy.save.';

/** The header and where the elements begin. */
function headerOf(bytes: Buffer, file: string): { header: NpyHeader; offset: number } {
  if (bytes.length < magic.length || !bytes.subarray(0, magic.length).equals(magic)) {
    throw invalid(file, 'this is not a .npy file (it does not begin with \\x93NUMPY)', remake);
  }
  const major = bytes[6];
  if (major !== undefined && (major < 1 || major > 3)) {
    throw invalid(file, `.npy version ${major} is unknown`, 'Versions 1, 2 and 3 are read: write it with numpy.save.');
  }
  const prefix = major === 1 ? 10 : 12;
  if (bytes.length < prefix) throw invalid(file, 'the file ends inside its header', remake);
  const length = major === 1 ? bytes.readUInt16LE(8) : bytes.readUInt32LE(8);
  const offset = prefix + length;
  if (bytes.length < offset) throw invalid(file, 'the file ends inside its header', remake);
  const text = bytes.toString(major === 3 ? 'utf8' : 'latin1', prefix, offset);
  const header = parseNpyHeader(text);
  if (typeof header === 'string') throw invalid(file, header, remake);
  return { header, offset };
}

function kindOf(header: NpyHeader, file: string): { kind: Kind; size: number; swap: boolean } {
  const { descr } = header;
  if (descr === null) {
    throw invalid(file, 'structured dtypes (records) are not tensors', 'Save one field of the array.');
  }
  const match = /^([<>|=]?)([a-zA-Z])(\d*)/.exec(descr);
  const [, order, letter, width] = match ?? [];
  if (letter === 'O') {
    throw invalid(
      file,
      'it holds pickled Python objects, which are never loaded',
      'Save an array of numbers: numpy.save(file, array.astype("float32")).',
    );
  }
  const kind = match?.[0] === descr ? kinds[`${letter}${width}`] : undefined;
  if (kind === undefined) {
    const known = Object.keys(kinds).join(', ');
    throw invalid(file, `its dtype '${descr.slice(0, 40)}' is no tensor's`, `Convert it to one of ${known}.`);
  }
  const size = Number(width);
  const bigEndian = order === '>' || (order !== '<' && bigEndianHost);
  return { kind, size, swap: size > 1 && bigEndian !== bigEndianHost };
}

/** The number of elements; a header may claim anything, so nothing is allocated before this agrees with the file. */
function countElements(shape: Shape, size: number, available: number, file: string): number {
  const claimed = shape.includes(0) ? 0n : shape.reduce((product, dimension) => product * BigInt(dimension), 1n);
  const wanted = claimed * BigInt(size);
  if (wanted !== BigInt(available)) {
    const relation = wanted > BigInt(available) ? 'fewer' : 'more';
    throw invalid(
      file,
      `it holds ${available} bytes of elements, ${relation} than the ${wanted} of its shape (${shape.join(', ')})`,
      relation === 'fewer' ? 'The file is truncated: write or copy it again.' : 'Save one array per file.',
    );
  }
  return Number(claimed);
}

function swapBytes(data: Uint8Array, size: number): void {
  const buffer = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  if (size === 2) buffer.swap16();
  else if (size === 4) buffer.swap32();
  else buffer.swap64();
}

type Elements = Record<number, number | bigint>;

/** Column-major to row-major: walks the target in order and the source with its strides. */
function fromFortranOrder(source: TensorData, target: TensorData, shape: Shape): void {
  const strides: number[] = [];
  let stride = 1;
  for (const dimension of shape) {
    strides.push(stride);
    stride *= dimension;
  }
  const index = new Array<number>(shape.length).fill(0);
  let at = 0;
  for (let i = 0; i < target.length; i++) {
    (target as Elements)[i] = (source as Elements)[at] ?? 0;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += strides[axis] ?? 0;
      index[axis] = (index[axis] ?? 0) + 1;
      if (index[axis] !== shape[axis]) break;
      at -= (strides[axis] ?? 0) * (shape[axis] ?? 0);
      index[axis] = 0;
    }
  }
}

/** Reads an array from a file's bytes; `file` is its name for messages. Throws `ERR_INVALID_TENSOR`. */
export function parseNpy(bytes: Uint8Array, file = 'the .npy file'): NpyArray {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { header, offset } = headerOf(buffer, file);
  const { kind, size, swap } = kindOf(header, file);
  const { shape } = header;
  const count = countElements(shape, size, buffer.length - offset, file);

  // Copied, because the elements need not be aligned within the file.
  const memory = new Uint8Array(count * size);
  memory.set(buffer.subarray(offset));
  if (swap) swapBytes(memory, size);
  if (kind.dtype === 'bool') memory.forEach((value, i) => (memory[i] = value === 0 ? 0 : 1));
  const data = kind.make(memory.buffer);
  if (!header.fortranOrder || shape.length < 2) return { dtype: kind.dtype, shape, data };
  const ordered = kind.make(new ArrayBuffer(count * size));
  fromFortranOrder(data, ordered, shape);
  return { dtype: kind.dtype, shape, data: ordered };
}

/** Reads a `.npy` file. Throws `ERR_INVALID_ARGUMENT` where there is no such file, `ERR_INVALID_TENSOR` for what is in it. */
export function readNpy(file: string): NpyArray {
  let bytes: Buffer;
  try {
    if (!fs.statSync(file).isFile()) throw new Error('it is not a regular file');
    bytes = fs.readFileSync(file);
  } catch (error) {
    throw new InferenceError('ERR_INVALID_ARGUMENT', `Cannot read ${file}: ${(error as Error).message}.`, {
      remedy: 'Check the path; it has to name a .npy file.',
      cause: error,
    });
  }
  return parseNpy(bytes, file);
}

/** NumPy's name for a dtype. It has no bf16: that is written as its raw bits, and `note` says so. */
export function npyDescr(dtype: Dtype): { descr: string; note: string | null } {
  if (dtype === 'bf16') return { descr: '<u2', note: 'bf16 is written as its raw bits, dtype u2' };
  const [code = ''] = Object.entries(kinds).find(([, kind]) => kind.dtype === dtype) ?? [];
  return { descr: `${code.endsWith('1') ? '|' : '<'}${code}`, note: null };
}

/** The bytes of a `.npy` file, version 1.0, little-endian, C order. */
export function encodeNpy(tensor: NpyArray): Buffer {
  const { descr } = npyDescr(tensor.dtype);
  const dimensions = tensor.shape.length === 1 ? `${tensor.shape[0]},` : tensor.shape.join(', ');
  const header = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${dimensions}), }`;
  // The elements begin at a multiple of 64, so that they can be mapped; the header ends with a line feed.
  const length = Math.ceil((10 + header.length + 1) / 64) * 64 - 10;
  const start = Buffer.alloc(10);
  magic.copy(start);
  start[6] = 1;
  start.writeUInt16LE(length, 8);
  const { data } = tensor;
  const body = Buffer.from(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  if (bigEndianHost && data.BYTES_PER_ELEMENT > 1) swapBytes(body, data.BYTES_PER_ELEMENT);
  return Buffer.concat([start, Buffer.from(`${header.padEnd(length - 1)}\n`, 'latin1'), body]);
}

export function writeNpy(file: string, tensor: NpyArray): void {
  fs.writeFileSync(file, encodeNpy(tensor));
}
