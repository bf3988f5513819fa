/** TFLite models that tests share: copies, sums, outputs whose shape depends on the data, and long computations. */
import type { Shape } from '../../lib/types.js';
import { options, Tflite, type Graph, type Port } from './tflite.js';

/** The same values under another name. RESHAPE is the one kernel that copies every type, bit by bit. */
export function copyOf(graph: Graph, from: Port, name: string): Port {
  const { dtype, shape } = from;
  const rank = shape.length;
  const isKnown = shape.filter((dim) => dim < 0).length < 2;
  // One unknown dimension may be −1 in the new shape; several are those of the input.
  const target = isKnown
    ? graph.constant('i32', [rank], Int32Array.from(shape))
    : graph.op('SHAPE', [from], { dtype: 'i32', shape: [rank] }, options.shape('i32'));
  return graph.op('RESHAPE', [from, target], { dtype, shape, name }, options.reshape(isKnown ? shape : []));
}

/** y = x, any type. */
export function identityTflite(
  dtype: string,
  shape: Shape,
  [x, y]: readonly [string, string] = ['x', 'y'],
): Uint8Array {
  const model = new Tflite();
  model.main.output(copyOf(model.main, model.main.input(x, dtype, shape), y));
  return model.build();
}

/** from + number, f32. */
export function plus(graph: Graph, from: Port, number: number, name: string): Port {
  const constant = graph.constant('f32', [], Float32Array.of(number));
  return graph.op('ADD', [from, constant], { dtype: 'f32', shape: from.shape, name }, options.add);
}

/** y = x + number, f32. */
export function addTflite(number: number, shape: Shape): Uint8Array {
  const model = new Tflite();
  model.main.output(plus(model.main, model.main.input('x', 'f32', shape), number, 'y'));
  return model.build();
}

/** a f32 [2, 2], b i32 [3] -> p = a + 1, q = b. */
export function pairTflite(): Uint8Array {
  const model = new Tflite();
  const graph = model.main;
  const a = graph.input('a', 'f32', [2, 2]);
  const b = graph.input('b', 'i32', [3]);
  graph.output(plus(graph, a, 1, 'p'));
  graph.output(copyOf(graph, b, 'q'));
  return model.build();
}

/** y = the indices of the elements of x, f32 [length], that are not 0. */
export function nonZeroTflite(length: number): Uint8Array {
  const model = new Tflite();
  const graph = model.main;
  const x = graph.input('x', 'f32', [length]);
  const zero = graph.constant('f32', [], Float32Array.of(0));
  const isSet = graph.op('NOT_EQUAL', [x, zero], { dtype: 'bool', shape: [length] });
  const rows = graph.op('WHERE', [isSet], { dtype: 'i64', shape: [-1, 1] });
  const all = graph.constant('i32', [1], Int32Array.of(-1));
  graph.output(graph.op('RESHAPE', [rows, all], { dtype: 'i64', shape: [-1], name: 'y' }, options.reshape([-1])));
  return model.build();
}

/**
 * y = x + 1 by a long way: `steps` products of matrices whose rows sum to 1, one after the other. TFLite looks between
 * nodes whether it was told to stop. `size` is a power of two, so that the sums are exact.
 */
export function slowTflite(steps: number, size: number): Uint8Array {
  const model = new Tflite();
  const graph = model.main;
  const x = graph.input('x', 'f32', [1]);
  const kind = { dtype: 'f32', shape: [size, size] };
  const square = graph.constant('i32', [2], Int32Array.of(size, size));
  // Its first version has no kernel.
  const spread = graph.op('BROADCAST_TO', [x, square], kind, undefined, 2);
  const even = graph.op('SOFTMAX', [spread], kind, options.softmax());
  let product = even;
  for (let i = 0; i < steps; i++) product = graph.op('BATCH_MATMUL', [product, even], kind);
  const columns = graph.constant('i32', [1], Int32Array.of(1));
  const sums = graph.op('SUM', [product, columns], { dtype: 'f32', shape: [size] }, options.reduce(false));
  const rows = graph.constant('i32', [1], Int32Array.of(0));
  const one = graph.op('REDUCE_MAX', [sums, rows], { dtype: 'f32', shape: [1] }, options.reduce(true));
  graph.output(graph.op('ADD', [x, one], { dtype: 'f32', shape: [1], name: 'y' }, options.add));
  return model.build();
}
