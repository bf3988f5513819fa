/** Python for tests: the environment with what test/requirements.txt pins, and where its packages keep their files. */
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { root } from './child.js';

/** The text that a program writes. Its errors go where the test's own go. */
export function textOf(program: string, args: readonly string[]): string {
  return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 1 << 26 });
}

const known = new Map<string, string>();

/** The python of an environment of scripts/python-env.mjs, which is made where it is not there yet. */
export function python(environment = 'test'): string {
  let program = known.get(environment);
  if (program === undefined) {
    program = textOf(process.execPath, [path.join(root, 'scripts', 'python-env.mjs'), environment]).trim();
    known.set(environment, program);
  }
  return program;
}

/** The folder of an installed package, which is not imported for it. */
export function packageFolder(name: string, environment?: string): string {
  const program =
    'import importlib.util, sys; print(*importlib.util.find_spec(sys.argv[1]).submodule_search_locations)';
  return textOf(python(environment), ['-c', program, name]).trim();
}
