/** Files that commands write: errors that say which file and why, before the work where that can be known. */
import fs from 'node:fs';
import path from 'node:path';
import { InferenceError } from '../errors.js';

/** Runs work on a file and words its failure. */
export function writing<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    const misnamed = code === 'ENOENT' || code === 'EISDIR' || code === 'ENOTDIR' || code === 'EEXIST';
    const full = code === 'ENOSPC' || code === 'EDQUOT';
    throw new InferenceError(
      misnamed ? 'ERR_INVALID_ARGUMENT' : 'ERR_PERMISSION',
      `Cannot write ${file}: ${message}.`,
      {
        remedy: full
          ? 'Free some space on its disk, or name a file on another one.'
          : 'Name a file in a folder that exists and may be written to.',
        cause: error,
      },
    );
  }
}

/** Fails now rather than after a long measurement, if the file could not be written. */
export function checkWritable(file: string): void {
  writing(file, () => {
    const stat = fs.statSync(file, { throwIfNoEntry: false });
    if (stat?.isDirectory() === true) throw Object.assign(new Error('it is a folder'), { code: 'EISDIR' });
    fs.accessSync(stat === undefined ? path.dirname(path.resolve(file)) : file, fs.constants.W_OK);
  });
}
