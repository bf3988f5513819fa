/** The pinned parts of runtimes/manifest.json, and the folders that installed parts live in. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { InferenceError } from './errors.js';

/** A downloadable file of a part, for one platform. */
export interface PartFile {
  /** File name of the download. */
  readonly file: string;
  /** Of the download, in bytes. */
  readonly size: number;
  /** Of the download, hexadecimal. */
  readonly sha256: string;
  /** What a wheel is made for; they are fixed, so that one checksum holds whatever Python the user has. */
  readonly tags?: {
    readonly python: string;
    readonly implementation: string;
    readonly abi: string;
    readonly platform: string;
  };
  /** Which of a Maven artefact's jars. */
  readonly classifier?: string;
}

/** Each part is fetched by its ecosystem's own client. */
export const clients = { pypi: 'pip', npm: 'npm', maven: 'mvn', cargo: 'cargo' } as const;

export type Ecosystem = keyof typeof clients;

export interface Part {
  readonly id: string;
  readonly title: string;
  /** `use`: what users run on; `tests`: what only the project's own tests need. */
  readonly for: 'use' | 'tests';
  readonly ecosystem: Ecosystem;
  /** In the ecosystem's notation; Maven's is `group:artefact`. */
  readonly name: string;
  readonly version: string;
  /** SPDX identifier. */
  readonly licence: string;
  /** By `linux-x64`, `linux-arm64`, … */
  readonly platforms: Readonly<Record<string, PartFile>>;
  /** Patterns of what is kept of the download: `*` within a name, a final `**` for everything below. */
  readonly extract: readonly string[];
}

export interface Manifest {
  readonly parts: readonly Part[];
}

/** The folder of package.json: the checkout, or the installed package. */
export const packageRoot = path.join(__dirname, '..');

/** `linux-x64` and the like, of this process. */
export const platformName = `${process.platform}-${process.arch}`;

export function readManifest(file = path.join(packageRoot, 'runtimes', 'manifest.json')): Manifest {
  return JSON.parse(fs.readFileSync(file, 'utf8')) as Manifest;
}

/** The part with this id. Throws `ERR_INVALID_ARGUMENT` that names the known ids. */
export function findPart(id: string, manifest: Manifest): Part {
  const part = manifest.parts.find((candidate) => candidate.id === id);
  if (part !== undefined) return part;
  const known = manifest.parts.map((candidate) => candidate.id).join(', ');
  throw new InferenceError('ERR_INVALID_ARGUMENT', `Expected the id of a runtime (${known}), got \`${id}\`.`, {
    remedy: `Use one of ${known}.`,
  });
}

/** The folder name of an installed part. */
export function partFolder(part: Part, platform: string): string {
  return `${part.id}-${part.version}-${platform}`;
}

/** Per user, for packages that are installed read-only or are replaced at the next install. */
export function userRuntimesDirectory(): string {
  const base = process.env.XDG_DATA_HOME || path.join(os.homedir(), '.local', 'share');
  return path.join(base, 'edge-infer', 'runtimes');
}

/** Where parts are installed: `EDGE_INFER_RUNTIMES`, the checkout's `runtimes/`, or the user's data folder. */
export function defaultRuntimesDirectory(): string {
  const asked = process.env.EDGE_INFER_RUNTIMES;
  if (asked) return path.resolve(asked);
  if (packageRoot.split(path.sep).includes('node_modules')) return userRuntimesDirectory();
  try {
    fs.accessSync(packageRoot, fs.constants.W_OK);
    return path.join(packageRoot, 'runtimes');
  } catch {
    return userRuntimesDirectory();
  }
}

/** Every folder in which installed parts are looked for, the default first. */
export function runtimesDirectories(): string[] {
  return [...new Set([defaultRuntimesDirectory(), path.join(packageRoot, 'runtimes'), userRuntimesDirectory()])];
}
