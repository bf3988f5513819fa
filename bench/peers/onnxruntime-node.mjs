// onnxruntime-node's side of the comparison, used as its documentation says: one session, run() with plain tensors.
import { createRequire } from 'node:module';
import { fill } from '../fill.mjs';
import { main } from './protocol.mjs';

const ort = createRequire(process.env.PEER_MODULES)('onnxruntime-node');

async function open({ file, shape, inFlight }) {
  // The same two threads: together on one run, or one for each of the runs in flight.
  const session = await ort.InferenceSession.create(file, {
    intraOpNumThreads: inFlight > 1 ? 1 : 2,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
  });
  const [name] = session.inputNames;
  const dims = shape.length > 0 ? shape : session.inputMetadata[0].shape;
  const data = new Float32Array(dims.reduce((product, size) => product * size, 1));
  fill(data);
  const feeds = { [name]: new ort.Tensor('float32', data, dims) };
  const slots = Array.from({ length: inFlight }, () => () => session.run(feeds));
  return { slots, close: () => session.release() };
}

await main(open);
