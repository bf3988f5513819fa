#!/usr/bin/env node
// Stands in for node-gyp where prebuildify calls it (`<shim> rebuild --target=… --arch=… --release`): builds with cmake-js.
// prebuildify runs it in a staging folder and then takes the .node file from that folder's build/Release.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const option = (name) => process.argv.find((argument) => argument.startsWith(`--${name}=`))?.split('=')[1];

const arch = option('arch');
if (arch !== undefined && arch !== process.arch) {
  console.error(`Expected to build for ${process.arch}, was asked for ${arch}: cross builds need a toolchain file.`);
  process.exit(1);
}
const program = path.join(root, 'node_modules', 'cmake-js', 'bin', 'cmake-js');
const out = path.join(process.cwd(), 'build', 'Release');
// A fresh folder: a binary that is published is never made of leftovers.
fs.rmSync(out, { recursive: true, force: true });
const args = [program, 'build', '--directory', root, '--out', out, '--parallel', '2', '--log-level', 'warn'];
const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: ['ignore', 2, 2] });
process.exit(status ?? 1);
