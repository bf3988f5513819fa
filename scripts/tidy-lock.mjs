// `node scripts/tidy-lock.mjs`, after every `npm install` that changes dependencies: takes the download addresses out of
// package-lock.json, so that everybody's own registry is used, and names the optional packages of other platforms that
// the registry in use did not have: without an entry `npm ci` refuses the lock file, with one it skips them.
import fs from 'node:fs';
import path from 'node:path';
import { root } from './root.mjs';

const systems = ['android', 'darwin', 'freebsd', 'linux', 'openharmony', 'win32'];
const processors = ['arm64', 'arm', 'ia32', 'loong64', 'ppc64', 'riscv64', 's390x', 'wasm32', 'x64'];

/** The platform that a package is for, by the words of its name. */
function platform(name) {
  const words = name.split('/').pop().split('-');
  const os = systems.filter((system) => words.includes(system));
  const cpu = processors.filter((processor) => words.includes(processor));
  const libc = ['musl', 'gnu'].filter((word) => words.includes(word)).map((word) => (word === 'gnu' ? 'glibc' : word));
  return { ...(os.length && { os }), ...(cpu.length && { cpu }), ...(libc.length && { libc }) };
}

const file = path.join(root, 'package-lock.json');
const lock = JSON.parse(fs.readFileSync(file, 'utf8'));
for (const entry of Object.values(lock.packages)) {
  delete entry.resolved;
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const place = `node_modules/${name}`;
    if (lock.packages[place] !== undefined || !/^\d/.test(version)) continue;
    const { os, cpu, libc } = platform(name);
    // Without a platform it would be installed here: not ours to guess.
    if (os === undefined && cpu === undefined) continue;
    lock.packages[place] = { version, cpu, dev: true, libc, optional: true, os };
  }
}
const places = Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1));
lock.packages = Object.fromEntries(places);
fs.writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
