// `npm run lint`: eslint, the types of the tests, prettier and clang-format over everything. `npm run format` (`--fix`) mends what they can.
import fs from 'node:fs';
import path from 'node:path';
import { dependencyProgram, main, outputOf, root, run } from './root.mjs';
import { pythonEnv } from './python-env.mjs';

function sources(folder) {
  if (!fs.existsSync(path.join(root, folder))) return [];
  return fs
    .readdirSync(path.join(root, folder), { withFileTypes: true })
    .flatMap((entry) => {
      const name = path.join(folder, entry.name);
      return entry.isDirectory() ? sources(name) : /\.(cc|h)$/.test(name) ? [name] : [];
    })
    .sort();
}

await main(() => {
  const fix = process.argv.includes('--fix');
  const only = process.argv.find((argument) => argument.startsWith('--only='))?.slice('--only='.length);
  const cpp = [
    'native',
    'binding',
    'test/native',
    'test/simulators/cuda',
    'test/simulators/edgetpu',
    'test/simulators/nvinfer',
    'bench/native',
  ].flatMap(sources);
  const steps = {
    eslint: () =>
      run(process.execPath, [dependencyProgram('eslint'), '--max-warnings=0', '.', ...(fix ? ['--fix'] : [])]),
    types: () => run(process.execPath, [dependencyProgram('typescript', 'tsc'), '-p', 'test/tsconfig.json']),
    prettier: () =>
      run(process.execPath, [dependencyProgram('prettier'), '--log-level=warn', fix ? '--write' : '--check', '.']),
    'clang-format': () => {
      if (cpp.length === 0) return 0;
      // The binary itself: where pip installed into a plain folder, there is no script that would start it.
      const where =
        "import clang_format, os; print(os.path.join(os.path.dirname(clang_format.__file__), 'data/bin/clang-format'))";
      const program = outputOf(pythonEnv('lint'), ['-c', where]).trim();
      return run(program, [...(fix ? ['-i'] : ['--dry-run', '-Werror']), '--style=file', ...cpp]);
    },
  };
  const names = only === undefined ? Object.keys(steps) : only.split(',');
  const failed = names.filter((name) => steps[name]() !== 0);
  if (failed.length > 0) console.error(`edge-infer: ${failed.join(', ')} found something to mend (npm run format).`);
  return failed.length === 0 ? 0 : 1;
});
