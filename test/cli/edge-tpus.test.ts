// What `devices` and `doctor` say of Edge TPUs that the system shows: the commands themselves, in a tree made here.
import { Args } from '../../lib/cli/args.js';
import { devices, edgeTpuText } from '../../lib/cli/devices.js';
import { doctor, type Diagnosis } from '../../lib/cli/doctor.js';
import { Ui } from '../../lib/cli/ui.js';
import type * as Devices from '../../lib/edgetpu/devices.js';
import { edgeTpus } from '../../lib/edgetpu/devices.js';
import { Tree } from '../edgetpu/tree.js';
import { Folder } from '../support/folder.js';

const folder = new Folder();
let mockRoot = '';

// No machine of the tests has an Edge TPU: look at a tree instead of `/`.
jest.mock('../../lib/edgetpu/devices', () => {
  const real = jest.requireActual<typeof Devices>('../../lib/edgetpu/devices');
  return { ...real, edgeTpus: () => real.edgeTpus(mockRoot) };
});

const run = (command: typeof doctor, ...words: string[]) =>
  Promise.resolve(command.run(new Args(words, command), new Ui()));

beforeAll(() => {
  const limits = { trip_point0_temp: 84800, trip_point1_temp: 89800 };
  mockRoot = new Tree(folder, 'machine')
    .usb('1-4', '1a6e:089a', [99, 5])
    .usb('1-5', '18d1:9302', [99, 6])
    .pcie('0000:03:00.0', 97, { temp: 85100, ...limits })
    .pcie('0000:04:00.0').root;
});

test('devices: where they are, how warm, how slow', async () => {
  const { json, text } = await run(devices);
  expect(json['edgeTpus']).toHaveLength(4);
  const lines = text.slice(text.indexOf('Edge TPUs')).split('\n');
  expect(lines).toEqual([
    'Edge TPUs that the system shows',
    '  usb   1-4           /dev/bus/usb/099/005  not used since it was plugged in',
    '  usb   1-5           /dev/bus/usb/099/006  used since it was plugged in',
    '  pcie  0000:03:00.0  /dev/apex_97          85.1 °C, slowed; slower from 84.8, 89.8 °C',
    '  pcie  0000:04:00.0  no driver',
  ]);
});

test('doctor: each is a problem with its remedy, and the end is 3', async () => {
  const { json, text, failure } = await run(doctor);
  const found = json as unknown as Diagnosis;
  expect(found.edgeTpus).toHaveLength(4);
  const own = found.problems.filter(({ what }) => what.includes('Edge TPU'));
  // This machine's /dev has none of their nodes.
  expect(own.slice(0, 4).map(({ what }) => /port 1-\d|at 0000:0\d/.exec(what)?.[0])).toEqual([
    'port 1-4',
    'port 1-5',
    'at 0000:03',
    'at 0000:04',
  ]);
  for (const { what, remedy } of own) {
    expect(remedy).not.toBe('');
    expect(text).toContain(`! ${what}\n  ${remedy}`);
  }
  expect(failure).toMatchObject({ exitCode: 3, error: { code: 'ERR_UNAVAILABLE' } });
});

test('where there is none, nothing is said', () => {
  mockRoot = new Tree(folder, 'empty').root;
  expect(edgeTpuText(edgeTpus())).toBe('');
});
