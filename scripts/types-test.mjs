// `npm run test:types`: the packed package's entry points and types, as attw and publint see them.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { Checks } from './checks.mjs';
import { pack } from './installed-package.mjs';
import { dependencyProgram, main, root } from './root.mjs';

await main(async () => {
  const checks = new Checks('types');
  const { tarball } = await pack();
  await checks.check('attw: types resolve from CommonJS, ES modules and bundlers', () => {
    const program = dependencyProgram('@arethetypeswrong/cli', 'attw');
    const result = spawnSync(process.execPath, [program, tarball, '--no-color', '--no-emoji'], {
      cwd: root,
      encoding: 'utf8',
    });
    assert.equal(result.status, 0, `${result.stdout}${result.stderr}`);
  });
  await checks.check('publint: entry points are sound', async () => {
    const bytes = fs.readFileSync(tarball);
    const archive = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
    const { messages, pkg } = await publint({
      pack: { tarball: archive },
      level: 'warning',
      strict: true,
    });
    assert.deepEqual(
      messages.map((message) => formatMessage(message, pkg, { color: false })),
      [],
    );
  });
  return checks.end();
});
