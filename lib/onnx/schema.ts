/** Where ONNX's model files keep what: the field numbers of their protobuf messages (onnx.proto), and element types. */
import type { Dtype } from '../types.js';

/** Field numbers, message by message; only those that we read or write. */
export const fields = {
  model: { irVersion: 1, graph: 7, opsetImport: 8, trainingInfo: 20, functions: 25 },
  opset: { domain: 1, version: 2 },
  function: { name: 1, node: 7, domain: 10 },
  graph: { node: 1, initializer: 5, input: 11, output: 12, valueInfo: 13, sparseInitializer: 15 },
  node: { input: 1, output: 2, name: 3, opType: 4, attribute: 5, domain: 7 },
  attribute: {
    name: 1,
    f: 2,
    i: 3,
    s: 4,
    t: 5,
    g: 6,
    floats: 7,
    ints: 8,
    tensors: 10,
    graphs: 11,
    type: 20,
    sparseTensor: 22,
  },
  tensor: {
    dims: 1,
    dataType: 2,
    segment: 3,
    floatData: 4,
    int64Data: 7,
    name: 8,
    rawData: 9,
    externalData: 13,
    dataLocation: 14,
  },
  entry: { key: 1, value: 2 },
  sparseTensor: { values: 1, indices: 2 },
  valueInfo: { name: 1, type: 2 },
  type: { tensor: 1 },
  tensorType: { elemType: 1 },
} as const;

/** TensorProto.DataType of the types that we name. */
export const elementTypes = {
  f32: 1,
  u8: 2,
  i8: 3,
  i32: 6,
  i64: 7,
  bool: 9,
  f16: 10,
  bf16: 16,
} as const satisfies Partial<Record<Dtype, number>>;

/** AttributeProto.AttributeType of those that we write. */
export const attributeTypes = { int: 2, text: 3, tensor: 4 } as const;
