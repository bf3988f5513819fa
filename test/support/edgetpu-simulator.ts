/** Tells the simulated Edge TPU driver what to do, and reads what it remembers: test/simulators/edgetpu/README.md. */
import fs from 'node:fs';
import path from 'node:path';

export class EdgeTpuSimulator {
  /** By default the folder that the environment named when the process started: that is what a library sees. */
  constructor(readonly folder: string = process.env['EDGE_INFER_EDGETPU_SIMULATOR'] ?? '') {
    if (folder === '') throw new Error('EDGE_INFER_EDGETPU_SIMULATOR names no control folder.');
    fs.mkdirSync(folder, { recursive: true });
  }

  /** Lines `usb PATH [N]` or `pci PATH`. */
  devices(...lines: string[]): void {
    this.#tell('devices', lines);
  }

  /** Lines `fail|hang|abort|unplug RUN [PATH]`; runs count from here. None: nothing goes wrong, and hanging runs end. */
  faults(...lines: string[]): void {
    this.#tell('faults', lines);
  }

  latency(microseconds: number): void {
    this.#tell('latency_us', [String(microseconds)]);
  }

  version(text: string): void {
    this.#tell('version', [text]);
  }

  /** One USB stick and no faults, as without a control folder. What was counted and logged stays. */
  reset(): void {
    for (const name of ['devices', 'faults', 'latency_us', 'version']) {
      fs.rmSync(path.join(this.folder, name), { force: true });
    }
  }

  /** Runs that have reached the device at this path, or any device, in all processes so far. */
  runs(device = '*'): number {
    for (const line of this.#lines('record')) {
      const [word, ever, , of] = line.split(' ');
      if (word === 'runs' && of === device) return Number(ever);
    }
    return 0;
  }

  /** What happened, oldest first. */
  log(): { pid: number; event: string }[] {
    return this.#lines('log').map((line) => {
      const space = line.indexOf(' ');
      return { pid: Number(line.slice(0, space)), event: line.slice(space + 1) };
    });
  }

  /** Whether a run hangs, or has hung, that began when the log had that many entries. */
  hung(since: number, path = ''): boolean {
    return this.log()
      .slice(since)
      .some(({ event }) => event.startsWith('hang') && event.endsWith(path));
  }

  #tell(name: string, lines: string[]): void {
    const next = path.join(this.folder, `${name}.${process.pid}`);
    fs.writeFileSync(next, lines.map((line) => `${line}\n`).join(''));
    fs.renameSync(next, path.join(this.folder, name));
  }

  #lines(name: string): string[] {
    const file = path.join(this.folder, name);
    return fs.existsSync(file) ? fs.readFileSync(file, 'utf8').split('\n').filter(Boolean) : [];
  }
}
