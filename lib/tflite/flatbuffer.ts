/** Reads flatbuffers from strangers: every offset is checked, and no more is read than the file could really hold. */
import { ByteBuffer } from 'flatbuffers';
import { InferenceError } from '../errors.js';

export function damaged(why: string, cause?: unknown): InferenceError {
  return new InferenceError('ERR_INVALID_MODEL', `The model is damaged: ${why}.`, {
    remedy: 'Copy or download the file again; convert the model anew if that does not help.',
    cause,
  });
}

// A sound file says each thing about once, and most of it are constants, which are not read at all. One whose tables all
// point at the same long text would otherwise unfold into thousands of times its size.
const readsPerByte = 4;
const readsAtLeast = 1 << 20;

/** Bytes that hold a flatbuffer, somewhere in memory. The library decodes; the bounds are ours, it has none. */
export class FlatBuffer {
  readonly #bytes: Uint8Array;
  readonly #buffer: ByteBuffer;
  readonly #decoder = new TextDecoder();
  /** Bytes that may still be read, of this buffer and those in it. */
  readonly #budget: { left: number };

  constructor(bytes: Uint8Array, outer?: FlatBuffer) {
    this.#bytes = bytes;
    this.#buffer = new ByteBuffer(bytes);
    this.#budget = outer === undefined ? { left: readsPerByte * bytes.length + readsAtLeast } : outer.#budget;
  }

  /** A flatbuffer in a vector of this one. */
  nested(bytes: Uint8Array): FlatBuffer {
    return new FlatBuffer(bytes, this);
  }

  root(): Table {
    return new Table(this, this.target(0));
  }

  /** Four letters after the root's offset, which say what the buffer holds; '' where it is too short for them. */
  get identifier(): string {
    return this.#bytes.length < 8 ? '' : String.fromCharCode(...this.#bytes.subarray(4, 8));
  }

  /** The decoder, for `count` bytes at `at` that are there. */
  at(at: number, count: number): ByteBuffer {
    if (!(at >= 0 && at + count <= this.#bytes.length)) throw damaged('an offset points outside of it');
    this.#budget.left -= count;
    if (this.#budget.left < 0) throw damaged('its parts overlap');
    return this.#buffer;
  }

  /** Where the offset at `at` leads. */
  target(at: number): number {
    return at + this.at(at, 4).readUint32(at);
  }

  /** The first element and the length of the vector that the offset at `at` leads to. */
  vector(at: number, width: number): { readonly start: number; readonly length: number } {
    const start = this.target(at) + 4;
    const length = this.at(start - 4, 4).readUint32(start - 4);
    if (start + length * width > this.#bytes.length) throw damaged('a list reaches beyond its end');
    return { start, length };
  }

  /** A vector of bytes; it is not copied. */
  bytes(at: number): Uint8Array {
    const { start, length } = this.vector(at, 1);
    return this.#bytes.subarray(start, start + length);
  }

  text(at: number): string {
    const { start, length } = this.vector(at, 1);
    this.at(start, length);
    return this.#decoder.decode(this.#bytes.subarray(start, start + length));
  }
}

/** One table. What a field does not hold is its default: 0, or null where it leads elsewhere. */
export class Table {
  readonly #owner: FlatBuffer;
  readonly #at: number;
  readonly #fields: number;
  readonly #fieldsSize: number;

  constructor(owner: FlatBuffer, at: number) {
    this.#owner = owner;
    this.#at = at;
    this.#fields = at - owner.at(at, 4).readInt32(at);
    this.#fieldsSize = owner.at(this.#fields, 2).readUint16(this.#fields);
  }

  int8(slot: number): number {
    const at = this.#find(slot);
    return at === 0 ? 0 : this.#owner.at(at, 1).readInt8(at);
  }

  int16(slot: number): number {
    const at = this.#find(slot);
    return at === 0 ? 0 : this.#owner.at(at, 2).readInt16(at);
  }

  int32(slot: number, absent = 0): number {
    const at = this.#find(slot);
    return at === 0 ? absent : this.#owner.at(at, 4).readInt32(at);
  }

  uint32(slot: number): number {
    const at = this.#find(slot);
    return at === 0 ? 0 : this.#owner.at(at, 4).readUint32(at);
  }

  uint64(slot: number): bigint {
    const at = this.#find(slot);
    return at === 0 ? 0n : this.#owner.at(at, 8).readUint64(at);
  }

  float32(slot: number): number {
    const at = this.#find(slot);
    return at === 0 ? 0 : this.#owner.at(at, 4).readFloat32(at);
  }

  text(slot: number): string | null {
    const at = this.#find(slot);
    return at === 0 ? null : this.#owner.text(at);
  }

  bytes(slot: number): Uint8Array | null {
    const at = this.#find(slot);
    return at === 0 ? null : this.#owner.bytes(at);
  }

  int32s(slot: number): number[] | null {
    return this.#vector(slot, 4, (buffer, at) => buffer.readInt32(at));
  }

  int64s(slot: number): bigint[] | null {
    return this.#vector(slot, 8, (buffer, at) => buffer.readInt64(at));
  }

  float32s(slot: number): number[] | null {
    return this.#vector(slot, 4, (buffer, at) => buffer.readFloat32(at));
  }

  table(slot: number): Table | null {
    const at = this.#find(slot);
    return at === 0 ? null : new Table(this.#owner, this.#owner.target(at));
  }

  tables(slot: number): Table[] {
    return this.#vector(slot, 4, (_, at) => new Table(this.#owner, this.#owner.target(at))) ?? [];
  }

  /** Texts or nested buffers, as bytes. */
  byteVectors(slot: number): Uint8Array[] {
    return this.#vector(slot, 4, (_, at) => this.#owner.bytes(at)) ?? [];
  }

  /** Where the field is; 0 where the table does not have it. */
  #find(slot: number): number {
    const entry = 4 + 2 * slot;
    if (entry + 2 > this.#fieldsSize) return 0;
    const offset = this.#owner.at(this.#fields + entry, 2).readUint16(this.#fields + entry);
    return offset === 0 ? 0 : this.#at + offset;
  }

  #vector<T>(slot: number, width: number, read: (buffer: ByteBuffer, at: number) => T): T[] | null {
    const found = this.#find(slot);
    if (found === 0) return null;
    const { start, length } = this.#owner.vector(found, width);
    const buffer = this.#owner.at(start, length * width);
    return Array.from({ length }, (_, i) => read(buffer, start + i * width));
  }
}
