// `npm run test:nodes`: the packed package on every supported Node: results, and clean ends with work in flight.
//   node scripts/nodes-test.mjs [16 18 …]
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { Checks } from './checks.mjs';
import { install, pack } from './installed-package.mjs';
import { main, root } from './root.mjs';
import { ensureOpenvino, runtime } from './runtime.mjs';

const versions = ['16', '18', '20', '22', '24', '26'];

/** Each way to end while runs are in flight, and how the process has to end. */
const ends = { exit: { status: 7 }, uncaught: { status: 1 }, sigterm: { signal: 'SIGTERM' }, worker: { status: 0 } };

await main(async () => {
  const asked = process.argv.slice(2);
  const checks = new Checks('nodes');
  const { tarball } = await pack();
  const { app, env } = install(tarball);
  const library = await ensureOpenvino();
  fs.cpSync(path.join(root, 'test', 'nodes'), app, { recursive: true });

  for (const version of versions.filter((name) => asked.length === 0 || asked.includes(name))) {
    if (process.platform !== 'linux' || process.arch !== 'x64') {
      checks.skip(`Node ${version}`);
      continue;
    }
    const node = path.join(await runtime(`node-${version}`), 'bin', 'node');
    const start = (args) =>
      spawnSync(node, args, {
        cwd: app,
        env: { ...env, EDGE_INFER_OPENVINO: library },
        encoding: 'utf8',
        timeout: 120_000,
      });
    const passes = (args) => {
      const { status, signal, stdout, stderr } = start(args);
      assert.equal(status, 0, `${signal ?? ''} ${stdout}${stderr}`);
    };
    await checks.check(`Node ${version}: ES modules import by name`, () => passes(['import.mjs']));
    await checks.check(`Node ${version}: the echo backend`, () => passes(['echo.cjs']));
    await checks.check(`Node ${version}: the precision pass`, () => passes(['precision.cjs']));
    await checks.check(`Node ${version}: OpenVINO`, () => passes(['openvino.cjs', 'relu.xml']));
    for (const [way, expected] of Object.entries(ends)) {
      for (const model of ['echo', 'relu.xml']) {
        await checks.check(`Node ${version}: ${way} with ${model} in flight`, () => {
          const result = start(['in-flight.cjs', way, model]);
          const got = { status: result.status, signal: result.signal };
          assert.deepEqual(got, { status: null, signal: null, ...expected }, result.stderr);
        });
      }
    }
  }
  return checks.end();
});
