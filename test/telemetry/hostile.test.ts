// Trees that lie: whatever a file is, telemetry ends, makes nothing up, and says what it could not read.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { boardTelemetry, type BoardTelemetry } from '../../lib/index.js';
import { Limit, Reader } from '../../lib/telemetry/reader.js';
import { runProgram } from '../support/child.js';
import { Folder } from '../support/folder.js';
import { rejection, turns } from '../support/wait.js';
import { Board, boards, orinNano, xavierNx } from './boards.js';

const folder = new Folder();

/** What may stand where a file should be; each gets the path. */
const hostile: Readonly<Record<string, (file: string) => void>> = {
  'an empty file': (file) => fs.writeFileSync(file, ''),
  'a binary file': (file) =>
    fs.writeFileSync(
      file,
      Uint8Array.from({ length: 4000 }, (_, i) => (i * 89) % 256),
    ),
  'a huge file': (file) => {
    fs.writeFileSync(file, '');
    fs.truncateSync(file, 3 * 2 ** 30); // takes no space
  },
  'a folder': (file) => fs.mkdirSync(file),
  'a loop of links': (file) => fs.symlinkSync(path.basename(file), file),
  'a link to nothing': (file) => fs.symlinkSync('nowhere', file),
  'a pipe': (file) => expect(spawnSync('mkfifo', [file]).status).toBe(0),
  words: (file) => fs.writeFileSync(file, 'some words\nof several lines\n'),
  'a huge number': (file) => fs.writeFileSync(file, '99999999999999999999\n'),
};

function files(root: string, under = ''): string[] {
  return fs.readdirSync(path.join(root, under), { withFileTypes: true }).flatMap((entry) => {
    const name = path.join(under, entry.name);
    return entry.isDirectory() ? files(root, name) : [name];
  });
}

type Numbers = [where: string, value: number][];

/** Every number of a reading, by where it stands; a rail's name may be what is wrong. */
function numbers({ rails, temperatures, gpus, inputMilliwatts, powerMode }: BoardTelemetry): Numbers {
  const found = [
    ...rails.flatMap(({ address, millivolts, milliamps, milliwatts }) => [
      [`${address} mV`, millivolts],
      [`${address} mA`, milliamps],
      [`${address} mW`, milliwatts],
    ]),
    ...temperatures.map(({ zone, celsius }) => [zone, celsius]),
    ...gpus.map(({ loadPercent }) => ['gpu', loadPercent]),
    ['input', inputMilliwatts],
    ['mode', powerMode?.id ?? null],
  ];
  return found.filter(([, value]) => value !== null) as Numbers;
}

// The driver's own number of milliwatts gives way to voltage times current, which is rounded otherwise.
const tolerance = 1;

// Each layout of the sensors, and kinds that are wrong in different ways.
describe.each(['nano', 'orinNano', 'thor'] as const)('%s', (name) => {
  test.each(['a binary file', 'a folder', 'a loop of links', 'words'])(
    'each file in turn is %s: no number changes, at most some are gone',
    async (kind) => {
      const { root } = boards[name](folder, `${name} ${kind}`);
      const before = numbers(await boardTelemetry({ root, deadlineMs: Infinity }));
      for (const file of files(root).map((one) => path.join(root, one))) {
        const away = `${file}~`;
        fs.renameSync(file, away);
        hostile[kind]?.(file);
        const telemetry = await boardTelemetry({ root, deadlineMs: Infinity });
        fs.rmSync(file, { recursive: true });
        fs.renameSync(away, file);
        expect(JSON.parse(JSON.stringify(telemetry))).toEqual(telemetry);
        const isNew = ([where, value]: Numbers[number]): boolean =>
          !before.some(([place, known]) => place === where && Math.abs(known - value) <= tolerance);
        const changed = numbers(telemetry).filter(isNew);
        expect([file, changed]).toEqual([file, []]);
      }
      expect(numbers(await boardTelemetry({ root, deadlineMs: Infinity }))).toEqual(before);
    },
  );
});

test.each([
  ['an empty file', 'not a whole number'],
  ['a binary file', 'not a whole number'],
  ['a huge file', 'more than 262144 bytes'],
  ['a folder', 'not a file'],
  ['a loop of links', 'too many symbolic links, or a loop of them'],
  ['a pipe', 'not a file'],
  ['words', 'not a whole number'],
  ['a huge number', 'not a whole number'],
])('%s: %s', async (kind, reason) => {
  const board = orinNano(folder, `reason ${kind}`);
  const name = 'sys/class/thermal/thermal_zone0/temp';
  fs.rmSync(board.file(name));
  hostile[kind]?.(board.file(name));
  const { temperatures, unreadable } = await boardTelemetry({ root: board.root });
  expect(temperatures[0]).toEqual({ name: 'cpu-thermal', zone: 'thermal_zone0', celsius: null });
  expect(unreadable).toContainEqual({ path: `/${name}`, reason });
});

test.each(['4e4', '0x20', '40000.5', '4294967295', '-0x1', '٤٠', '40 000', '+40000', 'NaN', '40000\n41000'])(
  'the temperature %j is none',
  async (text) => {
    const board = new Board(folder, `text-${encodeURIComponent(text)}`).zones([['cpu-thermal', text]]);
    const { temperatures, unreadable } = await boardTelemetry({ root: board.root });
    expect(temperatures).toMatchObject([{ celsius: null }]);
    expect(unreadable).toHaveLength(1);
  },
);

test.each([
  ['1001', 'reads 1001, which cannot be'],
  ['-1', 'reads -1, which cannot be'],
  ['50 %', 'not a whole number'],
])('the GPU load %j is none', async (load, reason) => {
  const { root } = orinNano(folder, `load-${encodeURIComponent(load)}`).write(
    'sys/devices/platform/17000000.gpu/load',
    load,
  );
  const { gpus, unreadable } = await boardTelemetry({ root });
  expect(gpus).toMatchObject([{ name: '17000000.gpu', loadPercent: null }]);
  expect(unreadable).toContainEqual({ path: '/sys/class/devfreq/17000000.gpu/device/load', reason });
});

test('names that would write to a terminal are no names', async () => {
  const board = xavierNx(folder, 'escapes').zones([['\u001b[2Jcpu', 40000]]);
  board.write('sys/bus/i2c/drivers/ina3221/7-0040/hwmon/hwmon4/in1_label', 'VDD\u0007IN');
  board.write('sys/firmware/devicetree/base/model', 'Board\u001b]0;title\u0007\0');
  const { model, rails, temperatures, unreadable } = await boardTelemetry({ root: board.root });
  expect(model).toBeNull();
  expect(rails.map(({ name }) => name)).toEqual(['VDD_CPU_GPU_CV', 'VDD_SOC']);
  expect(temperatures).toEqual([]);
  expect(new Set(unreadable.map(({ reason }) => reason))).toEqual(new Set(['not a name']));
});

test('links do not lead out of the root', async () => {
  const outside = folder.write('outside/temp', '40000\n');
  const board = new Board(folder, 'inside').zones([
    ['a', null],
    ['b', null],
    ['c', null],
  ]);
  board.link('sys/class/thermal/thermal_zone0/temp', outside);
  board.link('sys/class/thermal/thermal_zone1/temp', `${'../'.repeat(40)}${outside}`);
  board.write(outside.slice(1), '41000\n'); // what these links mean here
  board.link('sys/class/thermal/thermal_zone2/temp', '/proc/self/mem');
  const { temperatures } = await boardTelemetry({ root: board.root });
  expect(temperatures.map(({ celsius }) => celsius)).toEqual([41, 41, null]);
});

test('more zones than any machine has', async () => {
  const zones = Array.from({ length: 600 }, (_, i): [string, number] => [`zone-${i}`, 40_000]);
  const board = new Board(folder, 'crowd').zones(zones);
  const { temperatures, unreadable } = await boardTelemetry({ root: board.root, deadlineMs: Infinity });
  expect(temperatures).toHaveLength(512);
  expect(unreadable).toEqual([{ path: '/sys/class/thermal', reason: 'more than 512 entries' }]);
});

describe('the machine’s own files', () => {
  const read = async (name: string): Promise<unknown> => {
    const reader = new Reader('/', 60_000);
    try {
      return [await reader.integer(name, 0, 1), reader.unreadable.map(({ reason }) => reason)];
    } finally {
      reader.close();
    }
  };

  test('a device is not opened, and a failing read is noted', async () => {
    expect(await read('/dev/zero')).toEqual([null, ['not a file']]);
    expect(await read('/proc/self/mem')).toEqual([null, ['EIO: i/o error']]); // nothing is mapped at 0
    expect(await read('/proc/self/nothing')).toEqual([null, []]);
    expect(await read('/proc/version/below')).toEqual([null, []]);
  });

  test('without permission: null, with the reason', async () => {
    const board = orinNano(folder, 'closed');
    fs.chmodSync(folder.path, 0o755);
    fs.chmodSync(board.file('sys/class/thermal/thermal_zone0/temp'), 0);
    fs.chmodSync(board.file('sys/bus/i2c/drivers'), 0o644);
    const body = `
      if (process.getuid() === 0) process.setuid(65534);
      console.log(JSON.stringify(await edge.boardTelemetry({ root: ${JSON.stringify(board.root)} })));`;
    const { code, stdout, stderr } = await runProgram(body);
    expect([code, stderr]).toEqual([0, '']);
    fs.chmodSync(board.file('sys/bus/i2c/drivers'), 0o755);
    const telemetry = JSON.parse(stdout) as BoardTelemetry;
    expect(telemetry).toMatchObject({ jetpack: '6.2', rails: [], inputMilliwatts: null });
    expect(telemetry.temperatures[0]).toMatchObject({ celsius: null });
    const reason = 'EACCES: permission denied';
    expect(telemetry.unreadable).toEqual(
      expect.arrayContaining([
        { path: '/sys/bus/i2c/drivers/ina3221', reason },
        { path: '/sys/class/thermal/thermal_zone0/temp', reason },
      ]),
    );
  });
});

test('what is not read by the deadline is null, and told', async () => {
  const telemetry = await boardTelemetry({ root: orinNano(folder, 'late').root, deadlineMs: 0 });
  expect(telemetry).toMatchObject({
    model: null,
    l4t: null,
    jetpack: null,
    powerMode: null,
    rails: [],
    temperatures: [],
  });
  expect(telemetry.unreadable).toContainEqual({ path: '/etc/nv_tegra_release', reason: 'not read in time' });
  expect(new Set(telemetry.unreadable.map(({ reason }) => reason))).toEqual(new Set(['not read in time']));
});

test('a sensor that hangs holds one place; who has left the line is not served', async () => {
  const limit = new Limit(2);
  const done: string[] = [];
  const note = (what: string) => () => Promise.resolve(done.push(what));
  const [early, patient, failing] = [{}, {}, {}];
  void limit.run(early, () => new Promise(() => undefined)); // never ends
  let release = (): void => undefined;
  const held = limit.run(early, () => new Promise<void>((resolve) => (release = resolve)));
  void limit.run(early, note('early'));
  const failed = rejection(limit.run(failing, () => Promise.reject(new Error('broken'))));
  const served = limit.run(patient, note('patient'));
  await turns(2);
  expect(done).toEqual([]);
  limit.leave(early);
  release();
  await Promise.all([held, failed, served]);
  await limit.run(patient, note('again'));
  expect(done).toEqual(['patient', 'again']);
});

test.each<[string, unknown]>([
  ['options', null],
  ['options', 5],
  ['root', { root: '' }],
  ['root', { root: 5 }],
  ['root', { root: 'a\0b' }],
  ['root', { root: path.join(folder.path, 'nowhere') }],
  ['root', { root: __filename }],
  ['deadlineMs', { deadlineMs: -1 }],
  ['deadlineMs', { deadlineMs: '5' }],
  ['deadlineMs', { deadlineMs: NaN }],
])('a wrong option is an error: %s, %j', async (name, options) => {
  const error = await rejection(boardTelemetry(options as { root: string }));
  expect(error).toMatchObject({ code: 'ERR_INVALID_ARGUMENT', message: expect.stringContaining(`\`${name}\``) });
});
