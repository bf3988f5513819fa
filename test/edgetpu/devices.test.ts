// What sysfs tells of Edge TPUs, in trees made here.
import { edgeTpus } from '../../lib/edgetpu/devices.js';
import { Folder } from '../support/folder.js';
import { Tree } from './tree.js';

const folder = new Folder();
let count = 0;
const tree = (): Tree => new Tree(folder, `tree-${count++}`);
const seen = (one: Tree): ReturnType<typeof edgeTpus> => edgeTpus(one.root);

test('a machine without any, and one without sysfs', () => {
  const other = tree().usb('1-1', '1d6b:0002').usb('1-2', '18d1:4ee7').write('sys/class/apex/.keep');
  other
    .write('sys/bus/pci/devices/0000:00:01.0/vendor', '0x1ac1')
    .write('sys/bus/pci/devices/0000:00:01.0/device', '0x1');
  expect(seen(other).filter((tpu) => tpu.bus === 'usb')).toEqual([]);
  expect(edgeTpus(`${folder.path}/nowhere`)).toEqual([]);
  expect(Array.isArray(edgeTpus())).toBe(true); // this machine, whatever it has
});

test('sticks, before and after their first use, by port', () => {
  const tpus = seen(tree().usb('2-10', '18D1:9302', [2, 12]).usb('2-3.1', '1a6e:089a', [2, 7]).usb('1-1', '1d6b:0002'));
  const none = { moduleVersion: null, temperature: null, throttleAt: [], throttled: null };
  expect(tpus).toEqual([
    { bus: 'usb', selector: 'usb-2-3.1', address: '2-3.1', node: '/dev/bus/usb/002/007', used: false, ...none },
    { bus: 'usb', selector: 'usb-2-10', address: '2-10', node: '/dev/bus/usb/002/012', used: true, ...none },
  ]);
});

test('cards, with their temperatures', () => {
  const points = { trip_point0_temp: 84800, trip_point1_temp: 89800, trip_point2_temp: 94800 };
  const machine = tree()
    .pcie('0000:03:00.0', 0, { temp: 45250, driver_version: '1.1.4', ...points })
    .pcie('0000:04:00.0', 1, { temp: 91000, ...points })
    .pcie('0000:05:00.0');
  expect(seen(machine)).toMatchObject([
    { selector: 'pci-0', address: '0000:03:00.0', node: '/dev/apex_0', moduleVersion: '1.1.4', temperature: 45.25 },
    { selector: 'pci-1', moduleVersion: null, throttleAt: [84.8, 89.8, 94.8], temperature: 91, throttled: true },
    { selector: null, address: '0000:05:00.0', node: null, temperature: null, throttled: null },
  ]);
});

test.each<[string, Record<string, string>, number | null]>([
  ['no file', {}, null],
  ['an empty file', { temp: '' }, null],
  ['words', { temp: 'unknown' }, null],
  ['zero', { temp: '0' }, 0],
  ['below zero', { temp: '-88000' }, -88],
])('a temperature that is %s is not made up', (_, facts, temperature) => {
  const [tpu] = seen(tree().pcie('0000:03:00.0', 0, facts));
  expect(tpu).toMatchObject({ temperature, throttleAt: [], throttled: null });
});

test('a limit without a temperature, and the other way round, tell nothing of throttling', () => {
  expect(seen(tree().pcie('0000:03:00.0', 0, { trip_point0_temp: 84800 }))[0]).toMatchObject({
    throttleAt: [84.8],
    throttled: null,
  });
});

test('a container that shows the class only', () => {
  const machine = tree().write('sys/class/apex/apex_2/temp', '40000\n');
  expect(seen(machine)).toMatchObject([{ selector: 'pci-2', address: '', node: '/dev/apex_2', temperature: 40 }]);
});
