/** Writes flexbuffer maps, as custom operators keep their options in; strings may hold any bytes. */

/** Numbers are stored in place; bytes as a string, as the Edge TPU's compiler does, or as a blob. */
export type FlexValue = number | { readonly string: Uint8Array } | { readonly blob: Uint8Array };

// Value types by number; every width in our maps is four bytes.
const types = { int: 1, string: 5, map: 9, blob: 25 };
const width = 4;
const packed = (type: number): number => (type << 2) | 2;

/** Bytes that grow; offsets lead backwards, so that what is pointed at comes first. */
class Sink {
  readonly #bytes: number[] = [];

  get length(): number {
    return this.#bytes.length;
  }

  align(to: number, ahead = 0): void {
    while ((this.#bytes.length + ahead) % to !== 0) this.#bytes.push(0);
  }

  byte(value: number): void {
    this.#bytes.push(value);
  }

  number(value: number): void {
    const cell = Buffer.alloc(width);
    cell.writeInt32LE(value | 0);
    this.append(cell);
  }

  append(values: Uint8Array): void {
    for (const value of values) this.#bytes.push(value);
  }

  result(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }
}

/** Bytes start at a multiple of 16. Keys are ASCII. */
export function flexMap(values: Readonly<Record<string, FlexValue>>): Uint8Array {
  const sink = new Sink();
  const entries = Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1)); // readers search by halves
  const keys = entries.map(([key]) => {
    const at = sink.length;
    sink.append(Buffer.from(`${key}\0`, 'latin1'));
    return at;
  });
  const places = entries.map(([, value]) => {
    if (typeof value === 'number') return null;
    const data = 'string' in value ? value.string : value.blob;
    sink.align(16, width);
    sink.number(data.length);
    const at = sink.length;
    sink.append(data);
    if ('string' in value) sink.byte(0);
    return at;
  });
  sink.align(width);
  sink.number(keys.length);
  const keysAt = sink.length;
  for (const at of keys) sink.number(sink.length - at);
  sink.number(sink.length - keysAt);
  sink.number(width);
  sink.number(entries.length);
  const mapAt = sink.length;
  entries.forEach(([, value], i) => {
    const at = places[i];
    sink.number(typeof value === 'number' ? value : sink.length - at!);
  });
  for (const [, value] of entries) {
    sink.byte(packed(typeof value === 'number' ? types.int : 'string' in value ? types.string : types.blob));
  }
  sink.align(width);
  sink.number(sink.length - mapAt);
  sink.byte(packed(types.map));
  sink.byte(width);
  return sink.result();
}
