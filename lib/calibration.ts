/** The `calibration` option: how TensorRT 8 and 10 learn the ranges of an engine in int8. */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { scratchCache } from './engine.js';
import { InferenceError } from './errors.js';
import { abortReason, invalidOption } from './options.js';
import { fileOrBytes, type FileOrBytes } from './source.js';
import type { CalibrationBatch, CalibrationOptions } from './types.js';

interface Given {
  /** Null where none is named. */
  readonly cache: FileOrBytes | null;
  /** Null where there are none. */
  readonly inputs: AsyncIterable<CalibrationBatch> | Iterable<CalibrationBatch> | null;
}

/** Null where there is none. Throws where the option is wrong. */
export function calibrationOption(option: CalibrationOptions | undefined): Given | null {
  if (option === undefined) return null;
  if (typeof option !== 'object' || (option as unknown) === null) {
    throw invalidOption('calibration', 'an object { inputs, cache }', option);
  }
  const { cache, inputs } = option;
  const iterates = (inputs as { [Symbol.asyncIterator]?: unknown } | undefined)?.[Symbol.asyncIterator] ?? null;
  if (
    inputs !== undefined &&
    iterates === null &&
    typeof (inputs as Partial<Iterable<unknown>>)[Symbol.iterator] !== 'function'
  ) {
    throw invalidOption('calibration.inputs', 'iterable, or asynchronously so', inputs);
  }
  if (cache === undefined && inputs === undefined)
    throw invalidOption('calibration', 'one with `inputs` or `cache`', option);
  return { cache: cache === undefined ? null : fileOrBytes(cache, 'calibration.cache'), inputs: inputs ?? null };
}

/** What the native code is told, by the names of its properties. */
export interface PreparedCalibration {
  /** A calibration cache that is there decides alone: inputs are no longer asked for. */
  readonly properties: () => [string, string][];
  readonly dispose: () => void;
}

const header = 'edge-infer calibration 1\n';

/** As native/backends/tensorrt/calibrator.h reads it. */
function bytesOfBatch(batch: CalibrationBatch, index: number): Buffer {
  if (typeof batch !== 'object' || (batch as unknown) === null) {
    throw invalidOption(`calibration.inputs[${index}]`, 'values by the names of the inputs', batch);
  }
  const entries = Object.entries(batch);
  const parts = entries.map(([name, values]) => {
    if (!ArrayBuffer.isView(values))
      throw invalidOption(`calibration.inputs[${index}].${name}`, 'a typed array', values);
    const text = Buffer.from(name);
    const head = Buffer.alloc(4 + text.length + 8);
    head.writeUInt32LE(text.length);
    text.copy(head, 4);
    head.writeBigUInt64LE(BigInt(values.byteLength), 4 + text.length);
    return [head, Buffer.from(values.buffer, values.byteOffset, values.byteLength)];
  });
  const count = Buffer.alloc(4);
  count.writeUInt32LE(entries.length);
  return Buffer.concat([count, ...parts.flat()]);
}

/** Settles as `work` does, or rejects when `signal` aborts or the time is up. */
async function within<T>(
  work: T | PromiseLike<T>,
  signal: AbortSignal | undefined,
  left: number,
  late: () => Error,
): Promise<T> {
  let stop: () => void = () => undefined;
  const ended = new Promise<never>((_, reject) => {
    const onAbort = (): void => reject(abortReason(signal!));
    if (signal?.aborted === true) onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
    const timer = left < 2 ** 31 ? setTimeout(() => reject(late()), Math.max(0, left)) : undefined;
    stop = () => (clearTimeout(timer), signal?.removeEventListener('abort', onAbort));
  });
  try {
    return await Promise.race([work, ended]);
  } finally {
    stop();
  }
}

/** Writes the batches to a file, one after the other. Returns its SHA-256. */
async function collect(
  inputs: NonNullable<Given['inputs']>,
  file: string,
  { signal, left, late }: Patience,
): Promise<string> {
  const hash = createHash('sha256');
  const iterator =
    (inputs as Partial<AsyncIterable<CalibrationBatch>>)[Symbol.asyncIterator]?.() ??
    (inputs as Iterable<CalibrationBatch>)[Symbol.iterator]();
  const handle = await fs.promises.open(file, 'wx', 0o600);
  let finished = false;
  try {
    let bytes: Uint8Array = Buffer.from(header);
    for (let index = 0; ; index++) {
      hash.update(bytes);
      await handle.writeFile(bytes);
      const step = await within(iterator.next(), signal, left(), late);
      if (step.done === true) break;
      bytes = bytesOfBatch(step.value, index);
    }
    finished = true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOSPC' && code !== 'EDQUOT') throw error;
    throw new InferenceError(
      'ERR_BACKEND',
      `The inputs to calibrate with do not fit on the disk of ${path.dirname(file)}.`,
      {
        remedy: 'Make room there, name another folder in TMPDIR, or give fewer batches: a few hundred are enough.',
        backend: 'tensorrt',
        cause: error,
      },
    );
  } finally {
    await handle.close();
    // Not waited for: one that hangs in next() hangs here too.
    if (!finished) void Promise.resolve(iterator.return?.()).catch(() => undefined);
  }
  return hash.digest('hex');
}

export interface Patience {
  readonly signal: AbortSignal | undefined;
  /** Milliseconds until the deadline. */
  readonly left: () => number;
  readonly late: () => Error;
}

const sha256 = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex');

/** A calibration cache that is no file of the caller's: it outlives the load, for a host that restarts asks for it again. */
function keptFile(directory: string, name: string): string {
  let folder = path.join(directory, 'tensorrt');
  try {
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
    fs.accessSync(folder, fs.constants.W_OK);
  } catch {
    folder = scratchCache(); // the load says what is wrong with the folder
  }
  return path.join(folder, `.calibration-${name}`);
}

/**
 * Asks for all inputs, unless there is a calibration cache. Without a file of the caller's the calibration cache is kept in
 * `directory` (that of the engines), by the inputs and by `learner`: the model and the release.
 */
export async function prepareCalibration(
  { cache, inputs }: Given,
  directory: string,
  learner: string,
  patience: Patience,
): Promise<PreparedCalibration> {
  const nothing = (): void => undefined;
  if (cache?.data != null) {
    const file = keptFile(directory, sha256(cache.data));
    fs.writeFileSync(file, cache.data, { mode: 0o600 });
    return { properties: () => [['CALIBRATION_CACHE', file]], dispose: nothing };
  }
  if (inputs === null || (cache !== null && fs.existsSync(cache.path))) {
    return { properties: () => [['CALIBRATION_CACHE', cache?.path ?? '']], dispose: nothing };
  }
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'edge-infer-calibration-'));
  const dispose = (): void => fs.rmSync(scratch, { recursive: true, force: true });
  try {
    const own = path.join(scratch, 'inputs');
    const sum = await collect(inputs, own, patience);
    const file = cache?.path ?? keptFile(directory, sha256(`${learner} ${sum}`));
    return {
      properties: () => [
        ['CALIBRATION_CACHE', file],
        ...(fs.existsSync(file) ? [] : ([['CALIBRATION_INPUTS', own]] as [string, string][])),
      ],
      dispose,
    };
  } catch (error) {
    dispose();
    throw error;
  }
}
