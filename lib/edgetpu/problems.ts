/** Why an Edge TPU that is plugged in cannot be used, and the command that mends it. Opens no device. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { list, text, usbIds, type EdgeTpu } from './devices.js';

export interface Problem {
  readonly what: string;
  /** A command, or what to do by hand. */
  readonly remedy: string;
}

export interface Surroundings {
  /** Stands for `/`. */
  readonly root: string;
  /** Where libedgetpu was found, or null. */
  readonly library: string | null;
  /** Of this process. */
  readonly user: { readonly uid: number; readonly groups: readonly number[]; readonly name: string };
  /** Whether this process may read and write a file: permission bits, access lists and all. */
  readonly mayUse: (file: string) => boolean;
  /** As `uname -r` says it. */
  readonly kernel: string;
}

function userName(): string {
  try {
    return os.userInfo().username;
  } catch {
    return ''; // containers run with ids that have no name
  }
}

function mayUse(file: string): boolean {
  try {
    fs.accessSync(file, fs.constants.R_OK | fs.constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

export function thisMachine(library: string | null): Surroundings {
  const groups = [process.getgid?.() ?? -1, ...(process.getgroups?.() ?? [])];
  const user = { uid: process.getuid?.() ?? -1, groups, name: userName() };
  return { root: '/', library, user, mayUse, kernel: os.release() };
}

/** Docker and Podman leave a file; systemd notes what started it; older kernels name the container in the control group. */
function inContainer(root: string): boolean {
  const marks = ['.dockerenv', 'run/.containerenv', 'run/systemd/container', 'run/secrets/kubernetes.io'];
  if (marks.some((name) => fs.existsSync(path.join(root, name)))) return true;
  return /docker|kubepods|containerd|libpod|lxc/.test(text(root, 'proc', '1', 'cgroup'));
}

/** The lines of all udev rules, without remarks. */
function udevRules(root: string): string[] {
  const folders = ['etc', 'run', 'usr/local/lib', 'usr/lib', 'lib'].map((name) =>
    path.join(root, name, 'udev', 'rules.d'),
  );
  const files = folders.flatMap((folder) => list(folder).map((name) => [folder, name] as const));
  return files
    .filter(([, name]) => name.endsWith('.rules'))
    .flatMap(([folder, name]) => text(folder, name).split('\n'))
    .filter((line) => !line.trimStart().startsWith('#'));
}

/** A rule for this product, or for all of the vendor's. */
function covers(line: string, ids: string): boolean {
  const [vendor = '', product = ''] = ids.split(':');
  return line.toLowerCase().includes(vendor) && (line.toLowerCase().includes(product) || !/idProduct/i.test(line));
}

const reload = 'sudo udevadm control --reload-rules && sudo udevadm trigger';
const rulesFile = '/etc/udev/rules.d/65-edgetpu.rules';
const usbRules = [usbIds.fresh, usbIds.used].map((ids) => {
  const [vendor = '', product = ''] = ids.split(':');
  return `SUBSYSTEM=="usb", ATTRS{idVendor}=="${vendor}", ATTRS{idProduct}=="${product}", MODE="0660", GROUP="plugdev"`;
});
const apexRule = 'SUBSYSTEM=="apex", MODE="0660", GROUP="apex"';

function addRules(tpu: EdgeTpu): string {
  const rules = tpu.bus === 'usb' ? usbRules : [apexRule];
  const group = tpu.bus === 'usb' ? 'plugdev' : 'apex';
  const lines = rules.map((rule) => `'${rule}'`).join(' ');
  return (
    `Run \`printf '%s\\n' ${lines} | sudo tee ${rulesFile} && sudo groupadd -f ${group} && ` +
    `sudo usermod -aG ${group} "$USER" && ${reload}\`, log out and in again${tpu.bus === 'usb' ? ', and plug the stick in anew' : ''}.`
  );
}

interface Group {
  readonly name: string;
  readonly members: readonly string[];
}

function groupOf(root: string, gid: number): Group | null {
  const lines = text(root, 'etc', 'group').split('\n');
  const [name, , , members = ''] =
    lines.map((line) => line.split(':')).find((fields) => fields[2] === String(gid)) ?? [];
  return name === undefined ? null : { name, members: members.split(',') };
}

function label(tpu: EdgeTpu): string {
  const where =
    tpu.bus === 'usb' ? `on USB port ${tpu.address}` : `on PCIe${tpu.address === '' ? '' : ` at ${tpu.address}`}`;
  return `The Edge TPU ${where}`;
}

/** A PCIe card that no driver has taken. */
function withoutModule(tpu: EdgeTpu, around: Surroundings): Problem {
  const { root, kernel } = around;
  if (fs.existsSync(path.join(root, 'sys', 'module', 'apex'))) {
    const what = `${label(tpu)} was not taken by the kernel module apex, which is loaded.`;
    return { what, remedy: 'Run `sudo dmesg | grep -i -e apex -e gasket`: it says why.' };
  }
  const what = `${label(tpu)} has no driver: the kernel module apex (with gasket) is not loaded.`;
  const host = inContainer(root) ? ' on the host of this container' : '';
  const installed = text(root, 'lib', 'modules', kernel, 'modules.dep').includes('/apex.ko');
  const load = 'sudo modprobe apex';
  if (installed) return { what, remedy: `Run \`${load}\`${host}.` };
  return {
    what,
    remedy:
      `Install the package gasket-dkms of Coral's repository and the headers of kernel ${kernel}${host} ` +
      `(\`sudo apt-get install gasket-dkms linux-headers-$(uname -r)\`), then run \`${load}\`.`,
  };
}

/** The kernel shows the device, and /dev does not have it. */
function withoutNode(tpu: EdgeTpu, node: string, around: Surroundings): Problem {
  const what = `${label(tpu)} is there, but ${node} is not`;
  if (!inContainer(around.root)) {
    const remedy = `Run \`sudo udevadm trigger\`; in a container, give it the device: ${mapping(tpu, node)}.`;
    return { what: `${what}.`, remedy };
  }
  return { what: `${what}: this container was not given the device.`, remedy: `Start it with ${mapping(tpu, node)}.` };
}

/** A stick has another node after its first use, so that all of USB has to be seen. 189 is USB's major number. */
function mapping(tpu: EdgeTpu, node: string): string {
  return tpu.bus === 'usb'
    ? "`--volume /dev/bus/usb:/dev/bus/usb --device-cgroup-rule 'c 189:* rmw'`"
    : `\`--device ${node}\``;
}

/** Whether the permission bits alone would do. */
function bitsAllow(stat: fs.Stats, user: Surroundings['user']): boolean {
  if (user.uid === 0) return true;
  const bits = stat.uid === user.uid ? stat.mode >> 6 : user.groups.includes(stat.gid) ? stat.mode >> 3 : stat.mode;
  return (bits & 0o6) === 0o6;
}

function forbidden(tpu: EdgeTpu, node: string, rules: readonly string[], around: Surroundings): Problem {
  const { root, user } = around;
  const stat = fs.statSync(path.join(root, node));
  const problem = (why: string, remedy: string): Problem => ({
    what: `${label(tpu)} may not be used by this user: ${node} cannot be read and written. ${why}`.trim(),
    remedy,
  });
  if (bitsAllow(stat, user)) {
    return problem(
      'Its permission bits allow it: the device rules of a container, or a security module, forbid it.',
      `Start the container with ${mapping(tpu, node)}; where there is none, look at \`sudo dmesg | grep -i denied\`.`,
    );
  }
  const { gid } = stat;
  const groupMayUse = (stat.mode & 0o060) === 0o060 && gid !== 0;
  if (inContainer(root)) {
    return groupMayUse
      ? problem('', `Start the container with \`--group-add ${gid}\`, the group of the device.`)
      : problem(
          'It belongs to no group but root.',
          'Have udev rules on the host give it to a group, and start the container with `--group-add` and its number.',
        );
  }
  if (!groupMayUse) {
    if (rules.length === 0) return problem('No udev rule gives it to anybody.', addRules(tpu));
    const anew = tpu.bus === 'usb' ? ', then plug the stick in anew' : '';
    return problem('The udev rules have not been applied.', `Run \`${reload}\`${anew}.`);
  }
  const group = groupOf(root, gid);
  const name = group?.name ?? String(gid);
  return group?.members.includes(user.name) === true
    ? problem(`The user is in the group ${name}, but this session is older.`, 'Log out and in again.')
    : problem(
        `The user is not in the group ${name}.`,
        `Run \`sudo usermod -aG ${name} "$USER"\`, then log out and in again.`,
      );
}

/** A stick whose ids change is a stranger to rules that know only one of them. */
function halfCovered(tpu: EdgeTpu, rules: readonly string[]): Problem | null {
  const missing = [usbIds.fresh, usbIds.used].filter((ids) => !rules.some((line) => covers(line, ids)));
  if (missing.length === 0) return null;
  const what = `${label(tpu)} changes its USB ids at its first use, and no udev rule knows ${missing.join(' and ')}.`;
  return { what, remedy: addRules(tpu) };
}

function problemsOf(tpu: EdgeTpu, rules: readonly string[], around: Surroundings): Problem[] {
  const { root, user } = around;
  if (tpu.temperature !== null && tpu.temperature < -80) {
    const what = `${label(tpu)} does not answer: it reports ${tpu.temperature.toFixed(1)} °C.`;
    return [{ what, remedy: 'Switch the machine off and on again; a restart is not enough. Then check its cooling.' }];
  }
  if (tpu.node === null) return [withoutModule(tpu, around)];
  const file = path.join(root, tpu.node);
  if (!fs.existsSync(file)) return [withoutNode(tpu, tpu.node, around)];
  const own = rules.filter((line) =>
    tpu.bus === 'usb' ? [usbIds.fresh, usbIds.used].some((ids) => covers(line, ids)) : /\bapex\b/.test(line),
  );
  if (!around.mayUse(file)) return [forbidden(tpu, tpu.node, own, around)];
  // The superuser needs no rule, and a container's are the host's.
  const half = tpu.bus === 'usb' && user.uid !== 0 && !inContainer(root) ? halfCovered(tpu, own) : null;
  return half === null ? [] : [half];
}

/** What keeps these Edge TPUs from being used; empty where there are none. */
export function edgeTpuProblems(tpus: readonly EdgeTpu[], around: Surroundings): Problem[] {
  if (tpus.length === 0) return [];
  const rules = udevRules(around.root);
  const problems = tpus.flatMap((tpu) => problemsOf(tpu, rules, around));
  if (around.library === null) {
    const what = 'An Edge TPU is plugged in, but its driver libedgetpu.so.1 was not found.';
    const remedy =
      "Install libedgetpu1-std of Coral's repository (`sudo apt-get install libedgetpu1-std`), or name a library that " +
      'you have in EDGE_INFER_EDGETPU.';
    problems.push({ what, remedy });
  }
  return problems;
}
