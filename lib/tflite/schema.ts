/** Where TFLite's model files keep what: the field numbers of their flatbuffer tables (schema version 3), and tensor types. */
import type { Dtype } from '../types.js';

export const fileIdentifier = 'TFL3';
export const schemaVersion = 3;

/** Field numbers ("slots"), table by table; only those that we read or write. */
export const slots = {
  model: {
    version: 0,
    operatorCodes: 1,
    subgraphs: 2,
    description: 3,
    buffers: 4,
    metadata: 6,
    signatures: 7,
  },
  operatorCode: { oldBuiltin: 0, custom: 1, version: 2, builtin: 3 },
  subgraph: { tensors: 0, inputs: 1, outputs: 2, operators: 3, name: 4 },
  tensor: {
    shape: 0,
    type: 1,
    buffer: 2,
    name: 3,
    quantization: 4,
    isVariable: 5,
    shapeSignature: 7,
    hasRank: 8,
  },
  operator: {
    code: 0,
    inputs: 1,
    outputs: 2,
    optionsType: 3,
    options: 4,
    customOptions: 5,
    largeCustomOptionsOffset: 9,
    largeCustomOptionsSize: 10,
  },
  // `offset` and `size` point behind the flatbuffer: models of 2 GB and more keep their constants there.
  buffer: { data: 0, offset: 1, size: 2 },
  quantization: { scale: 2, zeroPoint: 3, axis: 6 },
  metadata: { name: 0, buffer: 1 },
  signature: { inputs: 0, outputs: 1, key: 2, subgraph: 4 },
  tensorMap: { name: 0, tensor: 1 },
} as const;

/** Tensor types by number, as the schema calls them in lower case. */
const typeNames = [
  'float32',
  'float16',
  'int32',
  'uint8',
  'int64',
  'string',
  'bool',
  'int16',
  'complex64',
  'int8',
  'float64',
  'complex128',
  'uint64',
  'resource',
  'variant',
  'uint32',
  'uint16',
  'int4',
  'bfloat16',
  'int2',
  'uint4',
  'float8_e4m3fn',
  'float8_e5m2',
];

const dtypeOfName: Readonly<Record<string, Dtype>> = {
  float32: 'f32',
  float16: 'f16',
  bfloat16: 'bf16',
  float64: 'f64',
  int8: 'i8',
  uint8: 'u8',
  int16: 'i16',
  uint16: 'u16',
  int32: 'i32',
  uint32: 'u32',
  int64: 'i64',
  uint64: 'u64',
  bool: 'bool',
};

/** Ours where we have one (`f32`), else the schema's name (`string`, `int4`); `type 99` for one that we do not know. */
export function typeName(type: number): string {
  const name = typeNames[type];
  return name === undefined ? `type ${type}` : (dtypeOfName[name] ?? name);
}

/** The number of a tensor type, by the name that `typeName` gives it. */
export function typeNumber(name: string): number {
  const type = typeNames.findIndex((candidate) => candidate === name || dtypeOfName[candidate] === name);
  if (type < 0) throw new RangeError(`TFLite has no tensor type '${name}'.`);
  return type;
}
