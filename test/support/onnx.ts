/** Builds small ONNX models in memory, for tests. */
import { onnx } from 'onnx-proto';

/** ONNX's numbers of the element types that tests use. Source: TensorProto.DataType in onnx.proto. */
export const onnxTypes = {
  f32: 1,
  u8: 2,
  i8: 3,
  u16: 4,
  i16: 5,
  i32: 6,
  i64: 7,
  string: 8,
  bool: 9,
  f16: 10,
  f64: 11,
  u32: 12,
  u64: 13,
  bf16: 16,
} as const;

export type OnnxType = keyof typeof onnxTypes;

export interface OnnxPort {
  readonly name: string;
  readonly type: OnnxType;
  /** A text is the name of a dimension that the run decides. */
  readonly shape: readonly (number | string)[];
}

export interface OnnxNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly name?: string;
  readonly domain?: string;
  readonly attributes?: readonly onnx.IAttributeProto[];
}

export interface OnnxGraph {
  readonly inputs: readonly OnnxPort[];
  readonly outputs: readonly OnnxPort[];
  readonly nodes: readonly OnnxNode[];
  readonly constants?: readonly {
    readonly name: string;
    readonly shape: readonly number[];
    readonly values: Float32Array | BigInt64Array | Uint8Array | Int8Array;
    /** Where it is not that of the array. */
    readonly type?: OnnxType;
  }[];
  /** What the file says of values in between. */
  readonly valueInfo?: readonly OnnxPort[];
}

const { AttributeType } = onnx.AttributeProto;

export const attribute = {
  int: (name: string, i: number): onnx.IAttributeProto => ({ name, i, type: AttributeType.INT }),
  ints: (name: string, ints: number[]): onnx.IAttributeProto => ({ name, ints, type: AttributeType.INTS }),
  float: (name: string, f: number): onnx.IAttributeProto => ({ name, f, type: AttributeType.FLOAT }),
  floats: (name: string, floats: number[]): onnx.IAttributeProto => ({ name, floats, type: AttributeType.FLOATS }),
  text: (name: string, s: string): onnx.IAttributeProto => ({ name, s: Buffer.from(s), type: AttributeType.STRING }),
  tensor: (name: string, t: onnx.ITensorProto): onnx.IAttributeProto => ({ name, t, type: AttributeType.TENSOR }),
  graph: (name: string, graph: OnnxGraph): onnx.IAttributeProto => ({
    name,
    g: graphProto(graph),
    type: AttributeType.GRAPH,
  }),
};

function port({ name, type, shape }: OnnxPort): onnx.IValueInfoProto {
  const dim = shape.map((one) => (typeof one === 'string' ? { dimParam: one } : { dimValue: one }));
  return { name, type: { tensorType: { elemType: onnxTypes[type], shape: { dim } } } };
}

function constantType(values: Float32Array | BigInt64Array | Uint8Array | Int8Array): OnnxType {
  if (values instanceof Float32Array) return 'f32';
  if (values instanceof BigInt64Array) return 'i64';
  return values instanceof Int8Array ? 'i8' : 'u8';
}

function graphProto(graph: OnnxGraph): onnx.IGraphProto {
  return {
    name: 'test',
    input: graph.inputs.map(port),
    output: graph.outputs.map(port),
    valueInfo: (graph.valueInfo ?? []).map(port),
    node: graph.nodes.map(({ op, inputs, outputs, name, domain, attributes }) => ({
      opType: op,
      input: [...inputs],
      output: [...outputs],
      ...(name !== undefined && { name }),
      ...(domain !== undefined && { domain }),
      ...(attributes !== undefined && { attribute: [...attributes] }),
    })),
    initializer: (graph.constants ?? []).map(({ name, shape, values, type = constantType(values) }) => ({
      name,
      dims: [...shape],
      dataType: onnxTypes[type],
      rawData: new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
    })),
  };
}

export function buildOnnx(graph: OnnxGraph, opset = 13, domains: readonly string[] = []): Uint8Array {
  const model = onnx.ModelProto.create({
    irVersion: 7,
    producerName: 'test',
    opsetImport: [{ domain: '', version: opset }, ...domains.map((domain) => ({ domain, version: 1 }))],
    graph: graphProto(graph),
  });
  // Not a Buffer, which may lie in a pool that others share.
  return Uint8Array.from(onnx.ModelProto.encode(model).finish());
}

/** `x` quantised to i8 by this scale, and back: y. */
export function quantizedOnnx(scale: number, shape: readonly (number | string)[]): Uint8Array {
  return buildOnnx({
    inputs: [{ name: 'x', type: 'f32', shape }],
    outputs: [{ name: 'y', type: 'f32', shape }],
    nodes: [
      { op: 'QuantizeLinear', inputs: ['x', 's', 'z'], outputs: ['q'] },
      { op: 'DequantizeLinear', inputs: ['q', 's', 'z'], outputs: ['y'] },
    ],
    constants: [
      { name: 's', shape: [], values: Float32Array.of(scale) },
      { name: 'z', shape: [], values: Int8Array.of(0) },
    ],
  });
}

/** y = x + number, f32. With `many`, also plus the sum of those: a model as large as they are. */
export function addOnnx(number: number, shape: readonly (number | string)[], many?: Float32Array): Uint8Array {
  if (many !== undefined) {
    const rows = Math.sqrt(many.length);
    return buildOnnx({
      inputs: [{ name: 'x', type: 'f32', shape }],
      outputs: [{ name: 'y', type: 'f32', shape }],
      nodes: [
        { op: 'Sub', inputs: ['x', 'x'], outputs: ['zero'] },
        { op: 'Add', inputs: ['zero', 'ones'], outputs: ['row'] }, // [rows]
        { op: 'MatMul', inputs: ['row', 'many'], outputs: ['product'] },
        { op: 'MatMul', inputs: ['product', 'ones'], outputs: ['sum'] },
        { op: 'Add', inputs: ['x', 'sum'], outputs: ['more'] },
        { op: 'Add', inputs: ['more', 'c'], outputs: ['y'] },
      ],
      constants: [
        { name: 'c', shape: [], values: Float32Array.of(number) },
        { name: 'ones', shape: [rows], values: new Float32Array(rows).fill(1) },
        { name: 'many', shape: [rows, rows], values: many },
      ],
    });
  }
  return buildOnnx({
    inputs: [{ name: 'x', type: 'f32', shape }],
    outputs: [{ name: 'y', type: 'f32', shape }],
    nodes: [{ op: 'Add', inputs: ['x', 'c'], outputs: ['y'] }],
    constants: [{ name: 'c', shape: [], values: Float32Array.of(number) }],
  });
}
