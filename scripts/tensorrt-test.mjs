// `npm run test:tensorrt`: the TensorRT backend on a simulated driver and a simulated TensorRT of each major version, and of
// 8.2, which has no tensors by name; each in a process of its own. `npm run test:tensorrt -- headers`: how it is called, against TensorRT's own headers, which
// Cargo fetches.
// `npm run test:tensorrt -- real`: TensorRT's own libraries, which Maven fetches (2 GB): how they are opened without a GPU,
// and their ONNX parsers on the simulated TensorRT.
//   node scripts/tensorrt-test.mjs [8.2 8 10 11]  --    what follows goes to jest
//   node scripts/tensorrt-test.mjs headers [FOLDER …]    with NvInfer.h, such as /usr/include/aarch64-linux-gnu of JetPack
//   node scripts/tensorrt-test.mjs real [8 10 11] --    what follows goes to jest
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { build } from './build.mjs';
import { runJest } from './jest.mjs';
import { clearResults, parseCtest, writeResult } from './results.mjs';
import { main, root, Sentence } from './root.mjs';
import { runtime } from './runtime.mjs';
import { tensorrtReleases, tensorrtSimulator } from './simulators.mjs';
import { summarize } from './summary.mjs';

const majors = ['8', '10', '11'];

/** `folders`: with NvInfer.h; none: the pinned ones. */
async function compareHeaders(folders) {
  const name = 'tensorrt-headers';
  clearResults([name]);
  await build(['ts']);
  const lacking = folders.find((folder) => !fs.existsSync(path.join(folder, 'NvInfer.h')));
  if (lacking !== undefined) throw new Sentence(`there is no NvInfer.h in ${lacking}.`);
  if (folders.length > 0) process.env.EDGE_INFER_TENSORRT_HEADERS = folders.join(':');
  else for (const major of ['10', '11']) await runtime(`tensorrt-headers-${major}`);
  await build(['native-tests']);
  const cwd = path.join(root, 'build', 'native-tests');
  const ctest = spawnSync('ctest', ['--output-on-failure', '-R', name], { cwd, encoding: 'utf8' });
  process.stderr.write(ctest.stdout ?? '');
  writeResult(name, parseCtest(ctest.stdout ?? ''));
  return summarize([name]);
}

const simulators = path.join(root, 'build', 'simulators');

/** The simulated TensorRT with the real parser beside it. */
function besideParser(major, real) {
  const folder = path.join(simulators, `real-parser-${major}`);
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder);
  for (const [name, source] of [
    ['libnvinfer', path.join(simulators, `nvinfer-${major}`)],
    ['libnvinfer_plugin', path.join(simulators, `nvinfer-${major}`)],
    ['libnvonnxparser', real],
  ]) {
    const file = `${name}.so.${major}`;
    fs.symlinkSync(path.join(source, file), path.join(folder, file));
  }
  return path.join(folder, `libnvinfer.so.${major}`);
}

async function realLibraries(words) {
  const releases = { 8: '8.6', 10: '10.15', 11: '11.2' };
  const asked = words.filter((word) => majors.includes(word));
  const wanted = asked.length > 0 ? asked : majors;
  clearResults(wanted.map((major) => `tensorrt-real-${major}`));
  await build(['addon', 'ts', 'simulators']);
  for (const major of wanted) {
    const part = await runtime(`tensorrt-${releases[major]}`);
    const real = path.join(part, 'org', 'bytedeco', 'tensorrt', 'linux-x86_64');
    // What the simulated parser's builds are tested for holds with the real one as well.
    const files = ['tensorrt-real/*.real.ts', 'simulators/tensorrt-build.simulated.ts'].map(
      (name) => `--testMatch=<rootDir>/test/${name}`,
    );
    const rest = words.filter((word) => !majors.includes(word));
    await runJest(`tensorrt-real-${major}`, ['--runInBand', ...files, ...rest], {
      ...tensorrtSimulator(major, `tensorrt-real-${major}`),
      EDGE_INFER_TENSORRT: besideParser(major, real),
      EDGE_INFER_TENSORRT_REAL: path.join(real, `libnvinfer.so.${major}`),
    });
  }
  return summarize(wanted.map((major) => `tensorrt-real-${major}`));
}

await main(async () => {
  const { positionals } = parseArgs({ allowPositionals: true });
  if (positionals[0] === 'headers') return compareHeaders(positionals.slice(1));
  if (positionals[0] === 'real') return realLibraries(positionals.slice(1));
  const asked = positionals.filter((word) => tensorrtReleases.includes(word));
  const wanted = asked.length > 0 ? asked : tensorrtReleases;
  const runners = wanted.map((release) => `tensorrt-${release}`);
  clearResults(runners);
  await build(['addon', 'ts', 'simulators']);
  const files = ['--testMatch', '<rootDir>/test/simulators/tensorrt*.simulated.ts'];
  const rest = positionals.filter((word) => !tensorrtReleases.includes(word));
  // Together: they mostly wait for runs that take their time, as on a GPU, and cannot be cancelled.
  const runs = wanted.map((release) => {
    const name = `tensorrt-${release}`;
    return runJest(name, ['--runInBand', ...files, ...rest], tensorrtSimulator(release, name));
  });
  await Promise.all(runs);
  return summarize(runners);
});
