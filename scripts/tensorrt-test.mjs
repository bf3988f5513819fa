// `npm run test:tensorrt`: the TensorRT backend on a simulated driver and a simulated TensorRT of each major version, each
// in a process of its own. `npm run test:tensorrt -- headers`: how it is called, against TensorRT's own headers, which
// Cargo fetches.
//   node scripts/tensorrt-test.mjs [8 10 11]      --    what follows goes to jest
//   node scripts/tensorrt-test.mjs headers
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { build } from './build.mjs';
import { runJest } from './jest.mjs';
import { clearResults, parseCtest, writeResult } from './results.mjs';
import { main, root } from './root.mjs';
import { runtime } from './runtime.mjs';
import { summarize } from './summary.mjs';

const all = ['8', '10', '11'];

async function compareHeaders() {
  const name = 'tensorrt-headers';
  clearResults([name]);
  await build(['ts']);
  for (const major of ['10', '11']) await runtime(`tensorrt-headers-${major}`);
  await build(['native-tests']);
  const cwd = path.join(root, 'build', 'native-tests');
  const ctest = spawnSync('ctest', ['--output-on-failure', '-R', name], { cwd, encoding: 'utf8' });
  process.stderr.write(ctest.stdout ?? '');
  writeResult(name, parseCtest(ctest.stdout ?? ''));
  return summarize([name]);
}

await main(async () => {
  const { positionals } = parseArgs({ allowPositionals: true });
  if (positionals[0] === 'headers') return compareHeaders();
  const asked = positionals.filter((word) => all.includes(word));
  const majors = asked.length > 0 ? asked : all;
  const runners = majors.map((major) => `tensorrt-${major}`);
  clearResults(runners);
  await build(['addon', 'ts', 'simulators']);
  const folder = path.join(root, 'build', 'simulators');
  const files = ['--testMatch', '<rootDir>/test/simulators/tensorrt*.simulated.ts'];
  const rest = positionals.filter((word) => !all.includes(word));
  // Together: they mostly wait for runs that take their time, as on a GPU, and cannot be cancelled.
  const runs = majors.map((major) => {
    const control = path.join(folder, `control-tensorrt-${major}`);
    fs.rmSync(control, { recursive: true, force: true });
    fs.mkdirSync(control, { recursive: true });
    return runJest(`tensorrt-${major}`, ['--runInBand', ...files, ...rest], {
      EDGE_INFER_CUDA: path.join(folder, 'cuda', 'libcuda.so.1'),
      EDGE_INFER_CUDA_SIMULATOR: control,
      EDGE_INFER_TENSORRT: path.join(folder, `nvinfer-${major}`, `libnvinfer.so.${major}`),
    });
  });
  await Promise.all(runs);
  return summarize(runners);
});
