/** Models that the project makes for a real GPU, in ONNX: small ones, one that takes its time, and one in three precisions. */
import type { Dtype, Shape } from '../../lib/types.js';
import { attribute, buildOnnx, type OnnxType } from '../support/onnx.js';

const onnxShape = (shape: Shape): (number | string)[] => shape.map((dim, i) => (dim < 0 ? `d${i}` : dim));

export function identity(dtype: Dtype, shape: Shape, [from, to]: readonly [string, string] = ['x', 'y']): Uint8Array {
  const type = dtype as OnnxType;
  return buildOnnx({
    inputs: [{ name: from, type, shape: onnxShape(shape) }],
    outputs: [{ name: to, type, shape: onnxShape(shape) }],
    nodes: [{ op: 'Identity', inputs: [from], outputs: [to] }],
  });
}

export function pair(): Uint8Array {
  return buildOnnx({
    inputs: [
      { name: 'a', type: 'f32', shape: [2, 2] },
      { name: 'b', type: 'i32', shape: [3] },
    ],
    outputs: [
      { name: 'p', type: 'f32', shape: [2, 2] },
      { name: 'q', type: 'i32', shape: [3] },
    ],
    nodes: [
      { op: 'Add', inputs: ['a', 'one'], outputs: ['p'] },
      { op: 'Identity', inputs: ['b'], outputs: ['q'] },
    ],
    constants: [{ name: 'one', shape: [], values: Float32Array.of(1) }],
  });
}

export function nonzero(length: number): Uint8Array {
  return buildOnnx({
    inputs: [{ name: 'x', type: 'f32', shape: [length] }],
    outputs: [{ name: 'y', type: 'i64', shape: [1, 'n'] }],
    nodes: [{ op: 'NonZero', inputs: ['x'], outputs: ['y'] }],
  });
}

const rows = 2048;

/** y = x + 1, f32 [1], after so many products with a unit matrix, which a loop keeps from being folded away. */
export function slow(steps: number): Uint8Array {
  const unit = new Float32Array(rows * rows);
  for (let i = 0; i < rows; i++) unit[i * rows + i] = 1;
  const body = {
    inputs: [
      { name: 'step', type: 'i64' as const, shape: [] },
      { name: 'wanted', type: 'bool' as const, shape: [] },
      { name: 'v', type: 'f32' as const, shape: [1, rows] },
    ],
    outputs: [
      { name: 'still', type: 'bool' as const, shape: [] },
      { name: 'next', type: 'f32' as const, shape: [1, rows] },
    ],
    nodes: [
      { op: 'Identity', inputs: ['wanted'], outputs: ['still'] },
      { op: 'MatMul', inputs: ['v', 'unit'], outputs: ['next'] },
    ],
  };
  return buildOnnx({
    inputs: [{ name: 'x', type: 'f32', shape: [1] }],
    outputs: [{ name: 'y', type: 'f32', shape: [1] }],
    nodes: [
      { op: 'Mul', inputs: ['x', 'ones'], outputs: ['first'] },
      { op: 'Loop', inputs: ['steps', 'yes', 'first'], outputs: ['last'], attributes: [attribute.graph('body', body)] },
      { op: 'ReduceMean', inputs: ['last'], outputs: ['mean'], attributes: [attribute.int('keepdims', 0)] },
      { op: 'Reshape', inputs: ['mean', 'shape'], outputs: ['flat'] },
      { op: 'Add', inputs: ['flat', 'one'], outputs: ['y'] },
    ],
    constants: [
      { name: 'ones', shape: [1, rows], values: new Float32Array(rows).fill(1) },
      { name: 'unit', shape: [rows, rows], values: unit },
      { name: 'steps', shape: [], values: BigInt64Array.of(BigInt(steps)) },
      { name: 'yes', shape: [], values: Uint8Array.of(1), type: 'bool' },
      { name: 'shape', shape: [1], values: BigInt64Array.of(1n) },
      { name: 'one', shape: [1], values: Float32Array.of(1) },
    ],
  });
}

/** The same values on every machine, from −1 to 1. */
export function noise(count: number, seed: number): Float32Array {
  let state = seed >>> 0;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

export const side = 16;
const layers = [
  { from: 3, to: 16, seed: 1 },
  { from: 16, to: 16, seed: 2 },
  { from: 16, to: 4, seed: 3 },
].map(({ from, to, seed }) => {
  const spread = Math.sqrt(3 / (9 * from));
  return { from, to, weights: noise(to * from * 9, seed).map((value) => value * spread) };
});

/** Three convolutions, 3 × 3 with a border of zeros, ReLU between them: x f32 [1, 3, 16, 16] -> y f32 [1, 4, 16, 16]. */
export function convolutions(quantized = false): Uint8Array {
  const nodes: { op: string; inputs: string[]; outputs: string[]; attributes?: ReturnType<typeof attribute.ints>[] }[] =
    [];
  const constants: { name: string; shape: number[]; values: Float32Array | Int8Array }[] = [];
  /** To i8 and back, with one scale. */
  const fake = (name: string, largest: number): string => {
    constants.push({ name: `${name}_s`, shape: [], values: Float32Array.of(largest / 127) });
    constants.push({ name: `${name}_z`, shape: [], values: Int8Array.of(0) });
    nodes.push({ op: 'QuantizeLinear', inputs: [name, `${name}_s`, `${name}_z`], outputs: [`${name}_q`] });
    nodes.push({ op: 'DequantizeLinear', inputs: [`${name}_q`, `${name}_s`, `${name}_z`], outputs: [`${name}_d`] });
    return `${name}_d`;
  };
  let value = 'x';
  layers.forEach(({ from, to, weights }, i) => {
    const last = i === layers.length - 1;
    constants.push({ name: `w${i}`, shape: [to, from, 3, 3], values: weights });
    const largest = weights.reduce((most, weight) => Math.max(most, Math.abs(weight)), 0);
    const weight = quantized ? fake(`w${i}`, largest) : `w${i}`;
    const input = quantized ? fake(value, i === 0 ? 1 : 4) : value;
    const output = last ? 'y' : `c${i}`;
    nodes.push({
      op: 'Conv',
      inputs: [input, weight],
      outputs: [output],
      attributes: [attribute.ints('pads', [1, 1, 1, 1]), attribute.ints('kernel_shape', [3, 3])],
    });
    if (!last) nodes.push({ op: 'Relu', inputs: [output], outputs: [`r${i}`] });
    value = last ? output : `r${i}`;
  });
  return buildOnnx({
    inputs: [{ name: 'x', type: 'f32', shape: [1, 3, side, side] }],
    outputs: [{ name: 'y', type: 'f32', shape: [1, 4, side, side] }],
    nodes,
    constants,
  });
}

/** The same in double precision, without any SDK. */
export function convolve(x: Float32Array): Float64Array {
  let values = Float64Array.from(x);
  layers.forEach(({ from, to, weights }, i) => {
    const next = new Float64Array(to * side * side);
    for (let o = 0; o < to; o++) {
      for (let row = 0; row < side; row++) {
        for (let column = 0; column < side; column++) {
          let sum = 0;
          for (let c = 0; c < from; c++) {
            for (let k = 0; k < 9; k++) {
              const r = row + Math.floor(k / 3) - 1;
              const q = column + (k % 3) - 1;
              if (r < 0 || r >= side || q < 0 || q >= side) continue;
              sum += values[(c * side + r) * side + q]! * weights[(o * from + c) * 9 + k]!;
            }
          }
          next[(o * side + row) * side + column] = i === layers.length - 1 ? sum : Math.max(0, sum);
        }
      }
    }
    values = next;
  });
  return values;
}
