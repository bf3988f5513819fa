// `npm run test:package`: what `npm pack` makes installs without scripts and without a compiler, and runs.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Checks } from './checks.mjs';
import { install, pack } from './installed-package.mjs';
import { checkBinary } from './prebuilds.mjs';
import { main, root } from './root.mjs';
import { platforms } from './zig.mjs';

const limit = 3_000_000;

await main(async () => {
  const checks = new Checks('package');
  const { tarball, files, size } = await pack();
  await checks.check(`the tarball is smaller than ${limit / 1e6} MB (${(size / 1e6).toFixed(2)} MB)`, () => {
    assert.ok(size < limit);
  });
  const binaries = platforms.flatMap((platform) =>
    ['.node', '-host'].map((end) => [`prebuilds/${platform}/edge-infer.glibc${end}`, platform]),
  );
  for (const [file, platform] of binaries) {
    // Not the builder's word for it: the file that was packed.
    await checks.check(`${file}: for ${platform}, glibc 2.27 and no libstdc++`, () => {
      checkBinary(path.join(root, file), platform);
    });
  }
  await checks.check('a binary that is missing, for another platform or for a newer glibc is refused', () => {
    const [platform, other] = process.arch === 'arm64' ? ['linux-arm64', 'linux-x64'] : ['linux-x64', 'linux-arm64'];
    assert.throws(() => checkBinary(path.join(root, 'prebuilds', 'nothing.node'), platform), /is missing/);
    assert.throws(() => checkBinary(process.execPath, other), /is for .*, not for/);
    assert.throws(() => checkBinary(process.execPath, platform), /needs glibc|libstdc\+\+/); // Node itself needs 2.28
    const without = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'edge-infer-')), 'without-10.node');
    const bytes = fs.readFileSync(path.join(root, binaries.find(([, of]) => of === platform)[0]), 'latin1');
    fs.writeFileSync(without, bytes.replace('adapters: tensorrt 8 10 11', 'adapters: tensorrt 8 12 11'), 'latin1');
    assert.throws(() => checkBinary(without, platform), /no adapter for TensorRT 10\./);
    fs.rmSync(path.dirname(without), { recursive: true });
  });
  await checks.check('it carries these binaries, the types, the manifest and the licence', () => {
    assert.deepEqual(
      files.filter((file) => file.startsWith('prebuilds/')).sort(),
      binaries.map(([file]) => file).sort(),
    );
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
