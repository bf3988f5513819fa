/** TFLite: models that offer several graphs by name, one of which a load chooses. */
import { inspectTflite } from '../../../lib/index.js';
import type { LoadOptions } from '../../../lib/types.js';
import { echoPlusOne } from '../../support/echo.js';
import { int32 } from '../../support/flatbuffer.js';
import { plus } from '../../support/tflite-graphs.js';
import { options, Tflite, type Graph, type Port } from '../../support/tflite.js';
import { numbers } from '../../support/values.js';
import { rejection } from '../../support/wait.js';
import { f32Of } from '../conformance/harness.js';
import { builtIn, load, loadMade } from './models.js';

const binary = (graph: Graph, name: 'ADD' | 'MUL', a: Port, b: Port, output: string): Port =>
  graph.op(name, [a, b], { dtype: 'f32', shape: a.shape, name: output }, name === 'ADD' ? options.add : options.mul);

/** `increase`: result = value + 1. `combine`: sum = left + right, product = left · right, in a graph of its own. */
function twoSignatures(): Tflite {
  const model = new Tflite();
  const x = model.main.input('x', 'f32', [2]);
  const y = plus(model.main, x, 1, 'y');
  model.main.output(y);
  const second = model.graph('second');
  const a = second.input('a', 'f32', [-1]);
  const b = second.input('b', 'f32', [-1]);
  const p = binary(second, 'ADD', a, b, 'p');
  const q = binary(second, 'MUL', a, b, 'q');
  second.output(p);
  second.output(q);
  model.signature('increase', { value: x }, { result: y });
  // In another order than the graph's.
  model.signature('combine', { right: b, left: a }, { product: q, sum: p }, 1);
  return model;
}

const left = { data: Float32Array.of(1, 2, 3), shape: [3] };
const right = { data: Float32Array.of(4, 5, 6), shape: [3] };

describe('a signature', () => {
  it('that the file puts first gives its names', async () => {
    const model = await loadMade(twoSignatures(), { signature: 'increase' });
    expect(model.inputs).toEqual([{ name: 'value', dtype: 'f32', shape: [2] }]);
    expect(model.outputs).toEqual([{ name: 'result', dtype: 'f32', shape: [2] }]);
    expect(numbers((await model.run({ value: Float32Array.of(1, 2) }))['result']!.data)).toEqual([2, 3]);
  });

  it.each([
    ['XNNPACK', {}],
    ['the built-in kernels', builtIn],
    ['in a host process', { isolate: true }],
    ['after a probe', { trust: 'probe' }],
  ] as [string, LoadOptions][])('of another graph runs that graph: %s', async (_, more) => {
    const model = await loadMade(twoSignatures(), { signature: 'combine', ...more });
    expect(model.inputs.map(({ name }) => name)).toEqual(['left', 'right']);
    expect(model.outputs.map(({ name }) => name)).toEqual(['sum', 'product']);
    const { sum, product } = await model.run({ left, right });
    expect([numbers(sum!.data), numbers(product!.data)]).toEqual([
      [5, 7, 9],
      [4, 10, 18],
    ]);
    expect((await model.layers()).map(({ name }) => name)).toEqual(['p', 'q', 'y']);
  });

  it('of another graph takes shapes by its names, and copies nothing', async () => {
    const model = await loadMade(twoSignatures(), { signature: 'combine', shapes: { left: [2], right: [2] } });
    expect(model.outputs).toMatchObject([{ shape: [2] }, { shape: [2] }]);
    const request = model.createRequest();
    f32Of(request.inputs, 'left').set([1, 2]);
    f32Of(request.inputs, 'right').set([3, 4]);
    await request.run();
    expect([...f32Of(request.outputs, 'product')]).toEqual([3, 8]);
    expect(model.statistics().bytesCopied).toBe(0);
    const error = await rejection(loadMade(twoSignatures(), { signature: 'combine', shapes: { a: [2] } }));
    expect(error).toMatchObject({ code: 'ERR_INVALID_ARGUMENT', message: expect.stringContaining("'a'") as string });
  });

  it('is not needed: the first graph runs by the names of its tensors', async () => {
    const model = await loadMade(twoSignatures());
    expect([model.inputs[0]!.name, model.outputs[0]!.name]).toEqual(['x', 'y']);
    expect(numbers((await model.run({ x: Float32Array.of(1, 2) }))['y']!.data)).toEqual([2, 3]);
  });

  it('is there as `inspectTflite` says', async () => {
    const { signatures } = await inspectTflite(twoSignatures().build());
    for (const { key, inputs, outputs } of signatures) {
      const model = await loadMade(twoSignatures(), { signature: key });
      expect(model.inputs.map(({ name }) => name).sort()).toEqual(inputs.map(({ name }) => name).sort());
      expect(model.outputs.map(({ name }) => name).sort()).toEqual(outputs.map(({ name }) => name).sort());
    }
  });

  it('may give one tensor two names', async () => {
    const model = new Tflite();
    const x = model.main.input('x', 'f32', [1]);
    const y = plus(model.main, x, 1, 'y');
    model.main.output(y);
    model.main.output(y);
    model.signature('both', { x }, { first: y, second: y });
    const { first, second } = await (await loadMade(model, { signature: 'both' })).run({ x: Float32Array.of(1) });
    expect([numbers(first!.data), numbers(second!.data)]).toEqual([[2], [2]]);
  });

  it('runs beside graphs that call others', async () => {
    const model = whileTflite();
    const loaded = await loadMade(model, { signature: 'alone' });
    expect(numbers((await loaded.run({ v: Float32Array.of(1) }))['w']!.data)).toEqual([6]);
    const main = await loadMade(model, { signature: 'main' });
    expect(numbers((await main.run({ x: Float32Array.of(0) }))['y']!.data)).toEqual([10]);
  });
});

/** `main`: y = x, and 2 more until it is 10 or above; `body` and `alone` (w = v + 5) are graphs of their own. */
function whileTflite(first = 1): Tflite {
  const model = new Tflite();
  const x = model.main.input('x', 'f32', [1]);
  const kind = { dtype: 'f32', shape: [1], name: 'y' };
  const y = model.main.op('WHILE', [x], kind, [93, { 0: int32(first), 1: int32(2) }]); // WhileOptions: two graphs
  model.main.output(y);
  const condition = model.graph('condition');
  const before = condition.input('before', 'f32', [1]);
  const ten = condition.constant('f32', [1], Float32Array.of(10));
  condition.output(condition.op('LESS', [before, ten], { dtype: 'bool', shape: [1], name: 'less' }));
  const body = model.graph('body');
  const now = body.input('now', 'f32', [1]);
  const more = plus(body, now, 2, 'more');
  body.output(more);
  const alone = model.graph('alone');
  const v = alone.input('v', 'f32', [1]);
  const w = plus(alone, v, 5, 'w');
  alone.output(w);
  model.signature('main', { x }, { y });
  model.signature('body', { now }, { more }, 2);
  model.signature('alone', { v }, { w }, 3);
  return model;
}

describe('what is refused', () => {
  it('a name that the model does not have; those that it has are listed', async () => {
    const error = await rejection(loadMade(twoSignatures(), { signature: 'serving_default' }));
    expect(error).toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringContaining("'serving_default'") as string,
      remedy: "It has 'increase', 'combine'.",
    });
  });

  it('any name where the model has no signatures', async () => {
    const model = new Tflite();
    model.main.output(plus(model.main, model.main.input('x', 'f32', [1]), 1, 'y'));
    const error = await rejection(loadMade(model, { signature: 'increase' }));
    expect(error).toMatchObject({ code: 'ERR_INVALID_ARGUMENT', remedy: expect.stringMatching(/none/) as string });
  });

  it.each([
    ['a graph that another one calls', 'body', 1],
    ['a model that calls its first graph', 'alone', 0],
  ])('%s', async (_, signature, first) => {
    const error = await rejection(loadMade(whileTflite(first), { signature }));
    expect(error).toMatchObject({ code: 'ERR_UNSUPPORTED', message: expect.stringContaining(signature) as string });
  });

  it.each([
    ['a graph that is not there', (model: Tflite, x: Port, y: Port) => model.signature('bad', { x }, { y }, 7)],
    ['a tensor that is no input', (model: Tflite, _: Port, y: Port) => model.signature('bad', { x: y }, { y })],
    ['a tensor that is no output', (model: Tflite, x: Port) => model.signature('bad', { x }, { y: x })],
    [
      'a tensor that is not there',
      (model: Tflite, x: Port, y: Port) => model.signature('bad', { x: { ...x, index: 1 << 30 } }, { y }),
    ],
  ])('a signature of %s', async (_, sign) => {
    const model = new Tflite();
    const x = model.main.input('x', 'f32', [1]);
    const y = plus(model.main, x, 1, 'y');
    model.main.output(y);
    sign(model, x, y);
    const error = await rejection(loadMade(model, { signature: 'bad' }));
    expect(error).toMatchObject({ code: 'ERR_INVALID_MODEL', remedy: expect.stringMatching(/./) as string });
  });

  it.each(['', 5, null, {}])('what is no name: %p', async (signature) => {
    const error = await rejection(loadMade(twoSignatures(), { signature: signature as string }));
    expect(error).toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringContaining('`signature`') as string,
    });
  });

  it('on devices that have none, which a list passes over', async () => {
    for (const [source, device] of [
      [twoSignatures().build(), 'openvino:cpu'],
      [echoPlusOne(), 'echo:cpu'],
    ] as const) {
      const error = await rejection(load(source, { device, signature: 'increase' }));
      expect(error).toMatchObject({ code: 'ERR_UNSUPPORTED', remedy: expect.stringMatching(/signature/) as string });
    }
    const model = await loadMade(twoSignatures(), { device: ['openvino:cpu', 'tflite:cpu'], signature: 'combine' });
    expect(model.info).toMatchObject({ device: 'tflite:cpu', rejected: [{ code: 'ERR_UNSUPPORTED' }] });
  });
});
