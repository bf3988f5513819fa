/** Facts about the addon's binary, read from its file: where it is, and which glibc and libstdc++ it asks for. */
import fs from 'node:fs';
import path from 'node:path';
import { packageRoot } from '../manifest.js';

export interface BinaryFile {
  /** Absolute path, or null where no binary was found: then `note` says why. */
  readonly path: string | null;
  /** How it was chosen. */
  readonly origin: 'EDGE_INFER_BINDING' | 'build' | 'prebuild' | 'none';
  readonly note: string;
  readonly needs: Needs;
  /** The major versions of TensorRT that it can drive, such as `8`. */
  readonly tensorrt: readonly string[];
}

/** The highest symbol versions that the binary refers to, such as `2.34`; null where it refers to none. */
export interface Needs {
  readonly glibc: string | null;
  readonly glibcxx: string | null;
}

/** The binary that lib/native.ts loads, by the same rules. */
export function findBinary(): BinaryFile {
  const override = process.env.EDGE_INFER_BINDING;
  if (override) {
    const file = path.resolve(override);
    return { path: file, origin: 'EDGE_INFER_BINDING', note: 'named by EDGE_INFER_BINDING', ...factsOf(file) };
  }
  try {
    // eslint-disable-next-line @typescript-eslint/no-require-imports
    const loader = require('node-gyp-build') as { resolve(directory: string): string };
    const file = loader.resolve(packageRoot);
    const prebuilt = file.includes(`${path.sep}prebuilds${path.sep}`);
    const origin = prebuilt ? 'prebuild' : 'build';
    return { path: file, origin, note: prebuilt ? 'prebuilt' : 'built in this folder', ...factsOf(file) };
  } catch (error) {
    const note = (error as Error).message.trim().split('\n')[0] ?? '';
    return { path: null, origin: 'none', note, needs: { glibc: null, glibcxx: null }, tensorrt: [] };
  }
}

/** Orders dotted numbers: 2.9 before 2.34. */
export function compareVersions(a: string, b: string): number {
  const left = a.split('.').map(Number);
  const right = b.split('.').map(Number);
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function factsOf(file: string): Pick<BinaryFile, 'needs' | 'tensorrt'> {
  return { needs: needsOf(file), tensorrt: tensorrtOf(file) };
}

/** The major versions of TensorRT that the binary in this file has adapters for. */
export function tensorrtOf(file: string): string[] {
  let bytes: Buffer;
  try {
    bytes = fs.readFileSync(file);
  } catch {
    return []; // loading it says more
  }
  const marker = 'edge-infer adapters: tensorrt ';
  const at = bytes.indexOf(marker);
  return at < 0 ? [] : bytes.toString('latin1', at + marker.length, bytes.indexOf(0, at)).split(' ');
}

export function needsOf(file: string): Needs {
  let names: string[];
  try {
    names = versionNames(fs.readFileSync(file));
  } catch {
    names = []; // unreadable, or no ELF file: loading it says more
  }
  const highest = (prefix: string): string | null => {
    const versions = names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
    return (
      versions
        .filter((version) => /^[\d.]+$/.test(version))
        .sort(compareVersions)
        .pop() ?? null
    );
  };
  return { glibc: highest('GLIBC_'), glibcxx: highest('GLIBCXX_') };
}

/**
 * The names in the section of needed versions (SHT_GNU_verneed), as the Linux Standard Base defines it ("Symbol
 * Versioning"). Little-endian ELF of both classes; throws a RangeError for files that point outside themselves.
 */
function versionNames(file: Buffer): string[] {
  if (file.length < 64 || file.readUInt32BE(0) !== 0x7f454c46 || file[5] !== 1) return [];
  const wide = file[4] === 2;
  const word = (at: number): number => (wide ? Number(file.readBigUInt64LE(at)) : file.readUInt32LE(at));
  const table = word(wide ? 0x28 : 0x20);
  const entrySize = file.readUInt16LE(wide ? 0x3a : 0x2e);
  const count = file.readUInt16LE(wide ? 0x3c : 0x30);
  const section = (index: number): { type: number; offset: number; link: number; info: number } => {
    const at = table + index * entrySize;
    return {
      type: file.readUInt32LE(at + 4),
      offset: word(at + (wide ? 0x18 : 0x10)),
      link: file.readUInt32LE(at + (wide ? 0x28 : 0x18)),
      info: file.readUInt32LE(at + (wide ? 0x2c : 0x1c)),
    };
  };
  const names: string[] = [];
  for (let i = 0; i < count; i++) {
    const { type, offset, link, info } = section(i);
    if (type !== 0x6ffffffe) continue;
    const strings = section(link).offset;
    let library = offset;
    for (let n = 0; n < info; n++) {
      let version = library + file.readUInt32LE(library + 8);
      for (let left = file.readUInt16LE(library + 2); left > 0; left--) {
        const start = strings + file.readUInt32LE(version + 8);
        names.push(file.toString('latin1', start, file.indexOf(0, start)));
        const next = file.readUInt32LE(version + 12);
        if (next === 0) break;
        version += next;
      }
      const next = file.readUInt32LE(library + 12);
      if (next === 0) break;
      library += next;
    }
  }
  return names;
}

/** The running process's glibc, or null (musl). */
export function runningGlibc(): string | null {
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined;
  return report?.header?.glibcVersionRuntime ?? null;
}
