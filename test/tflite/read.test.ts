/** What a TFLite file says is what its writer put in, and what real models are known to have. */
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { inspectTflite } from '../../lib/index.js';
import { operatorCode, operatorName } from '../../lib/tflite/operators.js';
import { readTflite } from '../../lib/tflite/read.js';
import { typeName, typeNumber } from '../../lib/tflite/schema.js';
import { Folder } from '../support/folder.js';
import { identityTflite } from '../support/tflite-graphs.js';
import { Tflite } from '../support/tflite.js';
import { dtypes } from '../support/values.js';
import { rejection } from '../support/wait.js';
import { richTflite } from './models.js';

const folder = new Folder();
const assets = process.env['EDGE_INFER_ASSETS'];
const describeAssets = assets === undefined || assets === '' ? describe.skip : describe;

test('graphs: inputs, outputs, variables, quantization, operators', () => {
  const bytes = richTflite();
  const info = readTflite(bytes);
  expect(info).toMatchObject({ size: bytes.length, schemaVersion: 3, description: 'something of everything' });
  const image = { scale: [0.5], zeroPoint: [10], axis: null };
  const weights = { scale: [0.5, 0.25], zeroPoint: [0, 0], axis: 0 };
  expect(info.graphs).toEqual([
    {
      name: 'main',
      inputs: [{ name: 'image', dtype: 'u8', shape: [-1, 3], firstShape: [4, 3], quantization: image }],
      outputs: [
        { name: 'scores', dtype: 'f32', shape: [-1, 2], firstShape: [1, 2], quantization: null },
        { name: 'weights', dtype: 'i8', shape: [2, 3], firstShape: [2, 3], quantization: weights },
      ],
      variables: [],
      operators: [
        { name: 'DEQUANTIZE', custom: false, version: 1, count: 1 },
        { name: 'DEQUANTIZE', custom: false, version: 5, count: 1 },
        { name: 'FULLY_CONNECTED', custom: false, version: 1, count: 1 },
      ],
    },
    {
      name: 'second',
      inputs: [{ name: 'x', dtype: 'f32', shape: [1, 2], firstShape: [1, 2], quantization: null }],
      outputs: [{ name: 'square', dtype: 'f32', shape: [1, 2], firstShape: [1, 2], quantization: null }],
      variables: [{ name: 'state', dtype: 'f32', shape: [1, 6], firstShape: [1, 6], quantization: null }],
      operators: [
        { name: 'SVDF', custom: false, version: 1, count: 1 },
        { name: 'MUL', custom: false, version: 1, count: 1 },
      ],
    },
  ]);
});

test('signatures and metadata', () => {
  const info = readTflite(richTflite());
  expect(info.signatures).toEqual([
    {
      key: 'serving_default',
      graph: 0,
      inputs: [{ name: 'picture', tensor: 'image' }],
      outputs: [{ name: 'result', tensor: 'scores' }],
    },
    { key: 'step', graph: 1, inputs: [{ name: 'value', tensor: 'x' }], outputs: [{ name: 'next', tensor: 'kept' }] },
  ]);
  expect(info.metadata).toEqual([
    { name: 'min_runtime_version', size: 7, text: '1.5.0' },
    { name: 'BYTES', size: 4, text: null },
  ]);
});

test.each([...dtypes, 'string', 'int4', 'complex64'])('tensors of %s, scalars among them', (dtype) => {
  for (const shape of [[], [5], [2, -1, 3]]) {
    const [graph] = readTflite(identityTflite(dtype, shape)).graphs;
    expect(graph!.inputs).toMatchObject([{ name: 'x', dtype, shape }]);
    expect(graph!.outputs).toMatchObject([{ name: 'y', dtype, shape }]);
  }
});

test('operators that are used often, and those that TFLite does not have', () => {
  const model = new Tflite();
  let port = model.main.input('x', 'f32', [1]);
  for (let i = 0; i < 5; i++) port = model.main.op(i < 4 ? 'RELU' : 'STABLEHLO_CBRT', [port], port);
  [port] = model.main.custom('My Op', [port], [port], Uint8Array.of(1)) as [typeof port];
  model.main.output(port);
  expect(readTflite(model.build()).graphs[0]!.operators).toEqual([
    { name: 'RELU', custom: false, version: 1, count: 4 },
    { name: 'STABLEHLO_CBRT', custom: false, version: 1, count: 1 },
    { name: 'My Op', custom: true, version: 1, count: 1 },
  ]);
});

test('names and numbers of operators and types, as the schema has them', () => {
  const known = { ADD: 0, CONV_2D: 3, CUSTOM: 32, BATCH_MATMUL: 126, CUMSUM: 128, BITCAST: 159, STABLEHLO_CASE: 209 };
  for (const [name, code] of Object.entries(known)) {
    expect(operatorCode(name)).toBe(code);
    expect(operatorName(code)).toBe(name);
  }
  expect(operatorName(4000)).toBe('BUILTIN_4000');
  const types = {
    f32: 0,
    f16: 1,
    i32: 2,
    u8: 3,
    i64: 4,
    string: 5,
    bool: 6,
    i16: 7,
    i8: 9,
    f64: 10,
    u64: 12,
    bf16: 18,
  };
  for (const [name, type] of Object.entries({ ...types, u32: 15, u16: 16, int4: 17 })) {
    expect(typeNumber(name)).toBe(type);
    expect(typeName(type)).toBe(name);
  }
  expect(typeName(99)).toBe('type 99');
});

test('from a path, a URL and bytes alike', async () => {
  const bytes = richTflite();
  const file = folder.write('rich.tflite', bytes);
  const info = readTflite(bytes);
  for (const source of [file, pathToFileURL(file), bytes, Buffer.from(bytes)]) {
    expect(await inspectTflite(source)).toEqual(info);
  }
});

test.each([
  ['no file', () => path.join(folder.path, 'none.tflite'), 'ERR_MODEL_NOT_FOUND'],
  ['a folder', () => folder.path, 'ERR_INVALID_MODEL'],
  ['an empty file', () => folder.write('empty.tflite', ''), 'ERR_INVALID_MODEL'],
  ['another format', () => folder.write('text.tflite', 'this is no model at all'), 'ERR_INVALID_MODEL'],
  ['a number', () => 5 as unknown as string, 'ERR_INVALID_ARGUMENT'],
])('%s is refused with its code and a remedy', async (_, source, code) => {
  const error = await rejection(inspectTflite(source()));
  expect(error).toMatchObject({ name: 'InferenceError', code });
  expect((error as { remedy: string }).remedy).not.toBe('');
});

describeAssets('real models', () => {
  const inspectAsset = (...parts: string[]) => inspectTflite(path.join(assets!, ...parts));

  test('MobileNetV2', async () => {
    const info = await inspectAsset('models', 'mobilenet_v2_1.0_224_quant.tflite');
    const [graph] = info.graphs;
    expect(graph!.inputs).toMatchObject([
      { dtype: 'u8', shape: [1, 224, 224, 3], quantization: { scale: [0.0078125], zeroPoint: [128] } },
    ]);
    expect(graph!.outputs).toMatchObject([{ dtype: 'u8', shape: [1, 1001] }]);
    expect(graph!.operators.map(({ name }) => name)).toEqual(expect.arrayContaining(['CONV_2D', 'ADD']));
    expect(info.edgeTpu).toEqual([]);
  });

  test('a model with variables, and custom operators of others', async () => {
    const keyword = await inspectAsset('bad', 'keyword_scrambled_8bit.tflite');
    expect(keyword.graphs[0]!.variables.length).toBeGreaterThan(0);
    const vela = await inspectAsset('bad', 'person_detect_vela.tflite');
    expect(vela.graphs[0]!.operators).toEqual([{ name: 'ethos-u', custom: true, version: 1, count: 1 }]);
    const unranked = await inspectAsset('bad', 'model_invoking_error.tflite');
    expect(unranked.graphs[0]!.outputs).toMatchObject([{ shape: null }]);
  });
});
