/** TFLite: what a loaded model says of its inputs and outputs: quantization, types, shapes that the run decides. */
import fs from 'node:fs';
import { inspectTflite, quantize } from '../../../lib/index.js';
import type { Quantization } from '../../../lib/types.js';
import { Folder } from '../../support/folder.js';
import { addTflite, copyOf, nonZeroTflite, plus } from '../../support/tflite-graphs.js';
import { options, Tflite } from '../../support/tflite.js';
import { numbers } from '../../support/values.js';
import { rejection } from '../../support/wait.js';
import { f32Of } from '../conformance/harness.js';
import { builtIn, load, loadMade } from './models.js';

const folder = new Folder();

describe('quantization', () => {
  const identity = (dtype: string, quantization: Quantization): Tflite => {
    const model = new Tflite();
    const x = model.main.input('x', dtype, [2, 3], { quantization });
    const shape = model.main.constant('i32', [2], Int32Array.of(2, 3));
    const kind = { dtype, shape: [2, 3], name: 'y', quantization };
    model.main.output(model.main.op('RESHAPE', [x, shape], kind, options.reshape([2, 3])));
    return model;
  };

  it.each([
    ['i8', { scale: [0.5], zeroPoint: [-3], axis: null }],
    ['u8', { scale: [0.25], zeroPoint: [128], axis: null }],
    ['i16', { scale: [0.125], zeroPoint: [0], axis: null }],
    ['i8', { scale: [0.5, 0.25, 2], zeroPoint: [0, 0, 0], axis: 1 }],
    ['i8', { scale: [0.5, 0.25], zeroPoint: [0, 0], axis: 0 }],
  ] as [string, Quantization][])('%s, %j', async (dtype, quantization) => {
    const made = identity(dtype, quantization);
    const model = await loadMade(made);
    const spec = { dtype, shape: [2, 3], quantization };
    expect(model.inputs).toEqual([{ name: 'x', ...spec }]);
    expect(model.outputs).toEqual([{ name: 'y', ...spec }]);
    // As the file says it without TFLite.
    const [graph] = (await inspectTflite(made.build())).graphs;
    expect(graph!.inputs[0]!.quantization).toEqual(quantization);
  });

  it('is what TFLite computes with', async () => {
    const quantization = { scale: [0.5], zeroPoint: [10], axis: null };
    const model = new Tflite();
    const x = model.main.input('x', 'u8', [4], { quantization });
    model.main.output(model.main.op('DEQUANTIZE', [x], { dtype: 'f32', shape: [4], name: 'y' }));
    for (const kernels of [{}, builtIn]) {
      const loaded = await loadMade(model, kernels);
      const [input] = loaded.inputs;
      const reals = Float32Array.of(-5, 0, 1.5, 100);
      const bytes = quantize(reals, { ...input!.quantization!, dtype: 'u8' });
      expect(numbers((await loaded.run({ x: bytes }))['y']!.data)).toEqual([...reals]);
    }
  });

  it('is not said of floats and of wide integers', async () => {
    const model = await load(addTflite(1, [1]));
    expect(model.inputs[0]).not.toHaveProperty('quantization');
  });
});

describe('types that no tensor here carries are refused by name', () => {
  it.each([
    ['string', Uint8Array.from([1, 0, 0, 0, 12, 0, 0, 0, 14, 0, 0, 0, 0x61, 0x62])], // one, from byte 12 to 14: "ab"
    ['complex64', Float32Array.of(1, 2)],
  ])('%s, as an input and as an output', async (dtype, value) => {
    const asInput = new Tflite();
    const text = asInput.main.input('words', dtype, [1]);
    asInput.main.output(asInput.main.op('SHAPE', [text], { dtype: 'i32', shape: [1] }, options.shape('i32')));
    const asOutput = new Tflite();
    asOutput.main.output(plus(asOutput.main, asOutput.main.input('x', 'f32', [1]), 1, 'y'));
    asOutput.main.output(asOutput.main.constant(dtype, [1], value, { name: 'words' }));
    for (const model of [asInput, asOutput]) {
      const error = await rejection(loadMade(model));
      expect(error).toMatchObject({ code: 'ERR_UNSUPPORTED', message: expect.stringContaining(dtype) as string });
      expect(error).toMatchObject({ message: expect.stringContaining("'words'") as string });
    }
  });
});

describe('shapes that the run decides', () => {
  it.each([
    ['XNNPACK', {}],
    ['the built-in kernels', builtIn],
  ])('are chosen per run, back and forth in one request, and copied in no buffer: %s', async (_, kernels) => {
    const model = await load(addTflite(0.5, [-1, 2]), kernels);
    expect([model.inputs[0]!.shape, model.outputs[0]!.shape]).toEqual([
      [-1, 2],
      [-1, 2],
    ]);
    const request = model.createRequest({ shapes: { x: [1, 2] } });
    for (const rows of [1, 3, 2, 3, 1]) {
      request.reshape({ x: [rows, 2] });
      const values = Array.from({ length: 2 * rows }, (_unused, i) => rows * 10 + i);
      f32Of(request.inputs, 'x').set(values);
      await request.run();
      expect(request.outputs['y']!.shape).toEqual([rows, 2]);
      expect([...f32Of(request.outputs, 'y')]).toEqual(values.map((value) => value + 0.5));
    }
    expect(model.statistics().bytesCopied).toBe(0);
  });

  it('fixed at load make every port static', async () => {
    const model = await load(addTflite(0.5, [-1, -1]), { shapes: { x: [2, 3] } });
    expect([model.inputs[0]!.shape, model.outputs[0]!.shape]).toEqual([
      [2, 3],
      [2, 3],
    ]);
  });

  it('of a static model are those of the file', async () => {
    const error = await rejection(load(addTflite(0.5, [2, 3]), { shapes: { x: [4, 3] } }));
    expect(error).toMatchObject({ code: 'ERR_INVALID_ARGUMENT', message: expect.stringContaining('[2, 3]') as string });
  });

  it('of outputs that depend on the values are copied, whatever their size', async () => {
    const request = (await load(nonZeroTflite(4))).createRequest();
    for (const values of [
      [1, 0, 2, 0],
      [0, 0, 0, 0],
      [1, 1, 1, 1],
      [0, 0, 0, 5],
    ]) {
      f32Of(request.inputs, 'x').set(values);
      await request.run();
      const set = values.flatMap((value, i) => (value === 0 ? [] : [i]));
      expect(request.outputs['y']!.shape).toEqual([set.length]);
      expect(numbers(request.outputs['y']!.data)).toEqual(set);
    }
  });
});

describe('inputs and outputs that are the same tensor, or a constant', () => {
  it('have memory of their own, and are copied', async () => {
    const model = new Tflite();
    const x = model.main.input('x', 'f32', [2]);
    model.main.output(plus(model.main, x, 1, 'y'));
    model.main.output(x);
    model.main.output(model.main.constant('f32', [2], Float32Array.of(7, 8), { name: 'c' }));
    const loaded = await loadMade(model);
    const request = loaded.createRequest();
    for (const first of [1, 5]) {
      f32Of(request.inputs, 'x').set([first, 2]);
      await request.run();
      const [y, same, c] = loaded.outputs.map(({ name }) => [...f32Of(request.outputs, name)]);
      expect([y, same, c]).toEqual([
        [first + 1, 3],
        [first, 2],
        [7, 8],
      ]);
    }
    expect(loaded.statistics().bytesCopied).toBe(2 * 16);
  });
});

it('a file that is shortened or removed after the load does not matter', async () => {
  const file = folder.write('model.tflite', addTflite(1, [2]));
  const model = await load(file);
  fs.truncateSync(file, 10);
  fs.rmSync(file);
  const requests = Array.from({ length: 3 }, () => model.createRequest());
  for (const request of requests) {
    f32Of(request.inputs, 'x').set([1, 2]);
    await request.run();
    expect([...f32Of(request.outputs, 'y')]).toEqual([2, 3]);
  }
});

it('names that are missing or doubled are made up', async () => {
  const model = new Tflite();
  const x = model.main.input('', 'f32', [1]);
  const same = model.main.input('same', 'f32', [1]);
  const again = model.main.input('same', 'f32', [1]);
  for (const [i, port] of [x, same, again].entries()) model.main.output(copyOf(model.main, port, `y${i}`));
  const loaded = await loadMade(model);
  expect(loaded.inputs.map(({ name }) => name)).toEqual(['input0', 'same', 'same:2']);
  const { y0, y1, y2 } = await loaded.run({
    input0: Float32Array.of(1),
    same: Float32Array.of(2),
    'same:2': Float32Array.of(3),
  });
  expect([y0, y1, y2].map((y) => y!.data[0])).toEqual([1, 2, 3]);
});
