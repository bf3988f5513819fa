/** Writes flatbuffers without generated code: tables are field numbers with values. */
import { Builder } from 'flatbuffers';

/** A value that a table holds: first what lies outside the table is written, then, in the table, the field itself. */
export type Field = (builder: Builder) => (slot: number) => void;

/** Field numbers with values; those that are undefined are left out. */
export type Fields = Readonly<Record<number, Field | undefined>>;

function scalar(add: (builder: Builder, slot: number) => void): Field {
  return (builder) => (slot) => add(builder, slot);
}

// `null` is no value's default: every field is written, zeros too.
export const int8 = (value: number): Field => scalar((b, slot) => b.addFieldInt8(slot, value, null));
export const int16 = (value: number): Field => scalar((b, slot) => b.addFieldInt16(slot, value, null));
export const int32 = (value: number): Field => scalar((b, slot) => b.addFieldInt32(slot, value, null));
export const int64 = (value: bigint): Field => scalar((b, slot) => b.addFieldInt64(slot, value, null));
export const float32 = (value: number): Field => scalar((b, slot) => b.addFieldFloat32(slot, value, null));

function offset(write: (builder: Builder) => number): Field {
  return (builder) => {
    const at = write(builder);
    return (slot) => builder.addFieldOffset(slot, at, 0);
  };
}

function vector(builder: Builder, width: number, count: number, add: (index: number) => void): number {
  builder.startVector(width, count, width);
  for (let i = count - 1; i >= 0; i--) add(i); // flatbuffers grow downwards
  return builder.endVector();
}

export const text = (value: string): Field => offset((b) => b.createString(value));

export const int32s = (values: readonly number[]): Field =>
  offset((b) => vector(b, 4, values.length, (i) => b.addInt32(values[i]!)));

export const int64s = (values: readonly bigint[]): Field =>
  offset((b) => vector(b, 8, values.length, (i) => b.addInt64(values[i]!)));

export const float32s = (values: readonly number[]): Field =>
  offset((b) => vector(b, 4, values.length, (i) => b.addFloat32(values[i]!)));

export const bytes = (values: Uint8Array, alignment = 1): Field =>
  offset((b) => {
    b.prep(alignment, values.length);
    return b.createByteVector(values);
  });

/** Several texts or byte vectors, one after the other. */
export const byteVectors = (values: readonly Uint8Array[], alignment = 1): Field =>
  offset((b) => {
    const at = values.map((value) => {
      b.prep(alignment, value.length);
      return b.createByteVector(value);
    });
    return vector(b, 4, at.length, (i) => b.addOffset(at[i]!));
  });

function writeTable(builder: Builder, fields: Fields): number {
  const entries = Object.entries(fields).flatMap(([slot, field]) =>
    field === undefined ? [] : [[Number(slot), field(builder)] as const],
  );
  builder.startObject(Math.max(-1, ...entries.map(([slot]) => slot)) + 1);
  for (const [slot, add] of entries) add(slot);
  return builder.endObject();
}

export const table = (fields: Fields): Field => offset((b) => writeTable(b, fields));

export const tables = (list: readonly Fields[]): Field =>
  offset((b) => {
    const at = list.map((fields) => writeTable(b, fields));
    return vector(b, 4, at.length, (i) => b.addOffset(at[i]!));
  });

/** The finished buffer, in memory of its own. */
export function flatbuffer(root: Fields, identifier?: string): Uint8Array {
  const builder = new Builder(1024);
  builder.finish(writeTable(builder, root), identifier);
  return builder.asUint8Array().slice();
}
