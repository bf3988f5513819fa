// Fetches a pinned runtime for a script, with a bar or one line on stderr; nothing where it is installed already.
import { createRequire } from 'node:module';
import path from 'node:path';
import { root } from './root.mjs';
import { checkPython } from './tools.mjs';

const require = createRequire(import.meta.url);
const built = (name) => require(path.join(root, 'dist', name));

/** The folder of an installed part, for this platform or another. Needs the built TypeScript. */
export async function runtime(id, platform) {
  const { installRuntime, listRuntimes } = built('runtimes.js');
  const status = listRuntimes({ platform }).find((part) => part.id === id);
  // Wheels and jars are unpacked with Python.
  if (['pypi', 'maven'].includes(status?.ecosystem) && status?.installed === false) checkPython();
  const { runtimeProgress } = built('runtime-progress.js');
  return (await installRuntime(id, { platform, onProgress: runtimeProgress() })).directory;
}

/** The library of an SDK. One that is on this machine already is used instead of the pinned one. */
async function ensureSdk(name) {
  const { locate } = built('locate.js');
  const { library, searched } = locate(name);
  if (library !== null) return library;
  const last = searched[searched.length - 1];
  // A named one that is not there is the user's mistake: the load says so, fetching another would hide it.
  if (last?.source === 'environment') return null;
  await runtime(name);
  return locate(name).library;
}

export const ensureOpenvino = () => ensureSdk('openvino');
export const ensureTflite = () => ensureSdk('tflite');
