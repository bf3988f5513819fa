// The packed package, installed in an empty folder without install scripts and without a compiler, as a user gets it.
import fs from 'node:fs';
import path from 'node:path';
import { spawnSync } from 'node:child_process';
import { build } from './build.mjs';
import { prebuild } from './prebuilds.mjs';
import { root, Sentence } from './root.mjs';

const folder = path.join(root, 'build', 'package-test');

/** Packs the package as it would be published. Returns the tarball's path and what is in it. */
export async function pack() {
  await build(['addon', 'ts']);
  await prebuild();
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder, { recursive: true });
  const args = ['pack', '--ignore-scripts', '--json', '--pack-destination', folder];
  const result = spawnSync('npm', args, { cwd: root, encoding: 'utf8' });
  if (result.status !== 0) throw new Sentence(`npm pack failed: ${result.stderr}`);
  const [report] = JSON.parse(result.stdout);
  return {
    tarball: path.join(folder, report.filename),
    files: report.files.map((file) => file.path),
    size: report.size,
  };
}

/** A PATH with nothing but node, npm and what npm's own scripts need: no compiler, no CMake, no Python. */
function barePath() {
  const bin = path.join(folder, 'bin');
  fs.mkdirSync(bin, { recursive: true });
  const find = (name) =>
    (process.env.PATH ?? '')
      .split(path.delimiter)
      .map((directory) => path.join(directory, name))
      .find((file) => fs.existsSync(file));
  for (const name of ['npm', 'npx', 'sh', 'env', 'uname', 'sed', 'dirname', 'basename', 'readlink']) {
    const file = find(name);
    if (file !== undefined) fs.symlinkSync(fs.realpathSync(file), path.join(bin, name));
  }
  fs.symlinkSync(process.execPath, path.join(bin, 'node'));
  return bin;
}

/** Installs a tarball in an empty folder. Returns the folder and the environment to run programs with. */
export function install(tarball) {
  const app = path.join(folder, 'app');
  fs.mkdirSync(app);
  fs.writeFileSync(path.join(app, 'package.json'), '{ "name": "app", "private": true }\n');
  const env = { ...process.env, PATH: barePath(), PREBUILDS_ONLY: '1' };
  // What npm tells its scripts about this checkout is not what a user's npm would see.
  for (const name of Object.keys(env)) if (/^npm_(package|lifecycle|config_local)/.test(name)) delete env[name];
  for (const name of ['CXX', 'EDGE_INFER_BINDING', 'INIT_CWD']) delete env[name];
  const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock', tarball];
  const result = spawnSync('npm', args, { cwd: app, env, encoding: 'utf8' });
  if (result.status !== 0) throw new Sentence(`the packed package does not install: ${result.stderr}`);
  return { app, env };
}
