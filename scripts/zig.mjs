// Zig as CMake's compiler for another platform or an older glibc: pinned in cmake/requirements.txt, fetched with pip.
import fs from 'node:fs';
import path from 'node:path';
import { pythonEnv } from './python-env.mjs';
import { outputOf, root, Sentence } from './root.mjs';

/** JetPack 4 and Ubuntu 18.04 have it. */
export const oldestGlibc = '2.27';

const processors = { 'linux-x64': 'x86_64', 'linux-arm64': 'aarch64' };

export const platforms = Object.keys(processors);

/** CMake's options to compile for a platform with the oldest glibc. The C++ runtime is linked in. */
export function zigOptions(platform) {
  const processor = processors[platform];
  const where = "import os, ziglang; print(os.path.join(os.path.dirname(ziglang.__file__), 'zig'))";
  const zig = outputOf(pythonEnv('zig'), ['-c', where])?.trim();
  if (!zig || outputOf(zig, ['version']) === null)
    throw new Sentence('the ziglang of cmake/requirements.txt does not run.');
  // CMake wants a program, not a program with a first argument.
  const folder = path.join(root, 'build', 'zig', platform);
  fs.mkdirSync(folder, { recursive: true });
  const program = (name, ...words) => {
    const file = path.join(folder, name);
    const text = `#!/bin/sh\nexec ${[zig, ...words].map((word) => `'${word}'`).join(' ')} "$@"\n`;
    if (!fs.existsSync(file) || fs.readFileSync(file, 'utf8') !== text) fs.writeFileSync(file, text, { mode: 0o755 });
    return file;
  };
  return {
    CMAKE_SYSTEM_NAME: 'Linux',
    CMAKE_SYSTEM_PROCESSOR: processor,
    CMAKE_CXX_COMPILER: program('c++', 'c++', '-target', `${processor}-linux-gnu.${oldestGlibc}`),
    CMAKE_AR: program('ar', 'ar'),
    CMAKE_RANLIB: program('ranlib', 'ranlib'),
  };
}
