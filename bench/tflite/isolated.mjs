// Isolated against in-process on TFLite: the CPU, and the Edge TPU's simulated driver where that can be built.
import fs from 'node:fs';
import path from 'node:path';
import { build } from '../../scripts/build.mjs';
import { root, Sentence } from '../../scripts/root.mjs';
import { IsolationPair } from '../isolation-pair.mjs';
import { asset } from '../models.mjs';

/**
 * Builds the simulated driver and points this process, and the hosts that it starts, at it. Before TFLite is opened for
 * the first time. Gives the compiled model, or why it cannot be measured.
 */
async function simulateEdgeTpu() {
  const compiled = asset('mobilenet_v1_0.25_128_quant_edgetpu.tflite');
  const twin = asset('mobilenet_v1_0.25_128_quant.tflite');
  if (!compiled.file || !twin.file) return { why: compiled.why ?? twin.why };
  try {
    await build(['simulators']);
  } catch (error) {
    if (!(error instanceof Sentence)) throw error;
    return { why: error.message };
  }
  const folder = path.join(root, 'build', 'simulators');
  const control = path.join(folder, 'control-bench');
  fs.rmSync(control, { recursive: true, force: true });
  fs.mkdirSync(control);
  // Two sticks: one serves one process at a time.
  const sticks = ['1-4', '1-5'].map((port) => `usb /sys/bus/usb/devices/${port}\n`);
  fs.writeFileSync(path.join(control, 'devices'), sticks.join(''));
  Object.assign(process.env, {
    EDGE_INFER_EDGETPU: path.join(folder, 'edgetpu-old', 'libedgetpu.so.1'),
    EDGE_INFER_EDGETPU_SIMULATOR: control,
    EDGE_INFER_EDGETPU_TWIN: twin.file,
    EDGE_INFER_LOCKS: control,
  });
  return compiled;
}

/** `{ pairs: { name: IsolationPair }, leftOut }` */
export async function loadPairs(file, threadCounts) {
  const pairs = {};
  const leftOut = [];
  const { file: compiled, why } = await simulateEdgeTpu();
  for (const threads of threadCounts) {
    const words = threads === 1 ? '1 thread' : `${threads} threads`;
    pairs[`tflite:cpu, ${words}`] = await IsolationPair.load(file, { device: 'tflite:cpu', threads }, 1);
  }
  const simulated = 'tflite:edgetpu, SIMULATED driver, MobileNetV1 0.25 128×128';
  if (compiled === undefined) leftOut.push({ name: simulated, why });
  else {
    const elsewhere = { device: 'tflite:edgetpu:1' };
    pairs[simulated] = await IsolationPair.load(compiled, { device: 'tflite:edgetpu:0' }, 1, elsewhere);
  }
  return { pairs, leftOut };
}
