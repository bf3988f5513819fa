// `npm run prebuilds`: the addon and the host program that the package carries, in prebuilds/<platform>/, compiled with
// Zig for glibc 2.27 on whatever machine this is, made anew when their sources changed.
//   node scripts/prebuilds.mjs [linux-x64 linux-arm64]
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { build } from './build.mjs';
import { isMain, main, root, Sentence } from './root.mjs';
import { oldestGlibc, platforms, zigOptions } from './zig.mjs';

const require = createRequire(import.meta.url);

/** Throws where a binary is missing, is for another platform, asks for more than every supported system has or has no
 * adapter for a version of TensorRT. */
export function checkBinary(file, platform) {
  const name = path.relative(root, file);
  if (!fs.existsSync(file)) throw new Sentence(`${name} is missing.`);
  const { elfArchitecture } = require(path.join(root, 'dist', 'elf.js'));
  const { compareVersions, needsOf, tensorrtOf } = require(path.join(root, 'dist', 'cli', 'binary.js'));
  const architecture = elfArchitecture(file);
  if (`linux-${architecture}` !== platform) throw new Sentence(`${name} is for ${architecture}, not for ${platform}.`);
  const { glibc, glibcxx } = needsOf(file);
  if (glibc === null) throw new Sentence(`${name} does not say which glibc it needs.`);
  if (compareVersions(glibc, oldestGlibc) > 0) {
    throw new Sentence(`${name} needs glibc ${glibc}, newer than ${oldestGlibc}.`);
  }
  if (glibcxx !== null) throw new Sentence(`${name} needs the system's libstdc++ (${glibcxx}).`);
  const adapters = tensorrtOf(file);
  const missing = ['8', '10', '11'].filter((major) => !adapters.includes(major));
  if (missing.length > 0) throw new Sentence(`${name} has no adapter for TensorRT ${missing.join(', ')}.`);
}

/** The exit code of a build of one target. */
function ended(target) {
  const child = spawn(process.execPath, [path.join(root, 'scripts', 'build.mjs'), '--only', target], {
    stdio: 'inherit',
  });
  return new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
}

/** Makes the binaries of these platforms and leaves no others. Returns their paths, relative to the project's folder. */
export async function prebuild(wanted = platforms) {
  const unknown = wanted.find((platform) => !platforms.includes(platform));
  if (unknown !== undefined) throw new Sentence(`expected ${platforms.join(', ')}, got ${unknown}.`);
  await build(['ts']);
  for (const platform of wanted) zigOptions(platform); // here, because both would fetch Zig
  // Side by side: for a third of its time Zig makes libc++, on one core.
  const codes = await Promise.all(wanted.map((platform) => ended(`prebuild-${platform}`)));
  if (codes.some((code) => code !== 0)) throw new Sentence('the binaries of the package did not compile.');
  fs.rmSync(path.join(root, 'prebuilds'), { recursive: true, force: true });
  return wanted.flatMap((platform) => {
    const folder = `prebuilds/${platform}`;
    fs.mkdirSync(path.join(root, folder), { recursive: true });
    // As node-gyp-build names them: the C library, so that a musl system does not load what is made for glibc. The
    // addon looks for the host program under its own name.
    const files = { 'edge_infer.node': 'edge-infer.glibc.node', 'edge_infer-host': 'edge-infer.glibc-host' };
    return Object.entries(files).map(([from, to]) => {
      const built = path.join(root, 'build', `prebuild-${platform}`, 'Release', from);
      checkBinary(built, platform);
      fs.copyFileSync(built, path.join(root, folder, to));
      return `${folder}/${to}`;
    });
  });
}

if (isMain(import.meta.url)) {
  await main(async () => {
    const asked = process.argv.slice(2);
    for (const file of await prebuild(asked.length > 0 ? asked : platforms)) {
      console.error(`edge-infer: ${file} (${(fs.statSync(path.join(root, file)).size / 1e6).toFixed(2)} MB)`);
    }
  });
}
