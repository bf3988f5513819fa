/** Google's ai-edge-litert: the reference for tflite:cpu, which runs the same kernels. */
import type { Outputs } from '../../lib/types.js';
import type { Folder } from './folder.js';
import { runReference, type Tensors } from './reference.js';

/** Its outputs of each run. `kernels`: XNNPACK is its interpreter's default, and ours. */
export function litert(
  folder: Folder,
  model: string,
  runs: readonly Tensors[],
  kernels: 'xnnpack' | 'builtin',
  threads = 1,
): Outputs[] {
  return runReference(folder, 'litert_reference.py', model, runs, { kernels, threads });
}
