// `npm run test:arm64`: the arm64 binaries of the package under qemu's user-mode emulation, on an arm64 Node: the
// conformance suite on echo and TFLite, in this process and in a host process, and the conversions; and TensorRT, which
// is called without its headers, on the simulated GPU.
//   node scripts/arm64-test.mjs    --    what follows goes to jest
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { build } from './build.mjs';
import { runJest } from './jest.mjs';
import { clearResults } from './results.mjs';
import { main, outputOf, root, Sentence } from './root.mjs';
import { runtime } from './runtime.mjs';
import { emulatedReleases, tensorrtSimulator } from './simulators.mjs';
import { summarize } from './summary.mjs';

const platform = 'linux-arm64';
const files = [
  'test/backends/echo.test.ts',
  'test/emulated/conformance.emulated.ts',
  'test/half.test.ts',
  'test/quantize.test.ts',
];

/** The command that runs an arm64 program: qemu, and where it finds the C and C++ libraries. */
function emulator() {
  if (process.arch === 'arm64') throw new Sentence('this machine is arm64: `npm test` runs every test on it.');
  const qemu = ['qemu-aarch64-static', 'qemu-aarch64'].find((name) => outputOf(name, ['--version']) !== null);
  // qemu's own variable; the default is where Debian and Ubuntu have the libraries for cross compilers.
  const system = process.env.QEMU_LD_PREFIX || '/usr/aarch64-linux-gnu';
  const missing = ['ld-linux-aarch64.so.1', 'libstdc++.so.6'].filter(
    (name) => !fs.existsSync(path.join(system, 'lib', name)),
  );
  if (qemu !== undefined && missing.length === 0) return [qemu, '-L', system];
  const what = qemu === undefined ? 'qemu-aarch64' : `${missing.join(' and ')} in ${path.join(system, 'lib')}`;
  throw new Sentence(
    `the arm64 tests need ${what}; on Debian or Ubuntu (x86-64): \`apt-get install qemu-user-static libstdc++6-arm64-cross\`.`,
  );
}

/** The kernel need not know arm64 programs: a script stands for each. Returns the addon's and Node's paths. */
function stage(folder, emulate, node) {
  const built = path.join(root, 'build', `prebuild-${platform}`, 'Release');
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder, { recursive: true });
  const script = (name, ...words) => {
    const file = path.join(folder, name);
    const command = [...emulate, ...words].map((word) => `'${word}'`).join(' ');
    fs.writeFileSync(file, `#!/bin/sh\nexec ${command} "$@"\n`, { mode: 0o755 });
    return file;
  };
  const binding = path.join(folder, 'edge_infer.node');
  fs.copyFileSync(path.join(built, 'edge_infer.node'), binding);
  script('edge_infer-host', path.join(built, 'edge_infer-host'));
  // Tests that start Node start the script.
  const self = path.join(folder, 'exec-path.cjs');
  fs.writeFileSync(self, `process.execPath = ${JSON.stringify(path.join(folder, 'node'))};\n`);
  return { binding, program: script('node', path.join(node, 'bin', 'node'), '--require', self) };
}

await main(async () => {
  const { positionals } = parseArgs({ allowPositionals: true });
  const runners = ['arm64', ...emulatedReleases.map((release) => `arm64-tensorrt-${release}`)];
  clearResults(runners);
  const emulate = emulator();
  await build(['ts', `prebuild-${platform}`, `simulators-${platform}`]);
  const node = await runtime('node-arm64', platform);
  await runtime('tflite', platform);
  const { binding, program } = stage(path.join(root, 'build', 'arm64'), emulate, node);
  const architecture = outputOf(program, ['-p', 'process.arch'])?.trim();
  if (architecture !== 'arm64') throw new Sentence(`${emulate[0]} does not run Node: \`${program} -p process.arch\`.`);
  const tests = files.flatMap((file) => ['--testMatch', `<rootDir>/${file}`]);
  // A cache of its own: Node reads what another version has written only by luck.
  const cache = ['--cacheDirectory', path.join(root, 'build', 'arm64-jest')];
  // EDGE_INFER_TFLITE may name this machine's.
  const env = { EDGE_INFER_BINDING: binding, EDGE_INFER_TFLITE: '' };
  await runJest('arm64', ['--runInBand', ...cache, ...tests, ...positionals], env, program);
  // Together, as they mostly wait. What is between two processes does not know TensorRT, and was there above.
  const simulated = ['--testMatch', '<rootDir>/test/simulators/tensorrt*.simulated.ts'];
  const runs = emulatedReleases.map((release) => {
    const name = `arm64-tensorrt-${release}`;
    const simulator = { ...tensorrtSimulator(release, name, `simulators-${platform}`), EDGE_INFER_EMULATED: 'yes' };
    return runJest(name, ['--runInBand', ...cache, ...simulated, ...positionals], { ...env, ...simulator }, program);
  });
  await Promise.all(runs);
  return summarize(runners);
});
