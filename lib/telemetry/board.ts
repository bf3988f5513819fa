/** `boardTelemetry`: what the board is, what it draws, how warm and how busy it is. Reads files, changes nothing. */
import fs from 'node:fs/promises';
import { deadlineOption, invalidOption } from '../options.js';
import { gpusOf } from './gpus.js';
import { identityOf } from './identity.js';
import { inputOf, railsOf } from './rails.js';
import { Reader } from './reader.js';
import { edgeTpusOf, temperaturesOf } from './temperatures.js';
import type { BoardTelemetry, TelemetryOptions } from './types.js';

const defaultDeadlineMs = 5000;

/** `smi`: the program to ask about GPUs; null asks none. */
export async function readBoard(reader: Reader, smi: string | null): Promise<BoardTelemetry> {
  const { tegra, ...identity } = await identityOf(reader);
  const [rails, temperatures, gpus, edgeTpus] = await Promise.all([
    railsOf(reader, identity.soc),
    temperaturesOf(reader),
    gpusOf(reader, tegra, smi),
    edgeTpusOf(reader),
  ]);
  return {
    ...identity,
    inputMilliwatts: inputOf(rails),
    rails,
    temperatures,
    gpus,
    edgeTpus,
    unreadable: reader.unreadable,
  };
}

/**
 * Reads the board's sensors once: Jetsons' rails, temperatures, GPU load, releases and power mode; on other machines what
 * they have of these. Sensors that are absent are not listed, those that cannot be read are null with a reason in
 * `unreadable`. Takes some milliseconds, most of them spent waiting for sensors on another thread; where NVIDIA's driver has
 * a GPU, also one run of `nvidia-smi`. With another `root` no program is run.
 */
export async function boardTelemetry(options: TelemetryOptions = {}): Promise<BoardTelemetry> {
  if (typeof options !== 'object' || options === null) throw invalidOption('options', 'an object', options);
  const { root = '/', deadlineMs } = options;
  if (typeof root !== 'string' || root === '' || root.includes('\0')) throw invalidOption('root', 'a folder', root);
  const deadline = deadlineOption(deadlineMs);
  const stat = await fs.stat(root).catch(() => null);
  if (stat?.isDirectory() !== true) throw invalidOption('root', 'a folder that is there', root);
  const reader = new Reader(root, deadline < 0 ? defaultDeadlineMs : deadline);
  try {
    return await readBoard(reader, reader.root === '/' ? 'nvidia-smi' : null);
  } finally {
    reader.close();
  }
}
