// `npm run test:edgetpu`: the TFLite backend on the simulated Edge TPU driver, in the binary layout of the published
// drivers and in today's, each in a process of its own.
//   node scripts/edgetpu-test.mjs [old new]      --    what follows goes to jest
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { build } from './build.mjs';
import { runJest } from './jest.mjs';
import { clearResults } from './results.mjs';
import { main, root } from './root.mjs';
import { ensureTflite } from './runtime.mjs';
import { summarize } from './summary.mjs';

await main(async () => {
  const { positionals } = parseArgs({ allowPositionals: true });
  const asked = positionals.filter((word) => word === 'old' || word === 'new');
  const layouts = asked.length > 0 ? asked : ['old', 'new'];
  const runners = layouts.map((layout) => `edgetpu-${layout}`);
  clearResults(runners);
  await build(['addon', 'ts', 'simulators']);
  await ensureTflite();
  const assets = process.env.EDGE_INFER_ASSETS;
  for (const layout of layouts) {
    const folder = path.join(root, 'build', 'simulators');
    const control = path.join(folder, `control-${layout}`);
    fs.rmSync(control, { recursive: true, force: true });
    fs.mkdirSync(control);
    const files = ['--testMatch', '<rootDir>/test/simulators/edgetpu*.simulated.ts'];
    runJest(`edgetpu-${layout}`, ['--runInBand', ...files, ...positionals.filter((word) => !layouts.includes(word))], {
      EDGE_INFER_EDGETPU: path.join(folder, `edgetpu-${layout}`, 'libedgetpu.so.1'),
      EDGE_INFER_EDGETPU_SIMULATOR: control,
      EDGE_INFER_LOCKS: control,
      ...(assets && { EDGE_INFER_EDGETPU_TWIN: path.join(assets, 'models', 'mobilenet_v1_0.25_128_quant.tflite') }),
    });
  }
  return summarize(runners);
});
