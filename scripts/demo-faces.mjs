// `npm run demo:faces [-- my-photograph.jpg]`: builds, fetches the device's SDK where none is installed, and finds faces.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { build } from './build.mjs';
import { pythonEnv } from './python-env.mjs';
import { main, outputOf, root } from './root.mjs';
import { ensureOpenvino, ensureTflite } from './runtime.mjs';

/** A photograph of a pinned package, for who has none at hand. */
function photograph() {
  const find = "import importlib.util; print(*importlib.util.find_spec('skimage').submodule_search_locations)";
  return path.join(outputOf(pythonEnv('demo'), ['-c', find]).trim(), 'data', 'astronaut.png');
}

/** What the command line asks for; null where the demo itself will say what is wrong with it. */
async function optionsOf(args) {
  const { parseOptions } = await import('../examples/faces/options.mjs'); // needs the built package
  try {
    return parseOptions(args);
  } catch {
    return null;
  }
}

await main(async () => {
  await build(['addon', 'ts']);
  const args = process.argv.slice(2);
  const options = await optionsOf(args);
  if (options !== null && options.help === null) {
    if (/^(tflite|edgetpu)/i.test(options.device)) await ensureTflite();
    else await ensureOpenvino();
    if (options.image === null) args.push(photograph());
  }
  // npm runs scripts in the package's folder; the user's paths are relative to where npm was called.
  const entry = path.join(root, 'examples', 'faces', 'main.mjs');
  const where = { cwd: process.env.INIT_CWD ?? process.cwd(), stdio: 'inherit' };
  return spawnSync(process.execPath, [entry, ...args], where).status ?? 1;
});
