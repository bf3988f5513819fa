// `npm run prebuilds`: the addon and the host program that the package carries, in prebuilds/<platform>/, made anew when their sources changed.
import fs from 'node:fs';
import path from 'node:path';
import { nativeKey } from './build.mjs';
import { clearStamp, isFresh, writeStamp } from './content-key.mjs';
import { dependencyProgram, isMain, main, root, run, Sentence } from './root.mjs';
import { checkBuildTools } from './tools.mjs';

/** Returns the path of the prebuilt binary, relative to the project's folder. */
export function prebuild() {
  const { name } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'));
  const platform = `${process.platform}-${process.arch}`;
  // In the file name, so that musl systems do not load a binary that is made for glibc.
  const libc = fs.existsSync('/etc/alpine-release') ? 'musl' : 'glibc';
  const output = `prebuilds/${platform}/${name}.${libc}.node`;
  const host = output.replace(/\.node$/, '-host'); // the addon looks for it under this name
  const stamp = path.join(root, 'build', 'stamps', 'prebuild.json');
  const key = nativeKey({ prebuild: true });
  if (isFresh(root, stamp, key)) return output;

  checkBuildTools();
  clearStamp(stamp);
  // A staging folder, because prebuildify moves away what it finds in build/Release.
  const staging = path.join(root, 'build', 'prebuild');
  fs.mkdirSync(staging, { recursive: true });
  fs.rmSync(path.join(root, 'prebuilds', platform), { recursive: true, force: true });
  const args = ['--napi', '--strip', '--tag-libc', '--cwd', staging, '--out', root, '--name', name];
  args.push('--node-gyp', path.join(root, 'cmake', 'node-gyp-shim.mjs'));
  if (run(process.execPath, [dependencyProgram('prebuildify'), ...args]) !== 0) {
    throw new Sentence('prebuildify failed: see above.');
  }
  // prebuildify packs .node files only.
  fs.copyFileSync(path.join(staging, 'build', 'Release', 'edge_infer-host'), path.join(root, host));
  fs.chmodSync(path.join(root, host), 0o755);
  writeStamp(root, stamp, key, [output, host]);
  return output;
}

if (isMain(import.meta.url)) {
  await main(() => {
    const output = prebuild();
    const { size } = fs.statSync(path.join(root, output));
    console.error(`edge-infer: ${output} (${(size / 1e6).toFixed(2)} MB)`);
  });
}
