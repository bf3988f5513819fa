/** The conformance suite again, with the device in a host process: the same contract, behind a process boundary. */
import { conformance } from './conformance.js';
import { echoBackend } from './echo-models.js';
import { openvinoBackend } from './openvino-models.js';
import { tfliteBackend } from './tflite-models.js';

// Hang limits beyond what the suite's long models take.
const options = { isolate: { hangTimeoutMs: 120_000, firstRunTimeoutMs: 120_000 } };

describe('echo, isolated', () => conformance({ ...echoBackend, options, async: false }));
describe('openvino:cpu, isolated', () => conformance({ ...openvinoBackend, options, async: false }));
describe('tflite:cpu, isolated', () => conformance({ ...tfliteBackend, options }));
