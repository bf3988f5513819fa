/** The conformance suite where a processor is emulated, in this process and in a host; `npm run test:arm64` runs it. */
import { conformance } from '../backends/conformance.js';
import { echoBackend } from '../backends/echo-models.js';
import { interruptible, tfliteBackend } from '../backends/tflite-models.js';
import { slowTflite } from '../support/tflite-graphs.js';

// Hang limits beyond what the suite's long models take.
const options = { isolate: { hangTimeoutMs: 120_000, firstRunTimeoutMs: 120_000 } };
// An eighth of the work: what takes a moment on a processor takes many seconds on an emulated one.
const slow = () => interruptible(slowTflite(100, 64));
const lighter = { ...tfliteBackend, models: { ...tfliteBackend.models, slow } };

describe('tflite:cpu', () => conformance(lighter));
describe('echo, isolated', () => conformance({ ...echoBackend, options, async: false }));
describe('tflite:cpu, isolated', () => conformance({ ...lighter, options }));
