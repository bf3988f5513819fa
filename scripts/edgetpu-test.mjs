// `npm run test:edgetpu`: the TFLite backend on the simulated Edge TPU driver, in the binary layout of the published
// drivers and in today's, each in a process of its own.
//   node scripts/edgetpu-test.mjs [old new]      --    what follows goes to jest
import path from 'node:path';
import { parseArgs } from 'node:util';
import { build } from './build.mjs';
import { runJest } from './jest.mjs';
import { clearResults } from './results.mjs';
import { main, root } from './root.mjs';
import { ensureTflite } from './runtime.mjs';
import { edgeTpuSimulator } from './simulators.mjs';
import { summarize } from './summary.mjs';

await main(async () => {
  const { positionals } = parseArgs({ allowPositionals: true });
  const asked = positionals.filter((word) => word === 'old' || word === 'new');
  const layouts = asked.length > 0 ? asked : ['old', 'new'];
  const runners = layouts.map((layout) => `edgetpu-${layout}`);
  clearResults(runners);
  await build(['addon', 'ts', 'simulators']);
  await ensureTflite();
  for (const layout of layouts) {
    const files = ['--testMatch', '<rootDir>/test/simulators/edgetpu*.simulated.ts'];
    const rest = positionals.filter((word) => !layouts.includes(word));
    const env = edgeTpuSimulator(path.join(root, 'build', 'simulators'), layout);
    await runJest(`edgetpu-${layout}`, ['--runInBand', ...files, ...rest], env);
  }
  return summarize(runners);
});
