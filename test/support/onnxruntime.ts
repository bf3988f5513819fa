/** Python's onnxruntime: the reference that outputs of real models are compared with, and the comparison. */
import type { Outputs, Tensor } from '../../lib/types.js';
import type { Folder } from './folder.js';
import { runReference, type Tensors } from './reference.js';

/**
 * The f32 outputs of each run, by name. `feedback` names the outputs that become inputs of the next run, as
 * `{ input: output }`, where that run does not give the input itself.
 */
export function onnxruntime(
  folder: Folder,
  model: string,
  runs: readonly Tensors[],
  feedback: Readonly<Record<string, string>> = {},
): Outputs[] {
  return runReference(folder, 'onnxruntime_reference.py', model, runs, { feedback });
}

export function f32(shape: readonly number[], data: Float32Array): Tensor {
  return { dtype: 'f32', shape, data };
}

/** The largest difference between two tensors of one shape. A value that is no number differs from everything. */
export function furthest(a: Tensor, b: Tensor): number {
  expect(a.shape).toEqual(b.shape);
  const [x, y] = [a.data as Float32Array, b.data as Float32Array];
  expect(x.length).toBe(y.length);
  let worst = 0;
  for (let i = 0; i < x.length; i++) {
    const difference = Math.abs(x[i]! - y[i]!);
    if (!(difference <= worst)) worst = Number.isNaN(difference) ? Infinity : difference;
  }
  return worst;
}

/**
 * Every output within 1e-4 of the reference: absolute up to values of 1, which probabilities are, and relative to the
 * output's largest value beyond, because rounding errors grow with the values that are summed.
 */
export function expectSame(outputs: Outputs, expected: Outputs): void {
  expect(Object.keys(outputs).sort()).toEqual(Object.keys(expected).sort());
  const apart = Object.entries(expected).map(([name, wanted]) => {
    const scale = (wanted.data as Float32Array).reduce((largest, value) => Math.max(largest, Math.abs(value)), 1);
    return { name, difference: furthest(outputs[name]!, wanted) / scale };
  });
  expect(apart.filter(({ difference }) => !(difference <= 1e-4))).toEqual([]);
}

/** How far apart the values of an output are: with none there is nothing to compare. */
export function spread({ data }: Tensor): number {
  const values = data as Float32Array;
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return high - low;
}
