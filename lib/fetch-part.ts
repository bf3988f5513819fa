/** Downloads and unpacks one pinned part with its ecosystem's own client, so that the user's mirrors and proxies work. */
import { spawn } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { InferenceError } from './errors.js';
import { clients, type Part, type PartFile } from './manifest.js';
import { sdks, type Sdk } from './sdks.js';

export interface FetchHooks {
  /** Bytes of the download that are on disk. */
  readonly onBytes: (bytes: number) => void;
  readonly signal: AbortSignal | undefined;
  /** The folder that the user knows; ours are hidden below it. */
  readonly directory: string;
}

interface ClientResult {
  readonly code: number | null;
  /** The last lines that the client wrote. */
  readonly output: string;
}

/** What to install when a client is missing, with Debian's and Ubuntu's packages. */
const python = ['Python 3 with pip', 'python3 python3-pip'] as const;
const clientInstallations: Readonly<Record<string, readonly [name: string, packages: string]>> = {
  python3: python,
  pip: python,
  npm: ['npm, which comes with Node', 'npm'],
  tar: ['tar', 'tar'],
  mvn: ['Maven', 'maven'],
  java: ['Java', 'default-jre-headless'],
  cargo: ['Cargo 1.70 or newer, with rustup', 'cargo'],
};

// pip's, npm's and Maven's words.
const noNetwork =
  /NewConnectionError|ConnectTimeoutError|Temporary failure in name resolution|Name or service not known|Network is unreachable|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ENETUNREACH|ETIMEDOUT|ProxyError|Unknown host|Connection refused|Connect(?:ion)? timed out|No route to host|failed to resolve address|Could not resolve host/i;
const diskFull = /ENOSPC|No space left on device/;
const notThere =
  /No matching distribution|Could not find a version|\bE404\b|\bETARGET\b|Could not find artifact|was not found in/;
const noJava = /JAVA_HOME (?:environment variable )?is not defined|java: (?:command )?not found/;

/** Pinned, so that no look-up of the newest is needed; of those that Maven 3.2.5 and Java 8 can run. */
const mavenCopy = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy';

function label(part: Part): string {
  return `${part.id} ${part.version}`;
}

export function missingClient(part: Part, client: string, cause?: unknown): InferenceError {
  const [name, packages] = clientInstallations[client] ?? [client, client];
  const sdk = Object.values<Sdk>(sdks).find((one) => one.part?.id === part.id);
  const own = sdk === undefined ? '' : `, or name a ${sdk.libraryName} that you have in ${sdk.variable}`;
  return new InferenceError('ERR_UNAVAILABLE', `Fetching ${label(part)} needs ${client}, which was not found.`, {
    remedy: `Install ${name} (Debian, Ubuntu: \`apt-get install ${packages}\`)${own}.`,
    cause,
  });
}

/** An error of the file system or of a client, with what to do about it. */
export function diskError(part: Part, directory: string, cause: unknown): InferenceError | null {
  const text =
    cause instanceof Error ? `${(cause as NodeJS.ErrnoException).code ?? ''} ${cause.message}` : String(cause);
  if (diskFull.test(text)) {
    return new InferenceError('ERR_UNAVAILABLE', `The disk of ${directory} is full: ${label(part)} does not fit.`, {
      remedy: 'Free some space, or name a folder on another disk in EDGE_INFER_RUNTIMES.',
      cause,
    });
  }
  if (/^(EACCES|EPERM|EROFS)\b/.test(text)) {
    return new InferenceError('ERR_PERMISSION', `${directory} cannot be written, so ${label(part)} is not installed.`, {
      remedy: 'Name a folder that you may write in EDGE_INFER_RUNTIMES.',
      cause,
    });
  }
  return null;
}

/** `signal.throwIfAborted()`, which Node 16 does not have. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw signal.reason;
}

/** Runs a client to its end. Rejects where it cannot be started, and with the signal's reason when aborted. */
async function runClient(
  part: Part,
  command: string,
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; cwd?: string | undefined; signal: AbortSignal | undefined },
): Promise<ClientResult> {
  throwIfAborted(options.signal);
  const { env, cwd } = options;
  const child = spawn(command, args, { env: env ?? process.env, cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  const kill = (): void => void child.kill('SIGTERM');
  options.signal?.addEventListener('abort', kill, { once: true });
  let output = '';
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-16_384);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  try {
    return await new Promise<ClientResult>((resolve, reject) => {
      child.on('error', (error: NodeJS.ErrnoException) =>
        reject(error.code === 'ENOENT' ? missingClient(part, command, error) : error),
      );
      child.on('close', (code) => {
        if (options.signal?.aborted) reject(options.signal.reason as Error);
        else resolve({ code, output: output.trim() });
      });
    });
  } finally {
    options.signal?.removeEventListener('abort', kill);
  }
}

/** The largest file below a folder: clients write the download under names of their own, and pip also into its cache. */
function largestFile(directory: string): number {
  let largest = 0;
  let entries: fs.Dirent[];
  try {
    entries = fs.readdirSync(directory, { withFileTypes: true });
  } catch {
    return 0;
  }
  for (const entry of entries) {
    const name = path.join(directory, entry.name);
    if (entry.isDirectory()) largest = Math.max(largest, largestFile(name));
    else {
      const stat = fs.statSync(name, { throwIfNoEntry: false });
      largest = Math.max(largest, stat?.size ?? 0);
    }
  }
  return largest;
}

/** A crate's file in Cargo's cache, of each registry that it has been fetched from. */
function cachedCrates(file: PartFile): string[] {
  const cache = path.join(process.env.CARGO_HOME || path.join(os.homedir(), '.cargo'), 'registry', 'cache');
  const registries = fs.existsSync(cache) ? fs.readdirSync(cache) : [];
  return registries.map((registry) => path.join(cache, registry, file.file)).filter((name) => fs.existsSync(name));
}

/** Cargo fetches for projects only: an empty one that depends on the crate. */
function cargoProject(part: Part, directory: string): string {
  const manifest = path.join(directory, 'Cargo.toml');
  fs.mkdirSync(path.join(directory, 'src'), { recursive: true });
  fs.writeFileSync(path.join(directory, 'src', 'lib.rs'), '');
  const version = part.version.replace(/\+.*/, ''); // what follows a plus tells builds apart, not versions
  fs.writeFileSync(
    manifest,
    `[package]\nname = "fetch"\nversion = "0.0.0"\nedition = "2021"\n[dependencies]\n${part.name} = "=${version}"\n`,
  );
  return manifest;
}

function clientCall(part: Part, file: PartFile, scratch: string, target: string, again: boolean) {
  if (part.ecosystem === 'npm') {
    // A cache of its own: its growth is the progress, and a damaged entry cannot come back.
    const cache = path.join(scratch, 'cache');
    const args = ['pack', `${part.name}@${part.version}`, '--pack-destination', target, '--cache', cache];
    return { command: 'npm', args: [...args, '--ignore-scripts', '--loglevel', 'error'] };
  }
  if (part.ecosystem === 'maven') {
    const args = ['-B', '-U', '-Dstyle.color=never', mavenCopy, `-DoutputDirectory=${target}`];
    args.push(
      `-Dartifact=${part.name}:${part.version}:jar${file.classifier === undefined ? '' : `:${file.classifier}`}`,
    );
    // The user's own repository is asked first, which may have it; what is damaged there is passed by.
    if (again) args.push(`-Dmaven.repo.local=${path.join(scratch, 'repository')}`);
    return { command: 'mvn', args };
  }
  if (part.ecosystem === 'cargo') {
    if (again) for (const crate of cachedCrates(file)) fs.rmSync(crate, { force: true });
    // One platform's dependencies, since Cargo does not fetch a crate without them.
    const manifest = cargoProject(part, path.join(scratch, 'project'));
    const args = ['fetch', '--quiet', '--manifest-path', manifest, '--target', 'x86_64-unknown-linux-gnu'];
    return { command: 'cargo', args };
  }
  const tags = file.tags;
  const args = ['-m', 'pip', 'download', '--no-deps', '--only-binary=:all:', '--no-input', '--progress-bar', 'off'];
  if (tags !== undefined) {
    args.push('--python-version', tags.python, '--implementation', tags.implementation);
    args.push('--abi', tags.abi, '--platform', tags.platform);
  }
  // What pip has cached may be what was damaged.
  if (again) args.push('--no-cache-dir');
  return { command: 'python3', args: [...args, '--dest', target, `${part.name}==${part.version}`] };
}

export async function sha256OfFile(file: string): Promise<string> {
  const hash = crypto.createHash('sha256');
  for await (const chunk of fs.createReadStream(file, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** One try. Returns the file, or why the download is not usable but may be with another try. */
async function tryDownload(
  part: Part,
  file: PartFile,
  scratch: string,
  again: boolean,
  hooks: FetchHooks,
): Promise<{ file: string } | { problem: string; cause: string }> {
  fs.rmSync(scratch, { recursive: true, force: true });
  const target = path.join(scratch, 'download');
  fs.mkdirSync(target, { recursive: true });
  fs.mkdirSync(path.join(scratch, 'tmp'));
  const { command, args } = clientCall(part, file, scratch, target, again);
  const timer = setInterval(() => hooks.onBytes(Math.min(file.size, largestFile(scratch))), 200);
  let result: ClientResult;
  try {
    // pip downloads into TMPDIR first: keep it on the target's disk and in sight of the progress.
    const env = { ...process.env, TMPDIR: path.join(scratch, 'tmp'), PIP_DISABLE_PIP_VERSION_CHECK: '1' };
    // Maven works on the project of its folder, if there is one; npm takes its registry from there.
    const cwd = part.ecosystem === 'maven' ? scratch : undefined;
    result = await runClient(part, command, args, { env, cwd, signal: hooks.signal });
  } finally {
    clearInterval(timer);
  }
  const client = clients[part.ecosystem];
  const cause = result.output;
  if (result.code !== 0) {
    if (/No module named '?pip/.test(cause)) throw missingClient(part, 'pip', cause);
    if (noJava.test(cause)) throw missingClient(part, 'java', cause);
    const full = diskError(part, hooks.directory, diskFull.test(cause) ? cause : '');
    if (full !== null) throw full;
    if (noNetwork.test(cause)) {
      throw new InferenceError('ERR_UNAVAILABLE', `${label(part)} cannot be fetched: ${client} got no connection.`, {
        remedy: `Check the network and the proxy or mirror that ${client} is configured for, then try again.`,
        cause,
      });
    }
    if (notThere.test(cause)) {
      throw new InferenceError(
        'ERR_UNAVAILABLE',
        `${label(part)} is not offered by the registry that ${client} uses.`,
        {
          remedy: `Check which registry or mirror ${client} is configured for; it must offer ${file.file}.`,
          cause,
        },
      );
    }
    return { problem: `${client} ended with code ${result.code}`, cause };
  }
  if (part.ecosystem === 'cargo') {
    for (const crate of cachedCrates(file)) fs.copyFileSync(crate, path.join(target, file.file));
  }
  const names = fs.readdirSync(target);
  const name = names.includes(file.file) ? file.file : names.length === 1 ? names[0] : undefined;
  if (name === undefined) return { problem: `${client} left no file`, cause };
  const downloaded = path.join(target, name);
  const size = fs.statSync(downloaded).size;
  const sha256 = await sha256OfFile(downloaded);
  if (sha256 === file.sha256) return { file: downloaded };
  return {
    problem: `the download is not the pinned file (${size} bytes, sha256 ${sha256}; expected ${file.size} bytes, sha256 ${file.sha256})`,
    cause,
  };
}

/** Downloads into `scratch` and checks the checksum; an interrupted or corrupted download is redone once. */
export async function download(part: Part, file: PartFile, scratch: string, hooks: FetchHooks): Promise<string> {
  const problems: string[] = [];
  let cause = '';
  for (const again of [false, true]) {
    const result = await tryDownload(part, file, scratch, again, hooks);
    if ('file' in result) return result.file;
    problems.push(result.problem);
    cause = result.cause;
  }
  const [first, second] = problems;
  const why = first === second ? `twice, ${second}` : `first, ${first}; then, ${second}`;
  throw new InferenceError('ERR_UNAVAILABLE', `${label(part)} could not be fetched: ${why}.`, {
    remedy: 'Try again; if it goes on, look at what your mirror or proxy delivers.',
    cause,
  });
}

/** Unpacks the whole archive into an empty folder. */
export async function unpack(part: Part, archive: string, target: string, hooks: FetchHooks): Promise<void> {
  fs.mkdirSync(target, { recursive: true });
  const zip = part.ecosystem === 'pypi' || part.ecosystem === 'maven'; // wheels and jars
  const command = zip ? 'python3' : 'tar';
  const args = zip
    ? ['-m', 'zipfile', '-e', archive, target]
    : ['-xzf', archive, '-C', target, '--strip-components=1', '--no-same-owner'];
  const result = await runClient(part, command, args, hooks);
  if (result.code === 0) return;
  const full = diskError(part, hooks.directory, diskFull.test(result.output) ? result.output : '');
  if (full !== null) throw full;
  throw new InferenceError('ERR_UNAVAILABLE', `${label(part)} could not be unpacked by ${command}.`, {
    remedy: 'Try again; the cause holds what the program said.',
    cause: result.output,
  });
}
