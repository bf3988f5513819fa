/** Models compiled for the Edge TPU: what their packages say, and which driver runs them. */
import path from 'node:path';
import { checkEdgeTpuModel, inspectTflite } from '../../lib/index.js';
import { edgeTpuOperator } from '../../lib/tflite/edgetpu.js';
import { flexMapBytes } from '../../lib/tflite/flexbuffer.js';
import { readTflite } from '../../lib/tflite/read.js';
import { compiledOf, quantizedAddTflite, quantizedSumTflite } from '../support/edgetpu.js';
import { flexMap } from '../support/flexbuffer.js';
import { addTflite } from '../support/tflite-graphs.js';
import { Tflite } from '../support/tflite.js';
import { thrown } from '../support/wait.js';
import { compiledTflite } from './models.js';

const assets = process.env['EDGE_INFER_ASSETS'];
const describeAssets = assets === undefined || assets === '' ? describe.skip : describe;

describe('packages', () => {
  test('with cached and streamed parameters', () => {
    const info = readTflite(compiledTflite());
    const quantization = { scale: [1], zeroPoint: [-128], axis: null };
    const layer = { size: 32, y: 2, x: 3, z: 5, dtype: 'i8', quantization };
    const rest = { name: 'test', chip: 'beagle', batch: 1 };
    expect(info.edgeTpu).toEqual([
      {
        minimumRuntimeVersion: 13,
        compilerVersion: 'edge-infer test',
        modelId: 'model 7',
        cachedBytes: 1000,
        streamedBytes: 200,
        scratchBytes: 64,
        cachingToken: 'fedcba9876543210',
        inputs: [{ name: 'x', ...layer }],
        outputs: [{ name: 'y', ...layer }],
        executables: [
          { type: 'execution-only', ...rest, parameterBytes: 200, scratchBytes: 64 },
          { type: 'parameter-caching', ...rest, parameterBytes: 1000, scratchBytes: 0 },
        ],
      },
    ]);
  });

  test('that stand alone', () => {
    const [one] = readTflite(compiledOf(quantizedSumTflite('u8', [1, 9]), { streamedBytes: 77 })).edgeTpu;
    expect(one).toMatchObject({ cachedBytes: 0, streamedBytes: 77, cachingToken: null, modelId: '' });
    expect(one!.executables.map(({ type }) => type)).toEqual(['stand-alone']);
    expect(one!.inputs.map(({ name, dtype, z, size }) => [name, dtype, z, size])).toEqual([
      ['a', 'u8', 9, 16],
      ['b', 'u8', 9, 16],
    ]);
  });

  test('the compiled form has the ports of its twin, and the twin with it unless told otherwise', () => {
    const twin = quantizedSumTflite('i8', [2, 4]);
    const [graph] = readTflite(compiledOf(twin)).graphs;
    const [original] = readTflite(twin).graphs;
    expect(graph!.operators).toEqual([{ name: edgeTpuOperator, custom: true, version: 1, count: 1 }]);
    expect([graph!.inputs, graph!.outputs]).toEqual([original!.inputs, original!.outputs]);
    const carries = (model: Uint8Array): boolean => Buffer.from(model).includes(Buffer.from(twin));
    expect(carries(compiledOf(twin))).toBe(true);
    expect(carries(compiledOf(twin, { twin: false }))).toBe(false);
  });

  test('operators that are left to the CPU are told with those that are compiled', () => {
    const [graph] = readTflite(compiledOf(quantizedAddTflite('u8', 1, [4]), { tail: 'dequantize' })).graphs;
    expect(graph!.operators.map(({ name }) => name)).toEqual([edgeTpuOperator, 'DEQUANTIZE']);
    expect(graph!.outputs).toMatchObject([{ name: 'y:f32', dtype: 'f32', shape: [4] }]);
  });

  test.each([
    ['no options', new Uint8Array(0)],
    ['options that are no map', Uint8Array.of(5, 4, 1)],
    ['no package in the options', flexMap({ '1': 0, '5': 7 })],
    ['a package of nothing', flexMap({ '4': { string: new Uint8Array(0) } })],
    ['something else in its place', flexMap({ '4': { blob: quantizedAddTflite('u8', 1, [4]) } })],
    ['a number in its place', flexMap({ '4': 4 })],
  ])('%s: ERR_INVALID_MODEL', (_, customOptions) => {
    const model = new Tflite();
    const x = model.main.input('x', 'u8', [4]);
    for (const port of model.main.custom(edgeTpuOperator, [x], [x], customOptions)) model.main.output(port);
    expect(thrown(() => readTflite(model.build()))).toMatchObject({ code: 'ERR_INVALID_MODEL' });
  });
});

test('values in a map are found by their key, whatever stands beside them', () => {
  const blob = Uint8Array.of(1, 2, 3);
  const string = Uint8Array.of(0, 200, 0, 7);
  const map = flexMap({ zz: { blob }, a: 5, '4': { string }, '44': { blob: new Uint8Array(0) }, '': -1 });
  expect(flexMapBytes(map, '4')).toEqual(string);
  expect(flexMapBytes(map, '44')).toEqual(new Uint8Array(0));
  expect(flexMapBytes(map, 'zz')).toEqual(blob);
  expect(flexMapBytes(map, 'a')).toBeNull(); // a number
  expect(flexMapBytes(map, 'z')).toBeNull();
});

describe('what a driver runs', () => {
  const compiled = (version: number) =>
    readTflite(compiledOf(quantizedAddTflite('u8', 1, [4]), { minimumRuntimeVersion: version }));

  test.each([
    [13, 13],
    [12, 14],
  ])('a model for version %d on version %d', (needed, driver) => {
    expect(() => checkEdgeTpuModel(compiled(needed), driver)).not.toThrow();
  });

  test('a model for a newer runtime is refused, with both ways out', () => {
    expect(thrown(() => checkEdgeTpuModel(compiled(15), 14))).toMatchObject({
      name: 'InferenceError',
      code: 'ERR_UNSUPPORTED',
      message: 'The model was compiled for Edge TPU runtime 15; this driver is 14.',
      remedy:
        'Install a libedgetpu of runtime 15 or newer, or compile the model with `edgetpu_compiler --min_runtime_version 14`.',
    });
  });

  test('a model that is not compiled is told so', () => {
    expect(thrown(() => checkEdgeTpuModel(readTflite(addTflite(1, [4])), 14))).toMatchObject({
      code: 'ERR_UNSUPPORTED',
      message: 'The model is not compiled for the Edge TPU: every one of its operators (1) would run on the CPU.',
      remedy: expect.stringContaining('_edgetpu.tflite'),
    });
  });
});

describeAssets('real models', () => {
  const file = (name: string): string => path.join(assets!, 'models', name);

  test('MobileNetV1, compiled', async () => {
    const info = await inspectTflite(file('mobilenet_v1_0.25_128_quant_edgetpu.tflite'));
    expect(info.graphs[0]!.operators).toEqual([{ name: edgeTpuOperator, custom: true, version: 1, count: 1 }]);
    expect(info.edgeTpu).toHaveLength(1);
    expect(info.edgeTpu[0]).toMatchObject({
      minimumRuntimeVersion: 12,
      cachedBytes: 566_912,
      streamedBytes: 0,
      cachingToken: '6d146c3f97d6648c',
      inputs: [
        {
          name: 'input',
          dtype: 'u8',
          size: 49_152,
          y: 128,
          x: 128,
          z: 3,
          quantization: { scale: [0.0078125], zeroPoint: [128] },
        },
      ],
      outputs: [{ dtype: 'u8', z: 1001, quantization: { scale: [0.00390625], zeroPoint: [0] } }],
    });
    expect(info.edgeTpu[0]!.executables.map(({ type }) => type)).toEqual(['execution-only', 'parameter-caching']);
    checkEdgeTpuModel(info, 14);
    expect(thrown(() => checkEdgeTpuModel(info, 11))).toMatchObject({ code: 'ERR_UNSUPPORTED' });
  });

  test('the same, before it was compiled', async () => {
    const info = await inspectTflite(file('mobilenet_v1_0.25_128_quant.tflite'));
    const error = thrown(() => checkEdgeTpuModel(info, 14));
    expect(error).toMatchObject({ message: expect.stringContaining('not compiled for the Edge TPU') });
  });
});
