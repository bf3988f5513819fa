// The built library, opened so far that its own requests can be run in native loops; and the floor, two wake-ups.
import { createRequire } from 'node:module';
import path from 'node:path';
import { root } from '../scripts/root.mjs';
import { median } from './statistics.mjs';

const require = createRequire(import.meta.url);
const requestModule = require(path.join(root, 'dist', 'request.js'));
const handles = new WeakMap();

// The library keeps its native request to itself; the native loop over the very same request needs it.
requestModule.InferenceRequest = class extends requestModule.InferenceRequest {
  constructor(model, native, ...rest) {
    super(model, native, ...rest);
    handles.set(this, native);
  }
};

export const { loadModel } = require(path.join(root, 'dist', 'index.js'));
export const { locate } = require(path.join(root, 'dist', 'locate.js'));
export const binding = require(path.join(root, 'dist', 'native.js')).native();

/** The SDK's synchronous call in a C++ loop on this thread: microseconds of each run. */
export function nativeLoop(request, microseconds) {
  binding.benchSync(handles.get(request), microseconds);
}

/** The same for several requests at once, each on a C++ thread: microseconds for `runs` of them together. */
export function nativeThreads(requests, runs) {
  return binding.benchThreads(
    requests.map((request) => handles.get(request)),
    runs,
  );
}

/** Microseconds of two wake-ups, now. */
export function measureFloor() {
  const microseconds = new Float64Array(400);
  binding.benchPingPong(microseconds);
  return median(microseconds);
}
