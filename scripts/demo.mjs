// `npm run demo [-- my-label.jpg]`: builds, fetches OpenVINO where none is installed, and reads the text of a label.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { build } from './build.mjs';
import { main, root } from './root.mjs';
import { ensureOpenvino } from './runtime.mjs';

await main(async () => {
  await build(['addon', 'ts']);
  await ensureOpenvino();
  // npm runs scripts in the package's folder; the user's paths are relative to where npm was called.
  const entry = path.join(root, 'examples', 'label-ocr', 'main.mjs');
  const options = { cwd: process.env.INIT_CWD ?? process.cwd(), stdio: 'inherit' };
  return spawnSync(process.execPath, [entry, ...process.argv.slice(2)], options).status ?? 1;
});
