/** A network with a skip connection as one TFLite model, and cut into segments as `edgetpu_compiler` cuts: by operators. */
import type { Shape } from '../../lib/types.js';
import { options, Tflite, type Graph, type Port, type TensorOptions } from './tflite.js';

interface Layer {
  readonly from: readonly string[];
  readonly to: string;
  /** Added where there is one input; two inputs are added to each other. */
  readonly number?: number;
}

/** y = 2 (x + 1) + 2 + 3 by way of a, which skips over the operator that makes b. */
const layers: readonly Layer[] = [
  { from: ['x'], to: 'a', number: 1 },
  { from: ['a'], to: 'b', number: 2 },
  { from: ['a', 'b'], to: 'c' },
  { from: ['c'], to: 'y', number: 3 },
];

export const networkOf = (x: number): number => 2 * (x + 1) + 5;

type NetworkDtype = 'u8' | 'i8' | 'f32';

/** Of all tensors the same, so that sums are exact: the least value of the type stands for 0. */
function kind(dtype: NetworkDtype): TensorOptions {
  if (dtype === 'f32') return {};
  return { quantization: { scale: [1], zeroPoint: [dtype === 'u8' ? 0 : -128], axis: null } };
}

function constant(graph: Graph, dtype: NetworkDtype, value: number): Port {
  const more = kind(dtype);
  if (dtype === 'f32') return graph.constant(dtype, [], Float32Array.of(value));
  return graph.constant(dtype, [], Int8Array.of(value + more.quantization!.zeroPoint[0]!), more);
}

function build(dtype: NetworkDtype, shape: Shape, from: number, to: number): Uint8Array {
  const model = new Tflite();
  const graph = model.main;
  const ports = new Map<string, Port>();
  const own = layers.slice(from, to);
  const port = (name: string): Port => {
    const known = ports.get(name) ?? graph.input(name, dtype, shape, kind(dtype));
    ports.set(name, known);
    return known;
  };
  for (const layer of own) {
    const [first, second] = layer.from.map(port);
    const other = second ?? constant(graph, dtype, layer.number!);
    const output = { dtype, shape, name: layer.to, ...kind(dtype) };
    ports.set(layer.to, graph.op('ADD', [first!, other], output, options.add, dtype === 'f32' ? 1 : 2));
  }
  const later = layers.slice(to).flatMap((layer) => layer.from);
  for (const { to: name } of own) if (name === 'y' || later.includes(name)) graph.output(ports.get(name)!);
  return model.build();
}

/** The whole model, and its segments: cut before these operators. */
export function networkTflite(
  dtype: NetworkDtype,
  shape: Shape,
  cuts: readonly number[] = [1, 2],
): { whole: Uint8Array; segments: Uint8Array[] } {
  const edges = [0, ...cuts, layers.length];
  return {
    whole: build(dtype, shape, 0, layers.length),
    segments: edges.slice(1).map((to, i) => build(dtype, shape, edges[i]!, to)),
  };
}
