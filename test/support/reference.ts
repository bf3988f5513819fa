/** Other runtimes, in Python, on the same inputs: tensors go there and come back as raw files. */
import fs from 'node:fs';
import path from 'node:path';
import { elementCount, viewOf } from '../../lib/dtypes.js';
import type { Dtype, Outputs, Tensor } from '../../lib/types.js';
import { root } from './child.js';
import type { Folder } from './folder.js';
import { python, textOf } from './python.js';

export type Tensors = Readonly<Record<string, Tensor>>;

let calls = 0;

/** The outputs of each run by name. `script` is a program of this folder, see reference_files.py; `more` goes to it as it is. */
export function runReference(
  folder: Folder,
  script: string,
  model: string,
  runs: readonly Tensors[],
  more: Readonly<Record<string, unknown>> = {},
): Outputs[] {
  const name = `reference-${calls++}`;
  const spec = {
    ...more,
    runs: runs.map((inputs, i) => ({
      inputs: Object.entries(inputs).map(([input, { dtype, shape, data }], j) => {
        const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
        return { name: input, dtype, shape, file: folder.write(`${name}/${i}-${j}.in`, bytes) };
      }),
      outputs: path.join(folder.path, name, `outputs-${i}`),
    })),
  };
  const program = path.join(root, 'test', 'support', script);
  // -B: no compiled Python in the checkout.
  const text = textOf(python(), ['-B', program, model, folder.write(`${name}/spec.json`, JSON.stringify(spec))]);
  const results = JSON.parse(text) as { name: string; dtype: Dtype; shape: number[]; file: string }[][];
  const outputs = results.map((all) =>
    Object.fromEntries(
      all.map(({ name: output, dtype, shape, file }) => {
        const data = viewOf(dtype, Uint8Array.from(fs.readFileSync(file)).buffer, elementCount(shape));
        return [output, { dtype, shape, data }];
      }),
    ),
  );
  fs.rmSync(path.join(folder.path, name), { recursive: true });
  return outputs;
}
