/** The precision pass as a worker thread: `workerData` has the model and the options, the one message is its answer. */
import { parentPort, workerData } from 'node:worker_threads';
import type { PassAnswer } from '../engine.js';
import { InferenceError } from '../errors.js';
import { convertPrecision, type PrecisionOptions } from './precision.js';

function answer(): PassAnswer {
  const { model, options } = workerData as { model: Uint8Array; options: PrecisionOptions };
  try {
    return { converted: convertPrecision(model, options) };
  } catch (error) {
    const { code, remedy } = error instanceof InferenceError ? error : { code: undefined, remedy: '' };
    return { failure: { code, message: (error as Error).message, remedy } };
  }
}

parentPort?.postMessage(answer());
