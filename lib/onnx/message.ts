/**
 * Protobuf messages by field number: only what is asked for is parsed, and what is not changed is written back byte by
 * byte, in its order, known to us or not. The file may come from a stranger.
 */
import type { WireType } from '@bufbuild/protobuf/wire';
import { InferenceError } from '../errors.js';

type Wire = typeof import('@bufbuild/protobuf/wire');
type Reader = InstanceType<Wire['BinaryReader']>;
type Writer = InstanceType<Wire['BinaryWriter']>;

let loaded: Wire | undefined;

/** Loaded with the first model: most programs never read one. */
function wire(): Wire {
  // eslint-disable-next-line @typescript-eslint/no-require-imports
  loaded ??= require('@bufbuild/protobuf/wire') as Wire;
  return loaded;
}

/** Protobuf's own limit. */
export const largestModel = 2 ** 31 - 1;

/** Bodies in bodies; exporters nest a handful. */
export const deepestGraph = 50;

/** An object per field: a file of nothing but tiny fields would otherwise fill the heap. Real models have far fewer. */
const mostFields = 4_000_000;

export function damaged(what: string, cause?: unknown): InferenceError {
  return new InferenceError('ERR_INVALID_MODEL', `This is no ONNX model, or a damaged one: ${what}.`, {
    remedy: 'Copy or download the file again, or export the model again.',
    cause,
  });
}

/** One field, or a run of numbers of the same field. Where `value` is set it is written instead of the bytes. */
interface Field {
  readonly number: number;
  readonly wireType: WireType;
  /** From the first tag to the end, in the message's bytes. */
  readonly start: number;
  end: number;
  value: Message | Uint8Array | undefined;
}

/** What all messages of a file share. */
interface Budget {
  fields: number;
}

function parsed<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof InferenceError) throw error;
    throw damaged((error as Error).message, error);
  }
}

export class Message {
  readonly #bytes: Uint8Array;
  readonly #fields: Field[] = [];
  readonly #budget: Budget;
  #changed = false;

  /** Throws `ERR_INVALID_MODEL` where the bytes are no message. They are not copied and must not change. */
  constructor(bytes: Uint8Array = new Uint8Array(0), budget: Budget = { fields: 0 }) {
    this.#bytes = bytes;
    this.#budget = budget;
    parsed(() => {
      const reader = new (wire().BinaryReader)(bytes);
      let last: Field | undefined;
      while (reader.pos < bytes.length) {
        const start = reader.pos;
        const [number, wireType] = reader.tag();
        reader.skip(wireType, number);
        if (last?.number === number && last.wireType === wireType && wireType !== wire().WireType.LengthDelimited) {
          last.end = reader.pos;
          continue;
        }
        last = { number, wireType, start, end: reader.pos, value: undefined };
        this.#fields.push(last);
        if (++budget.fields > mostFields) throw damaged(`it has more than ${mostFields} fields`);
      }
    });
  }

  get #isChanged(): boolean {
    return this.#changed || this.#fields.some(({ value }) => value instanceof Message && value.#isChanged);
  }

  #of(number: number): Field[] {
    return this.#fields.filter((field) => field.number === number);
  }

  #reader(field: Field): Reader {
    const written = field.value instanceof Uint8Array ? field.value : undefined;
    return new (wire().BinaryReader)(written ?? this.#bytes.subarray(field.start, field.end));
  }

  #payload(field: Field): Uint8Array {
    if (field.wireType !== wire().WireType.LengthDelimited) throw damaged(`field ${field.number} is of another type`);
    if (field.value instanceof Message) throw new TypeError('A message is asked for as bytes.');
    if (field.value !== undefined) return field.value;
    return parsed(() => {
      const reader = this.#reader(field);
      reader.tag();
      return reader.bytes();
    });
  }

  /** Numbers, packed or one by one. */
  #numbers<T>(number: number, wireType: WireType, read: (reader: Reader) => T): T[] {
    return parsed(() => {
      const values: T[] = [];
      for (const field of this.#of(number)) {
        const isPacked = field.wireType === wire().WireType.LengthDelimited;
        if (!isPacked && field.wireType !== wireType) throw damaged(`field ${number} is of another type`);
        const reader = isPacked ? new (wire().BinaryReader)(this.#payload(field)) : this.#reader(field);
        while (reader.pos < reader.len) {
          if (!isPacked) reader.tag();
          values.push(read(reader));
        }
        if (reader.pos > reader.len) throw damaged(`field ${number} ends too early`);
      }
      return values;
    });
  }

  has(number: number): boolean {
    return this.#fields.some((field) => field.number === number);
  }

  /** Parsed once: who changes one of them changes this message. */
  messages(number: number): Message[] {
    return this.#of(number).map((field) => {
      if (field.value instanceof Message) return field.value;
      const message = new Message(this.#payload(field), this.#budget);
      field.value = message;
      return message;
    });
  }

  /** Of a field that may stand once. */
  message(number: number): Message | undefined {
    const found = this.messages(number);
    // Protobuf would merge them; no writer makes that.
    if (found.length > 1) throw damaged(`field ${number} stands there ${found.length} times`);
    return found[0];
  }

  bytes(number: number): Uint8Array | undefined {
    const field = this.#of(number).pop();
    return field && this.#payload(field);
  }

  texts(number: number): string[] {
    return this.#of(number).map((field) => {
      const payload = this.#payload(field);
      return Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString('utf8');
    });
  }

  text(number: number): string {
    return this.texts(number).pop() ?? '';
  }

  integers(number: number): number[] {
    return this.#numbers(number, wire().WireType.Varint, (reader) => Number(reader.int64()));
  }

  /** 0 where there is none, as protobuf has it. */
  integer(number: number): number {
    return this.integers(number).pop() ?? 0;
  }

  floats(number: number): Float32Array {
    const all = this.#of(number);
    const only = all[0];
    if (all.length === 1 && only?.wireType === wire().WireType.LengthDelimited) {
      const payload = this.#payload(only);
      if (payload.length % 4 !== 0) throw damaged(`field ${number} ends within a number`);
      return new Float32Array(payload.slice().buffer);
    }
    return Float32Array.from(this.#numbers(number, wire().WireType.Bit32, (reader) => reader.float()));
  }

  remove(number: number): void {
    this.#keep((field) => field.number !== number);
  }

  /** Takes out the messages of this field that do not pass. */
  filter(number: number, passes: (message: Message) => boolean): void {
    this.messages(number);
    this.#keep((field) => field.number !== number || passes(field.value as Message));
  }

  #keep(passes: (field: Field) => boolean): void {
    const kept = this.#fields.filter(passes);
    if (kept.length === this.#fields.length) return;
    this.#changed = true;
    this.#fields.splice(0, this.#fields.length, ...kept);
  }

  /** The field's messages become these, at the place of the first. */
  setMessages(number: number, messages: readonly Message[]): void {
    this.#replace(number, messages);
  }

  setBytes(number: number, value: Uint8Array): void {
    this.#replace(number, [value]);
  }

  setTexts(number: number, values: readonly string[]): void {
    this.#replace(
      number,
      values.map((value) => Buffer.from(value, 'utf8')),
    );
  }

  setText(number: number, value: string): void {
    this.setTexts(number, [value]);
  }

  setInteger(number: number, value: number): void {
    this.#changed = true;
    const at = this.#fields.findIndex((field) => field.number === number);
    const raw = write((writer) => writer.tag(number, wire().WireType.Varint).int64(value));
    const field = { number, wireType: wire().WireType.Varint, start: 0, end: 0, value: raw };
    this.#put(number, at, [field]);
  }

  /** Of a field that has none yet; packed. */
  setIntegers(number: number, values: readonly number[]): void {
    this.setBytes(
      number,
      write((writer) => values.reduce((all, value) => all.int64(value), writer)),
    );
  }

  #replace(number: number, values: readonly (Message | Uint8Array)[]): void {
    this.#changed = true;
    const at = this.#fields.findIndex((field) => field.number === number);
    const added = values.map((value) => ({
      number,
      wireType: wire().WireType.LengthDelimited,
      start: 0,
      end: 0,
      value,
    }));
    this.#put(number, at, added);
  }

  #put(number: number, at: number, added: readonly Field[]): void {
    const before = at < 0 ? this.#fields : this.#fields.slice(0, at);
    const after = at < 0 ? [] : this.#fields.slice(at).filter((field) => field.number !== number);
    const all = [...before, ...added, ...after];
    this.#fields.length = 0;
    for (const field of all) this.#fields.push(field);
  }

  /** The message's bytes in pieces, which are not copied. */
  #pieces(): Uint8Array[] {
    if (!this.#isChanged) return [this.#bytes];
    const pieces: Uint8Array[] = [];
    for (const field of this.#fields) {
      const { number, wireType, start, end, value } = field;
      if (value === undefined || (value instanceof Message && end > start && !value.#isChanged)) {
        pieces.push(this.#bytes.subarray(start, end));
      } else if (wireType !== wire().WireType.LengthDelimited) {
        pieces.push(value as Uint8Array);
      } else {
        const inner = value instanceof Message ? value.#pieces() : [value];
        const size = inner.reduce((sum, piece) => sum + piece.length, 0);
        if (size > largestModel) throw tooLarge();
        pieces.push(write((writer) => writer.tag(number, wire().WireType.LengthDelimited).uint32(size)));
        for (const piece of inner) pieces.push(piece);
      }
    }
    return pieces;
  }

  /** Throws `ERR_INVALID_MODEL` where it has become larger than protobuf allows. */
  encode(): Uint8Array {
    const pieces = this.#pieces();
    const size = pieces.reduce((sum, piece) => sum + piece.length, 0);
    if (size > largestModel) throw tooLarge();
    const bytes = new Uint8Array(size);
    let at = 0;
    for (const piece of pieces) {
      bytes.set(piece, at);
      at += piece.length;
    }
    return bytes;
  }

  /** Another message with the same content, which changes on its own. */
  copy(): Message {
    return new Message(this.encode(), this.#budget);
  }
}

/** A model's bytes as a message. Throws `ERR_INVALID_MODEL`; they must not change as long as it is used. */
export function messageOf(bytes: Uint8Array): Message {
  if (bytes.length > largestModel) throw tooLarge();
  // Not a Buffer, whose slices are no copies.
  return new Message(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length));
}

function write(work: (writer: Writer) => Writer): Uint8Array {
  return work(new (wire().BinaryWriter)()).finish();
}

export function tooLarge(): InferenceError {
  return new InferenceError('ERR_INVALID_MODEL', 'The model is larger than 2 GiB, which protobuf does not allow.', {
    remedy: 'Split the model, or take a smaller one.',
  });
}
