// A small `/` in a temporary folder, with the Edge TPUs that a test wants in it.
import fs from 'node:fs';
import path from 'node:path';
import type { Surroundings } from '../../lib/edgetpu/problems.js';
import { Folder } from '../support/folder.js';

// Groups can be given away only by the superuser: others test with the one that they have.
const superuser = process.getuid?.() === 0;
export const plugdev = superuser ? 46 : (process.getgid?.() ?? 0);
/** The mode of a node that no rule was applied to. Root's group may use it, which tells only where it is root's. */
export const untouched = superuser ? 0o664 : 0o644;

export class Tree {
  readonly root: string;

  constructor(folder: Folder, name: string) {
    this.root = path.join(folder.path, name);
    this.write('etc/group', `root:x:0:\nplugdev:x:${plugdev}:ann\napex:x:999:\n`);
  }

  write(name: string, content = ''): this {
    const file = path.join(this.root, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, content);
    return this;
  }

  /** A stick as sysfs shows it, and its node unless `device` is 0. */
  usb(port: string, ids: string, [bus, device] = [1, 5], node = true): this {
    const [vendor, product] = ids.split(':');
    const facts = { idVendor: vendor, idProduct: product, busnum: bus, devnum: device };
    for (const [name, value] of Object.entries(facts)) this.write(`sys/bus/usb/devices/${port}/${name}`, `${value}\n`);
    const digits = (number = 0): string => String(number).padStart(3, '0');
    return node ? this.write(`dev/bus/usb/${digits(bus)}/${digits(device)}`) : this;
  }

  /** A card; with a number it is taken by the kernel module. */
  pcie(address: string, number?: number, facts: Record<string, string | number> = {}, node = true): this {
    const device = `sys/bus/pci/devices/${address}`;
    this.write(`${device}/vendor`, '0x1ac1\n').write(`${device}/device`, '0x089a\n');
    if (number === undefined) return this;
    const directory = `sys/class/apex/apex_${number}`;
    for (const [name, value] of Object.entries(facts)) this.write(`${directory}/${name}`, `${value}\n`);
    fs.mkdirSync(path.join(this.root, directory), { recursive: true });
    fs.symlinkSync(path.join(this.root, device), path.join(this.root, directory, 'device'));
    this.write('sys/module/apex/version', '1.2\n');
    return node ? this.write(`dev/apex_${number}`) : this;
  }

  /** The node as udev left it. */
  owned(node: string, mode: number, gid = superuser ? 0 : plugdev): this {
    const file = path.join(this.root, node);
    fs.chmodSync(file, mode);
    if (superuser) fs.chownSync(file, 0, gid);
    return this;
  }

  /** Ann, who may use everything unless said otherwise; a driver library is there. */
  around(more: Partial<Surroundings> = {}): Surroundings {
    const user = { uid: 4000, groups: [4000], name: 'ann' };
    return { root: this.root, library: '/lib/libedgetpu.so.1', user, mayUse: () => true, kernel: '6.1.0', ...more };
  }
}
