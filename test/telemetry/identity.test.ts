// Releases, JetPack, models and power modes, by the texts that name them.
import { boardTelemetry } from '../../lib/index.js';
import { modeName } from '../../lib/telemetry/identity.js';
import { jetpackOf, l4tOf } from '../../lib/telemetry/jetpack.js';
import { Folder } from '../support/folder.js';
import { Board, orinNano } from './boards.js';

const folder = new Folder();

test.each<[string, string | null]>([
  ['# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64, DATE: x', '36.4.3'],
  ['# R32 (release), REVISION: 7.1, GCID: 1\n# R99 (release), REVISION: 1.0\n', '32.7.1'],
  ['# R36 (release), REVISION: 4, GCID: 1', '36.4.0'],
  ['# R38 (release), REVISION: 2.0', '38.2.0'],
  ['# R36 (release), REVISION: 4.3.1, GCID: 1', null], // never cut to what is known
  ['# R36 (release), REVISION: 4.3beta', null],
  ['# R36 (release), REVISION: , GCID: 1', null],
  ['# R36 (release)', null],
  ['R36.4.3', null],
  ['', null],
])('/etc/nv_tegra_release %j is %j', (text, l4t) => {
  expect(l4tOf(text)).toBe(l4t);
});

test.each<[string, string | null]>([
  ['32.1.0', '4.2'],
  ['32.7.1', '4.6.1'],
  ['34.1.1', '5.0.1 DP'],
  ['35.1.0', '5.0.2'],
  ['35.4.1', '5.1.2'],
  ['36.3.0', '6.0'],
  ['36.4.7', '6.2.1'],
  ['38.4.0', '7.1'],
  ['39.2.0', '7.2'],
  ['36.4.5', null], // between two that are known
  ['35.6.3', null],
  ['40.1.0', null],
  ['28.2.1', null],
  ['__proto__', null],
])('L4T %s is JetPack %j', (l4t, jetpack) => {
  expect(jetpackOf(l4t)).toBe(jetpack);
});

const configuration = `# < POWER_MODEL ID=3 NAME=REMARK >
< POWER_MODEL ID=0 NAME=MAXN >
CPU_ONLINE CORE_0 1
  <  POWER_MODEL  ID=01  NAME=MODE_15W_6CORE >
< POWER_MODEL ID=2 NAME=A >
< POWER_MODEL ID=2 NAME=B >
< PM_CONFIG DEFAULT=0 >
`;

test.each<[number, string | null]>([
  [0, 'MAXN'],
  [1, 'MODE_15W_6CORE'],
  [2, null], // two names
  [3, null], // only in a remark
  [9, null],
])('mode %d is called %j', (id, name) => {
  expect(modeName(configuration, id)).toBe(name);
});

test.each<[string, object | null]>([
  ['pmode:0001', { id: 1, name: '25W' }],
  ['pmode:0003 fmode:quiet\n', { id: 3, name: '7W' }],
  ['fmode:quiet pmode:0000', { id: 0, name: '15W' }],
  ['pmode:0009', { id: 9, name: null }],
  ['xpmode:0001', null],
  ['pmode:', null],
  ['pmode:-1', null],
  ['pmode:00001', null],
  ['', null],
])('status %j is %j', async (status, powerMode) => {
  const { root } = orinNano(folder, `status-${encodeURIComponent(status)}`).write('var/lib/nvpmodel/status', status);
  const telemetry = await boardTelemetry({ root });
  expect(telemetry.powerMode).toEqual(powerMode);
  const expected = powerMode === null ? 'names no power mode' : 'names no mode 9';
  const told = telemetry.unreadable.some(({ reason }) => reason === expected);
  expect(told).toBe(powerMode === null || status === 'pmode:0009');
});

test('the configuration that nvpmodel used names the mode, not the one that is there by default', async () => {
  const board = orinNano(folder, 'used').write('opt/own.conf', '< POWER_MODEL ID=2 NAME=OWN >\n');
  board.write('var/lib/nvpmodel/conf_file_path', '/opt/own.conf\n');
  expect((await boardTelemetry({ root: board.root })).powerMode).toEqual({ id: 2, name: 'OWN' });
  board.write('var/lib/nvpmodel/conf_file_path', '../own.conf');
  expect((await boardTelemetry({ root: board.root })).powerMode).toEqual({ id: 2, name: 'MAXN_SUPER' });
  board.write('var/lib/nvpmodel/conf_file_path', '/opt/none.conf');
  expect(await boardTelemetry({ root: board.root })).toMatchObject({
    powerMode: { id: 2, name: null },
    unreadable: [{ path: expect.stringContaining('thermal_zone2') }],
  });
});

test('in a container that hides the device tree, the kernel still says what the chip is', async () => {
  const board = new Board(folder, 'container')
    .write('sys/devices/soc0/family', 'Tegra\n')
    .write('sys/devices/soc0/machine', 'NVIDIA Jetson Orin Nano Developer Kit\n')
    .devfreq('17000000.gpu', 250);
  expect(await boardTelemetry({ root: board.root })).toMatchObject({
    model: 'NVIDIA Jetson Orin Nano Developer Kit',
    soc: null,
    gpus: [{ loadPercent: 25 }],
  });
});

test('only the link in /proc', async () => {
  const board = new Board(folder, 'link')
    .write('boards/tree/model', 'Board\0')
    .write('boards/tree/compatible', 'a,b\0nvidia,tegra234\0');
  board.link('proc/device-tree', '/boards/tree');
  expect(await boardTelemetry({ root: board.root })).toMatchObject({ model: 'Board', soc: 'tegra234' });
});
