/** The inputs that a comparison runs on: a folder of `.npy` files, files given one by one, or random values. */
import fs from 'node:fs';
import path from 'node:path';
import { InferenceError } from '../errors.js';
import type { TensorSpec } from '../types.js';
import { UsageError, type Args, type OptionTable } from './args.js';
import { fileNames } from './file-names.js';
import { chooseInputs, inputFromFile, inputOptionTable, type GivenInput } from './tensors.js';

export const sampleOptionTable: OptionTable = {
  inputs: { value: 'DIR', help: 'samples: NAME.npy for each input, or a folder of them per sample' },
  input: { value: 'NAME=FILE.npy', help: "an input's values, the same in every sample", multiple: true },
  random: { value: 'N', help: 'N samples of random values for the inputs without a file' },
  seed: inputOptionTable.seed ?? { help: '' },
};

export interface Sample {
  readonly name: string;
  /** Reads or makes the values: one sample is held in memory at a time. */
  inputs(): GivenInput[];
}

function listed(folder: string): fs.Dirent[] {
  try {
    // Folders that people unpack hold hidden files of their systems.
    const entries = fs.readdirSync(folder, { withFileTypes: true }).filter((entry) => !entry.name.startsWith('.'));
    return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    throw new InferenceError('ERR_INVALID_ARGUMENT', `Cannot read ${folder}: ${(error as Error).message}.`, {
      remedy: 'Check the path; --inputs names a folder of .npy files.',
      cause: error,
    });
  }
}

function npyFiles(entries: readonly fs.Dirent[]): string[] {
  return entries.filter((entry) => !entry.isDirectory() && entry.name.endsWith('.npy')).map((entry) => entry.name);
}

/** The file of each input: its name with `.npy`, or as `run --save-outputs` writes names that no file can have. */
function filesOf(specs: readonly TensorSpec[], folder: string, files: readonly string[]): string[] {
  const safe = fileNames(
    specs.map((spec) => spec.name),
    '.npy',
  );
  const chosen = specs.map((spec, i) => {
    const file = [`${spec.name}.npy`, safe[i] ?? ''].find((name) => files.includes(name));
    if (file !== undefined) return file;
    throw new UsageError(`${folder} has no ${safe[i] ?? ''} for the input '${spec.name}'.`);
  });
  const excess = files.find((file) => !chosen.includes(file));
  if (excess === undefined) return chosen.map((file) => path.join(folder, file));
  const names = specs.map((spec) => `'${spec.name}'`).join(', ');
  throw new UsageError(`${path.join(folder, excess)} is for no input of the model; it has ${names}.`);
}

function sampleOf(name: string, specs: readonly TensorSpec[], files: readonly string[]): Sample {
  return { name, inputs: () => specs.map((spec, i) => inputFromFile(spec, files[i] ?? '')) };
}

/** The samples of a folder, in the order of their names. Throws `UsageError`. */
export function samplesOf(specs: readonly TensorSpec[], folder: string): Sample[] {
  const entries = listed(folder);
  const files = npyFiles(entries);
  const folders = entries
    .filter((entry) => fs.statSync(path.join(folder, entry.name)).isDirectory())
    .map((entry) => ({ name: entry.name, files: npyFiles(listed(path.join(folder, entry.name))) }))
    .filter((one) => one.files.length > 0);
  if (files.length > 0 && folders.length > 0) {
    throw new UsageError(`${folder} holds .npy files and folders of them: keep one sample's files, or a folder each.`);
  }
  if (folders.length > 0) {
    return folders.map((one) => {
      const where = path.join(folder, one.name);
      return sampleOf(one.name, specs, filesOf(specs, where, one.files));
    });
  }
  if (files.length === 0) throw new UsageError(`${folder} holds no .npy files.`);
  // With one input no name is needed: each file is a sample.
  if (specs.length === 1) {
    return files.map((file) => sampleOf(path.basename(file, '.npy'), specs, [path.join(folder, file)]));
  }
  return [sampleOf(path.basename(path.resolve(folder)), specs, filesOf(specs, folder, files))];
}

/** What the options ask for. Sample i of random values has the seed S + i, as `run --random --seed` would take it. */
export function chooseSamples(specs: readonly TensorSpec[], args: Args): Sample[] {
  const folder = args.text('inputs');
  const random = args.integer('random', 1, 1_000_000);
  const given = args.texts('input').length > 0;
  if (folder !== undefined) {
    if (random !== undefined || given) throw new UsageError('--inputs goes without --input and --random.');
    return samplesOf(specs, folder);
  }
  if (random === undefined && !given && specs.length > 0) {
    throw new UsageError('Nothing to run on: give --inputs DIR, --input NAME=FILE.npy or --random N.');
  }
  const seed = args.integer('seed', 0) ?? 0;
  return Array.from({ length: random ?? 1 }, (_, i) => ({
    name: random === undefined ? 'inputs' : `seed ${seed + i}`,
    inputs: () => chooseInputs(specs, args, random !== undefined, seed + i),
  }));
}
