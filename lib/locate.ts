/** Finds an SDK's library on this machine, and says where it looked. Reads folders only: nothing is started or loaded. */
import fs from 'node:fs';
import path from 'node:path';
import { elfArchitecture } from './elf.js';
import { packageRoot, platformName, runtimesDirectories } from './manifest.js';
import { sdks, type Sdk, type SdkName } from './sdks.js';
import { pythonFolders, systemFolders } from './search-paths.js';
import type { SearchedPlace } from './types.js';

export interface Location {
  /** Absolute path of the library, or null: then the last place says why. */
  readonly library: string | null;
  /** Every place that was looked at, in order; the search ends at the first hit. What is not set is not listed. */
  readonly searched: readonly SearchedPlace[];
}

/** A folder to look into, or a remark where there is none. */
interface Place {
  readonly source: string;
  readonly path: string;
  readonly remark?: string;
}

function list(directory: string): string[] {
  try {
    return fs.readdirSync(directory);
  } catch {
    return [];
  }
}

/** Compares dotted release numbers; more parts win a tie. */
function compareVersions(a: string, b: string): number {
  const left = a.split('.').map(Number);
  const right = b.split('.').map(Number);
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? -1) - (right[i] ?? -1);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** The newest names first, by the numbers in them: `openvino_2024.6` before `openvino_2023.3`. */
function newestFirst(names: readonly string[]): string[] {
  const number = (name: string): string => /\d+(?:\.\d+)*/.exec(name)?.[0] ?? '0';
  return [...names].sort((a, b) => compareVersions(number(b), number(a)));
}

/** The library in exactly this folder, the highest release first. Broken links and other architectures do not count. */
function inFolder(sdk: Sdk, directory: string): { library: string | null; note: string } {
  let names: string[];
  try {
    names = fs.readdirSync(directory);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    const notes: Record<string, string> = { ENOENT: 'no such folder', ENOTDIR: 'not a folder', EACCES: 'not readable' };
    return { library: null, note: notes[code] ?? `not readable (${code})` };
  }
  const matches = names
    .map((name) => ({ name, match: sdk.library.exec(name) }))
    .filter(({ match }) => match !== null)
    .sort((a, b) => compareVersions(b.match?.[1] ?? '-1', a.match?.[1] ?? '-1'));
  let note = `no ${sdk.libraryName}`;
  for (const { name } of matches) {
    const file = path.join(directory, name);
    if (fs.statSync(file, { throwIfNoEntry: false })?.isFile() !== true) {
      note = `${name} is a broken link`;
      continue;
    }
    const architecture = elfArchitecture(file);
    if (architecture === process.arch) return { library: file, note: `found ${name}` };
    note = architecture === null ? `${name} is no library` : `${name} is for ${architecture}, not for ${process.arch}`;
  }
  return { library: null, note };
}

/** The library in a folder of the SDK, or in one of the folders where SDKs keep their libraries. */
function below(sdk: Sdk, directory: string): { library: string | null; note: string } {
  const first = inFolder(sdk, directory);
  if (first.library !== null) return first;
  for (const folder of sdk.folders) {
    const next = inFolder(sdk, path.join(directory, folder));
    if (next.library !== null) return next;
  }
  return first;
}

/** What the user named: a file is taken as it is, a folder is looked into; a wrong name is never passed over. */
function named(sdk: Sdk, name: string): Omit<SearchedPlace, 'sdk' | 'source'> & { library: string | null } {
  const target = path.resolve(name);
  const stat = fs.statSync(target, { throwIfNoEntry: false });
  if (stat === undefined) return { path: target, found: false, note: 'no such file or folder', library: null };
  if (!stat.isDirectory()) return { path: target, found: true, note: 'named', library: target };
  const { library, note } = below(sdk, target);
  return { path: library ?? target, found: library !== null, note, library };
}

function* runtimePlaces(sdk: Sdk): Generator<Place> {
  if (sdk.part === null) return;
  const pattern = new RegExp(`^${sdk.part.id}-${sdk.part.release}-${platformName}$`);
  for (const parent of runtimesDirectories()) {
    const own = list(parent).filter((name) => pattern.test(name));
    if (own.length === 0) yield { source: 'runtimes', path: parent, remark: 'no installed runtime' };
    for (const name of newestFirst(own)) yield { source: 'runtimes', path: path.join(parent, name) };
  }
}

/** Packages as Node resolves them: node_modules of each folder upwards, from the program's and from our own folder. */
function* npmPlaces(sdk: Sdk): Generator<Place> {
  if (sdk.npm.length === 0) return;
  const seen = new Set<string>();
  for (const start of [process.cwd(), packageRoot]) {
    let some = false;
    for (let directory = start, last = ''; directory !== last; last = directory, directory = path.dirname(directory)) {
      for (const name of sdk.npm) {
        const folder = path.join(directory, 'node_modules', name);
        if (!fs.existsSync(folder)) continue;
        some = true;
        if (seen.has(folder)) continue;
        seen.add(folder);
        yield { source: 'npm', path: folder };
      }
    }
    if (!some && !seen.has(start)) yield { source: 'npm', path: start, remark: `no package ${sdk.npm.join(', ')}` };
    seen.add(start);
  }
}

function* pythonPlaces(sdk: Sdk): Generator<Place> {
  if (sdk.python.length === 0) return;
  const folders = pythonFolders();
  if (folders.length === 0) yield { source: 'python', path: 'python3', remark: 'no site-packages folder' };
  for (const folder of folders) {
    for (const inside of sdk.python) yield { source: 'python', path: path.join(folder, inside) };
  }
}

function* systemPlaces(): Generator<Place> {
  for (const folder of systemFolders()) yield { source: 'system', path: folder };
}

function* vendorPlaces(sdk: Sdk): Generator<Place> {
  for (const variable of sdk.vendorVariables) {
    const value = process.env[variable];
    if (value) yield { source: 'vendor', path: value };
  }
  for (const pattern of sdk.vendor) {
    const parent = path.dirname(pattern);
    const prefix = path.basename(pattern).replace(/\*$/, '');
    const names = newestFirst(list(parent).filter((name) => name.startsWith(prefix)));
    if (names.length === 0) yield { source: 'vendor', path: pattern, remark: 'no such folder' };
    for (const name of names) yield { source: 'vendor', path: path.join(parent, name) };
  }
}

/** Folders that are looked into exactly as they are: a system folder's `lib/` is not an SDK's. */
const exact = new Set(['system', 'python']);

/**
 * Looks for an SDK's library: the load option, the environment variable, installed runtimes, npm packages, Python's
 * packages, the system's library path, the vendor's folders. Never throws; takes a few milliseconds.
 */
export function locate(name: SdkName, option?: string): Location {
  const sdk: Sdk = sdks[name];
  const searched: SearchedPlace[] = [];
  const add = (source: string, where: string, found: boolean, note: string): void =>
    void searched.push({ sdk: name, source, path: where, found, note });

  // What was named explicitly ends the search, found or not: running on another SDK than the named one would surprise.
  const variable = process.env[sdk.variable];
  for (const [source, value] of [
    ['option', option],
    ['environment', variable],
  ] as const) {
    if (!value) continue;
    const { library, path: where, found, note } = named(sdk, value);
    const origin = source === 'option' ? 'the load option' : sdk.variable;
    add(source, where, found, found ? note : `${note}, but ${origin} names it: nothing else was looked at`);
    return { library, searched };
  }

  const groups = [runtimePlaces(sdk), npmPlaces(sdk), pythonPlaces(sdk), systemPlaces(), vendorPlaces(sdk)];
  for (const places of groups) {
    for (const place of places) {
      if (place.remark !== undefined) {
        add(place.source, place.path, false, place.remark);
        continue;
      }
      const { library, note } = exact.has(place.source) ? inFolder(sdk, place.path) : below(sdk, place.path);
      add(place.source, library ?? place.path, library !== null, note);
      if (library !== null) return { library, searched };
    }
  }
  return { library: null, searched };
}
