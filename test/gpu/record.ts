/** What the tests measured, for the report of `npm run test:gpu`: a line of JSON for each. */
import fs from 'node:fs';

export function record(what: string, value: unknown): void {
  const file = process.env['EDGE_INFER_GPU_RECORD'];
  if (file) fs.appendFileSync(file, `${JSON.stringify({ what, value })}\n`);
}

/** Whether the GPU is a simulated one, which computes no convolutions. */
export const simulated = process.env['EDGE_INFER_CUDA_SIMULATOR'] !== undefined;
