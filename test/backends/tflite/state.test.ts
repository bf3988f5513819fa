/** TFLite: models that remember, in variable tensors or in resources: per request, until they are reset. */
import type { InferenceRequest } from '../../../lib/index.js';
import { int32, text } from '../../support/flatbuffer.js';
import { plus } from '../../support/tflite-graphs.js';
import { options, Tflite, type Graph, type Port } from '../../support/tflite.js';
import { f32Of } from '../conformance/harness.js';
import { builtIn, loadMade } from './models.js';

/** y = the sum of the last three x, kept in a tensor of the graph. */
function lastThree(): Tflite {
  const model = new Tflite();
  const { main } = model;
  const x = main.input('x', 'f32', [1, 1]);
  const feature = main.constant('f32', [1, 1], Float32Array.of(1));
  const time = main.constant('f32', [1, 3], Float32Array.of(1, 1, 1));
  const state = main.variable('f32', [1, 3], { name: 'state' });
  const kind = { dtype: 'f32', shape: [1, 1], name: 'y' };
  main.output(main.op('SVDF', [x, feature, time, null, state], kind, [6, { 0: int32(1) }])); // SVDFOptions: its rank
  return model;
}

/** y = 10 and the sum of all x so far, kept as TensorFlow 2 does: in a resource, which a graph of its own sets at first. */
function total(more: (graph: Graph, sum: Port) => void = () => undefined): Tflite {
  const model = new Tflite();
  const { main } = model;
  const x = main.input('x', 'f32', [1, 1]);
  const handle = { dtype: 'resource', shape: [] };
  const named = [111, { 0: text(''), 1: text('total') }] as const; // VarHandleOptions
  main.ops('CALL_ONCE', [], [], [103, { 0: int32(1) }]);
  const variable = main.op('VAR_HANDLE', [], handle, named);
  const before = main.op('READ_VARIABLE', [variable], { dtype: 'f32', shape: [1, 1] });
  const sum = main.op('ADD', [before, x], { dtype: 'f32', shape: [1, 1], name: 'sum' }, options.add);
  main.ops('ASSIGN_VARIABLE', [variable, sum], []);
  main.output(plus(main, sum, 0, 'y'));
  more(main, sum);
  const first = model.graph('first');
  const ten = first.constant('f32', [1, 1], Float32Array.of(10));
  first.ops('ASSIGN_VARIABLE', [first.op('VAR_HANDLE', [], handle, named), ten], []);
  return model;
}

async function runs(request: InferenceRequest, values: readonly number[]): Promise<number[]> {
  const outputs: number[] = [];
  for (const value of values) {
    f32Of(request.inputs, 'x').set([value]);
    await request.run();
    outputs.push(f32Of(request.outputs, 'y')[0]!);
  }
  return outputs;
}

describe.each([
  ['variable tensors', lastThree, [1, 3, 6, 9], [2, 4, 6, 6]],
  ['resources', total, [11, 13, 16, 20], [12, 14, 16, 18]],
])('%s', (_, build, rising, twos) => {
  it.each([
    ['XNNPACK', {}],
    ['the built-in kernels', builtIn],
    ['in a host process', { isolate: true }],
  ])('keep their values from run to run, until they are reset: %s', async (_kernels, loadOptions) => {
    const request = (await loadMade(build(), loadOptions)).createRequest();
    const [x, y] = [f32Of(request.inputs, 'x'), f32Of(request.outputs, 'y')];
    for (let sequence = 0; sequence < 3; sequence++) {
      expect(await runs(request, [1, 2, 3, 4])).toEqual(rising);
      request.resetState();
    }
    // The same memory as before.
    expect([f32Of(request.inputs, 'x'), f32Of(request.outputs, 'y')]).toEqual([x, y]);
    x.set([1]);
    await request.run();
    expect(y[0]).toBe(rising[0]);
  });

  it('belong to their request', async () => {
    const model = await loadMade(build());
    const [a, b] = [model.createRequest(), model.createRequest()];
    const both = [await runs(a, [1, 2]), await runs(b, [2]), await runs(a, [3]), await runs(b, [2, 2])];
    expect(both).toEqual([rising.slice(0, 2), twos.slice(0, 1), rising.slice(2, 3), twos.slice(1, 3)]);
    a.resetState();
    expect([await runs(a, [1]), await runs(b, [2])]).toEqual([rising.slice(0, 1), twos.slice(3)]);
  });
});

it('a reset forgets the shape that the last run gave an output', async () => {
  const model = total((graph, sum) => {
    const zero = graph.constant('f32', [], Float32Array.of(0));
    const isSet = graph.op('NOT_EQUAL', [sum, zero], { dtype: 'bool', shape: [1, 1] });
    graph.output(graph.op('WHERE', [isSet], { dtype: 'i64', shape: [-1, 2], name: 'rows' }));
  });
  const request = (await loadMade(model, builtIn)).createRequest();
  expect(await runs(request, [1])).toEqual([11]);
  expect(request.outputs['rows']!.shape).toEqual([1, 2]);
  request.resetState();
  expect(await runs(request, [-10])).toEqual([0]);
  expect(request.outputs['rows']!.shape).toEqual([0, 2]);
});
