/** TFLite model files for callers: what one says about the model, and the files packed into it. No SDK is needed. */
import fs from 'node:fs';
import { bytesOf } from '../source.js';
import { isTflite, readTflite } from './read.js';
import type { TfliteInfo } from './types.js';
import { packedFile } from './zip.js';

const smaller = 'Inspect a smaller form of the model, such as its quantized one.';

/**
 * What a TFLite model's file says: operators, inputs and outputs with their quantization, signatures, variables, metadata,
 * packed files, and what is compiled for the Edge TPU. Takes a path, a `file:` URL or the model's bytes. Rejects with
 * `ERR_INVALID_MODEL` for what is no TFLite model, or a damaged one.
 */
export async function inspectTflite(source: string | URL | Uint8Array): Promise<TfliteInfo> {
  return readTflite(await bytesOf(source, smaller));
}

/**
 * A file that is packed into a TFLite model, such as its labels: `info.files` has the names. Rejects with
 * `ERR_INVALID_ARGUMENT` where there is none of this name.
 */
export async function readPackedFile(source: string | URL | Uint8Array, name: string): Promise<Uint8Array> {
  return packedFile(await bytesOf(source, smaller), name);
}

/** Whether a file is a TFLite model, by its first bytes; false too for one that cannot be read. */
export async function isTfliteFile(file: string): Promise<boolean> {
  let handle: fs.promises.FileHandle | undefined;
  try {
    // A pipe would keep us waiting.
    if (!(await fs.promises.stat(file)).isFile()) return false;
    handle = await fs.promises.open(file, 'r');
    const start = Buffer.alloc(8);
    const { bytesRead } = await handle.read(start, 0, start.length, 0);
    return isTflite(start.subarray(0, bytesRead));
  } catch {
    return false;
  } finally {
    await handle?.close();
  }
}
