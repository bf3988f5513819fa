// `cache`: what it says of entries that OpenVINO really made, beside what a load makes of them, and what it removes.
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import type { CacheEntry } from '../../lib/cache.js';
import { addOnnx } from '../support/onnx.js';
import { edgeInfer, edgeInferJson, temporaryFolder } from './program.js';

const folder = temporaryFolder();
const home = path.join(folder, 'home');
const directory = path.join(home, 'edge-infer');
const backend = path.join(directory, 'openvino');
const env = { XDG_CACHE_HOME: home };

interface Listed {
  readonly directory: string;
  readonly entries: readonly CacheEntry[];
  readonly error?: { readonly code: string; readonly message: string };
}

afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

function model(number: number): string {
  const file = path.join(folder, `add-${number}.onnx`);
  fs.writeFileSync(file, addOnnx(number, [1]));
  return file;
}

/** Loads with a cache, and tells whether the model came from it. */
async function load(file: string): Promise<boolean> {
  const args = ['inspect', file, '--device', 'openvino:cpu', '--cache'];
  const { code, stdout } = await edgeInfer(args, { env });
  expect(code).toBe(0);
  return stdout.includes('compiled before');
}

async function list(action = 'list'): Promise<Listed & { readonly code: number | null }> {
  const { json, code } = await edgeInferJson<Listed>(['cache', action], { env });
  return { ...json, code };
}

async function only(action = 'list'): Promise<CacheEntry & { readonly code: number | null }> {
  const { entries, code } = await list(action);
  expect(entries).toHaveLength(1);
  return { ...entries[0]!, code };
}

/** The entry's folder. */
function entry(): string {
  const names = fs.readdirSync(backend).filter((name) => !name.startsWith('.'));
  expect(names).toHaveLength(1);
  return path.join(backend, names[0]!);
}

function blob(): string {
  return path.join(
    entry(),
    fs.readdirSync(entry()).find((name) => name.endsWith('.blob'))!,
  );
}

/** Another byte at this place. */
function change(file: string, at: number): void {
  const bytes = fs.readFileSync(file);
  bytes[at < 0 ? bytes.length + at : at]! ^= 1;
  fs.writeFileSync(file, bytes);
}

beforeEach(() => fs.rmSync(home, { recursive: true, force: true }));

test('where nothing is kept', async () => {
  expect(await list()).toEqual({ code: 0, directory, entries: [] });
  const plain = await edgeInfer(['cache', 'verify', '--directory', path.join(folder, 'none')]);
  expect(plain).toMatchObject({ code: 0, stdout: `No compiled model is kept in ${path.join(folder, 'none')}.\n` });
  expect(await edgeInfer(['cache', 'clear'], { env })).toMatchObject({
    code: 0,
    stdout: 'Removed 0 compiled models, 0 B.\n',
  });
  expect(fs.existsSync(home)).toBe(false);
});

test('a directory that is none', async () => {
  const { code, json } = await edgeInferJson<Listed>(['cache', 'list', '--directory', model(1)]);
  expect([code, json.error?.code]).toEqual([2, 'ERR_INVALID_ARGUMENT']);
});

test('list says what is kept', async () => {
  const file = model(1);
  const before = Date.now() - 10_000; // file systems have clocks of their own
  expect(await load(file)).toBe(false);
  const one = await only();
  expect(one).toMatchObject({ code: 0, backend: 'openvino', directory: entry(), state: 'whole', reason: '' });
  expect(one.key).toMatch(/^[0-9a-f]{64}$/);
  const sizes = fs.readdirSync(entry()).map((name) => fs.statSync(path.join(entry(), name)).size);
  expect(one.bytes).toBe(sizes.reduce((sum, size) => sum + size, 0));
  expect(Date.parse(one.lastUsed!)).toBeGreaterThan(before);
  expect(one.facts).toMatchObject({
    file,
    model: createHash('sha256').update(fs.readFileSync(file)).digest('hex'),
    device: 'CPU',
    precision: 'own',
    release: expect.stringMatching(/^20/),
    made: expect.stringMatching(/^20.*Z$/),
  });
  expect(await load(model(2))).toBe(false);
  expect(await load(file)).toBe(true);
  const { code, stdout } = await edgeInfer(['cache', 'list', '--directory', directory]);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^openvino [0-9a-f]{12} .* kB +20\S+Z +whole +add-\d\.onnx, device CPU, /);
  expect(stdout).toContain('add-1.onnx');
  expect(stdout).toContain('add-2.onnx');
  expect(stdout).toContain(`in ${directory}\n`);
});

/** What is damaged, how, and why it is not used any more. `false`: only reading every file shows it. */
const damages: [string, () => void, RegExp, boolean][] = [
  ['a changed blob', () => change(blob(), -1), /\.blob has changed/, false],
  ['a blob that is cut off', () => fs.truncateSync(blob(), 100), /\.blob has changed/, false],
  ['a blob that is gone', () => fs.rmSync(blob()), /\.blob is gone/, true],
  ['a blob that others may write', () => fs.chmodSync(blob(), 0o622), /not this user's alone/, true],
  ['a blob with another name', () => fs.linkSync(blob(), path.join(home, 'blob')), /not this user's alone/, true],
  ['changed facts', () => change(path.join(entry(), 'facts'), 0), /facts has changed/, true],
  ['no seal', () => fs.rmSync(path.join(entry(), 'seal')), /has no seal/, true],
  ['a changed checksum', () => change(path.join(entry(), 'seal'), -100), /not signed with the key/, true],
  ['a changed signature', () => change(path.join(entry(), 'seal'), -2), /not signed with the key/, true],
  ['another key', () => change(path.join(backend, '.key'), 5), /not signed with the key/, true],
  ['a key that others may read', () => fs.chmodSync(path.join(backend, '.key'), 0o644), /key .* is gone/, true],
  ['a folder that others may enter', () => fs.chmodSync(entry(), 0o755), /not a folder that is this user's/, true],
];

test.each(damages)('verify finds %s, and so does a load', async (_, damage, reason, shows) => {
  const file = model(1);
  expect(await load(file)).toBe(false);
  expect(await only('verify')).toMatchObject({ code: 0, state: 'whole', reason: '' });
  damage();
  expect(await only('verify')).toMatchObject({ code: 5, state: 'damaged', reason: expect.stringMatching(reason) });
  expect(await only('list')).toMatchObject({ code: 0, state: shows ? 'damaged' : 'whole' });
  expect(await load(file)).toBe(false);
  expect(await load(file)).toBe(true);
  expect(await only('verify')).toMatchObject({ code: 0, state: 'whole' });
});

test('verify in words', async () => {
  await load(model(1));
  change(blob(), -1);
  const { code, stdout, stderr } = await edgeInfer(['cache', 'verify'], { env });
  expect(code).toBe(5);
  expect(stdout).toMatch(/^openvino [0-9a-f]{12}: damaged: \d+\.blob has changed; loading makes it anew\n$/);
  expect(stderr).toMatch(/Not as it was kept: openvino [0-9a-f]{12}\./);
  expect(stderr).toContain('edge-infer cache clear');
});

test('an entry under the key of another one is damaged', async () => {
  await load(model(1));
  const name = path.join(backend, '0'.repeat(64));
  fs.renameSync(entry(), name);
  expect(await only('verify')).toMatchObject({ code: 5, reason: 'it was kept for another model or backend' });
  fs.renameSync(backend, path.join(directory, 'other'));
  expect(await only('verify')).toMatchObject({ code: 5, backend: 'other', facts: {} });
});

test('what somebody adds is told, and does no harm', async () => {
  const file = model(1);
  await load(file);
  fs.writeFileSync(path.join(entry(), 'more'), 'more');
  const reason = 'more was added; loading removes it';
  expect(await only('verify')).toMatchObject({ code: 0, state: 'whole', reason });
  expect(await load(file)).toBe(true);
  expect(await only('verify')).toMatchObject({ code: 0, state: 'whole', reason: '' });
});

/** Holds the lock that an entry is made under, until it is killed: nothing of it stays, as `flock` forks nothing. */
function holdLock(key: string): Promise<ChildProcess> {
  const child = spawn(
    'flock',
    ['--no-fork', path.join(backend, `.lock-${key}`), 'sh', '-c', 'echo held; exec sleep 600'],
    {
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.stdout.once('data', () => resolve(child));
  });
}

test('clear removes what is kept, and nothing else', async () => {
  await Promise.all([load(model(1)), load(model(2))]);
  const { entries } = await list();
  expect(entries).toHaveLength(2);
  const others = [path.join(directory, 'file'), path.join(directory, 'folder', 'file')];
  fs.mkdirSync(path.join(directory, 'folder'), { mode: 0o700 });
  for (const file of others) fs.writeFileSync(file, '');
  // Of a process that is making one, and of one that ended meanwhile.
  const scratch = ['making', 'ended'].map((key) => path.join(backend, `.new-${key}-abcdef`));
  for (const one of scratch) {
    fs.mkdirSync(one, { mode: 0o700 });
    fs.writeFileSync(path.join(one, 'data'), 'half');
  }
  const [making, abandoned] = scratch;
  fs.writeFileSync(path.join(backend, '.lock-ended'), '');
  const holder = await holdLock('making');
  try {
    expect((await list()).entries).toHaveLength(3);
    expect((await list()).entries.find(({ key }) => key === 'making')).toMatchObject({
      state: 'in the making',
      bytes: 4,
    });
    expect((await edgeInfer(['cache', 'clear', '--backend', 'other'], { env })).stdout).toMatch(/^Removed 0 /);
    expect((await list()).entries).toHaveLength(3);
    const cleared = await edgeInfer(['cache', 'clear', '--backend', 'openvino'], { env });
    expect(cleared).toMatchObject({ code: 0, stderr: '' });
    expect(cleared.stdout).toMatch(
      /^Removed 2 compiled models, [\d.]+ kB\.\nopenvino making is in the making: it was left alone\.\n$/,
    );
    expect([fs.existsSync(making!), fs.existsSync(abandoned!)]).toEqual([true, false]);
    for (const file of others) expect(fs.existsSync(file)).toBe(true);
  } finally {
    const ended = new Promise((resolve) => holder.once('exit', resolve));
    holder.kill();
    await ended;
  }
  expect(await load(model(1))).toBe(false);
  expect(fs.existsSync(making!)).toBe(false);
});
