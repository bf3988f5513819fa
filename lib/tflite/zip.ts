/** The files packed into a TFLite model: a zip archive behind the flatbuffer, as the metadata tools append it. */
import { inflateRawSync } from 'node:zlib';
import { InferenceError } from '../errors.js';
import { damaged } from './flatbuffer.js';
import type { PackedFile } from './types.js';

// Records of the format (APPNOTE.TXT 6.3, sections 4.3.7, 4.3.12 and 4.3.16): signatures and sizes without their texts.
const localHeader = { signature: 0x04034b50, size: 30 };
const entryHeader = { signature: 0x02014b50, size: 46 };
const endRecord = { signature: 0x06054b50, size: 22 };
const longestComment = 0xffff;
const methods = { stored: 0, deflated: 8 };
const encryptedFlag = 1;

/** Labels and vocabularies are small; what unpacks to more is a trap. */
const largestFile = 64 << 20;

interface Entry extends PackedFile {
  readonly method: number;
  readonly isEncrypted: boolean;
  readonly crc: number;
  readonly packedSize: number;
  /** Of its local header in the model's bytes. */
  readonly at: number;
}

interface End {
  readonly count: number;
  /** Of the list of entries. */
  readonly at: number;
  /** What offsets in the archive count from: 0, or where the archive was put without changing them. */
  readonly base: number;
}

function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The end record is the last thing in the file, but for a comment of the length that it says. */
function findEnd(data: DataView): End | null {
  const last = data.byteLength - endRecord.size;
  for (let at = last; at >= 0 && at >= last - longestComment; at--) {
    if (data.getUint32(at, true) !== endRecord.signature || data.getUint16(at + 20, true) !== last - at) continue;
    const count = data.getUint16(at + 10, true);
    const start = at - data.getUint32(at + 12, true);
    const base = start - data.getUint32(at + 16, true);
    if (start < 0 || base < 0) continue; // weights that happen to look like it
    if (count > 0 && data.getUint32(start, true) !== entryHeader.signature) continue;
    return { count, at: start, base };
  }
  return null;
}

function entries(bytes: Uint8Array): Entry[] {
  const data = view(bytes);
  const end = findEnd(data);
  if (end === null) return [];
  const decoder = new TextDecoder();
  const found: Entry[] = [];
  let { at } = end;
  try {
    for (let i = 0; i < end.count; i++) {
      if (data.getUint32(at, true) !== entryHeader.signature) throw new RangeError('no entry');
      const nameLength = data.getUint16(at + 28, true);
      found.push({
        name: decoder.decode(bytes.subarray(at + entryHeader.size, at + entryHeader.size + nameLength)),
        isEncrypted: (data.getUint16(at + 8, true) & encryptedFlag) !== 0,
        method: data.getUint16(at + 10, true),
        crc: data.getUint32(at + 16, true),
        packedSize: data.getUint32(at + 20, true),
        size: data.getUint32(at + 24, true),
        at: end.base + data.getUint32(at + 42, true),
      });
      at += entryHeader.size + nameLength + data.getUint16(at + 30, true) + data.getUint16(at + 32, true);
    }
  } catch (error) {
    throw damaged('the list of its packed files cannot be read', error);
  }
  return found.filter(({ name }) => !name.endsWith('/'));
}

/** Names and sizes. Throws `ERR_INVALID_MODEL` for a damaged archive. */
export function packedFiles(bytes: Uint8Array): PackedFile[] {
  return entries(bytes).map(({ name, size }) => ({ name, size }));
}

const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

/** CRC-32 as zip has it; zlib's own is not in every Node that we run on. */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crcTable[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

function unpack(bytes: Uint8Array, entry: Entry): Uint8Array {
  const { at, method, packedSize, size } = entry;
  const data = view(bytes);
  if (data.getUint32(at, true) !== localHeader.signature) throw new RangeError('no file where the list says');
  const start = at + localHeader.size + data.getUint16(at + 26, true) + data.getUint16(at + 28, true);
  if (start + packedSize > bytes.length) throw new RangeError('a file beyond the end');
  const packed = bytes.subarray(start, start + packedSize);
  // zlib needs room for one byte at least.
  const value = method === methods.stored ? packed.slice() : inflateRawSync(packed, { maxOutputLength: size || 1 });
  if (value.length !== size || crc32(value) !== entry.crc) throw new RangeError('its checksum does not fit');
  return value;
}

/**
 * One packed file, unpacked. Throws `ERR_INVALID_ARGUMENT` where there is no such file, `ERR_INVALID_MODEL` where it is
 * damaged, `ERR_UNSUPPORTED` where it is packed in a way that we do not read.
 */
export function packedFile(bytes: Uint8Array, name: string): Uint8Array {
  const all = entries(bytes);
  const entry = all.find((candidate) => candidate.name === name);
  if (entry === undefined) {
    const names = all.map((candidate) => `'${candidate.name}'`).join(', ');
    throw new InferenceError('ERR_INVALID_ARGUMENT', `The model has no packed file '${name}'.`, {
      remedy: names === '' ? 'It has none at all.' : `It has ${names}.`,
    });
  }
  const isKnown = entry.method === methods.stored || entry.method === methods.deflated;
  if (!isKnown || entry.isEncrypted || entry.size > largestFile) {
    const why = entry.isEncrypted
      ? 'encrypted'
      : isKnown
        ? `of ${entry.size} bytes`
        : `packed by method ${entry.method}`;
    throw new InferenceError('ERR_UNSUPPORTED', `The packed file '${name}' is ${why}.`, {
      remedy: 'Unpack it with an unzip program; a TFLite model with packed files is a zip archive as well.',
    });
  }
  try {
    return unpack(bytes, entry);
  } catch (error) {
    throw damaged(`its packed file '${name}' cannot be read`, error);
  }
}
