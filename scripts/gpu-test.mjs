// `npm run test:gpu`: the library on a real NVIDIA GPU, with engines that its TensorRT builds of models made here. Needs the
// driver, and TensorRT's libraries in the folder that EDGE_INFER_TENSORRT names (or where the locator finds them); docs/
// gpu-run.md says how they get there. What it ran on, and what came of it, is build/gpu/test-<date>.json.
//   node scripts/gpu-test.mjs [--simulator 8|10|11]    --    what follows goes to jest
//   --simulator: the simulated GPU, to see that this works; no precision, and nothing that says anything about a GPU
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { build } from './build.mjs';
import { runJest } from './jest.mjs';
import { clearResults, readResults } from './results.mjs';
import { main, root, Sentence } from './root.mjs';
import { tensorrtSimulator } from './simulators.mjs';
import { summarize } from './summary.mjs';

/** What the tests run on, asked in this process. Throws a sentence where there is no GPU. */
async function machine() {
  const require = createRequire(import.meta.url);
  const { listBackends } = require(path.join(root, 'dist', 'index.js'));
  const { describeMachine } = require(path.join(root, 'dist', 'cli', 'machine.js'));
  const tensorrt = (await listBackends()).find(({ name }) => name === 'tensorrt');
  if (tensorrt.error !== null) throw new Sentence(`${tensorrt.error.message} ${tensorrt.error.remedy}`);
  const { version, libraries, devices } = tensorrt;
  const [gpu] = devices;
  return {
    ...describeMachine(),
    tensorrt: version,
    libraries,
    gpu: gpu.name,
    driver: gpu.driver,
    memory: gpu.capabilities.memory,
  };
}

await main(async () => {
  const { values, positionals } = parseArgs({ options: { simulator: { type: 'string' } }, allowPositionals: true });
  const runner = values.simulator === undefined ? 'gpu' : `gpu-simulated-${values.simulator}`;
  clearResults([runner]);
  await build(['addon', 'ts', ...(values.simulator === undefined ? [] : ['simulators'])]);
  const simulated = values.simulator === undefined ? {} : tensorrtSimulator(values.simulator, runner);
  Object.assign(process.env, simulated);
  const facts = await machine();
  console.error(`edge-infer: on ${facts.gpu}, ${facts.driver}, TensorRT ${facts.tensorrt}`);
  const folder = path.join(root, 'build', 'gpu');
  fs.mkdirSync(folder, { recursive: true });
  const recorded = path.join(folder, `${runner}.jsonl`);
  fs.rmSync(recorded, { force: true });
  // One after the other: what they ask of a GPU is its memory, and its time.
  const files = ['--runInBand', '--testTimeout=600000', '--testMatch', '<rootDir>/test/gpu/*.gpu.ts'];
  await runJest(runner, [...files, ...positionals], { EDGE_INFER_GPU_RECORD: recorded });
  const date = new Date().toISOString();
  const [outcome] = readResults([runner]);
  const lines = fs.existsSync(recorded) ? fs.readFileSync(recorded, 'utf8').trim().split('\n').filter(Boolean) : [];
  const report = {
    date,
    simulated: values.simulator !== undefined,
    machine: facts,
    outcome,
    recorded: lines.map((line) => JSON.parse(line)),
  };
  const file = path.join(folder, `${runner === 'gpu' ? 'test' : runner}-${date.slice(0, 10)}.json`);
  fs.writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
  console.error(`edge-infer: wrote ${path.relative(root, file)}`);
  return summarize([runner]);
});
