/** What the conformance suite asks of a backend, in models for TFLite's CPU. */
import { addTflite, identityTflite, nonZeroTflite, pairTflite, slowTflite } from '../support/tflite-graphs.js';
import type { ConformanceBackend, Loadable } from './conformance.js';

/** A delegate is one node to TFLite, which looks for cancels between nodes: long computations take the built-in kernels. */
export function interruptible(source: Uint8Array): Loadable {
  return { source, options: { properties: { XNNPACK: 'NO' } } };
}

export const tfliteBackend: ConformanceBackend = {
  device: 'tflite:cpu',
  async: false,
  models: {
    identity: (dtype, shape, names) => ({ source: identityTflite(dtype, shape, names) }),
    add: (number, shape) => ({ source: addTflite(number, shape) }),
    pair: () => ({ source: pairTflite() }),
    nonzero: (length) => ({ source: nonZeroTflite(length) }),
    slow: () => interruptible(slowTflite(300, 128)),
    long: () => interruptible(slowTflite(1000, 256)),
  },
};
