// `npm run test:package`: what `npm pack` makes installs without scripts and without a compiler, and runs.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { Checks } from './checks.mjs';
import { install, pack } from './installed-package.mjs';
import { main, root } from './root.mjs';

const limit = 3_000_000;

await main(async () => {
  const checks = new Checks('package');
  const { tarball, files, size } = await pack();
  await checks.check(`the tarball is smaller than ${limit / 1e6} MB (${(size / 1e6).toFixed(2)} MB)`, () => {
    assert.ok(size < limit);
  });
  await checks.check('it carries the binary, the types, the manifest and the licence', () => {
    const binary = files.filter((file) => /^prebuilds\/.*\.node$/.test(file));
    assert.equal(binary.length, 1, `binaries: ${binary.join(', ')}`);
    assert.ok(files.includes(binary[0].replace(/\.node$/, '-host')), 'the host program is missing');
    for (const file of [
      'dist/index.js',
      'dist/index.d.ts',
      'dist/cli/main.js',
      'runtimes/manifest.json',
      'LICENSE',
      'README.md',
    ]) {
      assert.ok(files.includes(file), `${file} is missing`);
    }
  });
  await checks.check('it carries no SDK, no sources and no build files', () => {
    const wrong = files.filter((file) =>
      /\.(so|dll|dylib)(\.|$)|\.whl$|\.(cc|h|mjs)$|^(build|test|native)\//.test(file),
    );
    assert.deepEqual(wrong, []);
    assert.deepEqual(
      files.filter((file) => file.startsWith('runtimes/')),
      ['runtimes/manifest.json'],
    );
  });
  await checks.check('it has no install script', () => {
    const { scripts } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'));
    assert.deepEqual(
      ['preinstall', 'install', 'postinstall', 'prebuild'].filter((name) => name in scripts),
      [],
    );
  });

  let app;
  let env;
  await checks.check('it installs with scripts disabled and no compiler', () => {
    ({ app, env } = install(tarball));
  });
  if (app === undefined) return checks.end();
  const program = (file, extra = {}) => {
    const name = path.basename(file);
    fs.copyFileSync(path.join(root, 'test', 'package', name), path.join(app, name));
    const result = spawnSync(process.execPath, [name], {
      cwd: app,
      env: { ...env, ...extra },
      encoding: 'utf8',
      timeout: 60_000,
    });
    assert.equal(result.status, 0, `${name}: ${result.error ?? result.signal ?? ''}${result.stderr}${result.stdout}`);
  };
  await checks.check('ES modules import it by name; the echo backend runs', () => program('use.mjs'));
  await checks.check('CommonJS requires it; a request runs without copies', () => program('use.cjs'));
  await checks.check('a model runs in a host process', () => program('isolated.mjs'));
  await checks.check('… also from a read-only folder, and where no mode says that the host may be executed', () => {
    const folder = path.join(app, 'node_modules', 'edge-infer');
    const all = fs.readdirSync(folder, { recursive: true }).map((name) => path.join(folder, name));
    const before = [folder, ...all].map((name) => [name, fs.statSync(name)]);
    for (const [name, facts] of before) fs.chmodSync(name, facts.isDirectory() ? 0o555 : 0o444);
    try {
      program('isolated.mjs');
    } finally {
      for (const [name, facts] of before) fs.chmodSync(name, facts.mode & 0o777);
    }
  });
  await checks.check('npx edge-infer doctor --json', () => {
    const result = spawnSync('npx', ['--no-install', 'edge-infer', 'doctor', '--json'], {
      cwd: app,
      env,
      encoding: 'utf8',
    });
    assert.doesNotThrow(() => JSON.parse(result.stdout), `${result.stdout}${result.stderr}`);
  });
  await checks.check('without a binary for the platform it imports, and loading a model explains', () => {
    const prebuilds = path.join(app, 'node_modules', 'edge-infer', 'prebuilds');
    fs.renameSync(prebuilds, `${prebuilds}-away`);
    try {
      program('no-binary.mjs');
    } finally {
      fs.renameSync(`${prebuilds}-away`, prebuilds);
    }
  });
  return checks.end();
});
