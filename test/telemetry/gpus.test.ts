// GPUs of nvidia.ko, asked by a stand-in for nvidia-smi that says what the test wants.
import fs from 'node:fs';
import path from 'node:path';
import { readBoard } from '../../lib/telemetry/board.js';
import { parseSmi } from '../../lib/telemetry/gpus.js';
import { Reader } from '../../lib/telemetry/reader.js';
import type { BoardTelemetry } from '../../lib/telemetry/types.js';
import { Folder } from '../support/folder.js';
import { until } from '../support/wait.js';
import { Board, orinNano, thor } from './boards.js';

const folder = new Folder();
let count = 0;

/** A program with this body in the shell's language. */
function smi(body: string): string {
  const file = folder.write(`smi-${count++}/nvidia-smi`, `#!/bin/sh\n${body}\n`);
  fs.chmodSync(file, 0o755);
  return file;
}

function printing(...lines: string[]): string {
  return smi(lines.map((line) => `echo '${line}'`).join('\n'));
}

async function read(board: Board, program: string | null, deadlineMs = 120_000): Promise<BoardTelemetry> {
  const reader = new Reader(board.root, deadlineMs);
  try {
    return await readBoard(reader, program);
  } finally {
    reader.close();
  }
}

const unknown = { loadPercent: null, celsius: null, milliwatts: null };

test('two cards, in the order of the bus, whatever order the program has', async () => {
  const board = new Board(folder, 'two').gpu('0000:02:00.0', 'NVIDIA GeForce RTX 4090').gpu('0000:01:00.0', 'Tesla T4');
  const program = printing('00000000:02:00.0, 97, 71, 421.37', '00000000:01:00.0, 0, 34, 9.80');
  expect(await read(board, program)).toMatchObject({
    gpus: [
      { name: 'Tesla T4', address: '0000:01:00.0', loadPercent: 0, celsius: 34, milliwatts: 9800 },
      { name: 'NVIDIA GeForce RTX 4090', address: '0000:02:00.0', loadPercent: 97, celsius: 71, milliwatts: 421370 },
    ],
    unreadable: [],
  });
});

test('it is asked for these fields, without a heading and units', async () => {
  const board = new Board(folder, 'asked').gpu('0000:01:00.0', null);
  const file = path.join(folder.path, 'arguments');
  const telemetry = await read(board, smi(`echo "$LC_ALL $*" > '${file}'\necho '00000000:01:00.0, 1, 2, 3'`));
  expect(telemetry.gpus).toEqual([
    { name: null, address: '0000:01:00.0', loadPercent: 1, celsius: 2, milliwatts: 3000 },
  ]);
  expect(fs.readFileSync(file, 'utf8')).toBe(
    'C --query-gpu=pci.bus_id,utilization.gpu,temperature.gpu,power.draw --format=csv,noheader,nounits\n',
  );
});

test('Thor’s GPU is told by the program; Orin’s own is not, and no program is started for it', async () => {
  const program = printing('00000000:01:00.0, 12, 45, [N/A]');
  expect((await read(thor(folder), program)).gpus).toEqual([
    { name: 'NVIDIA Thor', address: '0000:01:00.0', loadPercent: 12, celsius: 45, milliwatts: null },
  ]);
  const started = path.join(folder.path, 'started');
  const orin = await read(orinNano(folder), smi(`touch '${started}'\necho '[N/A], [N/A], [N/A], [N/A]'`));
  expect(orin.gpus).toMatchObject([{ name: '17000000.gpu', loadPercent: 34.5 }]);
  expect(fs.existsSync(started)).toBe(false);
});

test('what a GPU does not have is null without a reason; what is wrong has one', () => {
  const notes: [string, string][] = [];
  const rows = parseSmi(
    [
      '00000000:01:00.0, [N/A], [Not Supported], N/A',
      '0000:0A:00.0, [Unknown Error], 300, -5',
      '00000000:03:00.0, 101, 1e2, [GPU requires reset]',
      '00000000:04:00.0',
      '',
      '[N/A], 1, 2, 3',
      'No devices were found',
    ].join('\n'),
    (where, reason) => notes.push([where, reason]),
  );
  expect([...rows]).toEqual(
    ['0000:01:00.0', '0000:0a:00.0', '0000:03:00.0', '0000:04:00.0'].map((address) => [address, unknown]),
  );
  expect(notes.sort()).toEqual([
    ['0000:03:00.0 power.draw', 'says "[GPU requires reset]"'],
    ['0000:03:00.0 temperature.gpu', 'says "1e2"'],
    ['0000:03:00.0 utilization.gpu', 'says "101"'],
    ['0000:0a:00.0 power.draw', 'says "-5"'],
    ['0000:0a:00.0 temperature.gpu', 'says "300"'],
    ['0000:0a:00.0 utilization.gpu', 'says "[Unknown Error]"'],
  ]);
});

const failure = 'NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver.';

test.each<[string, () => string | null, string | null]>([
  ['no program to ask', () => null, null],
  ['a program that is not there', () => path.join(folder.path, 'nowhere'), 'not found'],
  ['one that fails', () => smi(`echo '${failure}'\nexit 9`), failure],
  ['one that fails without a word', () => smi('exit 7'), 'ended with 7'],
  ['one that crashes', () => smi('kill -SEGV $$'), 'ended with SIGSEGV'],
  ['one that never stops talking', () => smi('yes'), 'stdout maxBuffer length exceeded'],
  ['one that may not be run', () => folder.write('plain', '#!/bin/sh\n'), expect.stringContaining('EACCES')],
])('%s: the cards are listed all the same', async (_, program, reason) => {
  const board = new Board(folder, `card-${count++}`).gpu('0000:01:00.0', 'Tesla T4');
  const file = program();
  const { gpus, unreadable } = await read(board, file);
  expect(gpus).toEqual([{ name: 'Tesla T4', address: '0000:01:00.0', ...unknown }]);
  expect(unreadable).toEqual(reason === null ? [] : [{ path: file, reason }]);
});

test('a card that the program does not list', async () => {
  const board = new Board(folder, 'unlisted').gpu('0000:01:00.0', 'A').gpu('0000:02:00.0', 'B');
  const program = printing('00000000:02:00.0, 5, 40, 20');
  const { gpus, unreadable } = await read(board, program);
  expect(gpus).toMatchObject([
    { name: 'A', ...unknown },
    { name: 'B', loadPercent: 5 },
  ]);
  expect(unreadable).toEqual([{ path: `${program} 0000:01:00.0`, reason: 'not listed' }]);
});

test('one that hangs is killed at the deadline', async () => {
  const board = new Board(folder, 'hangs').gpu('0000:01:00.0', 'Tesla T4');
  const file = path.join(folder.path, 'pid');
  const program = smi(`echo $$ > '${file}.new'\nmv '${file}.new' '${file}'\nexec sleep 600`);
  const reading = read(board, program, 5000);
  await until(() => fs.existsSync(file), 'the program to start');
  const { gpus, unreadable } = await reading;
  expect(gpus).toMatchObject([{ address: '0000:01:00.0', ...unknown }]);
  expect(unreadable).toContainEqual({ path: program, reason: 'not read in time' });
  const alive = (): boolean => {
    try {
      return process.kill(Number(fs.readFileSync(file, 'utf8')), 0);
    } catch {
      return false;
    }
  };
  await until(() => !alive(), 'the program to end');
});

test('who asks at the same time shares a run, which goes on while one is left', async () => {
  const board = new Board(folder, 'shared').gpu('0000:01:00.0', 'Tesla T4');
  const [starts, go] = ['starts', 'go'].map((name) => path.join(folder.path, name)) as [string, string];
  const wait = `while [ ! -e '${go}' ]; do sleep 0.05; done`;
  const program = smi(`echo started >> '${starts}'\n${wait}\necho '00000000:01:00.0, 5, 40, 20'`);
  const [patient, hasty] = [read(board, program), read(board, program, 2000)];
  await until(() => fs.existsSync(starts), 'the program to start');
  expect((await hasty).gpus.every(({ loadPercent }) => loadPercent === null)).toBe(true);
  fs.writeFileSync(go, '');
  expect(await patient).toMatchObject({ gpus: [{ loadPercent: 5, celsius: 40, milliwatts: 20_000 }], unreadable: [] });
  expect(fs.readFileSync(starts, 'utf8')).toBe('started\n');
  expect((await read(board, program)).gpus).toMatchObject([{ loadPercent: 5 }]);
  expect(fs.readFileSync(starts, 'utf8')).toBe('started\nstarted\n'); // a later one asks anew
});
