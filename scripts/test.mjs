// `npm test`: builds, fetches the pinned OpenVINO and TFLite, runs ctest and jest, and sums their results in the last line.
//   --only native|js    one runner       --    what follows goes to jest
//   --sanitize address|thread            the native tests under a sanitizer; address also jest on echo and on simulators
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { build } from './build.mjs';
import { runJest } from './jest.mjs';
import { pythonEnv } from './python-env.mjs';
import { clearResults, parseCtest, writeResult } from './results.mjs';
import { main, outputOf, root } from './root.mjs';
import { ensureOpenvino, ensureTflite, runtime } from './runtime.mjs';
import { edgeTpuSimulator } from './simulators.mjs';
import { summarize } from './summary.mjs';
import { checkBuildTools } from './tools.mjs';

const sanitizerOptions = {
  ASAN_OPTIONS: 'detect_leaks=1:abort_on_error=0:detect_stack_use_after_return=1',
  // It sleeps for a second at every exit else, for races that come late; each test is a process.
  TSAN_OPTIONS: 'halt_on_error=1:second_deadlock_stack=1:atexit_sleep_ms=50',
};

/** Runs ctest in a build folder and records its result under the folder's name. */
function runCtest(name) {
  // Twice as many as cores: most of them wait.
  const jobs = String(2 * os.cpus().length);
  const result = spawnSync('ctest', ['--output-on-failure', '--timeout', '300', '-j', jobs], {
    cwd: path.join(root, 'build', name), // not --test-dir, which CMake has only since 3.20
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    env: { ...process.env, ...sanitizerOptions },
  });
  process.stdout.write(result.stdout ?? '');
  process.stderr.write(result.stderr ?? '');
  const parsed = parseCtest(result.stdout ?? '');
  if (result.status !== 0 && parsed.failed.length === 0) parsed.failed.push(`ctest ended with code ${result.status}`);
  writeResult(name, parsed);
}

async function sanitized(kind) {
  const native = kind === 'address' ? 'native-asan' : 'native-tsan';
  const runners = kind === 'address' ? [native, 'jest-asan', 'jest-asan-edgetpu', 'jest-asan-openvino'] : [native];
  clearResults(runners);
  await build(kind === 'address' ? ['ts', native, 'addon-asan'] : [native]);
  runCtest(native);
  if (kind === 'address') {
    // node itself is not instrumented, so the sanitizer's library has to be there first; V8 leaks on exit by design.
    const library = outputOf(process.env.CXX || 'c++', ['-print-file-name=libasan.so']).trim();
    const env = {
      LD_PRELOAD: fs.realpathSync(library),
      // Hostile models ask for more memory than there is: that is an error for the caller, not one of ours.
      ASAN_OPTIONS: 'detect_leaks=0:allocator_may_return_null=1',
      EDGE_INFER_BINDING: path.join(root, 'build', 'addon-asan', 'Release', 'edge_infer.node'),
    };
    await ensureTflite();
    // OpenVINO itself is not instrumented, and would not load here; the simulator of it is, and came with the native tests.
    const simulators = path.join(root, 'build', native);
    const openvino = {
      EDGE_INFER_OPENVINO: path.join(simulators, 'libopenvino_2022_3_simulator.so'),
      EDGE_SIMULATOR_CONTROL: path.join(simulators, 'control'),
    };
    const tflite = ['backends/tflite\\.test', 'backends/tflite/(hostile|layers|operators|specs|state)\\.test'];
    await runJest('jest-asan', ['--runInBand', '--testPathPatterns', 'echo', ...tflite], env);
    const simulated = (name) => ['--runInBand', '--testMatch', `<rootDir>/test/simulators/${name}.simulated.ts`];
    const edgeTpu = { ...openvino, ...edgeTpuSimulator(simulators, 'new') };
    await runJest('jest-asan-edgetpu', simulated('edgetpu'), { ...env, ...edgeTpu });
    await runJest('jest-asan-openvino', simulated('openvino-2022.3'), { ...env, ...openvino });
  }
  return summarize(runners);
}

await main(async () => {
  const { values, positionals } = parseArgs({
    options: { only: { type: 'string' }, sanitize: { type: 'string' } },
    allowPositionals: true,
  });
  if (values.sanitize !== undefined) return sanitized(values.sanitize);
  const native = values.only !== 'js';
  const js = values.only !== 'native';
  const runners = [...(native ? ['native-tests'] : []), ...(js ? ['jest'] : [])];
  clearResults(runners);
  // Said at the start, not after minutes of compiling and fetching.
  if (native) checkBuildTools({ tests: true });
  await build(['ts']);
  if (js) {
    await ensureOpenvino();
    await ensureTflite();
    for (const name of ['test', 'demo']) pythonEnv(name); // here, because jest's workers would make them at the same time
  }
  await build(['addon']);
  if (native) {
    // Its headers: the declarations in api.h are compared with them.
    await runtime('openvino');
    // Where it is there: the simulated Edge TPU driver is tested on it.
    if (js) await runtime('tflite');
    await build(['native-tests']);
    runCtest('native-tests');
  }
  if (js) await runJest('jest', positionals);
  return summarize(runners);
});
