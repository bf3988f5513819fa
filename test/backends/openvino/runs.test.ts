/** OpenVINO: what is special about its runs: cancelling in every mode, requests made meanwhile, duplicate names. */
import type { LoadOptions } from '../../../lib/types.js';
import { copyOf, Ir, slowIr } from '../../support/ir.js';
import { numbers } from '../../support/values.js';
import { rejection, until } from '../../support/wait.js';
import { closeAll, loadIr } from './models.js';

afterEach(closeAll);

describe('a running inference is cancelled in the device', () => {
  it.each([
    ['a lane', { advanced: { dispatch: 'lane' } }],
    ['a lane, one thread', { advanced: { dispatch: 'lane' }, threads: 1 }],
    ['a lane, two streams', { advanced: { dispatch: 'lane' }, streams: 2, threads: 2 }],
    ['a lane, hint throughput', { advanced: { dispatch: 'lane' }, performanceHint: 'throughput' }],
    ['async', { advanced: { dispatch: 'async' } }],
    ['async, one thread', { advanced: { dispatch: 'async' }, threads: 1 }],
  ] as [string, LoadOptions][])('%s', async (_, options) => {
    const model = await loadIr(slowIr(200, 1024), options);
    const request = model.createRequest();
    const controller = new AbortController();
    const run = request.run({ signal: controller.signal });
    await until(() => model.statistics().running === 1, 'the run to start');
    controller.abort('stop');
    expect(await rejection(run)).toBe('stop');
    await until(() => !request.busy, 'the device to let go');
    expect(model.statistics().compute.count).toBe(0); // it has not come to its end
  });
});

it('two results of one name are told apart', async () => {
  const ir = new Ir();
  const x = ir.parameter('x', 'f32', [2]);
  const y = copyOf(ir, x, 'y');
  ir.result(y);
  ir.result(y);
  const model = await loadIr(ir.build());
  const names = model.outputs.map(({ name }) => name);
  expect(names).toHaveLength(2);
  expect(new Set(names).size).toBe(2);
  expect(names[0]).toBe('y');
  const outputs = await model.run({ x: Float32Array.of(1, 2) });
  expect(names.map((name) => numbers(outputs[name]!.data))).toEqual([
    [1, 2],
    [1, 2],
  ]);
});

describe('an input that is an output at the same time', () => {
  it('reaches its outputs in every run, through model.run and through a request', async () => {
    const ir = new Ir();
    const x = ir.parameter('x', 'f32', [3]);
    ir.result(x);
    ir.result(x);
    ir.result(ir.binary('Add', x, x, 'y'));
    const model = await loadIr(ir.build());
    const names = model.outputs.map(({ name }) => name);
    expect(names).toHaveLength(3);
    const expected = (values: number[]): number[][] => [values, values, values.map((value) => 2 * value)];
    for (const values of [
      [1, 2, 3],
      [4, 5, 6],
    ]) {
      const outputs = await model.run({ x: Float32Array.from(values) });
      expect(names.map((name) => numbers(outputs[name]!.data))).toEqual(expected(values));
    }
    const request = model.createRequest();
    for (const values of [
      [7, 8, 9],
      [-1, 0, 1],
    ]) {
      request.inputs['x']!.data.set(values as never);
      await request.run();
      expect(names.map((name) => numbers(request.outputs[name]!.data))).toEqual(expected(values));
      request.resetState(); // sets all buffers again
    }
  });

  it('also as a scalar, through an operation that the compiler removes', async () => {
    const ir = new Ir();
    const x = ir.parameter('x', 'f64', []);
    ir.result(ir.op('Einsum', 'opset7', { equation: '->' }, [x], { type: 'f64', shape: [], name: 'y' }));
    const model = await loadIr(ir.build());
    for (const value of [5, -7]) {
      expect(numbers((await model.run({ x: Float64Array.of(value) }))['y']!.data)).toEqual([value]);
    }
  });

  it('also where only the run decides its shape', async () => {
    const ir = new Ir();
    ir.result(ir.parameter('x', 'f32', [-1]));
    const model = await loadIr(ir.build());
    for (const values of [
      [1, 2, 3],
      [4, 5],
      [6, 7, 8, 9],
    ]) {
      const outputs = await model.run({ x: Float32Array.from(values) });
      expect(numbers(outputs[model.outputs[0]!.name]!.data)).toEqual(values);
    }
  });
});
