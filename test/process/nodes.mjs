// The process tests on every supported Node, each with the pinned binary of that version.
//   node test/process/nodes.mjs [VERSION | GROUP]…      such as `22 24 exit memory`; default: everything
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import path from 'node:path';
import { build } from '../../scripts/build.mjs';
import { Checks } from '../../scripts/checks.mjs';
import { main } from '../../scripts/root.mjs';
import { ensureOpenvino, runtime } from '../../scripts/runtime.mjs';

const require = createRequire(import.meta.url);
const { cases } = require('./cases.cjs');
const { runCase } = require('./run-case.cjs');

const versions = ['16', '18', '20', '22', '24', '26'];

await main(async () => {
  const asked = process.argv.slice(2);
  const askedOf = (all) => {
    const some = all.filter((name) => asked.includes(name));
    return some.length > 0 ? some : all;
  };
  const groups = askedOf([...new Set(cases.map(({ group }) => group))]);
  const checks = new Checks('process-nodes');
  await build(['addon', 'ts']);
  const library = await ensureOpenvino();

  for (const version of askedOf(versions)) {
    if (process.platform !== 'linux' || process.arch !== 'x64') {
      checks.skip(`Node ${version}`);
      continue;
    }
    const node = path.join(await runtime(`node-${version}`), 'bin', 'node');
    for (const one of cases.filter(({ group }) => groups.includes(group))) {
      const name = `Node ${version}: ${one.group}: ${one.name}`;
      if (one.needs.includes('openvino') && library === null) {
        checks.skip(name);
        continue;
      }
      await checks.check(name, async () => {
        const { problems } = await runCase(node, one);
        assert.deepEqual(problems, []);
      });
    }
  }
  return checks.end();
});
