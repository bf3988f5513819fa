// tfjs-tflite-node's side of the comparison, used as its documentation says: predict() with a tensor, on the JS thread.
import { createRequire } from 'node:module';
import { fill } from '../fill.mjs';
import { main } from './protocol.mjs';

// It says in every run that it converts int32 to uint8; printing that is left out of what is measured.
console.warn = () => {};

const require = createRequire(process.env.PEER_MODULES);
const tf = require('@tensorflow/tfjs-core');
require('@tensorflow/tfjs-backend-cpu');
const { loadTFLiteModel } = require('tfjs-tflite-node');

async function open({ file, threads }) {
  await tf.ready();
  const model = await loadTFLiteModel(file, { numThreads: threads });
  const [{ shape, dtype }] = model.inputs;
  const bytes = new Uint8Array(shape.reduce((product, size) => product * size, 1));
  fill(bytes);
  const input = tf.tensor(Int32Array.from(bytes), shape, dtype);
  const run = async () => {
    const output = model.predict(input);
    output.dataSync();
    output.dispose();
  };
  return { slots: [run], blocks: true, close: () => input.dispose() };
}

await main(open);
