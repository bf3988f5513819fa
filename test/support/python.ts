/** Python for tests: the environment with what test/requirements.txt pins, and where its packages keep their files. */
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { root } from './child.js';

/** The text that a program writes. Its errors go where the test's own go. */
export function textOf(program: string, args: readonly string[]): string {
  return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 1 << 26 });
}

let known: string | undefined;

/** The environment's python; it is made where it is not there yet. */
export function python(): string {
  return (known ??= textOf(process.execPath, [path.join(root, 'scripts', 'python-env.mjs'), 'test']).trim());
}

/** The folder of an installed package, which is not imported for it. */
export function packageFolder(name: string): string {
  const program =
    'import importlib.util, sys; print(*importlib.util.find_spec(sys.argv[1]).submodule_search_locations)';
  return textOf(python(), ['-c', program, name]).trim();
}
