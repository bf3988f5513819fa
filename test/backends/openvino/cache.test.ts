/** OpenVINO: compiled models kept on disk: found again, and never trusted when damaged, foreign or cut off. */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { events } from '../../../lib/index.js';
import type { LoadOptions, LogEvent } from '../../../lib/types.js';
import { runProgram, root } from '../../support/child.js';
import { Folder } from '../../support/folder.js';
import { addIr } from '../../support/ir.js';
import { addOnnx } from '../../support/onnx.js';
import { numbers } from '../../support/values.js';
import { until } from '../../support/wait.js';
import { closeAll, library, load, loadIr, product, productIr, scattered } from './models.js';

const folder = new Folder();
const isRoot = process.getuid?.() === 0;
const x = scattered(64, 7);
let count = 0;
let cache: string;
let entries: string;

beforeEach(() => {
  cache = path.join(folder.path, `cache ${count++}`);
  entries = path.join(cache, 'openvino');
});

afterEach(closeAll);

/** Loads, checks the results, and tells whether the model came from the cache. */
async function fromCache(options: LoadOptions = {}): Promise<boolean> {
  const model = await loadIr(productIr(), { cache, ...options });
  const { y } = await model.run({ x });
  const exact = product(x);
  numbers(y!.data).forEach((value, i) => expect(Math.abs(value - exact[i]!)).toBeLessThan(1e-5));
  return model.info.fromCache;
}

/** Names of entries: what begins with a dot is the cache's own, such as its key. */
function entryNames(): string[] {
  return fs.existsSync(entries) ? fs.readdirSync(entries).filter((name) => !name.startsWith('.')) : [];
}

function entry(): string {
  const [only, ...others] = entryNames();
  expect(others).toEqual([]);
  return path.join(entries, only!);
}

function blob(): string {
  return path.join(
    entry(),
    fs.readdirSync(entry()).find((name) => !['seal', 'facts'].includes(name))!,
  );
}

it('is off unless it is asked for', async () => {
  const home = path.join(folder.path, 'home');
  const { stdout } = await runProgram(
    `for (const cache of [undefined, false]) {
       const model = await edge.loadModel(${JSON.stringify(folder.write('add.onnx', addOnnx(1, [1])))},
         { device: 'openvino:cpu', ...(cache === undefined ? {} : { cache }) });
       console.log(model.info.fromCache);
       await model.dispose();
     }`,
    { XDG_CACHE_HOME: home },
  );
  expect(stdout).toBe('false\nfalse\n');
  expect(fs.existsSync(home)).toBe(false);
});

it('cache: true finds the model again in another process, in the user’s folder', async () => {
  const home = path.join(folder.path, 'home');
  const file = folder.write('again.onnx', addOnnx(1, [1]));
  for (const expected of ['false 3\n', 'true 3\n']) {
    const { stdout, stderr } = await runProgram(
      `const model = await edge.loadModel(${JSON.stringify(file)}, { device: 'openvino:cpu', cache: true });
       console.log(model.info.fromCache, (await model.run({ x: Float32Array.of(2) })).y.data[0]);
       await model.dispose();`,
      { XDG_CACHE_HOME: home },
    );
    expect({ stdout, stderr }).toEqual({ stdout: expected, stderr: '' });
  }
  entries = path.join(home, 'edge-infer', 'openvino');
  expect(fs.readdirSync(entry())).toContain('seal');
});

it('keeps what it compiled where nobody else may look', async () => {
  expect(await fromCache()).toBe(false);
  expect(await fromCache()).toBe(true);
  for (const name of [cache, entries, entry()]) expect(fs.statSync(name).mode & 0o777).toBe(0o700);
  for (const name of fs.readdirSync(entry())) expect(fs.statSync(path.join(entry(), name)).mode & 0o777).toBe(0o600);
});

it('tells models, devices, precisions, shapes and options apart', async () => {
  const variants: LoadOptions[] = [
    {},
    { threads: 1 },
    { streams: 2 },
    { profile: true },
    { device: 'openvino:hetero:cpu' },
    { performanceHint: 'throughput' },
  ];
  for (const options of variants) expect(await fromCache(options)).toBe(false);
  for (const options of variants) expect(await fromCache(options)).toBe(true);
  const sums = async (number: number, shape: number[]): Promise<[boolean, number[]]> => {
    const model = await loadIr(addIr(number, [-1]), { cache, shapes: { x: shape } });
    return [model.info.fromCache, numbers((await model.run({ x: new Float32Array(shape[0]!) }))['y']!.data)];
  };
  // The same .xml: only the weights differ, then the shape.
  expect(await sums(1, [2])).toEqual([false, [1, 1]]);
  expect(await sums(5, [2])).toEqual([false, [5, 5]]);
  expect(await sums(1, [3])).toEqual([false, [1, 1, 1]]);
  expect(await sums(1, [2])).toEqual([true, [1, 1]]);
});

it('tells IR files apart by the weights beside them', async () => {
  const one = addIr(1, [1]);
  const file = folder.write('beside/model.xml', one.xml);
  for (const [number, cached] of [
    [1, false],
    [2, false],
    [1, true],
  ] as const) {
    folder.write('beside/model.bin', addIr(number, [1]).bin);
    const model = await load(file, { cache });
    expect(model.info.fromCache).toBe(cached);
    expect(numbers((await model.run({ x: Float32Array.of(0) }))['y']!.data)).toEqual([number]);
    await closeAll();
  }
});

it('a model from the cache has its variables, profile and layers', async () => {
  await fromCache({ profile: true });
  const model = await loadIr(productIr(), { cache, profile: true });
  expect(model.info.fromCache).toBe(true);
  expect((await model.layers()).length).toBeGreaterThan(0);
});

it('several loads at once', async () => {
  await Promise.all(Array.from({ length: 4 }, () => fromCache()));
  expect(entryNames()).toHaveLength(1);
  expect(await fromCache()).toBe(true);
});

it('says what an entry is, where no one else reads it', async () => {
  await fromCache({ precision: 'f32' });
  const facts = fs.readFileSync(path.join(entry(), 'facts'), 'utf8');
  expect(facts).toMatch(/^model [0-9a-f]{64}\ndevice CPU\nname .+\nrelease 20.+\nprecision f32\nmade 20.+Z\n$/);
});

/** Damage, and what it is done to. */
const damages: [string, () => void][] = [
  [
    'a byte of the blob differs',
    () => {
      const bytes = fs.readFileSync(blob());
      const at = bytes.length - 100;
      bytes[at] = bytes[at]! ^ 1;
      fs.writeFileSync(blob(), bytes);
    },
  ],
  ['the blob is cut off', () => fs.truncateSync(blob(), 1000)],
  ['the blob is empty', () => fs.truncateSync(blob(), 0)],
  ['the blob is gone', () => fs.rmSync(blob())],
  [
    'the blob is a link',
    () => {
      const elsewhere = path.join(folder.path, 'blob');
      fs.renameSync(blob(), elsewhere);
      fs.symlinkSync(elsewhere, path.join(entry(), 'x.blob'));
    },
  ],
  ['the blob has another name elsewhere', () => fs.linkSync(blob(), path.join(folder.path, `linked ${count}`))],
  ['others may write the blob', () => fs.chmodSync(blob(), 0o666)],
  ['others may enter the folder', () => fs.chmodSync(entry(), 0o755)],
  ['the seal is gone', () => fs.rmSync(path.join(entry(), 'seal'))],
  ['the seal is empty', () => fs.truncateSync(path.join(entry(), 'seal'), 0)],
  ['the seal is nonsense', () => fs.writeFileSync(path.join(entry(), 'seal'), 'edge-infer cache 2\n0 0\n')],
  [
    'the seal is only checksums',
    () => {
      const bytes = fs.readFileSync(blob());
      fs.writeFileSync(blob(), bytes.fill(0, bytes.length - 4));
      const sums = ['facts', path.basename(blob())].sort().map((name) => {
        const sum = createHash('sha256').update(fs.readFileSync(path.join(entry(), name)));
        return `${sum.digest('hex')} ${name}\n`;
      });
      const key = path.basename(entry());
      fs.writeFileSync(
        path.join(entry(), 'seal'),
        `edge-infer cache 2 openvino ${key}\n${sums.join('')}${'0'.repeat(64)}\n`,
      );
    },
  ],
  ['the facts differ', () => fs.appendFileSync(path.join(entry(), 'facts'), 'more facts\n')],
  ['the key is another one', () => fs.writeFileSync(path.join(entries, '.key'), Buffer.alloc(32))],
  [
    'the entry is a file',
    () => {
      const name = entry();
      fs.rmSync(name, { recursive: true });
      fs.writeFileSync(name, 'nothing');
    },
  ],
  ...(isRoot
    ? ([
        ['the blob is another user’s', () => fs.chownSync(blob(), 12345, 12345)],
        ['the entry is another user’s', () => fs.chownSync(entry(), 12345, 12345)],
      ] as [string, () => void][])
    : []),
];

it.each(damages)('%s: it is compiled again, and kept again', async (_, damage) => {
  expect(await fromCache()).toBe(false);
  damage();
  expect(await fromCache()).toBe(false);
  expect(await fromCache()).toBe(true);
});

it('what somebody adds to an entry is not shown to OpenVINO', async () => {
  await fromCache();
  const added = path.join(entry(), '123.blob');
  fs.writeFileSync(added, 'nonsense', { mode: 0o600 });
  expect(await fromCache()).toBe(true);
  expect(fs.existsSync(added)).toBe(false);
});

/** Compiles without the cache, says why in the log, and writes nothing. */
async function isPassedOver(): Promise<void> {
  const lines: LogEvent[] = [];
  const listen = (event: LogEvent): void => void lines.push(event);
  events.on('log', listen);
  expect([await fromCache(), await fromCache()]).toEqual([false, false]);
  await until(() => lines.some(({ message }) => message.startsWith('cache: ')), 'a line in the log');
  events.off('log', listen);
}

it('a folder that others may write to is passed over', async () => {
  fs.mkdirSync(entries, { recursive: true });
  fs.chmodSync(entries, 0o777);
  await isPassedOver();
  expect(fs.readdirSync(entries)).toEqual([]);
});

it('a folder that is a link is passed over', async () => {
  fs.mkdirSync(cache);
  fs.mkdirSync(`${cache} elsewhere`, { mode: 0o700 });
  fs.symlinkSync(`${cache} elsewhere`, entries);
  await isPassedOver();
  expect(fs.readdirSync(`${cache} elsewhere`)).toEqual([]);
});

it('a folder that cannot be made is passed over', async () => {
  fs.writeFileSync(cache, 'a file');
  await isPassedOver();
  cache = '/proc/no-such-folder';
  await isPassedOver();
});

it('a model that does not compile is refused as without a cache', async () => {
  await expect(loadIr(addIr(1, [1]), { cache, properties: { NO_SUCH_PROPERTY: 1 } })).rejects.toMatchObject({
    code: 'ERR_INVALID_ARGUMENT',
  });
  expect(entryNames()).toEqual([]);
});

const program = `
  const edge = require(${JSON.stringify(path.join(root, 'dist', 'index.js'))});
  const [file, cache] = process.argv.slice(1);
  (async () => {
    for (let i = 0; i < 2; i++) {
      const model = await edge.loadModel(file, { device: 'openvino:cpu', cache });
      const { y } = await model.run({ x: new Float32Array(1) });
      console.log(model.info.fromCache, y.data[0]);
      await model.dispose();
    }
  })();`;

/** y = x + a constant of a megabyte, summed up: what is written is larger than the disk. */
function large(): string {
  const rows = 512;
  return folder.write('large.onnx', addOnnx(1, [1], new Float32Array(rows * rows).fill(1 / (rows * rows))));
}

it('a process that may not write large files loads all the same', () => {
  const script = 'ulimit -f 100; exec "$0" -e "$1" "$2" "$3"';
  const { status, signal, stdout, stderr } = spawnSync(
    'bash',
    ['-c', script, process.execPath, program, large(), cache],
    { encoding: 'utf8', env: { ...process.env, EDGE_INFER_OPENVINO: library() } },
  );
  expect({ status, signal, stdout, stderr }).toEqual({
    status: 0,
    signal: null,
    stdout: 'false 2\nfalse 2\n',
    stderr: '',
  });
});

const mounted = isRoot && canMount();

function canMount(): boolean {
  const probe = fs.mkdtempSync(path.join(folder.path, 'probe-'));
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', probe]).status !== 0) return false;
  return spawnSync('umount', [probe]).status === 0;
}

// Only who may mount can have a small disk.
(mounted ? it : it.skip).each([
  ['64k', false],
  ['512k', false],
  ['1000k', false],
  ['1100k', false],
  ['4m', true], // large enough
])('a disk of %s, too small or not: at most it costs a compilation', (size, cached) => {
  fs.mkdirSync(cache, { mode: 0o700 });
  expect(spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=700`, 'tmpfs', cache]).status).toBe(0);
  try {
    const { status, signal, stdout } = spawnSync(process.execPath, ['-e', program, large(), cache], {
      encoding: 'utf8',
      env: { ...process.env, EDGE_INFER_OPENVINO: library() },
    });
    expect({ status, signal, stdout }).toEqual({ status: 0, signal: null, stdout: `false 2\n${String(cached)} 2\n` });
    expect(entryNames()).toHaveLength(cached ? 1 : 0);
  } finally {
    spawnSync('umount', [cache]);
  }
});
