/** Reads the small files of sysfs and procfs below a root, a few at a time, and notes what could not be read. */
import { constants } from 'node:fs';
import fs from 'node:fs/promises';
import path from 'node:path';
import type { UnreadableSensor } from './types.js';

const maxBytes = 256 * 1024;
const maxEntries = 512;
const maxLinks = 40;
const maxDelayMs = 2 ** 31 - 1;

/** At most so many at once; the others wait in line. */
export class Limit {
  #free: number;
  #waiting: { readonly owner: object; readonly start: () => void }[] = [];

  constructor(atOnce: number) {
    this.#free = atOnce;
  }

  async run<T>(owner: object, work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((start) => this.#waiting.push({ owner, start }));
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next.start();
    }
  }

  /** What waits for this owner is never begun: behind a sensor that hangs, the line would only grow. */
  leave(owner: object): void {
    this.#waiting = this.#waiting.filter((one) => one.owner !== owner);
  }
}

/** Sensors sit on slow buses, and Node has four threads for files: all callers together take two of them. */
const limit = new Limit(2);

/** What a caller is told of everything that the deadline came before. */
export const late = 'not read in time';

/** What is wrong with a file that can be read. */
export class Unusable extends Error {}

/**
 * Where a path leads when `root` is `/`: links to absolute paths stay below the root, and no link leads out of it.
 * A tree that is mounted somewhere has such links: /proc/device-tree, /etc/nvpmodel.conf.
 */
async function below(root: string, name: string): Promise<string> {
  if (root === '/') return path.join('/', name);
  const ahead = name.split('/');
  let at = '/';
  for (let links = 0; ahead.length > 0;) {
    const next = path.join(at, ahead.shift() ?? '');
    const target = await fs.readlink(path.join(root, next)).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code === 'EINVAL') return null; // no link
      throw error;
    });
    if (target === null) {
      at = next;
      continue;
    }
    links += 1;
    if (links > maxLinks) throw new Unusable('too many symbolic links, or a loop of them');
    if (target.startsWith('/')) at = '/';
    ahead.unshift(...target.split('/'));
  }
  return path.join(root, at);
}

async function readFile(root: string, name: string): Promise<string> {
  const file = await below(root, name);
  // Asked before opening: to open a device may set it going, and a pipe has no end.
  if (!(await fs.stat(file)).isFile()) throw new Unusable('not a file');
  const handle = await fs.open(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const buffer = Buffer.alloc(4096);
    const parts: Buffer[] = [];
    for (let length = 0; ;) {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, null);
      if (bytesRead === 0) return Buffer.concat(parts).toString('utf8');
      length += bytesRead;
      if (length > maxBytes) throw new Unusable(`more than ${maxBytes} bytes`);
      parts.push(Buffer.from(buffer.subarray(0, bytesRead)));
    }
  } finally {
    await handle.close();
  }
}

const absent: readonly unknown[] = ['ENOENT', 'ENOTDIR'];

/** Of the system's errors `EAGAIN: resource temporarily unavailable`, without the call and the path. */
function reasonOf(error: unknown): string {
  const { message = '', syscall } = error as { message?: string; syscall?: string };
  return syscall === undefined ? message : (message.split(',')[0] ?? '');
}

/** `thermal_zone10` comes after `thermal_zone9`. */
function inOrder(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true });
}

/** One reading of the board, to be closed. */
export class Reader {
  readonly root: string;
  readonly #unreadable = new Map<string, string>();
  readonly #late: Promise<typeof late>;
  readonly #timer: NodeJS.Timeout;
  readonly #end: number;

  constructor(root: string, deadlineMs: number) {
    this.root = path.resolve(root);
    const delay = Math.min(deadlineMs, maxDelayMs);
    this.#end = performance.now() + delay;
    let onLate: (value: typeof late) => void;
    this.#late = new Promise((resolve) => (onLate = resolve));
    this.#timer = setTimeout(() => onLate(late), delay);
  }

  get remainingMs(): number {
    return Math.max(this.#end - performance.now(), 0);
  }

  close(): void {
    clearTimeout(this.#timer);
    limit.leave(this);
  }

  get unreadable(): UnreadableSensor[] {
    const entries = [...this.#unreadable].sort(([a], [b]) => inOrder(a, b));
    return entries.map(([where, reason]) => ({ path: where, reason }));
  }

  note(where: string, reason: string): null {
    this.#unreadable.set(where, reason);
    return null;
  }

  /** The work's result; null where something is absent, or wrong, late or unreadable, which is noted. */
  async attempt<T>(where: string, work: () => Promise<T>): Promise<T | null> {
    try {
      const result = this.remainingMs > 0 ? await Promise.race([work(), this.#late]) : late;
      return result === late ? this.note(where, late) : result;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      return absent.includes(code) ? null : this.note(where, reasonOf(error));
    }
  }

  /** A whole file, without the blanks and zero bytes at its ends. `where` begins with a slash. */
  async text(where: string): Promise<string | null> {
    const content = await this.attempt(where, () =>
      limit.run(this, () => (this.remainingMs > 0 ? readFile(this.root, where) : Promise.resolve(''))),
    );
    return content?.replace(/^[\s\0]+|[\s\0]+$/g, '') ?? null;
  }

  /** A name of one line; what is not text is not passed on to terminals. */
  async name(where: string): Promise<string | null> {
    const text = await this.text(where);
    if (text === null || text === '') return text === '' ? this.note(where, 'empty') : null;
    // eslint-disable-next-line no-control-regex
    return text.length > 200 || /[\u0000-\u001f\u007f-\u009f\ufffd]/.test(text) ? this.note(where, 'not a name') : text;
  }

  /** A whole number within what the sensor can mean. */
  async integer(where: string, min: number, max: number): Promise<number | null> {
    const text = await this.text(where);
    if (text === null) return null;
    if (!/^-?\d{1,15}$/.test(text)) return this.note(where, 'not a whole number');
    const value = Number(text) + 0; // never −0
    return value >= min && value <= max ? value : this.note(where, `reads ${value}, which cannot be`);
  }

  /** The names in a folder, in order. */
  async list(where: string, pattern: RegExp): Promise<string[]> {
    const names = await this.attempt(where, () =>
      limit.run(this, async () => fs.readdir(await below(this.root, where))),
    );
    const wanted = (names ?? []).filter((name) => pattern.test(name)).sort(inOrder);
    if (wanted.length > maxEntries) this.note(where, `more than ${maxEntries} entries`);
    return wanted.slice(0, maxEntries);
  }

  async exists(where: string): Promise<boolean> {
    const stat = await this.attempt(where, () => limit.run(this, async () => fs.stat(await below(this.root, where))));
    return stat !== null;
  }
}
