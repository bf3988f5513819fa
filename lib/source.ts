/** What a model is loaded from: checked files, bytes, and their fingerprint. */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { InferenceError } from './errors.js';
import { invalidOption } from './options.js';

/** Exactly one of the two is set. */
export interface FileOrBytes {
  readonly path: string;
  readonly data: Uint8Array | null;
}

function isBytes(value: unknown): value is Uint8Array {
  return ArrayBuffer.isView(value) && (value as { [Symbol.toStringTag]?: string })[Symbol.toStringTag] === 'Uint8Array';
}

/** Takes a path, a `file:` URL or bytes. `name` is for messages. */
export function fileOrBytes(value: unknown, name: string): FileOrBytes {
  if (isBytes(value)) return { path: '', data: value };
  const isUrl = Object.prototype.toString.call(value) === '[object URL]';
  if (isUrl || (typeof value === 'string' && value.startsWith('file://'))) {
    try {
      return { path: fileURLToPath(value as string | URL), data: null };
    } catch (error) {
      throw new InferenceError(
        'ERR_INVALID_ARGUMENT',
        `Expected \`${name}\` to be a file: URL, got ${String(value)}.`,
        {
          remedy: 'Download the model first; edge-infer reads local files only.',
          cause: error,
        },
      );
    }
  }
  if (typeof value === 'string' && value !== '') return { path: path.resolve(value), data: null };
  throw invalidOption(name, 'a path, a file: URL or a Uint8Array', value);
}

/** Rejects with the code that says what is wrong with the file. */
export async function checkFile(file: string): Promise<void> {
  try {
    const stat = await fs.promises.stat(file);
    if (stat.isDirectory()) {
      throw new InferenceError('ERR_INVALID_MODEL', `The model ${file} is a folder.`, {
        remedy: 'Name the model file in it.',
      });
    }
    if (!stat.isFile()) {
      throw new InferenceError('ERR_INVALID_MODEL', `The model ${file} is no regular file.`, {
        remedy: 'Name a file; a pipe or a device is read first, and given as bytes.',
      });
    }
    if (stat.size === 0) {
      throw new InferenceError('ERR_INVALID_MODEL', `The model ${file} is empty.`, {
        remedy: 'Copy or download the file again.',
      });
    }
    await fs.promises.access(file, fs.constants.R_OK);
  } catch (error) {
    if (error instanceof InferenceError) throw error;
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ENAMETOOLONG') {
      throw new InferenceError('ERR_MODEL_NOT_FOUND', `There is no file ${file}.`, {
        remedy: 'Check the path; relative paths start at the current folder.',
        cause: error,
      });
    }
    throw new InferenceError('ERR_PERMISSION', `The model ${file} cannot be read.`, {
      remedy: 'Give this user the right to read the file and to enter its folder.',
      cause: error,
    });
  }
}

// Flatbuffers and protobufs end below 2 GiB, and so do the buffers of some Node versions.
const largestFile = 2 ** 31 - 1;

/** A whole model in memory. `smaller` says what to do about one of more than 2 GiB, which is `ERR_UNSUPPORTED`. */
export async function bytesOf(source: string | URL | Uint8Array, smaller: string): Promise<Uint8Array> {
  const { path: file, data } = fileOrBytes(source, 'source');
  if (data !== null) return data;
  await checkFile(file);
  const { size } = await fs.promises.stat(file);
  if (size > largestFile) {
    throw new InferenceError('ERR_UNSUPPORTED', `The model ${file} is larger than 2 GiB.`, { remedy: smaller });
  }
  return fs.promises.readFile(file);
}

export async function sha256(source: FileOrBytes): Promise<string> {
  const hash = createHash('sha256');
  if (source.data !== null) return hash.update(source.data).digest('hex');
  for await (const chunk of fs.createReadStream(source.path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
