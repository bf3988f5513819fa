// `npm run test:versions`: the conformance suite on every pinned OpenVINO, each in a process of its own, since a process
// takes one library; on the simulator of 2022.3, the last release for Movidius sticks, which no registry has; and on the
// oldest TFLite.
//   node scripts/versions-test.mjs [2024.6 2025.4 2026.4 2022.3-simulator tflite-2.9]
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { build } from './build.mjs';
import { runJest } from './jest.mjs';
import { clearResults, parseCtest, writeResult } from './results.mjs';
import { main, root } from './root.mjs';
import { runtime } from './runtime.mjs';
import { summarize } from './summary.mjs';

const releases = { 2024.6: 'openvino-2024.6', 2025.4: 'openvino-2025.4', 2026.4: 'openvino' };
const own = ['cache', 'devices', 'external-data', 'shapes', 'sources', 'state'];
const files = [
  'test/backends/openvino\\.test\\.ts',
  ...own.map((name) => `test/backends/openvino/${name}\\.test\\.ts`),
];
const simulator = '2022.3-simulator';
const tflite = 'tflite-2.9';

await main(async () => {
  const asked = process.argv.slice(2);
  const wanted = [...Object.keys(releases).sort(), simulator, tflite].filter(
    (name) => asked.length === 0 || asked.includes(name),
  );
  const headers = 'openvino-headers';
  const runnerOf = (name) => (name === tflite ? name : `openvino-${name}`);
  const runners = [headers, ...wanted.map(runnerOf)];
  clearResults(runners);
  await build(['addon', 'ts', ...(wanted.includes(simulator) ? ['simulators'] : [])]);
  for (const name of wanted) {
    if (name === tflite) {
      const library = path.join(await runtime(`tfjs-${tflite}`), 'cc_deps', 'linux_amd64', 'libtensorflowlite_c.so');
      const files = ['--testMatch', '<rootDir>/test/versions/tflite-2.9.versions.ts'];
      await runJest(tflite, ['--runInBand', ...files], { EDGE_INFER_TFLITE: library });
    } else if (name === simulator) {
      const library = path.join(root, 'build', 'simulators', 'libopenvino_2022_3_simulator.so');
      // Not among the tests that run on the installed OpenVINO.
      const files = ['--testMatch', '<rootDir>/test/simulators/openvino-2022.3.simulated.ts'];
      await runJest(`openvino-${name}`, ['--runInBand', ...files], {
        EDGE_INFER_OPENVINO: library,
        EDGE_SIMULATOR_CONTROL: path.join(root, 'build', 'simulators', 'control'),
      });
    } else {
      const library = await runtime(releases[name]);
      await runJest(`openvino-${name}`, ['--runInBand', ...files], { EDGE_INFER_OPENVINO: library });
    }
  }
  // api.h against the headers of every release that is installed by now.
  await build(['native-tests']);
  const folder = path.join(root, 'build', 'native-tests');
  const ctest = spawnSync('ctest', ['--output-on-failure', '-R', 'openvino-headers'], {
    cwd: folder,
    encoding: 'utf8',
  });
  process.stderr.write(ctest.stdout ?? '');
  writeResult(headers, parseCtest(ctest.stdout ?? ''));
  return summarize(runners);
});
