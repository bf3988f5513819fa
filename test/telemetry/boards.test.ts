// Every layout of sensors, as the boards that have them show them.
import { boardTelemetry } from '../../lib/index.js';
import { Folder } from '../support/folder.js';
import { agxOrin, agxXavier, Board, nano, orinNano, thor, tx2, xavierNx } from './boards.js';

const folder = new Folder();
const none = { rails: [], temperatures: [], gpus: [], edgeTpus: [], unreadable: [], inputMilliwatts: null };
const nobody = { model: null, soc: null, l4t: null, jetpack: null, powerMode: null };
const old = { chip: 'ina3221', address: '6-0040' };
const own = { address: null, celsius: null, milliwatts: null };

test('Jetson Nano, JetPack 4: industrial I/O, and a constant among the temperatures', async () => {
  expect(await boardTelemetry({ root: nano(folder).root })).toEqual({
    model: 'NVIDIA Jetson Nano Developer Kit',
    soc: 'tegra210',
    l4t: '32.7.1',
    jetpack: '4.6.1',
    powerMode: { id: 0, name: 'MAXN' },
    inputMilliwatts: 2062,
    rails: [
      { name: 'POM_5V_IN', ...old, millivolts: 5007, milliamps: 412, milliwatts: 2062 },
      { name: 'POM_5V_GPU', ...old, millivolts: 4992, milliamps: 16, milliwatts: 79 },
      { name: 'POM_5V_CPU', ...old, millivolts: 4984, milliamps: 103, milliwatts: 513 },
    ],
    temperatures: [
      { name: 'AO-therm', zone: 'thermal_zone0', celsius: 41.5 },
      { name: 'CPU-therm', zone: 'thermal_zone1', celsius: 34 },
      { name: 'GPU-therm', zone: 'thermal_zone2', celsius: 31 },
      { name: 'PLL-therm', zone: 'thermal_zone3', celsius: 31.5 },
      { name: 'PMIC-Die', zone: 'thermal_zone4', celsius: null },
      { name: 'thermal-fan-est', zone: 'thermal_zone5', celsius: 32.5 },
    ],
    // A measured 0, unlike an absent sensor.
    gpus: [{ name: '57000000.gpu', ...own, loadPercent: 0 }],
    edgeTpus: [],
    unreadable: [{ path: '/sys/class/thermal/thermal_zone4/temp', reason: 'a constant, no measurement' }],
  });
});

test('TX2 on L4T 28: the older folder, two sensors, and a release that the table does not have', async () => {
  const board = await boardTelemetry({ root: tx2(folder).root });
  expect(board).toMatchObject({ model: 'quill', soc: 'tegra186', l4t: '28.2.1', jetpack: null, powerMode: null });
  expect(board.rails.map(({ name, address, milliwatts }) => [name, address, milliwatts])).toEqual([
    ['VDD_SYS_GPU', '0-0040', 440],
    ['VDD_SYS_SOC', '0-0040', 670],
    ['VDD_4V0_WIFI', '0-0040', 19],
    ['VDD_IN', '0-0041', 3443],
    ['VDD_SYS_CPU', '0-0041', 287],
    ['VDD_SYS_DDR', '0-0041', 727],
  ]);
  expect(board).toMatchObject({ inputMilliwatts: 3443, gpus: [{ loadPercent: 100 }], unreadable: [] });
});

test('AGX Xavier: no rail measures all, so there is no sum; the load is in the old place', async () => {
  const board = await boardTelemetry({ root: agxXavier(folder).root });
  expect(board).toMatchObject({
    model: 'Jetson-AGX',
    soc: 'tegra194',
    jetpack: '4.6',
    powerMode: { id: 2, name: 'MODE_15W' },
    inputMilliwatts: null,
    gpus: [{ name: 'gpu.0', loadPercent: 34.2 }],
  });
  expect(board.rails.map(({ name, milliwatts }) => [name, milliwatts])).toEqual([
    ['GPU', 152],
    ['CPU', 457],
    ['SOC', 1068],
    ['CV', 0],
    ['VDDRQ', 152],
    ['SYS5V', 1469],
  ]);
});

test('Xavier NX, JetPack 5: hwmon has no power, so it is voltage times current; sums are no rails', async () => {
  const board = await boardTelemetry({ root: xavierNx(folder).root });
  const chip = { chip: 'ina3221', address: '7-0040' };
  expect(board.rails).toEqual([
    { name: 'VDD_IN', ...chip, millivolts: 4968, milliamps: 776, milliwatts: 3855 },
    { name: 'VDD_CPU_GPU_CV', ...chip, millivolts: 4960, milliamps: 80, milliwatts: 397 },
    { name: 'VDD_SOC', ...chip, millivolts: 4960, milliamps: 192, milliwatts: 952 },
  ]);
  expect(board).toMatchObject({ jetpack: '5.1.1', inputMilliwatts: 3855, gpus: [{ loadPercent: 12.5 }] });
});

test('Orin Nano, JetPack 6: a zone without a reading, and other devices that scale their clock', async () => {
  const board = await boardTelemetry({ root: orinNano(folder).root });
  expect(board).toMatchObject({
    soc: 'tegra234',
    l4t: '36.4.3',
    jetpack: '6.2',
    powerMode: { id: 2, name: 'MAXN_SUPER' },
    inputMilliwatts: 5113,
    gpus: [{ name: '17000000.gpu', ...own, loadPercent: 34.5 }],
    unreadable: [{ path: '/sys/class/thermal/thermal_zone2/temp', reason: 'not a whole number' }],
  });
  expect(board.temperatures.map(({ celsius }) => celsius)).toEqual([49.687, 50.531, null, 50, 50.781]);
});

test('AGX Orin: channels that are not connected, a part that is off, and still no sum', async () => {
  const board = await boardTelemetry({ root: agxOrin(folder).root });
  expect(board.rails.map(({ name, address, milliwatts }) => [name, address, milliwatts])).toEqual([
    ['VDD_GPU_SOC', '1-0040', 1915],
    ['VDD_CPU_CV', '1-0040', 319],
    ['VIN_SYS_5V0', '1-0040', 2786],
    ['VDDQ_VDD2_1V8AO', '1-0041', 404],
  ]);
  expect(board).toMatchObject({
    jetpack: '5.1.2',
    inputMilliwatts: null,
    temperatures: [{ celsius: 45.25 }, { name: 'CV0-therm', celsius: null }, { celsius: 45.25 }],
    gpus: [{ loadPercent: 99.9 }],
    unreadable: [{ path: '/sys/class/thermal/thermal_zone1/temp', reason: 'reads -256000, which cannot be' }],
  });
});

test('Thor, JetPack 7: INA238 with microwatts, a negative current, and a GPU that sysfs has no load of', async () => {
  const board = await boardTelemetry({ root: thor(folder).root });
  expect(board.rails).toMatchObject([
    { name: 'VDD_GPU', milliamps: -20, milliwatts: -392 },
    { name: 'VDD_CPU_SOC_MSS', milliwatts: 3920 },
    { name: 'VIN_SYS_5V0', milliwatts: 6532 },
    { name: 'VIN', chip: 'ina238', address: '2-0044', millivolts: 19700, milliamps: 1180, milliwatts: 23247 },
  ]);
  expect(board).toMatchObject({
    soc: 'tegra264',
    jetpack: '7.2',
    powerMode: { id: 1, name: '120W' },
    inputMilliwatts: 23247,
    gpus: [{ name: 'NVIDIA Thor', address: '0000:01:00.0', loadPercent: null, celsius: null, milliwatts: null }],
  });
});

test('an INA238 on another board has its own label, or the name of its chip', async () => {
  const board = new Board(folder, 'ina238').ina238('3-0045', 1, [12000, 500, null], 'INPUT');
  board.ina238('3-0046', 2, [12000, null, null]);
  expect((await boardTelemetry({ root: board.root })).rails).toMatchObject([
    { name: 'INPUT', milliwatts: 6000 },
    { name: 'ina238', milliamps: null, milliwatts: null },
  ]);
});

test('sensors that lack a file: null, and no reason, because nothing is wrong', async () => {
  const board = new Board(folder, 'gaps')
    .newIna('1-0040', 1, [['VDD_IN', [null, 100]]])
    .oldIna('2-0040', 'iio:device0', { OLD: [5000, 100, null], NOTHING: [null, null, null] })
    .zones([['cpu-thermal', null]]);
  const telemetry = await boardTelemetry({ root: board.root });
  expect(telemetry.rails.map(({ name, milliwatts }) => [name, milliwatts])).toEqual([
    ['OLD', 500],
    ['NOTHING', null],
    ['VDD_IN', null],
  ]);
  expect(telemetry).toMatchObject({ inputMilliwatts: null, temperatures: [{ celsius: null }], unreadable: [] });
});

test('a current that is almost none is 0, not −0', async () => {
  const board = new Board(folder, 'zero').newIna('1-0040', 1, [['VDD_IN', [4, -20]]]).zones([['cpu-thermal', '-0']]);
  const { rails, temperatures } = await boardTelemetry({ root: board.root });
  expect([rails[0]?.milliwatts, temperatures[0]?.celsius]).toEqual([0, 0]);
});

test('two rails of the input’s name: none of them is the input', async () => {
  const board = new Board(folder, 'inputs').newIna('1-0040', 1, [['VDD_IN', [5000, 100]]]);
  board.newIna('1-0041', 2, [['VDD_IN', [5000, 100]]]);
  expect((await boardTelemetry({ root: board.root })).inputMilliwatts).toBeNull();
});

test('an empty root, and this machine', async () => {
  expect(await boardTelemetry({ root: new Board(folder, 'empty').root })).toEqual({ ...nobody, ...none });
  const here = await boardTelemetry();
  expect(Object.keys(here).sort()).toEqual(Object.keys({ ...nobody, ...none }).sort());
  expect(JSON.parse(JSON.stringify(here))).toEqual(here); // no NaN, no undefined
});

test('a PC has temperatures, in the order of their zones', async () => {
  const zones = Array.from({ length: 12 }, (_, i): [string, number] => [`zone-${i}`, 20_000 + i * 1000]);
  const board = new Board(folder, 'pc').zones(zones).devfreq('fd000000.gpu', 500);
  const telemetry = await boardTelemetry({ root: board.root });
  expect(telemetry.temperatures.map(({ zone }) => zone)).toEqual(zones.map((_, i) => `thermal_zone${i}`));
  // Another maker's GPU, in another unit.
  expect(telemetry).toMatchObject({ ...nobody, gpus: [] });
});

test('cards of Edge TPUs tell, sticks do not, and a dead one is null', async () => {
  const board = new Board(folder, 'edge-tpus')
    .write('sys/class/apex/apex_0/temp', 45250)
    .write('sys/class/apex/apex_0/trip_point0_temp', 84800)
    .write('sys/class/apex/apex_1/temp', -88000)
    .write('sys/class/apex/apex_1/trip_point0_temp', 84800)
    .write('sys/class/apex/apex_2/temp', 91000)
    .write('sys/class/apex/apex_2/trip_point0_temp', 84800)
    .write('sys/bus/usb/devices/1-4/idVendor', '1a6e\n')
    .write('sys/bus/usb/devices/1-4/idProduct', '089a\n');
  expect(await boardTelemetry({ root: board.root })).toMatchObject({
    edgeTpus: [
      { selector: 'usb-1-4', address: '1-4', celsius: null, throttled: null },
      { selector: 'pci-0', celsius: 45.25, throttled: false },
      { selector: 'pci-1', celsius: null, throttled: null },
      { selector: 'pci-2', celsius: 91, throttled: true },
    ],
    unreadable: [{ path: '/sys/class/apex/apex_1/temp', reason: 'reads -88000, which cannot be' }],
  });
});

test('many at once read the same', async () => {
  const { root } = nano(folder, 'many');
  const readings = await Promise.all(Array.from({ length: 20 }, () => boardTelemetry({ root, deadlineMs: Infinity })));
  for (const reading of readings) expect(reading).toEqual(readings[0]);
  expect(readings[0]?.inputMilliwatts).toBe(2062);
});
