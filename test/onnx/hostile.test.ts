/** The precision pass on damaged models and on models that somebody made on purpose: an error, or a model; never a hang. */
import { onnx } from 'onnx-proto';
import { convertPrecision, InferenceError } from '../../lib/index.js';
import { attribute, buildOnnx, onnxTypes, type OnnxGraph } from '../support/onnx.js';
import { thrown } from '../support/wait.js';
import { decoded, f32Port, node } from './models.js';

const graph: OnnxGraph = {
  inputs: [f32Port('x'), { name: 'choice', type: 'bool', shape: [] }],
  outputs: [f32Port('y')],
  nodes: [
    node('Constant() -> c', { attributes: [attribute.floats('value_floats', [1, 2])] }),
    node('MatMul(x, w) -> a'),
    node('Add(a, c) -> b'),
    node('If(choice) -> d', {
      attributes: [
        attribute.graph('then_branch', { inputs: [], outputs: [f32Port('yes')], nodes: [node('Tanh(b) -> yes')] }),
        attribute.graph('else_branch', { inputs: [], outputs: [f32Port('no')], nodes: [node('Exp(b) -> no')] }),
      ],
    }),
    node('Cast(d) -> y', { attributes: [attribute.int('to', onnxTypes.f32)] }),
  ],
  constants: [{ name: 'w', shape: [2, 2], values: Float32Array.of(1, 2, 3, 4) }],
  valueInfo: [f32Port('a')],
};
const model = buildOnnx(graph);

function refusal(bytes: Uint8Array): InferenceError {
  const error = thrown(() => convertPrecision(bytes, { precision: 'f16' }));
  expect(error).toBeInstanceOf(InferenceError);
  expect((error as InferenceError).remedy).not.toBe('');
  return error as InferenceError;
}

/** Converts, or is refused in words. */
function survives(bytes: Uint8Array): 'converted' | 'refused' {
  try {
    convertPrecision(bytes, { precision: 'f16' });
    return 'converted';
  } catch (error) {
    if (!(error instanceof InferenceError)) throw error;
    expect(error.code).toMatch(/^ERR_(INVALID_MODEL|UNSUPPORTED)$/);
    return 'refused';
  }
}

/** The model with one thing changed. */
function changed(change: (model: onnx.ModelProto, graph: onnx.IGraphProto) => void): Uint8Array {
  const copy = decoded(model);
  change(copy, copy.graph!);
  return onnx.ModelProto.encode(copy).finish();
}

it('the model is a good one', () => {
  const { report } = convertPrecision(model, { precision: 'f16' });
  expect(report.converted).toBe(3); // MatMul, Add, Tanh
});

it('cut anywhere', () => {
  const ends = Array.from({ length: model.length - 1 }, (_, i) => survives(model.subarray(0, i)));
  expect(ends.filter((end) => end === 'refused').length).toBeGreaterThan(model.length / 2);
});

it('with any bit changed', () => {
  const ends = new Set<string>();
  for (let i = 0; i < model.length; i++) {
    for (let bit = 0; bit < 8; bit++) {
      const copy = Uint8Array.from(model);
      copy[i]! ^= 1 << bit;
      ends.add(survives(copy));
    }
  }
  expect([...ends].sort()).toEqual(['converted', 'refused']);
});

it('of random bytes', () => {
  let seed = 1;
  for (let i = 0; i < 2000; i++) {
    const bytes = Uint8Array.from({ length: i % 97 }, () => (seed = (seed * 48271) % 2147483647) & 0xff);
    survives(bytes);
  }
});

it.each<[string, Uint8Array, RegExp]>([
  ['nothing', new Uint8Array(0), /no graph/],
  ['a text', Buffer.from('This is no model, only a text about one.'), /no ONNX model/],
  ['a field longer than the file', Uint8Array.of(0x3a, 0xff, 0xff, 0xff, 0xff, 0x07, 1), /EOF/],
  ['groups in groups', new Uint8Array(10_000).fill(0x0b), /recursion/],
  ['a graph twice', Uint8Array.of(0x3a, 0, 0x3a, 0), /2 times/],
  ['a number where the graph should be', Uint8Array.of(0x38, 1), /another type/],
  ['a cycle', changed((_, { node }) => (node![1]!.input![0] = 'b')), /before anything computes it/],
  ['a node that nothing feeds', changed((_, { node }) => (node![1]!.input![0] = 'z')), /'z'/],
  ['an output that nothing computes', changed((_, { output }) => (output![0]!.name = 'z')), /its output 'z'/],
  ['two tensors of one name', changed((_, { node }) => (node![2]!.output![0] = 'a')), /two tensors of the name 'a'/],
  ['two initializers of one name', changed((_, g) => g.initializer!.push(g.initializer![0]!)), /two initializers/],
  ['fewer weights than declared', changed((_, g) => (g.initializer![0]!.dims = [2, 3])), /16 bytes for 6 values/],
  ['gigantic weights', changed((_, g) => (g.initializer![0]!.dims = [2 ** 31, 2 ** 31, 2 ** 31])), /16 bytes for/],
  ['a negative dimension', changed((_, g) => (g.initializer![0]!.dims = [-1, -4])), /dimension of -1/],
])('%s', (_, bytes, message) => {
  expect(refusal(bytes)).toMatchObject({ code: 'ERR_INVALID_MODEL', message: expect.stringMatching(message) });
});

it('bodies in bodies in bodies', () => {
  const branch = (inner: onnx.IGraphProto): onnx.IGraphProto => ({
    node: [{ opType: 'If', attribute: [{ name: 'then_branch', g: inner }] }],
  });
  let body: onnx.IGraphProto = {};
  for (let i = 0; i < 200; i++) body = branch(body);
  expect(refusal(onnx.ModelProto.encode({ graph: body, opsetImport: [{ version: 13 }] }).finish()).message).toMatch(
    /nested more than 50 deep/,
  );
});

it('millions of empty nodes', () => {
  const nodes = new Uint8Array(9_000_000);
  for (let i = 0; i < nodes.length; i += 2) nodes[i] = 0x0a;
  const head = onnx.ModelProto.encode({ opsetImport: [{ version: 13 }] }).finish();
  const length = [0x3a, ...[0, 7, 14, 21].map((shift) => ((nodes.length >> shift) & 0x7f) | (shift < 21 ? 0x80 : 0))];
  const bytes = Buffer.concat([head, Uint8Array.from(length), nodes]);
  expect(refusal(bytes).message).toMatch(/more than 4000000 fields/);
});

it('numbers one by one are no fields each', () => {
  const values = 5_000_000;
  const data = Buffer.alloc(values * 5);
  for (let i = 0; i < data.length; i += 5) data[i] = 0x25; // float_data, not packed
  const tensor = Buffer.concat([onnx.TensorProto.encode({ name: 'w', dims: [values], dataType: 1 }).finish(), data]);
  const initializer = Buffer.concat([Uint8Array.of(0x2a), varint(tensor.length), tensor]);
  const rest = onnx.GraphProto.encode({
    node: [{ opType: 'Gather', input: ['w', 'i'], output: ['y'] }],
    input: [{ name: 'i', type: { tensorType: { elemType: 7 } } }],
    output: [{ name: 'y', type: { tensorType: { elemType: 1 } } }],
  }).finish();
  const inner = Buffer.concat([initializer, rest]);
  const head = onnx.ModelProto.encode({ opsetImport: [{ version: 13 }] }).finish();
  const { report } = convertPrecision(Buffer.concat([head, Uint8Array.of(0x3a), varint(inner.length), inner]), {
    precision: 'f16',
  });
  expect(report.weights).toEqual({ tensors: 1, values, vanished: 0 });
});

function varint(value: number): Uint8Array {
  const bytes = [];
  for (; value > 0x7f; value >>>= 7) bytes.push((value & 0x7f) | 0x80);
  return Uint8Array.of(...bytes, value);
}

it('weights in a file beside the model', () => {
  const external = changed((_, g) => {
    g.initializer![0]!.rawData = new Uint8Array(0);
    g.initializer![0]!.dataLocation = onnx.TensorProto.DataLocation.EXTERNAL;
    g.initializer![0]!.externalData = [{ key: 'location', value: '../../etc/passwd' }];
  });
  expect(refusal(external)).toMatchObject({ code: 'ERR_UNSUPPORTED', message: expect.stringContaining("'w'") });
});

it('a model for training', () => {
  expect(refusal(changed((one) => (one.trainingInfo = [{}]))).code).toBe('ERR_UNSUPPORTED');
});
