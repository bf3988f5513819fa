// Fetching pinned parts: what happens to damaged, interrupted and repeated downloads. The registry's clients are played
// by small scripts, so that these tests fetch nothing.
import { spawnSync } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { findPart, partFolder, readManifest, type Manifest } from '../lib/manifest.js';
import { installRuntime, listRuntimes, verifyRuntime, type RuntimeProgress } from '../lib/runtimes.js';
import { sdks, type Sdk } from '../lib/sdks.js';

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'edge-runtimes-'));
const bin = path.join(root, 'bin');
const log = path.join(root, 'calls.log');
const savedPath = process.env.PATH;
const savedDelay = process.env.EDGE_TEST_DELAY;
const platform = `${process.platform}-${process.arch}`;
let manifest: Manifest;
let directory: string;

const sha256 = (file: string): string => crypto.createHash('sha256').update(fs.readFileSync(file)).digest('hex');

/** Answers of the next downloads, one a call: `good`, `corrupt`, `short`, `fail`, `hang`, or a text that is printed. */
function answers(...list: string[]): void {
  fs.writeFileSync(path.join(root, 'answers'), `${list.join('\n')}\n`);
  fs.rmSync(log, { force: true });
}

const calls = (): string[] => (fs.existsSync(log) ? fs.readFileSync(log, 'utf8').trim().split('\n') : []);
const leftovers = (): string[] => fs.readdirSync(directory).filter((name) => name.startsWith('.'));

/**
 * A client: notes its call, takes the next answer, and "downloads" to the folder that follows the given option, as a word
 * of its own or after `=`.
 */
function client(name: string, destination: string, file: string, otherwise: string): void {
  const script = `#!/bin/sh
set -eu
case "$*" in *zipfile*) ${otherwise} ;; esac
echo "${name} $*" >> '${log}'
answer=$(head -n 1 '${root}/answers'); sed -i 1d '${root}/answers'
while case "$1" in '${destination}' | '${destination}='*) false ;; esac do shift; done
case "$1" in *=*) set -- "$1" "\${1#*=}" ;; esac
case "$answer" in
  good) sleep "\${EDGE_TEST_DELAY:-0}"; cp '${file}' "$2/" ;;
  corrupt) cp '${file}' "$2/"; printf x >> "$2/$(basename '${file}')" ;;
  short) head -c 100 '${file}' > "$2/$(basename '${file}')" ;;
  hang) head -c 100 '${file}' > "$2/part"; exec sleep 60 ;;
  fail) echo 'ERROR: IncompleteRead' >&2; exit 2 ;;
  *) echo "$answer" >&2; exit 1 ;;
esac
`;
  fs.writeFileSync(path.join(bin, name), script, { mode: 0o755 });
}

beforeAll(() => {
  const real = spawnSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).stdout.trim();
  fs.mkdirSync(bin);
  const source = path.join(root, 'source');
  fs.mkdirSync(path.join(source, 'sdk', 'libs', 'deep'), { recursive: true });
  fs.writeFileSync(path.join(source, 'sdk', 'libs', 'libsdk.so.1'), crypto.randomBytes(20_000));
  fs.writeFileSync(path.join(source, 'sdk', 'libs', 'deep', 'data.bin'), 'data');
  fs.writeFileSync(path.join(source, 'sdk', 'module.py'), 'not wanted');
  const wheel = path.join(root, 'sdk-1.0-py3-none-any.whl');
  spawnSync(real, ['-m', 'zipfile', '-c', wheel, 'sdk'], { cwd: source });
  const tgz = path.join(root, 'tool-2.0.0.tgz');
  fs.mkdirSync(path.join(root, 'package', 'bin'), { recursive: true });
  fs.writeFileSync(path.join(root, 'package', 'bin', 'tool'), '#!/bin/sh\n', { mode: 0o755 });
  fs.writeFileSync(path.join(root, 'package', 'README.md'), 'not wanted');
  spawnSync('tar', ['-czf', tgz, 'package'], { cwd: root });
  client('python3', '--dest', wheel, `exec '${real}' "$@"`);
  client('npm', '--pack-destination', tgz, 'exit 1');
  const jar = path.join(root, 'lib-3.0-1.5-linux-x86_64.jar');
  fs.mkdirSync(path.join(root, 'jar', 'org', 'lib', 'linux-x86_64'), { recursive: true });
  fs.writeFileSync(path.join(root, 'jar', 'org', 'lib', 'linux-x86_64', 'liblib.so'), crypto.randomBytes(3000));
  fs.writeFileSync(path.join(root, 'jar', 'org', 'lib', 'linux-x86_64', 'other.so'), 'not wanted');
  spawnSync(real, ['-m', 'zipfile', '-c', jar, 'org'], { cwd: path.join(root, 'jar') });
  client('mvn', '-DoutputDirectory', jar, 'exit 1');
  const crate = path.join(root, 'headers-4.0.0+sdk5.crate');
  fs.mkdirSync(path.join(root, 'headers-4.0.0', 'include'), { recursive: true });
  fs.writeFileSync(path.join(root, 'headers-4.0.0', 'include', 'sdk.h'), 'int sdk();');
  fs.writeFileSync(path.join(root, 'headers-4.0.0', 'build.rs'), 'not wanted');
  spawnSync('tar', ['-czf', crate, 'headers-4.0.0'], { cwd: root });
  // Cargo leaves the crate in its cache, where it may be already.
  fs.writeFileSync(
    path.join(bin, 'cargo'),
    `#!/bin/sh
set -eu
echo "cargo $*" >> '${log}'
grep '^headers' "$4" >> '${log}'
answer=$(head -n 1 '${root}/answers'); sed -i 1d '${root}/answers'
cache="$CARGO_HOME/registry/cache/registry-1"; mkdir -p "$cache"
case "$answer" in
  good) test -e "$cache/$(basename '${crate}')" || cp '${crate}' "$cache/" ;;
  *) echo "$answer" >&2; exit 1 ;;
esac
`,
    { mode: 0o755 },
  );
  const file = (name: string) => ({
    [platform]: { file: path.basename(name), size: fs.statSync(name).size, sha256: sha256(name) },
  });
  const common = { for: 'use', licence: 'MIT' } as const;
  manifest = {
    parts: [
      {
        ...common,
        id: 'sdk',
        title: 'An SDK',
        ecosystem: 'pypi',
        name: 'sdk',
        version: '1.0',
        platforms: file(wheel),
        extract: ['sdk/libs/**'],
      },
      {
        ...common,
        id: 'tool',
        title: 'A tool',
        ecosystem: 'npm',
        name: 'tool',
        version: '2.0.0',
        platforms: file(tgz),
        extract: ['bin/*'],
      },
      {
        ...common,
        id: 'tflite',
        title: 'A library in a jar',
        ecosystem: 'maven',
        name: 'org.lib:lib',
        version: '3.0-1.5',
        platforms: { [platform]: { ...file(jar)[platform]!, classifier: 'linux-x86_64' } },
        extract: ['org/lib/*/liblib.so'],
      },
      {
        ...common,
        id: 'headers',
        title: 'Headers in a crate',
        ecosystem: 'cargo',
        name: 'headers',
        version: '4.0.0+sdk5',
        platforms: file(crate),
        extract: ['include/**'],
      },
      {
        ...common,
        id: 'other',
        title: 'Elsewhere',
        ecosystem: 'npm',
        name: 'other',
        version: '1',
        platforms: {},
        extract: [],
      },
    ],
  };
});

beforeEach(() => {
  directory = fs.mkdtempSync(path.join(root, 'runtimes-'));
  process.env.PATH = `${bin}${path.delimiter}${savedPath ?? ''}`;
});

afterEach(() => {
  process.env.PATH = savedPath;
  if (savedDelay === undefined) delete process.env.EDGE_TEST_DELAY;
});

afterAll(() => fs.rmSync(root, { recursive: true, force: true }));

const install = (id = 'sdk', more: { signal?: AbortSignal; onProgress?: (progress: RuntimeProgress) => void } = {}) =>
  installRuntime(id, { directory, manifest, ...more });

describe('a download', () => {
  test('is fetched, checked, unpacked and kept only as far as it is wanted', async () => {
    answers('good');
    const stages: string[] = [];
    const installed = await install('sdk', { onProgress: ({ stage }) => stages.push(stage) });
    expect(installed).toMatchObject({ id: 'sdk', version: '1.0', fetched: true });
    expect(installed.directory).toBe(path.join(directory, `sdk-1.0-${platform}`));
    expect(fs.readdirSync(installed.directory).sort()).toEqual(['.installed.json', 'sdk']);
    expect(fs.readdirSync(path.join(installed.directory, 'sdk'))).toEqual(['libs']);
    expect(stages[0]).toBe('download');
    expect(stages.slice(-2)).toEqual(['unpack', 'done']);
    expect(leftovers()).toEqual([]);
    expect(calls()[0]).toMatch(/^python3 -m pip download --no-deps --only-binary=:all: .*sdk==1\.0$/);
  });

  test('from npm keeps its file modes', async () => {
    answers('good');
    const installed = await install('tool');
    expect(fs.statSync(path.join(installed.directory, 'bin', 'tool')).mode & 0o111).not.toBe(0);
    expect(fs.existsSync(path.join(installed.directory, 'README.md'))).toBe(false);
    expect(calls()[0]).toMatch(/^npm pack tool@2\.0\.0 --pack-destination /);
  });

  test('from Maven: the jar of one platform, outside of any project', async () => {
    answers('good');
    const installed = await install('tflite', { onProgress: ({ client: name }) => expect(name).toBe('mvn') });
    expect(installed.directory).toBe(path.join(directory, `tflite-3.0-1.5-${platform}`));
    expect(fs.readdirSync(path.join(installed.directory, 'org', 'lib', 'linux-x86_64'))).toEqual(['liblib.so']);
    expect(calls()).toHaveLength(1);
    expect(calls()[0]).toMatch(
      /^mvn -B .*maven-dependency-plugin:[\d.]+:copy .*-Dartifact=org\.lib:lib:3\.0-1\.5:jar:linux-x86_64$/,
    );
    expect((await verifyRuntime('tflite', { directory, manifest })).ok).toBe(true);
  });

  test('from Cargo: by way of an empty project and its cache', async () => {
    const home = path.join(directory, 'cargo-home');
    const cached = path.join(home, 'registry', 'cache', 'registry-1', 'headers-4.0.0+sdk5.crate');
    const saved = process.env.CARGO_HOME;
    process.env.CARGO_HOME = home;
    try {
      // What the cache has is damaged: it goes, and Cargo fetches it anew.
      fs.mkdirSync(path.dirname(cached), { recursive: true });
      fs.writeFileSync(cached, 'damaged');
      answers('good', 'good');
      const installed = await install('headers', { onProgress: ({ client: name }) => expect(name).toBe('cargo') });
      expect(fs.readdirSync(installed.directory).sort()).toEqual(['.installed.json', 'include']);
      expect(calls()).toHaveLength(4);
      expect(calls()[0]).toMatch(/^cargo fetch --quiet --manifest-path \S+\/Cargo\.toml --target /);
      expect(calls()[1]).toBe('headers = "=4.0.0"');
      answers('error: failed to get `headers`: Could not resolve host: nowhere');
      fs.rmSync(installed.directory, { recursive: true });
      await expect(install('headers')).rejects.toMatchObject({
        code: 'ERR_UNAVAILABLE',
        message: expect.stringMatching(/no connection/) as string,
      });
    } finally {
      if (saved === undefined) delete process.env.CARGO_HOME;
      else process.env.CARGO_HOME = saved;
    }
  });

  test('that is damaged in the user’s Maven repository is fetched anew beside it', async () => {
    answers('corrupt', 'good');
    await expect(install('tflite')).resolves.toMatchObject({ fetched: true });
    const [first, second] = calls();
    expect(first).not.toContain('-Dmaven.repo.local');
    expect(second).toContain(`-Dmaven.repo.local=${path.join(directory, '.partial-')}`);
    expect(fs.readdirSync(directory)).toEqual([`tflite-3.0-1.5-${platform}`]);
  });

  test('happens once: a second call fetches nothing', async () => {
    answers('good');
    await install();
    const again = await install();
    expect(again.fetched).toBe(false);
    expect(calls()).toHaveLength(1);
  });

  test.each(['corrupt', 'short', 'fail'])('that is bad (%s) is redone once, without the cache', async (bad) => {
    answers(bad, 'good');
    await expect(install()).resolves.toMatchObject({ fetched: true });
    expect(calls()).toHaveLength(2);
    expect(calls()[0]).not.toContain('--no-cache-dir');
    expect(calls()[1]).toContain('--no-cache-dir');
    expect((await verifyRuntime('sdk', { directory, manifest })).ok).toBe(true);
  });

  test('that is bad twice ends in one error that names both checksums, and leaves nothing', async () => {
    answers('corrupt', 'corrupt');
    const error: unknown = await install().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ name: 'InferenceError', code: 'ERR_UNAVAILABLE' });
    expect((error as Error).message).toContain(manifest.parts[0]?.platforms[platform]?.sha256 ?? '-');
    expect(fs.readdirSync(directory)).toEqual([]);
  });

  test('that is aborted rejects with the reason, and leaves nothing', async () => {
    answers('hang');
    const controller = new AbortController();
    const reason = new Error('enough');
    const promise = install('sdk', { signal: controller.signal });
    setTimeout(() => controller.abort(reason), 100);
    await expect(promise).rejects.toBe(reason);
    expect(fs.readdirSync(directory)).toEqual([]);
  });

  test('of two installations at once ends in one sound folder', async () => {
    answers('good', 'good');
    process.env.EDGE_TEST_DELAY = '0.2';
    const both = await Promise.all([install(), install()]);
    expect(both.map(({ directory: folder }) => folder)).toEqual([both[0].directory, both[0].directory]);
    expect((await verifyRuntime('sdk', { directory, manifest })).ok).toBe(true);
    expect(leftovers()).toEqual([]);
  });

  test('that a killed process left is cleared away by the next one', async () => {
    const dead = spawnSync('true').pid;
    fs.mkdirSync(path.join(directory, `.partial-${os.hostname()}-${dead}-abcdef`));
    const alive = `.partial-${os.hostname()}-${process.ppid}-abcdef`;
    fs.mkdirSync(path.join(directory, alive));
    answers('good');
    await install();
    expect(leftovers()).toEqual([alive]);
  });
});

describe('an error', () => {
  test('names python3 where it is missing', async () => {
    process.env.PATH = path.join(root, 'empty');
    await expect(install()).rejects.toMatchObject({
      code: 'ERR_UNAVAILABLE',
      message: 'Fetching sdk 1.0 needs python3, which was not found.',
      remedy: expect.stringContaining('apt-get install python3 python3-pip') as string,
    });
  });

  test('names mvn where it is missing, and what else would do', async () => {
    process.env.PATH = path.join(root, 'empty');
    await expect(install('tflite')).rejects.toMatchObject({
      code: 'ERR_UNAVAILABLE',
      message: 'Fetching tflite 3.0-1.5 needs mvn, which was not found.',
      remedy:
        'Install Maven (Debian, Ubuntu: `apt-get install maven`), or name a libtensorflowlite_c.so that you have in ' +
        'EDGE_INFER_TFLITE.',
    });
  });

  // What Maven 3.8 prints, shortened.
  test.each([
    ['The JAVA_HOME environment variable is not defined correctly,', /needs java, which was not found/],
    ['[ERROR] Could not transfer artifact a:b from/to m: transfer failed: Unknown host m', /mvn got no connection/],
    ['[ERROR] Could not transfer artifact a:b: Connect to m failed: Connection refused', /mvn got no connection/],
    ['[ERROR] Could not find artifact a:b:jar:c:1 in central', /not offered by the registry that mvn uses/],
  ])('of mvn (%s) is worded, and not tried again', async (text, message) => {
    answers(text, 'good');
    const error: unknown = await install('tflite').catch((reason: unknown) => reason);
    expect((error as Error).message).toMatch(message);
    expect((error as { cause: unknown }).cause).toContain(text);
    expect(calls()).toHaveLength(1);
    expect(fs.readdirSync(directory)).toEqual([]);
  });

  test.each([
    ['No module named pip', /needs pip, which was not found/],
    ['OSError: [Errno 28] No space left on device', /disk of .* is full/],
    ['NewConnectionError: Failed to establish a new connection', /got no connection/],
    ['ERROR: No matching distribution found for sdk==1.0', /not offered by the registry/],
  ])("of the client (%s) is worded, is not tried again, and keeps the client's words", async (text, message) => {
    answers(text, 'good');
    const error: unknown = await install().catch((reason: unknown) => reason);
    expect((error as Error).message).toMatch(message);
    expect((error as { cause: unknown }).cause).toContain(text);
    expect((error as { remedy: string }).remedy).not.toBe('');
    expect(calls()).toHaveLength(1);
    expect(fs.readdirSync(directory)).toEqual([]);
  });

  test('names the parts that exist, and the platform that is not pinned', async () => {
    await expect(install('nothing')).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringContaining('sdk, tool') as string,
    });
    await expect(install('other')).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' });
  });
});

describe('what is installed', () => {
  const file = (): string => path.join(directory, `sdk-1.0-${platform}`, 'sdk', 'libs', 'libsdk.so.1');

  test('is listed', async () => {
    answers('good');
    await install();
    const list = listRuntimes({ directory, manifest });
    expect(list.map(({ id, installed, available }) => [id, installed, available])).toEqual([
      ['sdk', true, true],
      ['tool', false, true],
      ['tflite', false, true],
      ['headers', false, true],
      ['other', false, false],
    ]);
    expect(list[0]).toMatchObject({ licence: 'MIT', directory: path.join(directory, `sdk-1.0-${platform}`) });
  });

  test('is verified by content: a changed byte is found', async () => {
    answers('good');
    await install();
    const bytes = fs.readFileSync(file());
    bytes[5000] = (bytes[5000] ?? 0) ^ 1;
    fs.writeFileSync(file(), bytes);
    const verification = await verifyRuntime('sdk', { directory, manifest });
    expect(verification).toMatchObject({ installed: true, ok: false, problems: ['sdk/libs/libsdk.so.1 has changed'] });
  });

  test('is installed again when a file is missing', async () => {
    answers('good', 'good');
    await install();
    fs.rmSync(file());
    expect((await verifyRuntime('sdk', { directory, manifest })).problems).toEqual(['sdk/libs/libsdk.so.1 is missing']);
    expect((await install()).fetched).toBe(true);
    expect((await verifyRuntime('sdk', { directory, manifest })).ok).toBe(true);
    expect(leftovers()).toEqual([]);
  });

  test('is not what was never installed', async () => {
    expect(await verifyRuntime('sdk', { directory, manifest })).toMatchObject({
      installed: false,
      ok: false,
      directory: null,
    });
  });
});

test('every part of the real manifest is pinned and described', () => {
  const forArm64 = listRuntimes({ platform: 'linux-arm64' });
  for (const [i, part] of listRuntimes({ platform: 'linux-x64' }).entries()) {
    expect([part.id, part.available || forArm64[i]?.available]).toEqual([part.id, true]);
    expect(part).toMatchObject({ licence: expect.stringMatching(/^[\w.-]+$/) as string });
    expect(part.title).not.toBe('');
  }
  for (const part of readManifest().parts) {
    for (const file of Object.values(part.platforms)) {
      expect(file).toMatchObject({ sha256: expect.stringMatching(/^[0-9a-f]{64}$/) as string });
      expect([part.id, file.tags !== undefined]).toEqual([part.id, part.ecosystem === 'pypi']);
      expect([part.id, file.classifier !== undefined]).toEqual([part.id, part.ecosystem === 'maven']);
    }
  }
});

test('the part of an SDK unpacks into a folder that the locator takes', () => {
  const real = readManifest();
  for (const [name, sdk] of Object.entries<Sdk>(sdks)) {
    if (sdk.part === null) continue;
    const { id, release } = sdk.part;
    const part = findPart(id, real);
    expect([name, part.version]).toEqual([name, expect.stringMatching(new RegExp(`^${release}$`))]);
    for (const other of real.parts.filter((one) => one !== part)) {
      const folder = partFolder(other, 'linux-x64');
      expect([folder, new RegExp(`^${id}-${release}-linux-x64$`).test(folder)]).toEqual([folder, false]);
    }
  }
});
