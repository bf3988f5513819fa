/** Edge TPUs as the kernel shows them, whether or not a driver can open them: reads sysfs, touches no device. */
import fs from 'node:fs';
import path from 'node:path';

/** An Edge TPU that is plugged in. */
export interface EdgeTpu {
  readonly bus: 'usb' | 'pcie';
  /** As in `tflite:edgetpu:usb-1-4`; null for a PCIe card that the kernel module has not taken. */
  readonly selector: string | null;
  /** On its bus: `1-4`, `0000:03:00.0`. */
  readonly address: string;
  /** What has to be opened for it, below the root; null where the kernel offers none. */
  readonly node: string | null;
  /** A stick shows other ids (and another node) from its first use on, until it loses power. */
  readonly used: boolean | null;
  /** The version of the kernel module that has taken a card; null where the kernel does not tell, as for USB. */
  readonly moduleVersion: string | null;
  /** In °C; null where the kernel does not tell, as for USB. */
  readonly temperature: number | null;
  /** From these temperatures on the clock is halved, once more at each; empty where the kernel does not tell. */
  readonly throttleAt: readonly number[];
  /** Null where the kernel does not tell. */
  readonly throttled: boolean | null;
}

/** USB ids before the first use, when the stick waits for its firmware, and after it. */
export const usbIds = { fresh: '1a6e:089a', used: '18d1:9302' } as const;
const pcieId = '0x1ac1:0x089a';

export function list(directory: string): string[] {
  try {
    return fs.readdirSync(directory).sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  } catch {
    return [];
  }
}

export function text(...parts: string[]): string {
  try {
    return fs.readFileSync(path.join(...parts), 'utf8').trim();
  } catch {
    return '';
  }
}

/** A number of millidegrees as degrees. An absent or unreadable file is no temperature, and so not 0 °C. */
function degrees(directory: string, name: string): number | null {
  const content = text(directory, name);
  return /^-?\d+$/.test(content) ? Number(content) / 1000 : null;
}

function usbTpus(root: string): EdgeTpu[] {
  const devices = path.join(root, 'sys', 'bus', 'usb', 'devices');
  return list(devices).flatMap((address): EdgeTpu[] => {
    const directory = path.join(devices, address);
    const ids = `${text(directory, 'idVendor')}:${text(directory, 'idProduct')}`.toLowerCase();
    if (ids !== usbIds.fresh && ids !== usbIds.used) return [];
    const [bus, device] = [text(directory, 'busnum'), text(directory, 'devnum')].map((number) =>
      number.padStart(3, '0'),
    );
    return [
      {
        bus: 'usb',
        selector: `usb-${address}`,
        address,
        node: path.join('/dev/bus/usb', bus ?? '', device ?? ''),
        used: ids === usbIds.used,
        moduleVersion: null,
        temperature: null,
        throttleAt: [],
        throttled: null,
      },
    ];
  });
}

/** A device of the kernel module `apex`: `/sys/class/apex/apex_0`. */
function apexTpu(directory: string, name: string): EdgeTpu {
  const temperature = degrees(directory, 'temp');
  const points = [0, 1, 2].map((point) => degrees(directory, `trip_point${point}_temp`));
  const throttleAt = points.filter((point): point is number => point !== null);
  const [first] = throttleAt;
  let address = '';
  try {
    address = path.basename(fs.realpathSync(path.join(directory, 'device')));
  } catch {
    // sysfs is not whole, as in some containers
  }
  return {
    bus: 'pcie',
    selector: `pci-${name.replace(/\D+/, '')}`,
    address,
    node: `/dev/${name}`,
    used: null,
    moduleVersion: text(directory, 'driver_version') || null,
    temperature,
    throttleAt,
    throttled: temperature === null || first === undefined ? null : temperature >= first,
  };
}

function pcieTpus(root: string): EdgeTpu[] {
  const classes = path.join(root, 'sys', 'class', 'apex');
  const taken = list(classes).map((name) => apexTpu(path.join(classes, name), name));
  const bus = path.join(root, 'sys', 'bus', 'pci', 'devices');
  const waiting = list(bus).filter((address) => {
    const ids = `${text(bus, address, 'vendor')}:${text(bus, address, 'device')}`.toLowerCase();
    return ids === pcieId && !taken.some((one) => one.address === address);
  });
  const none = {
    selector: null,
    node: null,
    used: null,
    moduleVersion: null,
    temperature: null,
    throttleAt: [],
    throttled: null,
  } as const;
  return [...taken, ...waiting.map((address): EdgeTpu => ({ bus: 'pcie', address, ...none }))];
}

/** All that are plugged in, USB first. `root` stands for `/`. Takes a few milliseconds. */
export function edgeTpus(root = '/'): EdgeTpu[] {
  return [...usbTpus(root), ...pcieTpus(root)];
}
