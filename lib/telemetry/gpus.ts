/** How busy GPUs are: a Jetson's own by sysfs; those of nvidia.ko by procfs and the driver's program nvidia-smi. */
import { execFile } from 'node:child_process';
import { late, type Reader } from './reader.js';
import type { GpuTelemetry } from './types.js';

/** The GPU's names of Nano and TX1, TX2, Xavier, Orin; from JetPack 6 on Orin's is `gpu` too. */
const integratedPattern = /^[0-9a-f]+\.(?:gpu|gm20b|gp10b|gv11b|ga10b)$/;

/** In tenths of a percent. There is one GPU; kernels show it in several places. */
async function integrated(reader: Reader): Promise<GpuTelemetry[]> {
  const names = await reader.list('/sys/class/devfreq', integratedPattern);
  const places = [
    ...names.map((name) => ({ name, folder: `/sys/class/devfreq/${name}/device` })),
    ...['/sys/devices/gpu.0', '/sys/devices/platform/gpu.0'].map((folder) => ({ name: 'gpu.0', folder })),
  ];
  for (const { name, folder } of places) {
    const file = `${folder}/load`;
    if (!(await reader.exists(file))) continue;
    const load = await reader.integer(file, 0, 1000);
    return [{ name, address: null, loadPercent: load === null ? null : load / 10, celsius: null, milliwatts: null }];
  }
  return [];
}

/** What nvidia-smi says of one GPU. */
interface Row {
  readonly loadPercent: number | null;
  readonly celsius: number | null;
  readonly milliwatts: number | null;
}

const query = ['--query-gpu=pci.bus_id,utilization.gpu,temperature.gpu,power.draw', '--format=csv,noheader,nounits'];

/** `00000000:01:00.0` and `0000:01:00.0` are the same place. */
function pciAddress(text: string): string | null {
  const [, domain, rest] = /^([0-9a-f]{4,8}):([0-9a-f]{2}:[0-9a-f]{2}\.[0-7])$/i.exec(text) ?? [];
  if (domain === undefined || rest === undefined) return null;
  return `${domain.replace(/^0+/, '').padStart(4, '0')}:${rest}`.toLowerCase();
}

/** Says what is wrong with a field of a GPU. */
type Note = (address: string, reason: string) => void;

/** Null is what the GPU does not have (`[N/A]`, `[Not Supported]`), and with a note what is no number within the range. */
function measured(text: string | undefined, min: number, max: number, note: (reason: string) => void): number | null {
  if (text === undefined || /^\[?(?:N\/A|Not Supported)\]?$/i.test(text)) return null;
  const value = /^-?\d{1,9}(\.\d{1,6})?$/.test(text) ? Number(text) : NaN;
  if (value >= min && value <= max) return value;
  note(`says ${JSON.stringify(text.slice(0, 60))}`);
  return null;
}

/** One line a GPU. Jetsons' own have no address there, and no numbers. */
export function parseSmi(output: string, note: Note): Map<string, Row> {
  const rows = new Map<string, Row>();
  for (const line of output.split('\n')) {
    const [bus = '', load, temperature, power] = line.split(',').map((field) => field.trim());
    const address = pciAddress(bus);
    if (address === null) continue;
    const noted = (field: string) => (reason: string) => note(`${address} ${field}`, reason);
    const watts = measured(power, 0, 10_000, noted('power.draw'));
    rows.set(address, {
      loadPercent: measured(load, 0, 100, noted('utilization.gpu')),
      celsius: measured(temperature, -60, 200, noted('temperature.gpu')),
      milliwatts: watts === null ? null : Math.round(watts * 1000),
    });
  }
  return rows;
}

/** A run of nvidia-smi, for all who ask while it lasts. */
interface Run {
  readonly answer: Promise<string>;
  waiting: number;
  readonly kill: () => void;
}

/** By program. One that hangs in the driver survives being killed: no second one is started beside it. */
const runs = new Map<string, Run>();

/** The answer rejects with the program's own words. */
function startSmi(program: string): Run {
  let kill = (): void => undefined;
  const answer = new Promise<string>((resolve, reject) => {
    const options = { maxBuffer: 1024 * 1024, env: { ...process.env, LC_ALL: 'C' } };
    const child = execFile(program, query, options, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout);
      const { code, signal } = error as { code?: unknown; signal?: unknown };
      if (code === 'ENOENT') return reject(new Error('not found'));
      if (typeof code === 'string') return reject(error); // not started, or too much of an answer
      if (error.killed === true) return reject(new Error(late));
      // It complains on stdout.
      const [words = ''] = `${stdout}\n${stderr}`.trim().split('\n');
      const clean = words.replace(/[^ -~]/g, '?').slice(0, 200);
      reject(new Error(clean === '' ? `ended with ${String(signal ?? code)}` : clean));
    });
    child.stdin?.end();
    child.unref();
    kill = () => {
      child.kill('SIGKILL');
      child.stdout?.destroy();
      child.stderr?.destroy();
    };
  });
  const forget = (): unknown => runs.delete(program);
  void answer.then(forget, forget);
  return { answer, waiting: 0, kill: () => kill() };
}

/** What nvidia-smi prints; null, with a note, where it does not by the deadline. The last one to leave ends it. */
async function askSmi(reader: Reader, program: string): Promise<string | null> {
  const run = runs.get(program) ?? startSmi(program);
  runs.set(program, run);
  run.waiting += 1;
  const output = await reader.attempt(program, () => run.answer);
  run.waiting -= 1;
  if (run.waiting === 0) run.kill();
  return output;
}

/** GPUs of the driver nvidia.ko; `smi` is the program to ask, or null where the tree is not this machine's. */
async function driven(reader: Reader, smi: string | null): Promise<GpuTelemetry[]> {
  const folder = '/proc/driver/nvidia/gpus';
  const folders = await reader.list(folder, /^[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/i);
  if (folders.length === 0) return [];
  const output = smi === null ? null : await askSmi(reader, smi);
  const note = (what: string, reason: string): null => reader.note(`${smi ?? ''} ${what}`, reason);
  const rows = output === null ? null : parseSmi(output, note);
  const gpus = folders.map(async (address): Promise<GpuTelemetry> => {
    const text = (await reader.text(`${folder}/${address}/information`)) ?? '';
    const [, model] = /^Model:[ \t]*([ -~]{1,100}?)[ \t]*$/m.exec(text) ?? [];
    const key = pciAddress(address) ?? address;
    const row = rows?.get(key);
    if (rows !== null && row === undefined) note(key, 'not listed');
    const nothing = { loadPercent: null, celsius: null, milliwatts: null };
    return { name: model ?? null, address: key, ...(row ?? nothing) };
  });
  return Promise.all(gpus);
}

export async function gpusOf(reader: Reader, tegra: boolean, smi: string | null): Promise<GpuTelemetry[]> {
  // Other makers' boards have devices of these names, and other units.
  return [...(tegra ? await integrated(reader) : []), ...(await driven(reader, smi))];
}
