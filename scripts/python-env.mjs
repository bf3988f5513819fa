// Makes or reuses a Python environment with what a pinned requirements file names, and prints its python's path.
//   node scripts/python-env.mjs [test|bench|demo|lint|onnx|zig]
import fs from 'node:fs';
import path from 'node:path';
import { contentKey, isFresh, writeStamp } from './content-key.mjs';
import { isMain, main, outputOf, root, run, Sentence } from './root.mjs';
import { checkPython } from './tools.mjs';

const environments = {
  test: { folder: 'build/python-env', requirements: 'test/requirements.txt' },
  bench: { folder: 'build/python-bench', requirements: 'bench/peers/requirements.txt' },
  demo: { folder: 'build/python-demo', requirements: 'examples/faces/requirements.txt' },
  lint: { folder: 'build/python-lint', requirements: 'test/requirements-lint.txt' },
  onnx: { folder: 'build/python-onnx', requirements: 'test/requirements-onnx.txt' },
  zig: { folder: 'build/python-zig', requirements: 'cmake/requirements.txt' },
};

/** The path of the environment's python. Fetches only when the requirements or the machine's Python have changed. */
export function pythonEnv(name) {
  const { folder, requirements } = environments[name];
  const absolute = path.join(root, folder);
  const python = path.join(absolute, 'bin', 'python3');
  const stamp = path.join(root, 'build', 'stamps', `python-${name}.json`);
  const key = contentKey(root, [requirements], { python: outputOf('python3', ['--version']) });
  if (isFresh(root, stamp, key) && fs.existsSync(python)) return python;

  checkPython();
  fs.rmSync(absolute, { recursive: true, force: true });
  const install = [
    'install',
    '--quiet',
    '--no-deps',
    '--disable-pip-version-check',
    '-r',
    path.join(root, requirements),
  ];
  console.error(`edge-infer: installing ${requirements} into ${folder} …`);
  // Debian has venv in a package of its own: without it, a plain folder and a python that looks into it.
  if (outputOf('python3', ['-m', 'venv', absolute]) !== null) {
    if (run(python, ['-m', 'pip', ...install]) !== 0) throw new Sentence(`pip could not install ${requirements}.`);
  } else {
    fs.rmSync(absolute, { recursive: true, force: true });
    const site = path.join(absolute, 'site');
    fs.mkdirSync(path.dirname(python), { recursive: true });
    if (run('python3', ['-m', 'pip', ...install, '--target', site]) !== 0) {
      throw new Sentence(`pip could not install ${requirements}.`);
    }
    fs.writeFileSync(python, `#!/bin/sh\nPYTHONPATH='${site}' exec python3 "$@"\n`, { mode: 0o755 });
  }
  writeStamp(root, stamp, key, [requirements]);
  return python;
}

if (isMain(import.meta.url)) {
  await main(() => {
    const name = process.argv[2] ?? 'test';
    if (environments[name] === undefined)
      throw new Sentence(`expected ${Object.keys(environments).join(', ')}, got ${name}.`);
    console.log(pythonEnv(name));
  });
}
