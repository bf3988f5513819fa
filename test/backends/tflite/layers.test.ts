/** TFLite: which kernels take which operators, in every graph of a model, and how long each takes. */
import { int32 } from '../../support/flatbuffer.js';
import { addTflite, pairTflite, plus } from '../../support/tflite-graphs.js';
import { Tflite } from '../../support/tflite.js';
import { numbers } from '../../support/values.js';
import { rejection, thrown } from '../../support/wait.js';
import { f32Of } from '../conformance/harness.js';
import { builtIn, load, loadMade } from './models.js';

/** y = x + 1, and 2 more until it is 10 or above: three graphs. */
function whileTflite(): Tflite {
  const model = new Tflite();
  const x = model.main.input('x', 'f32', [1]);
  const first = plus(model.main, x, 1, 'first');
  const graphs = [93, { 0: int32(1), 1: int32(2) }] as const; // WhileOptions: the condition's and the body's
  model.main.output(model.main.op('WHILE', [first], { dtype: 'f32', shape: [1], name: 'y' }, graphs));
  const condition = model.graph('condition');
  const ten = condition.constant('f32', [1], Float32Array.of(10));
  const before = condition.input('before', 'f32', [1]);
  condition.output(condition.op('LESS', [before, ten], { dtype: 'bool', shape: [1], name: 'less' }));
  const body = model.graph('body');
  body.output(plus(body, body.input('now', 'f32', [1]), 2, 'more'));
  return model;
}

describe('layers', () => {
  it('are named by what they write, with their operator and type', async () => {
    const model = await load(pairTflite());
    expect(await model.layers()).toEqual([
      { name: 'p', type: 'ADD', device: 'tflite:cpu', precision: 'f32', kernel: 'XNNPACK' },
      { name: 'q', type: 'RESHAPE', device: 'tflite:cpu', precision: 'i32', kernel: '' },
    ]);
    expect(model.info).toMatchObject({ devices: ['tflite:cpu'], precision: { actual: 'f32' } });
  });

  it.each([
    ['XNNPACK takes what it can', {}, { XNNPACK: 'YES', NODES: '2', NODES_XNNPACK: '1' }],
    ['TFLite’s own kernels take all', builtIn, { XNNPACK: 'NO', NODES: '2', NODES_XNNPACK: '0' }],
    ['a boolean will do', { properties: { XNNPACK: false } }, { XNNPACK: 'NO' }],
  ])('%s', async (_, options, properties) => {
    const model = await load(pairTflite(), options);
    expect(model.info.properties).toMatchObject(properties);
    const { p, q } = await model.run({ a: Float32Array.of(1, 2, 3, 4), b: Int32Array.of(5, 6, 7) });
    expect([numbers(p!.data), numbers(q!.data)]).toEqual([
      [2, 3, 4, 5],
      [5, 6, 7],
    ]);
  });

  it('of every graph of the model', async () => {
    const model = await loadMade(whileTflite());
    expect((await model.layers()).map(({ name, type, kernel }) => `${type} ${name} ${kernel}`)).toEqual([
      'ADD first XNNPACK',
      'WHILE y ',
      'LESS less ',
      'ADD more XNNPACK',
    ]);
    const plain = await loadMade(whileTflite(), builtIn);
    expect((await plain.layers()).map(({ kernel }) => kernel)).toEqual(['', '', '', '']);
    expect(model.info.properties).toMatchObject({ NODES: '4', NODES_XNNPACK: '2' });
    expect(numbers((await model.run({ x: Float32Array.of(0) }))['y']!.data)).toEqual([11]);
  });
});

describe('profile', () => {
  it.each([
    ['XNNPACK tells of each of its parts', {}, ['XNNPACK', '', 'subgraph 1']],
    ['the built-in kernels tell of each operator', builtIn, ['', 'subgraph 1', 'subgraph 2']],
  ])('%s', async (_, options, kernels) => {
    const model = await loadMade(whileTflite(), { ...options, profile: true });
    const request = model.createRequest();
    f32Of(request.inputs, 'x').set([4]);
    for (let i = 0; i < 3; i++) {
      await request.run();
      expect(numbers(request.outputs['y']!.data)).toEqual([11]);
      const times = request.profile();
      // ADD and WHILE; four times LESS, three times the body.
      expect(times).toHaveLength(9);
      expect(times.filter(({ type }) => type === 'WHILE')).toHaveLength(1);
      expect(times.filter(({ type }) => type === 'LESS')).toHaveLength(4);
      expect(new Set(times.map(({ kernel }) => kernel))).toEqual(new Set(kernels));
      expect(times.every(({ ms }) => ms >= 0)).toBe(true);
    }
  });

  it('only where the model was loaded for it', async () => {
    const request = (await load(addTflite(1, [1]))).createRequest();
    await request.run();
    expect(thrown(() => request.profile())).toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
  });
});

it.each([
  [{ XNNPACK: 'MAYBE' }, 'MAYBE'],
  [{ NNAPI: true }, 'NNAPI'],
])('properties that TFLite does not have are named: %p', async (properties, word) => {
  const error = await rejection(load(addTflite(1, [1]), { properties }));
  expect(error).toMatchObject({ code: 'ERR_INVALID_ARGUMENT', message: expect.stringContaining(word) as string });
  expect((error as { remedy: string }).remedy).not.toBe('');
});

it.each(['f16', 'bf16'] as const)('a precision that the file does not have is refused: %s', async (precision) => {
  expect(await rejection(load(addTflite(1, [1]), { precision }))).toMatchObject({ code: 'ERR_UNSUPPORTED' });
});
