/** Models that the tests of the TFLite backend load on the CPU, disposed of after each test. */
import type { Model } from '../../../lib/index.js';
import type { LoadOptions, ModelSource } from '../../../lib/types.js';
import type { Tflite } from '../../support/tflite.js';
import { Loader } from '../conformance/harness.js';
import { tfliteBackend } from '../tflite-models.js';

const loader = new Loader(tfliteBackend);

/** Loads on `tflite:cpu` where the options do not say otherwise. */
export function load(source: ModelSource, options: LoadOptions = {}): Promise<Model> {
  return loader.load({ source }, options);
}

/** A model that the test has just made. */
export function loadMade(model: Tflite, options: LoadOptions = {}): Promise<Model> {
  return load(model.build(), options);
}

/** TFLite's own kernels instead of XNNPACK's. */
export const builtIn = { properties: { XNNPACK: 'NO' } } as const;
