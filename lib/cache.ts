/**
 * The cache of compiled models as it lies on the disk: what is kept, whether its seals are good, and how it is emptied.
 * Backends write and read it in native code (native/core/artifact_cache.h, seal.h); the rules are the same.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { InferenceError } from './errors.js';

/** `whole`: loading uses it. `damaged`: loading makes it anew. `in the making`: a process has its lock. */
export type CacheState = 'whole' | 'damaged' | 'in the making';

export interface CacheEntry {
  readonly backend: string;
  readonly key: string;
  readonly directory: string;
  readonly bytes: number;
  /** ISO 8601; null where it is not there yet. */
  readonly lastUsed: string | null;
  /** By what it was made of, in the backend's words; nothing where they cannot be trusted. */
  readonly facts: Readonly<Record<string, string>>;
  readonly state: CacheState;
  /** What is wrong with it, or what a load will put right; '' where there is nothing to say. */
  readonly reason: string;
}

/** The folder of `cache: true`. */
export function userCacheDirectory(): string {
  return path.join(process.env.XDG_CACHE_HOME || path.join(os.homedir(), '.cache'), 'edge-infer');
}

const keyName = '.key';
const sealName = 'seal';
const factsName = 'facts';
const longestSeal = 1 << 16;
const signatureLength = 65; // 64 digits and the end of the line

/** None where there is no such folder, or no longer. */
function namesIn(folder: string): string[] {
  try {
    return fs.readdirSync(folder).sort();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return [];
    if (code === 'ENOTDIR') throw new InferenceError('ERR_INVALID_ARGUMENT', `${folder} is not a folder.`);
    throw new InferenceError('ERR_PERMISSION', `Cannot read ${folder}: ${message}.`, {
      remedy: 'Run it as the user whose cache it is.',
      cause: error,
    });
  }
}

function isOurs(stat: fs.Stats): boolean {
  return stat.uid === process.geteuid?.();
}

function isPrivateFolder(name: string): boolean {
  const stat = fs.lstatSync(name, { throwIfNoEntry: false });
  return stat !== undefined && stat.isDirectory() && isOurs(stat) && (stat.mode & 0o077) === 0;
}

/** Opens a regular file without another name that only this user may write, and hands it over. Null for any other. */
function withPrivateFile<T>(name: string, use: (descriptor: number, stat: fs.Stats) => T): T | null {
  let descriptor: number;
  try {
    descriptor = fs.openSync(name, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK);
  } catch {
    return null;
  }
  try {
    const stat = fs.fstatSync(descriptor);
    const isPrivate = stat.isFile() && isOurs(stat) && (stat.mode & 0o022) === 0 && stat.nlink === 1;
    return isPrivate ? use(descriptor, stat) : null;
  } finally {
    fs.closeSync(descriptor);
  }
}

function readPrivate(name: string, most: number): Buffer | null {
  return withPrivateFile(name, (descriptor, { size }) => (size > most ? null : fs.readFileSync(descriptor)));
}

/** Null where it is empty too: then it was cut off. */
function checksumOf(name: string): string | null {
  return withPrivateFile(name, (descriptor, { size }) => {
    const hash = createHash('sha256');
    const chunk = Buffer.allocUnsafe(1 << 20);
    let count;
    while ((count = fs.readSync(descriptor, chunk)) > 0) hash.update(chunk.subarray(0, count));
    return size === 0 ? null : hash.digest('hex');
  });
}

function secretOf(folder: string): Buffer | null {
  return withPrivateFile(path.join(folder, keyName), (descriptor, { mode, size }) =>
    (mode & 0o7777) === 0o600 && size === 32 ? fs.readFileSync(descriptor) : null,
  );
}

/** Checksums by name, as they were signed for this entry; or why they cannot be believed. */
function readSeal(entry: string, name: string, secret: Buffer | null): Map<string, string> | string {
  const seal = readPrivate(path.join(entry, sealName), longestSeal);
  if (seal === null || seal.length <= signatureLength) return 'it has no seal';
  if (secret === null) return 'the key that it was signed with is gone';
  const text = seal.subarray(0, seal.length - signatureLength);
  const expected = Buffer.from(`${createHmac('sha256', secret).update(text).digest('hex')}\n`);
  if (!timingSafeEqual(expected, seal.subarray(text.length)))
    return 'its seal was not signed with the key of this cache';
  const [header, ...lines] = text.toString('utf8').trimEnd().split('\n');
  if (header !== `edge-infer cache 2 ${name}`) return 'it was kept for another model or backend';
  return new Map(lines.map((line) => [line.slice(signatureLength), line.slice(0, signatureLength - 1)]));
}

function sizeOf(folder: string): number {
  const stats = namesIn(folder).map((name) => fs.lstatSync(path.join(folder, name), { throwIfNoEntry: false }));
  return stats.reduce((sum, stat) => sum + (stat?.isFile() === true ? stat.size : 0), 0);
}

function factsOf(entry: string, sums: ReadonlyMap<string, string>): Record<string, string> {
  const text = readPrivate(path.join(entry, factsName), longestSeal);
  if (text === null || createHash('sha256').update(text).digest('hex') !== sums.get(factsName)) return {};
  const lines = text.toString('utf8').trimEnd().split('\n');
  return Object.fromEntries(lines.map((line) => [line.split(' ', 1)[0] ?? '', line.slice(line.indexOf(' ') + 1)]));
}

/** What is wrong with the files. Without `contents` only the facts are read, and of others the names looked at. */
function problemOf(entry: string, sums: ReadonlyMap<string, string>, contents: boolean): string {
  for (const [name, sum] of sums) {
    const file = path.join(entry, name);
    if (withPrivateFile(file, () => true) === null) return `${name} is gone, or is not this user's alone`;
    if ((contents || name === factsName) && checksumOf(file) !== sum) return `${name} has changed`;
  }
  return '';
}

/** The inodes of files that some process holds a lock on; null where the system does not tell. */
function lockedInodes(): Set<number> | null {
  try {
    const lines = fs.readFileSync('/proc/locks', 'utf8').trimEnd().split('\n');
    return new Set(lines.map((line) => Number(/ [0-9a-f]+:[0-9a-f]+:(\d+) /.exec(line)?.[1])));
  } catch {
    return null;
  }
}

/** One backend's part of a cache. */
class BackendFolder {
  readonly #secret: Buffer | null;
  readonly #locked = lockedInodes();

  constructor(
    readonly backend: string,
    readonly folder: string,
  ) {
    this.#secret = secretOf(folder);
  }

  /** Also those that are only in the making. */
  keys(): string[] {
    const names = namesIn(this.folder);
    const locks = names.filter((name) => name.startsWith('.lock-')).map((name) => name.slice('.lock-'.length));
    const entries = names.filter((name) => !name.startsWith('.'));
    return [...new Set([...entries, ...locks.filter((key) => key !== keyName && this.isLocked(key))])].sort();
  }

  isLocked(key: string): boolean {
    const stat = fs.lstatSync(path.join(this.folder, `.lock-${key}`), { throwIfNoEntry: false });
    return stat !== undefined && (this.#locked === null || this.#locked.has(stat.ino));
  }

  /** What the making of entries has written so far, or has left behind. */
  scratch(): { readonly key: string; readonly directory: string }[] {
    const names = namesIn(this.folder).filter((name) => name.startsWith('.new-'));
    return names.map((name) => ({
      key: name.slice('.new-'.length, name.lastIndexOf('-')),
      directory: path.join(this.folder, name),
    }));
  }

  entry(key: string, contents: boolean): CacheEntry {
    const directory = path.join(this.folder, key);
    const found = { backend: this.backend, key, directory };
    const stat = fs.lstatSync(directory, { throwIfNoEntry: false });
    const lastUsed = stat?.mtime.toISOString() ?? null;
    if (this.isLocked(key)) {
      const scratch = this.scratch().filter((one) => one.key === key);
      const bytes = scratch.reduce((sum, one) => sum + sizeOf(one.directory), 0);
      return { ...found, bytes, lastUsed, facts: {}, state: 'in the making', reason: '' };
    }
    const bytes = stat?.isDirectory() === true ? sizeOf(directory) : (stat?.size ?? 0);
    const damaged = { ...found, bytes, lastUsed, facts: {}, state: 'damaged' as const };
    if (!isPrivateFolder(directory)) return { ...damaged, reason: "it is not a folder that is this user's alone" };
    const sums = readSeal(directory, `${this.backend} ${key}`, this.#secret);
    if (typeof sums === 'string') return { ...damaged, reason: sums };
    const facts = factsOf(directory, sums);
    const reason = problemOf(directory, sums, contents);
    if (reason !== '') return { ...damaged, facts, reason };
    const added = namesIn(directory).filter((name) => name !== sealName && !sums.has(name));
    const note = added.length === 0 ? '' : `${added.join(', ')} was added; loading removes it`;
    return { ...found, bytes, lastUsed, facts, state: 'whole', reason: note };
  }
}

/** Only private folders with a key of a cache: the directory may hold other things too. */
function backendFolders(directory: string): BackendFolder[] {
  return namesIn(directory)
    .filter((name) => isPrivateFolder(path.join(directory, name)))
    .filter((name) => fs.existsSync(path.join(directory, name, keyName)))
    .map((name) => new BackendFolder(name, path.join(directory, name)));
}

/** What is kept there. With `contents` every file is read and compared with its seal, else only names and signatures. */
export function listCache(directory: string, contents = false): CacheEntry[] {
  return backendFolders(directory).flatMap((folder) => folder.keys().map((key) => folder.entry(key, contents)));
}

function remove(name: string): void {
  try {
    fs.rmSync(name, { recursive: true, force: true });
  } catch (error) {
    throw new InferenceError('ERR_PERMISSION', `Cannot remove ${name}: ${(error as Error).message}.`, {
      remedy: 'Run it as the user whose cache it is.',
      cause: error,
    });
  }
}

/** Removes what is kept, and what ended processes left half made, of all backends or one; not what is in the making. */
export function clearCache(
  directory: string,
  backend?: string,
): { readonly removed: readonly CacheEntry[]; readonly left: readonly CacheEntry[] } {
  const removed: CacheEntry[] = [];
  const left: CacheEntry[] = [];
  for (const folder of backendFolders(directory)) {
    if (backend !== undefined && folder.backend !== backend) continue;
    for (const key of folder.keys()) {
      const entry = folder.entry(key, false);
      (entry.state === 'in the making' ? left : removed).push(entry);
    }
    const abandoned = folder.scratch().filter(({ key }) => !folder.isLocked(key));
    for (const one of [...removed.filter((entry) => entry.backend === folder.backend), ...abandoned]) {
      remove(one.directory);
    }
  }
  return { removed, left };
}
