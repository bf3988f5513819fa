/** Installs, lists and verifies the pinned SDK runtimes of runtimes/manifest.json. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { InferenceError } from './errors.js';
import { diskError, download, sha256OfFile, throwIfAborted, unpack } from './fetch-part.js';
import {
  clients,
  defaultRuntimesDirectory,
  findPart,
  partFolder,
  platformName,
  readManifest,
  runtimesDirectories,
  type Ecosystem,
  type Manifest,
  type Part,
  type PartFile,
} from './manifest.js';

export interface RuntimeProgress {
  readonly id: string;
  readonly version: string;
  /** The client that fetches: `pip`, `npm` or `mvn`. */
  readonly client: string;
  readonly licence: string;
  readonly stage: 'download' | 'unpack' | 'done';
  /** Of the download, on disk so far and in all. */
  readonly bytes: number;
  readonly total: number;
  /** The folder that is being installed. */
  readonly directory: string;
}

export interface RuntimeOptions {
  /** The folder that holds the installed parts. Default: see `defaultRuntimesDirectory`. */
  readonly directory?: string | undefined;
  /** `linux-x64` and the like. Default: this process's. */
  readonly platform?: string | undefined;
  /** Default: the package's own. */
  readonly manifest?: Manifest | undefined;
}

export interface InstallOptions extends RuntimeOptions {
  readonly onProgress?: ((progress: RuntimeProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface InstalledRuntime {
  readonly id: string;
  readonly version: string;
  readonly platform: string;
  readonly licence: string;
  readonly directory: string;
  /** False where it was there already. */
  readonly fetched: boolean;
}

export interface RuntimeStatus {
  readonly id: string;
  readonly title: string;
  readonly for: 'use' | 'tests';
  readonly ecosystem: Ecosystem;
  readonly name: string;
  readonly version: string;
  readonly licence: string;
  readonly platform: string;
  /** Whether the manifest pins it for this platform. */
  readonly available: boolean;
  /** Bytes to download, or null where it is not available. */
  readonly size: number | null;
  readonly installed: boolean;
  /** Where it is installed, or null. */
  readonly directory: string | null;
}

export interface RuntimeVerification {
  readonly id: string;
  readonly version: string;
  readonly directory: string | null;
  readonly installed: boolean;
  /** Installed and unchanged. */
  readonly ok: boolean;
  /** One line for each file that is missing or changed. */
  readonly problems: readonly string[];
}

/** What `.installed.json` in an installed folder says. Written last, before the folder gets its name. */
interface Stamp {
  readonly id: string;
  readonly version: string;
  readonly platform: string;
  readonly file: string;
  readonly sha256: string;
  readonly licence: string;
  readonly files: readonly { readonly path: string; readonly size: number; readonly sha256: string }[];
}

const stampName = '.installed.json';

function readStamp(directory: string): Stamp | null {
  try {
    const stamp = JSON.parse(fs.readFileSync(path.join(directory, stampName), 'utf8')) as Stamp;
    return Array.isArray(stamp.files) ? stamp : null;
  } catch {
    return null;
  }
}

/** The cheap test: the pinned download was unpacked here and no file is missing or has another size. */
function isComplete(directory: string, file: PartFile): boolean {
  const stamp = readStamp(directory);
  if (stamp?.sha256 !== file.sha256) return false;
  return stamp.files.every(
    (entry) => fs.statSync(path.join(directory, entry.path), { throwIfNoEntry: false })?.size === entry.size,
  );
}

function candidates(part: Part, platform: string, directory: string | undefined): string[] {
  const parents = directory === undefined ? runtimesDirectories() : [path.resolve(directory)];
  return parents.map((parent) => path.join(parent, partFolder(part, platform)));
}

/** `a/*.so`, `a/**`: `*` stays within a name, a final `**` takes everything below. */
function matcher(patterns: readonly string[]): (name: string) => boolean {
  const expressions = patterns.map((pattern) => {
    const escaped = pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&');
    return new RegExp(`^${escaped.replace(/\*\*?/g, (stars) => (stars === '**' ? '.+' : '[^/]*'))}$`);
  });
  return (name) => expressions.some((expression) => expression.test(name));
}

function filesBelow(directory: string, prefix = ''): string[] {
  return fs.readdirSync(path.join(directory, prefix), { withFileTypes: true }).flatMap((entry) => {
    const name = prefix === '' ? entry.name : `${prefix}/${entry.name}`;
    return entry.isDirectory() ? filesBelow(directory, name) : [name];
  });
}

/** Moves what the manifest names from the unpacked archive into `tree`, and writes the stamp. */
async function select(part: Part, file: PartFile, platform: string, unpacked: string, tree: string): Promise<void> {
  const wanted = matcher(part.extract);
  const files: { path: string; size: number; sha256: string }[] = [];
  for (const name of filesBelow(unpacked).filter(wanted).sort()) {
    const target = path.join(tree, name);
    fs.mkdirSync(path.dirname(target), { recursive: true });
    fs.renameSync(path.join(unpacked, name), target);
    files.push({ path: name, size: fs.statSync(target).size, sha256: await sha256OfFile(target) });
  }
  if (files.length === 0) {
    throw new InferenceError('ERR_UNAVAILABLE', `${file.file} holds none of ${part.extract.join(', ')}.`, {
      remedy: 'This is an error of runtimes/manifest.json: report it.',
    });
  }
  const { id, version, licence } = part;
  const stamp: Stamp = { id, version, platform, file: file.file, sha256: file.sha256, licence, files };
  fs.writeFileSync(path.join(tree, stampName), `${JSON.stringify(stamp, null, 2)}\n`);
}

/** Gives the finished tree its name. Another process may do the same at the same time: whoever comes first wins. */
function publish(tree: string, target: string, file: PartFile, scratch: string): void {
  for (let attempt = 0; ; attempt++) {
    try {
      fs.renameSync(tree, target);
      return;
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if ((code !== 'ENOTEMPTY' && code !== 'EEXIST') || attempt === 5) throw error;
    }
    if (isComplete(target, file)) return;
    // What lies there is damaged or of another pin: out of the way, in one step.
    try {
      fs.renameSync(target, path.join(scratch, `replaced-${attempt}`));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
}

const scratchPrefix = '.partial-';

/** Removes the scratch folders of processes of this machine that were killed. */
function removeAbandoned(parent: string): void {
  for (const name of fs.readdirSync(parent)) {
    const match = /^\.partial-(.+)-(\d+)-[^-]+$/.exec(name);
    if (match?.[1] !== os.hostname()) continue;
    try {
      process.kill(Number(match[2]), 0);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') continue;
      fs.rmSync(path.join(parent, name), { recursive: true, force: true });
    }
  }
}

/**
 * Installs a part, unless it is there already: then nothing is fetched. The folder appears in one step, checked and
 * complete, or not at all. Rejects with an `InferenceError`, or with the signal's reason.
 */
export async function installRuntime(id: string, options: InstallOptions = {}): Promise<InstalledRuntime> {
  const platform = options.platform ?? platformName;
  const part = findPart(id, options.manifest ?? readManifest());
  const file = part.platforms[platform];
  if (file === undefined) {
    throw new InferenceError('ERR_UNSUPPORTED', `${part.id} ${part.version} is not pinned for ${platform}.`, {
      remedy: `Install it by other means and name its library in EDGE_INFER_${part.id.toUpperCase().replace(/-/g, '_')}.`,
    });
  }
  const { version, licence } = part;
  const present = candidates(part, platform, options.directory).find((directory) => isComplete(directory, file));
  if (present !== undefined) return { id, version, platform, licence, directory: present, fetched: false };

  const parent = path.resolve(options.directory ?? defaultRuntimesDirectory());
  const directory = path.join(parent, partFolder(part, platform));
  const client = clients[part.ecosystem];
  const report = (stage: RuntimeProgress['stage'], bytes: number): void =>
    options.onProgress?.({ id, version, client, licence, stage, bytes, total: file.size, directory });
  let scratch: string | undefined;
  try {
    throwIfAborted(options.signal);
    fs.mkdirSync(parent, { recursive: true });
    removeAbandoned(parent);
    scratch = fs.mkdtempSync(path.join(parent, `${scratchPrefix}${os.hostname()}-${process.pid}-`));
    report('download', 0);
    const { signal } = options;
    const hooks = { onBytes: (bytes: number) => report('download', bytes), signal, directory: parent };
    const archive = await download(part, file, path.join(scratch, 'fetch'), hooks);
    report('unpack', file.size);
    const unpacked = path.join(scratch, 'unpacked');
    await unpack(part, archive, unpacked, hooks);
    const tree = path.join(scratch, 'tree');
    fs.mkdirSync(tree);
    await select(part, file, platform, unpacked, tree);
    throwIfAborted(options.signal);
    publish(tree, directory, file, scratch);
  } catch (error) {
    if (error instanceof InferenceError || options.signal?.aborted) throw error;
    throw diskError(part, parent, error) ?? error;
  } finally {
    if (scratch !== undefined) fs.rmSync(scratch, { recursive: true, force: true });
  }
  report('done', file.size);
  return { id, version, platform, licence, directory, fetched: true };
}

/** Every part of the manifest, and whether and where it is installed. Cheap: looks at names and sizes. */
export function listRuntimes(options: RuntimeOptions = {}): RuntimeStatus[] {
  const platform = options.platform ?? platformName;
  return (options.manifest ?? readManifest()).parts.map((part) => {
    const file = part.platforms[platform];
    const directory =
      file === undefined
        ? undefined
        : candidates(part, platform, options.directory).find((candidate) => isComplete(candidate, file));
    const { id, title, ecosystem, name, version, licence } = part;
    return {
      ...{ id, title, for: part.for, ecosystem, name, version, licence, platform },
      available: file !== undefined,
      size: file?.size ?? null,
      installed: directory !== undefined,
      directory: directory ?? null,
    };
  });
}

/** Compares every file of an installed part with what was unpacked, by content. */
export async function verifyRuntime(id: string, options: RuntimeOptions = {}): Promise<RuntimeVerification> {
  const platform = options.platform ?? platformName;
  const part = findPart(id, options.manifest ?? readManifest());
  const { version } = part;
  const directory = candidates(part, platform, options.directory).find((candidate) => fs.existsSync(candidate));
  if (directory === undefined) {
    return { id, version, directory: null, installed: false, ok: false, problems: ['not installed'] };
  }
  const stamp = readStamp(directory);
  if (stamp === null) {
    const problems = [`${stampName} is missing or unreadable`];
    return { id, version, directory, installed: true, ok: false, problems };
  }
  const problems: string[] = [];
  if (stamp.sha256 !== part.platforms[platform]?.sha256)
    problems.push('installed from another download than the pinned one');
  for (const entry of stamp.files) {
    const file = path.join(directory, entry.path);
    if (!fs.existsSync(file)) problems.push(`${entry.path} is missing`);
    else if ((await sha256OfFile(file)) !== entry.sha256) problems.push(`${entry.path} has changed`);
  }
  return { id, version, directory, installed: true, ok: problems.length === 0, problems };
}
