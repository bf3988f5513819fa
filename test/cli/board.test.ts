// `board`: what it prints, once and again and again; and the doctor's line.
import { boardLine, boardText } from '../../lib/cli/board.js';
import type { Diagnosis } from '../../lib/cli/doctor.js';
import { boardTelemetry, type BoardTelemetry } from '../../lib/index.js';
import { Folder } from '../support/folder.js';
import { agxOrin, Board, nano, orinNano, thor, tx2 } from '../telemetry/boards.js';
import { edgeInfer, edgeInferJson } from './program.js';

const folder = new Folder();
const orin = orinNano(folder);

const orinText = `NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super (tegra234)
L4T 36.4.3, JetPack 6.2, power mode MAXN_SUPER

Power, 5.11 W in all
  VDD_IN          5.11 W  5.072 V  1.008 A
  VDD_CPU_GPU_CV  0.81 W  5.064 V  0.160 A
  VDD_SOC         1.46 W  5.064 V  0.288 A

Temperatures
  cpu-thermal   49.7 °C
  gpu-thermal   50.5 °C
  cv0-thermal   –
  soc0-thermal  50.0 °C
  tj-thermal    50.8 °C

GPUs
  17000000.gpu    load 34.5 %

Not readable
  /sys/class/thermal/thermal_zone2/temp  not a whole number
`;

test('a Jetson, for people and as JSON', async () => {
  const [plain, { code, json, stderr }] = await Promise.all([
    edgeInfer(['board', '--root', orin.root]),
    edgeInferJson<BoardTelemetry>(['board', '--root', orin.root]),
  ]);
  expect(plain).toMatchObject({ code: 0, stdout: orinText, stderr: '' });
  expect([code, stderr]).toEqual([0, '']);
  expect(json).toEqual(await boardTelemetry({ root: orin.root }));
});

test('cards, Edge TPUs, and what has no name', async () => {
  const board = new Board(folder, 'pc')
    .gpu('0000:01:00.0', 'Tesla T4')
    .write('sys/class/apex/apex_0/temp', 91000)
    .write('sys/class/apex/apex_0/trip_point0_temp', 84800);
  const telemetry = await boardTelemetry({ root: board.root });
  const [gpu] = telemetry.gpus;
  expect(boardText(telemetry)).toMatch(
    /^The board has no name here\n\nGPUs\n {2}Tesla T4 {2}0000:01:00\.0 {2}load – {2}– {2}–\n/,
  );
  const busy = { ...telemetry, gpus: [{ ...gpu!, loadPercent: 97, celsius: 71, milliwatts: 421370 }] };
  expect(boardText(busy)).toContain('Tesla T4  0000:01:00.0  load 97 %  71.0 °C  421.4 W\n');
  expect(boardText(busy)).toMatch(/Edge TPUs\n.* 91\.0 °C {2}slowed$/);
});

test('this machine, whatever it is', async () => {
  const { code, json } = await edgeInferJson<BoardTelemetry>(['board']);
  expect(code).toBe(0);
  expect(json).toMatchObject({ rails: expect.any(Array), unreadable: expect.any(Array) });
});

describe('--watch', () => {
  test.each(['SIGINT', 'SIGTERM'] as const)('a line for each reading, until %s', async (signal) => {
    const { code, stdout, stderr } = await edgeInfer(['board', '--root', orin.root, '--watch', '100ms', '--json'], {
      during: (child) => {
        let lines = 0;
        child.stdout?.on('data', (text: string) => {
          lines += text.split('\n').length - 1;
          if (lines >= 3) child.kill(signal);
        });
      },
    });
    expect([code, stderr]).toEqual([0, '']);
    const readings = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as BoardTelemetry);
    expect(readings.length).toBeGreaterThanOrEqual(3);
    for (const reading of readings) expect(reading).toMatchObject({ jetpack: '6.2', inputMilliwatts: 5113 });
  });

  test('a reader that leaves ends it', async () => {
    const { code, stderr } = await edgeInfer(['board', '--root', orin.root, '--watch', '100ms'], {
      during: (child) => child.stdout?.once('data', () => child.stdout?.destroy()),
    });
    expect([code, stderr]).toEqual([0, '']);
  });

  test.each(['0', '-1', '50ms', '25h', '2000m', 'often', ''])('%j is no pause', async (value) => {
    const { code, json } = await edgeInferJson<{ error: { message: string } }>(['board', `--watch=${value}`]);
    expect(code).toBe(2);
    expect(json.error.message).toContain('--watch');
  });
});

test('a root that is not there', async () => {
  const { code, json } = await edgeInferJson(['board', '--root', `${folder.path}/nowhere`]);
  expect(code).toBe(2);
  expect(json).toMatchObject({ error: { code: 'ERR_INVALID_ARGUMENT' } });
});

test('the doctor’s line: model, L4T, JetPack, power mode', async () => {
  const line = async (board: Board): Promise<string> => boardLine(await boardTelemetry({ root: board.root }));
  expect(await line(nano(folder))).toBe('NVIDIA Jetson Nano Developer Kit, L4T 32.7.1, JetPack 4.6.1, power mode MAXN');
  expect(await line(tx2(folder))).toBe('quill, L4T 28.2.1, JetPack not known');
  expect(await line(agxOrin(folder))).toBe('Jetson AGX Orin Developer Kit, L4T 35.4.1, JetPack 5.1.2');
  const unnamed = thor(folder).write('etc/nvpmodel/nvpmodel_p3834_0008.conf', '');
  expect(await line(unnamed)).toMatch(/, JetPack 7\.2, power mode 1$/);
  expect(await line(new Board(folder, 'nothing'))).toBe('');
});

test('the doctor has all of it', async () => {
  const { json } = await edgeInferJson<Diagnosis>(['doctor']);
  expect(json.board).toMatchObject({ temperatures: expect.any(Array), gpus: expect.any(Array) });
});
