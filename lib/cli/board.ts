/** `edge-infer board`: what the board is, what it draws, how warm and how busy it is. */
import { setTimeout as sleep } from 'node:timers/promises';
import { boardTelemetry } from '../index.js';
import type { BoardTelemetry, PowerRail, TelemetryOptions } from '../telemetry/types.js';
import { UsageError, type Args } from './args.js';
import type { Command } from './command.js';
import { Interrupt } from './interrupt.js';
import { indent, table, type Result } from './output.js';

const shortestMs = 100;
const longestMs = 24 * 3600 * 1000;

/** A number of thousandths with its unit; `–` where it is not known. */
function thousandths(value: number | null, digits: number, unit: string): string {
  return value === null ? '–' : `${(value / 1000).toFixed(digits)} ${unit}`;
}

function celsius(value: number | null): string {
  return value === null ? '–' : `${value.toFixed(1)} °C`;
}

/** `L4T 36.4.3, JetPack 6.2, power mode 15W`: what a Jetson runs; '' elsewhere. */
function softwareText({ l4t, jetpack, powerMode }: BoardTelemetry): string {
  const parts = [];
  if (l4t !== null) parts.push(`L4T ${l4t}`, jetpack === null ? 'JetPack not known' : `JetPack ${jetpack}`);
  if (powerMode !== null) parts.push(`power mode ${powerMode.name ?? powerMode.id}`);
  return parts.join(', ');
}

/** The doctor's line; '' where it would say nothing. */
export function boardLine(board: BoardTelemetry): string {
  const software = softwareText(board);
  const model = board.model ?? board.soc ?? '';
  return [model, software].filter((part) => part !== '').join(', ');
}

function railRow({ name, milliwatts, millivolts, milliamps }: PowerRail): string[] {
  return [name, thousandths(milliwatts, 2, 'W'), thousandths(millivolts, 3, 'V'), thousandths(milliamps, 3, 'A')];
}

function section(title: string, rows: readonly (readonly string[])[]): string {
  return rows.length === 0 ? '' : `${title}\n${indent(table(rows))}`;
}

export function boardText(board: BoardTelemetry): string {
  const { model, soc, rails, temperatures, gpus, edgeTpus, unreadable, inputMilliwatts } = board;
  const name = [model ?? 'The board has no name here', ...(soc === null ? [] : [`(${soc})`])].join(' ');
  const input = inputMilliwatts === null ? '' : `, ${thousandths(inputMilliwatts, 2, 'W')} in all`;
  const parts = [
    [name, softwareText(board)].filter((part) => part !== '').join('\n'),
    section(`Power${input}`, rails.map(railRow)),
    section(
      'Temperatures',
      temperatures.map((zone) => [zone.name, celsius(zone.celsius)]),
    ),
    section(
      'GPUs',
      gpus.map((gpu) => [
        gpu.name ?? '–',
        gpu.address ?? '',
        gpu.loadPercent === null ? 'load –' : `load ${gpu.loadPercent} %`,
        ...(gpu.address === null ? [] : [celsius(gpu.celsius), thousandths(gpu.milliwatts, 1, 'W')]),
      ]),
    ),
    section(
      'Edge TPUs',
      edgeTpus.map((tpu) => [tpu.address, celsius(tpu.celsius), tpu.throttled === true ? 'slowed' : '']),
    ),
    section(
      'Not readable',
      unreadable.map(({ path, reason }) => [path, reason]),
    ),
  ];
  return parts.filter((part) => part !== '').join('\n\n');
}

async function read(options: TelemetryOptions): Promise<Pick<Result, 'json' | 'text'>> {
  const board = await boardTelemetry(options);
  return { json: { ...board }, text: boardText(board) };
}

/** A reading each time, until the user interrupts. */
async function* readings(everyMs: number, options: TelemetryOptions): AsyncGenerator<Pick<Result, 'json' | 'text'>> {
  const ended = new AbortController();
  const interrupt = new Interrupt(() => ended.abort());
  try {
    for (;;) {
      await sleep(everyMs, undefined, { signal: ended.signal }).catch(() => undefined);
      if (interrupt.requested) return;
      const { json, text } = await read(options);
      if (interrupt.requested) return;
      yield { json, text: `\n${text}` };
    }
  } finally {
    interrupt.release();
  }
}

function watchOption(args: Args): number | undefined {
  const everyMs = args.duration('watch');
  if (everyMs !== undefined && (everyMs < shortestMs || everyMs > longestMs)) {
    throw new UsageError(`Expected --watch to be from ${shortestMs} ms to a day, got '${args.text('watch') ?? ''}'.`);
  }
  return everyMs;
}

export const board: Command = {
  name: 'board',
  summary: "Tells a board's model, releases, power mode, power, temperatures and GPU load.",
  positionals: [],
  options: {
    watch: { value: 'SECONDS', help: 'again and again, with that pause, until interrupted; also 500ms, 2m' },
    root: { value: 'FOLDER', help: "stands for /, such as the host's file system in a container" },
  },
  notes: `
For Jetsons; elsewhere what there is: temperatures, NVIDIA's GPUs (by nvidia-smi), Edge TPUs. What is not known is –, and
where something is there and cannot be read, the reason is told. With --watch and --json every reading is one line.`,
  async run(args) {
    const everyMs = watchOption(args);
    const root = args.text('root');
    const options = root === undefined ? {} : { root };
    const first = await read(options);
    return everyMs === undefined ? first : { ...first, updates: readings(everyMs, options) };
  },
};
