/** Describes the machine that a number or a bug report comes from; nothing in it names its owner or its network. */
import fs from 'node:fs';
import os from 'node:os';

export interface Machine {
  readonly node: string;
  readonly platform: string;
  readonly kernel: string;
  /** The distribution's own name, where it has one. */
  readonly system: string | null;
  /** The board, where the device tree names it (Jetson, Raspberry Pi). */
  readonly board: string | null;
  readonly cpu: string;
  readonly cores: number;
  /** Cores that the container may use, where it is limited. */
  readonly coreLimit: number | null;
  readonly memoryBytes: number;
  /** CPU frequency governor: anything but `performance` makes latencies vary. */
  readonly governor: string | null;
  /** Of the last minute: above 0 something else runs too. */
  readonly loadAverage: number;
}

function read(file: string): string | null {
  try {
    return fs.readFileSync(file, 'utf8').replace(/\0/g, '').trim();
  } catch {
    return null;
  }
}

/** `max 100000` or `200000 100000`: quota and period in microseconds (cgroup v2). */
function coreLimit(): number | null {
  const [quota, period] = (read('/sys/fs/cgroup/cpu.max') ?? '').split(' ').map(Number);
  return quota !== undefined && period !== undefined && quota > 0 && period > 0 ? quota / period : null;
}

export function describeMachine(): Machine {
  const release = read('/etc/os-release') ?? '';
  const cpus = os.cpus();
  return {
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
    kernel: `${os.type()} ${os.release()}`,
    system: /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(release)?.[1] ?? null,
    board: read('/proc/device-tree/model'),
    // Some Arm kernels do not name the CPU.
    cpu: cpus[0]?.model.trim() || 'unknown',
    cores: cpus.length,
    coreLimit: coreLimit(),
    memoryBytes: os.totalmem(),
    governor: read('/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor'),
    loadAverage: os.loadavg()[0] ?? 0,
  };
}
