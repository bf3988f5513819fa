/** Looks up values in the flexbuffer maps that custom operators keep their options in. Hostile input: all is checked. */
import { damaged } from './flatbuffer.js';

// The format’s numbers of those value types that matter here.
const types = { string: 5, map: 9, blob: 25 } as const;

/** Little-endian numbers of 1, 2, 4 or 8 bytes. Throws a RangeError outside of the data. */
function unsigned(data: DataView, at: number, width: number): number {
  if (width === 1) return data.getUint8(at);
  if (width === 2) return data.getUint16(at, true);
  if (width === 4) return data.getUint32(at, true);
  return Number(data.getBigUint64(at, true));
}

/** Whether the key there, which ends with a zero, is this one. */
function keyIs(data: DataView, at: number, wanted: string): boolean {
  for (let i = 0; i < wanted.length; i++) {
    if (data.getUint8(at + i) !== wanted.charCodeAt(i)) return false;
  }
  return data.getUint8(at + wanted.length) === 0;
}

// Options hold a handful; without a limit, many operators over one long map would take for ever.
const mostKeys = 256;

/**
 * The bytes of a string or a blob in the map that `bytes` hold, or null where it has no such key. They are not copied.
 * (https://flatbuffers.dev/internals, "FlexBuffers": the root's width is the last byte, its type the one before, its
 * value stands before these; offsets lead backwards; a map has its keys' offset and width, and its length, before it, and
 * its values' types behind it.)
 */
export function flexMapBytes(bytes: Uint8Array, wanted: string): Uint8Array | null {
  const data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    const rootWidth = data.getUint8(bytes.length - 1);
    const rootType = data.getUint8(bytes.length - 2);
    if (rootType >> 2 !== types.map) throw new RangeError('no map');
    const rootAt = bytes.length - 2 - rootWidth;
    const width = 1 << (rootType & 3);
    const map = rootAt - unsigned(data, rootAt, rootWidth);
    const count = unsigned(data, map - width, width);
    const keyWidth = unsigned(data, map - 2 * width, width);
    const keys = map - 3 * width - unsigned(data, map - 3 * width, width);
    if (count > mostKeys) throw new RangeError(`a map of ${count} keys`);
    for (let i = 0; i < count; i++) {
      const keyPlace = keys + i * keyWidth;
      if (!keyIs(data, keyPlace - unsigned(data, keyPlace, keyWidth), wanted)) continue;
      const type = data.getUint8(map + count * width + i);
      if (type >> 2 !== types.string && type >> 2 !== types.blob) return null;
      const valueWidth = 1 << (type & 3);
      const place = map + i * width;
      const start = place - unsigned(data, place, width);
      const length = unsigned(data, start - valueWidth, valueWidth);
      if (start + length > bytes.length) throw new RangeError('a value beyond the end');
      return bytes.subarray(start, start + length);
    }
    return null;
  } catch (error) {
    throw damaged('the options of an operator cannot be read', error);
  }
}
