/** The TFLite backend on the CPU: the conformance suite. What is TFLite's own is tested in test/backends/tflite/. */
import { conformance } from './conformance.js';
import { tfliteBackend } from './tflite-models.js';

describe('tflite:cpu', () => conformance(tfliteBackend));
