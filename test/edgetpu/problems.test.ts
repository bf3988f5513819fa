// Every reason for which an Edge TPU that is there cannot be used, in trees made here, and what to do.
import { edgeTpus } from '../../lib/edgetpu/devices.js';
import { edgeTpuProblems, thisMachine, type Problem, type Surroundings } from '../../lib/edgetpu/problems.js';
import { Folder } from '../support/folder.js';
import { plugdev, Tree, untouched } from './tree.js';

const folder = new Folder();
let count = 0;
const tree = (): Tree => new Tree(folder, `tree-${count++}`);
const root = { uid: 0, groups: [0], name: 'root' };
const fresh = '1a6e:089a';
const used = '18d1:9302';
const bothRules = `SUBSYSTEM=="usb", ATTRS{idVendor}=="1a6e", GROUP="plugdev"
SUBSYSTEM=="usb", ATTRS{idVendor}=="18d1", ATTRS{idProduct}=="9302", GROUP="plugdev"
`;

const problems = (one: Tree, more: Partial<Surroundings> = {}): Problem[] =>
  edgeTpuProblems(edgeTpus(one.root), one.around(more));

/** The only problem. */
function problem(one: Tree, more: Partial<Surroundings> = {}): Problem {
  const all = problems(one, more);
  expect(all).toHaveLength(1);
  return all[0]!;
}

const stick = (ids = fresh): Tree => tree().usb('1-4', ids);
const node = 'dev/bus/usb/001/005';

test('without an Edge TPU there is none, whatever is missing', () => {
  expect(problems(tree(), { library: null, mayUse: () => false })).toEqual([]);
});

test('all is well: the superuser, and a user with rules for both ids', () => {
  expect(problems(stick(), { user: root })).toEqual([]);
  expect(problems(stick(used).write('etc/udev/rules.d/60-libedgetpu1-std.rules', bothRules))).toEqual([]);
  expect(problems(tree().pcie('0000:03:00.0', 0, { temp: 40000 }))).toEqual([]);
});

test('the driver library is missing', () => {
  expect(problem(stick(), { user: root, library: null })).toEqual({
    what: 'An Edge TPU is plugged in, but its driver libedgetpu.so.1 was not found.',
    remedy: expect.stringMatching(/apt-get install libedgetpu1-std.*EDGE_INFER_EDGETPU/) as string,
  });
});

describe('udev rules', () => {
  const forbidden = { mayUse: () => false };

  test('none: the command that makes them', () => {
    const { what, remedy } = problem(stick().owned(node, untouched), forbidden);
    expect(what).toMatch(/USB port 1-4 may not be used.*\/dev\/bus\/usb\/001\/005.*No udev rule/);
    for (const part of ['1a6e', '089a', '18d1', '9302', 'plugdev', '/etc/udev/rules.d/', 'udevadm', 'usermod -aG']) {
      expect(remedy).toContain(part);
    }
    expect(remedy).toContain('plug the stick in anew');
  });

  test('the command writes what the doctor then accepts', () => {
    const one = stick().owned(node, untouched);
    const { remedy } = problem(one, forbidden);
    const printf = /(printf .*?) \| sudo tee (\S+)/.exec(remedy);
    const lines = [...(printf?.[1] ?? '').matchAll(/'(SUBSYSTEM[^']*)'/g)].map((match) => match[1]);
    expect(lines).toHaveLength(2);
    one.write((printf?.[2] ?? '').slice(1), `${lines.join('\n')}\n`);
    expect(problem(one, forbidden).what).toContain('have not been applied');
    expect(problems(one)).toEqual([]);
  });

  test('there, but not applied', () => {
    for (const directory of ['etc', 'usr/lib', 'lib', 'run']) {
      const one = stick().owned(node, untouched).write(`${directory}/udev/rules.d/60-a.rules`, bothRules);
      const { what, remedy } = problem(one, forbidden);
      expect(what).toContain('have not been applied');
      expect(remedy).toMatch(/udevadm control --reload-rules.*plug the stick in anew/);
    }
  });

  test.each([
    ['one id', 'ATTRS{idVendor}=="1a6e"', /at its first use, and no udev rule knows 18d1:9302\./],
    ['the other id', 'ATTRS{idVendor}=="18D1"', /no udev rule knows 1a6e:089a\./],
    ['other products', 'ATTRS{idVendor}=="18d1", ATTRS{idProduct}=="4ee7"', /knows 1a6e:089a and 18d1:9302\./],
    ['remarks', `# ${bothRules.split('\n').join('\n# ')}`, /knows 1a6e:089a and 18d1:9302\./],
  ])('for %s only: a warning while the stick still works', (_, rules, message) => {
    const one = stick().write('etc/udev/rules.d/60-a.rules', `${rules}\n`);
    expect(problem(one).what).toMatch(message);
    expect(problems(one, { user: root })).toEqual([]);
  });

  test('for a card', () => {
    const one = tree().pcie('0000:03:00.0', 0).owned('dev/apex_0', 0o600);
    const { what, remedy } = problem(one, forbidden);
    expect(what).toMatch(/PCIe at 0000:03:00\.0 may not be used.*\/dev\/apex_0.*No udev rule/);
    expect(remedy).toMatch(/SUBSYSTEM=="apex".*groupadd -f apex/);
    expect(remedy).not.toContain('plug');
    one.write('etc/udev/rules.d/65-apex.rules', 'SUBSYSTEM=="apex", GROUP="apex"\n');
    expect(problem(one, forbidden).what).toContain('have not been applied');
  });
});

describe('groups', () => {
  const forbidden = { mayUse: () => false };
  const grouped = (): Tree => stick().write('etc/udev/rules.d/60-a.rules', bothRules).owned(node, 0o660, plugdev);

  test('the user is not in the group of the device', () => {
    const user = { uid: 4001, groups: [4001], name: 'bob' };
    const { what, remedy } = problem(grouped(), { ...forbidden, user });
    expect(what).toContain('The user is not in the group plugdev.');
    expect(remedy).toBe('Run `sudo usermod -aG plugdev "$USER"`, then log out and in again.');
    expect(what + remedy).not.toContain('bob');
  });

  test('the user is in it since this session began', () => {
    expect(problem(grouped(), forbidden)).toMatchObject({
      what: expect.stringContaining('in the group plugdev, but this session is older') as string,
      remedy: 'Log out and in again.',
    });
  });

  test('a group without a name', () => {
    const one = stick().owned(node, 0o660, plugdev).write('etc/group', 'root:x:0:\n');
    expect(problem(one, forbidden).remedy).toContain(`usermod -aG ${plugdev}`);
  });

  test('the bits allow it, and something else does not', () => {
    const user = { uid: 4000, groups: [4000, plugdev], name: 'ann' };
    const one = { ...problem(grouped(), { ...forbidden, user }) };
    expect(one.what).toMatch(/permission bits allow it/);
    expect(one.remedy).toMatch(/--device-cgroup-rule 'c 189:\* rmw'.*dmesg/);
  });
});

describe('containers', () => {
  const marks: [string, string, string][] = [
    ['Docker', '.dockerenv', ''],
    ['Podman', 'run/.containerenv', ''],
    ['systemd', 'run/systemd/container', 'lxc\n'],
    ['control groups', 'proc/1/cgroup', '12:devices:/docker/0123456789ab\n'],
  ];

  test.each(marks)('%s: the stick was not mapped', (_, mark, content) => {
    const { what, remedy } = problem(tree().usb('1-4', used, [1, 5], false).write(mark, content));
    expect(what).toMatch(/is there, but \/dev\/bus\/usb\/001\/005 is not: this container was not given the device/);
    expect(remedy).toContain("--volume /dev/bus/usb:/dev/bus/usb --device-cgroup-rule 'c 189:* rmw'");
  });

  test('a card was not mapped', () => {
    const one = tree().pcie('0000:03:00.0', 0, {}, false).write('.dockerenv');
    expect(problem(one).remedy).toBe('Start it with `--device /dev/apex_0`.');
  });

  test('outside of a container the same is for udev', () => {
    const { what, remedy } = problem(tree().usb('1-4', used, [1, 5], false).write('proc/1/cgroup', '0::/init.scope\n'));
    expect(what).not.toContain('container');
    expect(remedy).toContain('sudo udevadm trigger');
  });

  test('the group of the device by its number, because names differ inside', () => {
    const one = stick().write('.dockerenv').owned(node, 0o660, plugdev);
    expect(problem(one, { mayUse: () => false }).remedy).toContain(`--group-add ${plugdev}`);
    const rootOnly = stick().write('.dockerenv').owned(node, 0o600);
    expect(problem(rootOnly, { mayUse: () => false })).toMatchObject({
      what: expect.stringContaining('no group but root') as string,
      remedy: expect.stringContaining('on the host') as string,
    });
  });

  test('rules are the host’s: none is missed in here', () => {
    expect(problems(stick().write('.dockerenv'))).toEqual([]);
  });
});

describe('cards', () => {
  test('the module is not installed', () => {
    const { what, remedy } = problem(tree().pcie('0000:03:00.0'));
    expect(what).toMatch(/PCIe at 0000:03:00\.0 has no driver: the kernel module apex \(with gasket\) is not loaded/);
    expect(remedy).toMatch(/gasket-dkms.*kernel 6\.1\.0.*sudo modprobe apex/);
  });

  test('it is installed and not loaded', () => {
    const one = tree().pcie('0000:03:00.0').write('lib/modules/6.1.0/modules.dep', 'updates/dkms/apex.ko: gasket.ko\n');
    expect(problem(one).remedy).toBe('Run `sudo modprobe apex`.');
    expect(problem(one.write('.dockerenv')).remedy).toBe('Run `sudo modprobe apex` on the host of this container.');
    expect(problem(one, { kernel: '6.2.0' }).remedy).toContain('gasket-dkms');
  });

  test('it is loaded and did not take the card', () => {
    const one = tree().pcie('0000:03:00.0').write('sys/module/apex/version', '1.2');
    expect(problem(one)).toMatchObject({
      what: expect.stringContaining('was not taken by the kernel module apex, which is loaded') as string,
      remedy: expect.stringContaining('dmesg') as string,
    });
  });

  test('a dead one, before anything else is said of it', () => {
    const { what, remedy } = problem(tree().pcie('0000:03:00.0', 0, { temp: -88700 }, false), { mayUse: () => false });
    expect(what).toContain('does not answer: it reports -88.7 °C');
    expect(remedy).toContain('off and on');
  });

  test('a hot one is none', () => {
    expect(problems(tree().pcie('0000:03:00.0', 0, { temp: 99000, trip_point0_temp: 84800 }))).toEqual([]);
  });
});

test('each of several is judged by itself', () => {
  const one = tree().usb('1-4', used).usb('1-5', fresh, [1, 6]).pcie('0000:03:00.0');
  const mayUse = (file: string): boolean => file.endsWith('/005');
  const found = problems(one.owned('dev/bus/usb/001/006', untouched), { mayUse });
  expect(found.map(({ what }) => /port 1-\d|PCIe/.exec(what)?.[0])).toEqual(['port 1-4', 'port 1-5', 'PCIe']);
});

test('this machine is looked at without an error', () => {
  const around = thisMachine(null);
  expect(around.user.uid).toBe(process.getuid?.());
  const file = `${tree().root}/etc/group`;
  expect(around.mayUse(file)).toBe(true);
  expect(around.mayUse(`${file}.none`)).toBe(false);
  expect(Array.isArray(edgeTpuProblems(edgeTpus(), around))).toBe(true);
});
