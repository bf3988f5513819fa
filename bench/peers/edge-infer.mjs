// edge-infer's side of the comparison. EDGE_INFER_DIST is the built package.
import { createRequire } from 'node:module';
import { fill } from '../fill.mjs';
import { main } from './protocol.mjs';

const { loadModel } = createRequire(import.meta.url)(process.env.EDGE_INFER_DIST);

async function open({ file, shape, inFlight, device = 'openvino:cpu', precision, threads = 2 }) {
  const shapes = shape.length > 0 ? { [process.env.PEER_INPUT]: shape } : {};
  const many = inFlight > 1;
  const model = await loadModel(file, {
    device,
    precision,
    threads,
    streams: many ? 2 : 1,
    performanceHint: many ? 'throughput' : 'latency',
    inFlight,
    shapes,
  });
  const slots = Array.from({ length: inFlight }, () => {
    const request = model.createRequest();
    for (const { data } of Object.values(request.inputs)) fill(data);
    return () => request.run();
  });
  return { slots, version: model.info.versions.sdk, close: () => model.dispose() };
}

await main(open);
