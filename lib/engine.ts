/** Engines that TensorRT builds from ONNX models: whether one has to be built, from which model, and where it is kept. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { InferenceError, type ErrorCode } from './errors.js';
import { packageRoot } from './manifest.js';
import type { ConvertedModel, PrecisionOptions } from './onnx/precision.js';
import { bytesOf, type FileOrBytes } from './source.js';

/** The first four bytes of every engine. */
const magic = 'ftrt';

export async function isEngine({ path: file, data }: FileOrBytes): Promise<boolean> {
  if (data !== null)
    return Buffer.from(data.buffer, data.byteOffset, Math.min(4, data.byteLength)).toString() === magic;
  const handle = await fs.promises.open(file);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(4), 0, 4, 0);
    return buffer.toString('latin1', 0, bytesRead) === magic;
  } finally {
    await handle.close();
  }
}

/** The major version in the name of the library or of what it is a link to; undefined where no name tells. */
export function majorOf(library: string): number | undefined {
  const names = [library];
  try {
    names.push(fs.realpathSync(library));
  } catch {
    // opening it will say why
  }
  const found = names
    .map((name) => /libnvinfer\.so\.(\d+)/.exec(path.basename(name))?.[1])
    .find((text) => text !== undefined);
  return found === undefined ? undefined : Number(found);
}

/** What the worker answers. */
export type PassAnswer =
  | { readonly converted: ConvertedModel }
  | { readonly failure: { readonly code: ErrorCode | undefined; readonly message: string; readonly remedy: string } };

/** The precision pass on a thread of its own: it takes seconds for a large model. */
export async function convertAside(source: FileOrBytes, options: PrecisionOptions): Promise<FileOrBytes> {
  const model = await bytesOf(source.data ?? source.path, 'Convert it on a machine with the tools of its framework.');
  const worker = new Worker(path.join(packageRoot, 'dist', 'onnx', 'precision-worker.js'), {
    workerData: { model, options: source.data === null ? { ...options, folder: path.dirname(source.path) } : options },
  });
  const answer = await new Promise<PassAnswer>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', () => reject(new Error('The thread of the precision pass ended.')));
  });
  if ('converted' in answer) return { path: '', data: answer.converted.model };
  const { code, message, remedy } = answer.failure;
  throw code === undefined ? new Error(message) : new InferenceError(code, message, { remedy, backend: 'tensorrt' });
}

let scratch: string | undefined;

/** A private folder for engines that are not to be kept: gone when the process ends. */
export function scratchCache(): string {
  if (scratch === undefined) {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'edge-infer-engines-'));
    process.once('exit', () => fs.rmSync(folder, { recursive: true, force: true }));
    scratch = folder;
  }
  return scratch;
}

/** The native code's word for an engine that is not in the cache, where it has to be. */
const cacheMiss = 'The engine is not in the cache.';

export function isCacheMiss(error: unknown): boolean {
  return error instanceof InferenceError && error.code === 'ERR_BACKEND' && error.cause === cacheMiss;
}

/** A build that ended its process is no lost device: the caller has none yet. */
export function buildFailure(error: unknown): unknown {
  if (!(error instanceof InferenceError) || error.code !== 'ERR_DEVICE_LOST') return error;
  return new InferenceError('ERR_BACKEND', `Building the engine ended the process that was at it. ${error.message}`, {
    remedy:
      "Look at the cause and at the kernel's log: where memory ran out, a smaller WORKSPACE or BUILDER_OPTIMIZATION_LEVEL " +
      'needs less. Else build it elsewhere, by `trtexec`, and load the engine.',
    backend: error.backend,
    cause: error,
  });
}
