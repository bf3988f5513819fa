/** Writes zip archives, and puts them behind TFLite models as the metadata tools do. */
import { deflateRawSync } from 'node:zlib';

export interface ZipEntry {
  readonly name: string;
  readonly content: Uint8Array;
  readonly method?: 'stored' | 'deflated';
}

/** CRC-32, bit by bit. */
function crc32(bytes: Uint8Array): number {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

/** `start`: what the archive's offsets count from; where it lies in a file, or 0. */
export function zipOf(entries: readonly ZipEntry[], { start = 0, comment = '' } = {}): Uint8Array {
  const files: Buffer[] = [];
  const list: Buffer[] = [];
  let at = start;
  for (const { name, content, method = 'deflated' } of entries) {
    const packed = method === 'stored' ? Buffer.from(content) : deflateRawSync(content);
    const label = Buffer.from(name);
    const facts = Buffer.alloc(26); // what both headers have, from the version on
    facts.writeUInt16LE(20, 0);
    facts.writeUInt16LE(0x800, 2); // the name is UTF-8
    facts.writeUInt16LE(method === 'stored' ? 0 : 8, 4);
    facts.writeUInt32LE(crc32(content), 10);
    facts.writeUInt32LE(packed.length, 14);
    facts.writeUInt32LE(content.length, 18);
    facts.writeUInt16LE(label.length, 22);
    files.push(Buffer.from('PK\u0003\u0004'), facts, label, packed);
    const rest = Buffer.alloc(14); // of the list: comment, disk, attributes, offset
    rest.writeUInt32LE(at, 10);
    list.push(Buffer.from('PK\u0001\u0002'), Buffer.from([20, 0]), facts, rest, label);
    at += 4 + facts.length + label.length + packed.length;
  }
  const entriesOfList = Buffer.concat(list);
  const end = Buffer.alloc(22);
  end.write('PK\u0005\u0006', 'latin1');
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(entriesOfList.length, 12);
  end.writeUInt32LE(at, 16);
  end.writeUInt16LE(Buffer.byteLength(comment), 20);
  return new Uint8Array(Buffer.concat([...files, entriesOfList, end, Buffer.from(comment)]));
}

/** A model with files packed into it. */
export function withFiles(model: Uint8Array, entries: readonly ZipEntry[]): Uint8Array {
  return new Uint8Array(Buffer.concat([model, zipOf(entries, { start: model.length })]));
}
