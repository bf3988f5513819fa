/** OpenVINO: scalars, tensors without elements, shapes fixed at load and chosen per run. */
import { addIr, identityIr, nonZeroIr } from '../../support/ir.js';
import { numbers } from '../../support/values.js';
import { f32Of } from '../conformance/harness.js';
import { rejection } from '../../support/wait.js';
import { closeAll, loadIr } from './models.js';

afterEach(closeAll);

it('a scalar goes in and out', async () => {
  const model = await loadIr(addIr(2, []));
  expect(model.inputs[0]!.shape).toEqual([]);
  expect((await model.run({ x: Float32Array.of(3) }))['y']).toMatchObject({ shape: [], data: Float32Array.of(5) });
  const request = model.createRequest();
  f32Of(request.inputs, 'x').set([4]);
  await request.run();
  expect([...f32Of(request.outputs, 'y')]).toEqual([6]);
});

it('tensors without elements, in runs among others', async () => {
  const model = await loadIr(addIr(2, [-1, 3]));
  for (const rows of [2, 0, 1, 0]) {
    const x = { data: new Float32Array(3 * rows), shape: [rows, 3] };
    const { y } = await model.run({ x });
    expect(y!.shape).toEqual([rows, 3]);
    expect(numbers(y!.data)).toEqual(new Array(3 * rows).fill(2));
  }
  const request = model.createRequest({ shapes: { x: [0, 3] } });
  await request.run();
  expect(request.outputs['y']).toMatchObject({ shape: [0, 3] });
  expect(request.outputs['y']!.data.length).toBe(0);
});

it('an output that turns out to be empty', async () => {
  const model = await loadIr(nonZeroIr([3]));
  const { y } = await model.run({ x: new Float32Array(3) });
  expect(y).toMatchObject({ shape: [1, 0] });
  expect(y!.data.length).toBe(0);
});

it('shapes fixed at load make every port static, and copy nothing', async () => {
  const model = await loadIr(addIr(2, [-1, -1]), { shapes: { x: [2, 3] } });
  expect(model.inputs[0]!.shape).toEqual([2, 3]);
  expect(model.outputs[0]!.shape).toEqual([2, 3]);
  const request = model.createRequest();
  f32Of(request.inputs, 'x').fill(1);
  await request.run();
  expect([...f32Of(request.outputs, 'y')]).toEqual([3, 3, 3, 3, 3, 3]);
  expect(model.statistics().bytesCopied).toBe(0);
});

it('shapes of a static model may be changed at load', async () => {
  const model = await loadIr(addIr(2, [1, 3]), { shapes: { x: [4, 2] } });
  expect(model.outputs[0]!.shape).toEqual([4, 2]);
  expect(numbers((await model.run({ x: new Float32Array(8) }))['y']!.data)).toEqual(new Array(8).fill(2));
});

it.each([
  ['of an input that is not there', { z: [1] }, 'ERR_INVALID_ARGUMENT'],
  ['that no memory holds', { x: [2 ** 40, 2 ** 40] }, 'ERR_INVALID_TENSOR'],
])('shapes at load %s are refused', async (_, shapes, code) => {
  const error = await rejection(loadIr(addIr(1, [-1, -1]), { shapes: shapes as unknown as Record<string, number[]> }));
  expect(error).toMatchObject({ code, message: expect.stringMatching(/./) });
});

it('shapes chosen per run, back and forth in one request', async () => {
  const model = await loadIr(identityIr('i32', [-1, 2]));
  const request = model.createRequest({ shapes: { x: [1, 2] } });
  for (const rows of [1, 3, 2, 3]) {
    request.reshape({ x: [rows, 2] });
    const values = Array.from({ length: 2 * rows }, (_, i) => rows * 10 + i);
    (request.inputs['x']!.data as Int32Array).set(values);
    await request.run();
    expect(request.outputs['y']!.shape).toEqual([rows, 2]);
    expect(numbers(request.outputs['y']!.data)).toEqual(values);
  }
});
