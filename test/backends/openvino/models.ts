/** Models and paths that the tests of the OpenVINO backend share. */
import path from 'node:path';
import { loadModel, type Model } from '../../../lib/index.js';
import { locate } from '../../../lib/locate.js';
import type { LoadOptions, ModelSource } from '../../../lib/types.js';
import { Ir, type IrModel } from '../../support/ir.js';

const open: Model[] = [];

/** Loads on the CPU; `closeAll` disposes. */
export async function load(source: ModelSource, options: LoadOptions = {}): Promise<Model> {
  const model = await loadModel(source, { device: 'openvino:cpu', ...options });
  open.push(model);
  return model;
}

export async function closeAll(): Promise<void> {
  await Promise.all(open.splice(0).map((model) => model.dispose({ timeoutMs: 20_000 })));
}

/** An IR model in memory, with its weights where it has some. */
export function loadIr({ xml, bin }: IrModel, options: LoadOptions = {}): Promise<Model> {
  return load(xml, bin.length === 0 ? options : { weights: bin, ...options });
}

/** The library that these tests run on. */
export function library(): string {
  const { library: found } = locate('openvino');
  if (found === null) throw new Error('There is no OpenVINO for the tests.');
  return found;
}

export function libraryFolder(): string {
  return path.dirname(library());
}

/** The year of its release, from the library's name: `libopenvino_c.so.2641`. */
export const release = 2000 + Number(/\.so\.(\d\d)/.exec(path.basename(library()))?.[1] ?? '99');

/** Values between −1 and 1 that are the same in every run of the tests. */
export function scattered(count: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

/** y = x · w, [1, 64] by [64, 64]: precision shows in its results. */
export const weights = scattered(64 * 64, 1);
export function productIr(): IrModel {
  const ir = new Ir();
  const x = ir.parameter('x', 'f32', [1, 64]);
  const w = ir.constant('f32', [64, 64], weights);
  const data = { transpose_a: 'false', transpose_b: 'false' };
  ir.result(ir.op('MatMul', 'opset1', data, [x, w], { type: 'f32', shape: [1, 64], name: 'y' }));
  return ir.build();
}

/** The same in f64. */
export function product(x: Float32Array): number[] {
  return Array.from({ length: 64 }, (_, column) =>
    x.reduce((sum, value, row) => sum + value * weights[64 * row + column]!, 0),
  );
}
