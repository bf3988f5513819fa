// The project's folder and the small things that every script needs: versions, running a program, one-sentence failures.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** A failure that is the user's to mend: printed as one sentence, without a stack. */
export class Sentence extends Error {}

/** Runs a script's main function; a `Sentence` ends it with that sentence and exit code 1. */
export async function main(work) {
  try {
    process.exitCode = (await work()) ?? 0;
  } catch (error) {
    if (error instanceof Sentence) console.error(`edge-infer: ${error.message}`);
    else if (error?.name === 'InferenceError') {
      console.error(`edge-infer: ${error.message} ${error.remedy}`.trim());
      if (error.cause) console.error(String(error.cause?.message ?? error.cause));
    } else console.error(error);
    process.exitCode = 1;
  }
}

/** True where this file is the one that node was started with. */
export function isMain(url) {
  return process.argv[1] !== undefined && fs.realpathSync(process.argv[1]) === fileURLToPath(url);
}

/** The version of an installed dependency, or null. */
export function installedVersion(name) {
  try {
    return JSON.parse(fs.readFileSync(path.join(root, 'node_modules', name, 'package.json'), 'utf8')).version;
  } catch {
    return null;
  }
}

/** The path of a dependency's program, run with this very node. */
export function dependencyProgram(name, program = name) {
  const folder = path.join(root, 'node_modules', name);
  let bin;
  try {
    bin = JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8')).bin;
  } catch {
    throw new Sentence(`${name} is not installed: run \`npm ci\`.`);
  }
  return path.join(folder, typeof bin === 'string' ? bin : bin[program]);
}

/** Runs a program to its end with its output on our stderr (stdout stays free for results). Returns its exit code. */
export function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2], ...options });
  if (result.error) {
    if (result.error.code === 'ENOENT') throw new Sentence(`${command} was not found.`);
    throw result.error;
  }
  if (result.signal) throw new Sentence(`${path.basename(command)} was ended by ${result.signal}.`);
  return result.status;
}

/** What a program prints, or null where it cannot be run or fails. */
export function outputOf(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, encoding: 'utf8', ...options });
  return result.status === 0 ? result.stdout : null;
}
