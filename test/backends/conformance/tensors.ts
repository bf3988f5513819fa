/** Conformance: shapes, dtypes, dynamic shapes and outputs that depend on the data. */
import type { Shape } from '../../../lib/types.js';
import { bits, dtypes, edgeValues, kindOf, numbers, write } from '../../support/values.js';
import { thrown } from '../../support/wait.js';
import {
  codeOf,
  type ConformanceBackend,
  copiedBySdk,
  dataOf,
  f32Of,
  itWhereShapesDependOnData,
  Loader,
} from './harness.js';

export function tensors(backend: ConformanceBackend): void {
  const { models } = backend;
  const itOfData = itWhereShapesDependOnData(backend);
  const loader = new Loader(backend);

  describe('dtypes', () => {
    it.each(backend.dtypes ?? dtypes)('%s goes through unchanged', async (dtype) => {
      const model = await loader.load(models.identity(dtype, [5]));
      expect(model.inputs).toEqual([{ name: 'x', dtype, shape: [5] }]);
      expect(model.outputs).toEqual([{ name: 'y', dtype, shape: [5] }]);
      const x = backend.edges?.[dtype] ?? edgeValues[dtype];

      const { y } = await model.run({ x });
      expect(y).toMatchObject({ dtype, shape: [5] });
      expect(kindOf(y!.data)).toBe(kindOf(x));
      expect(bits(y!.data)).toBe(bits(x));

      const request = model.createRequest();
      write(dataOf(request.inputs, 'x'), x);
      await request.run();
      expect(request.outputs['y']).toMatchObject({ dtype, shape: [5] });
      expect(bits(dataOf(request.outputs, 'y'))).toBe(bits(x));
      request.runSync();
      expect(bits(dataOf(request.outputs, 'y'))).toBe(bits(x));
    });

    it('takes Uint8ClampedArray and Buffer for u8', async () => {
      const model = await loader.load(models.identity('u8', [3]));
      expect(numbers((await model.run({ x: Uint8ClampedArray.of(1, 255, 0) }))['y']!.data)).toEqual([1, 255, 0]);
      expect(numbers((await model.run({ x: Buffer.from([4, 5, 6]) }))['y']!.data)).toEqual([4, 5, 6]);
    });

    it('takes a view into the middle of a larger buffer', async () => {
      const model = await loader.load(models.identity('f32', [2]));
      const { buffer } = Float32Array.of(9, 8, 7, 6);
      const { y } = await model.run({ x: new Float32Array(buffer, 4, 2) });
      expect(numbers(y!.data)).toEqual([8, 7]);
    });

    it('takes inputs in shared memory', async () => {
      const model = await loader.load(models.add(1, [2]));
      const x = new Float32Array(new SharedArrayBuffer(8));
      x.set([1, 2]);
      const { y } = await model.run({ x });
      expect(numbers(y!.data)).toEqual([2, 3]);
      expect(y!.data.buffer).not.toBeInstanceOf(SharedArrayBuffer);
    });
  });

  describe('shapes', () => {
    const shapes: Shape[] = [[], [1], [4], [2, 3], [1, 3, 4, 5], [2, 1, 2, 1, 2], [0], [0, 3], [2, 0, 4]];
    it.each(shapes.map((shape) => [JSON.stringify(shape), shape] as const))('%s', async (_, shape) => {
      const count = shape.reduce((product, dim) => product * dim, 1);
      const model = await loader.load(models.add(0.5, shape));
      expect(model.inputs).toEqual([{ name: 'x', dtype: 'f32', shape }]);
      const x = Float32Array.from({ length: count }, (_, i) => i);
      const expected = numbers(x.map((value) => value + 0.5));
      for (const value of [x, { data: x, shape }]) {
        const { y } = await model.run({ x: value });
        expect(y!.shape).toEqual(shape);
        expect(numbers(y!.data)).toEqual(expected);
      }
      const request = model.createRequest();
      expect(request.inputs['x']!.shape).toEqual(shape);
      f32Of(request.inputs, 'x').set(x);
      await request.run();
      expect(request.outputs['y']!.shape).toEqual(shape);
      expect(numbers(dataOf(request.outputs, 'y'))).toEqual(expected);
    });

    it('several inputs and outputs are told apart', async () => {
      const model = await loader.load(models.pair());
      expect(model.inputs.map(({ name, dtype, shape }) => [name, dtype, shape])).toEqual([
        ['a', 'f32', [2, 2]],
        ['b', 'i32', [3]],
      ]);
      expect(model.outputs.map(({ name }) => name)).toEqual(['p', 'q']);
      const a = Float32Array.of(1, 2, 3, 4);
      const b = Int32Array.of(-7, 8, 9);
      const { p, q } = await model.run({ b, a });
      expect([p!.dtype, p!.shape, numbers(p!.data)]).toEqual(['f32', [2, 2], [2, 3, 4, 5]]);
      expect([q!.dtype, q!.shape, numbers(q!.data)]).toEqual(['i32', [3], [-7, 8, 9]]);

      const request = model.createRequest();
      write(dataOf(request.inputs, 'a'), a);
      write(dataOf(request.inputs, 'b'), b);
      request.runSync();
      expect(numbers(dataOf(request.outputs, 'p'))).toEqual([2, 3, 4, 5]);
      expect(numbers(dataOf(request.outputs, 'q'))).toEqual([-7, 8, 9]);
    });
  });

  describe('dynamic shapes', () => {
    it('are −1 in the specification, and take the shape of each run', async () => {
      const model = await loader.load(models.add(1, [-1, 2]));
      expect(model.inputs[0]!.shape).toEqual([-1, 2]);
      for (const rows of [1, 3, 2, 0, 5]) {
        const { y } = await model.run({ x: new Float32Array(2 * rows).fill(rows) });
        expect(y!.shape).toEqual([rows, 2]);
        expect(numbers(y!.data)).toEqual(Array(2 * rows).fill(rows + 1));
      }
    });

    it('with two unknown dimensions need the shape with the values', async () => {
      const model = await loader.load(models.add(1, [-1, -1]));
      const data = Float32Array.of(1, 2, 3, 4, 5, 6);
      await expect(model.run({ x: data })).rejects.toMatchObject({
        code: 'ERR_INVALID_TENSOR',
        message: "The shape of the input 'x', [?, ?], cannot be told from 6 values.",
      });
      for (const shape of [
        [2, 3],
        [3, 2],
        [1, 6],
      ]) {
        const { y } = await model.run({ x: { data, shape } });
        expect(y!.shape).toEqual(shape);
      }
    });

    it('refuse values that fill no shape, and shapes that the model does not take', async () => {
      const model = await loader.load(models.add(1, [-1, 2]));
      await expect(model.run({ x: new Float32Array(3) })).rejects.toMatchObject({ code: 'ERR_INVALID_TENSOR' });
      await expect(model.run({ x: { data: new Float32Array(6), shape: [2, 3] } })).rejects.toMatchObject({
        code: 'ERR_INVALID_TENSOR',
        message: "Expected the input 'x' to have the shape [?, 2], got [2, 3].",
      });
      await expect(model.run({ x: { data: new Float32Array(4), shape: [4] } })).rejects.toMatchObject({
        code: 'ERR_INVALID_TENSOR',
      });
      expect(numbers((await model.run({ x: new Float32Array(4) }))['y']!.data)).toEqual([1, 1, 1, 1]);
    });

    it('of requests are given when they are made, and changed by reshape', async () => {
      const model = await loader.load(models.add(1, [-1, 2]));
      expect(codeOf(thrown(() => model.createRequest()))).toBe('ERR_INVALID_TENSOR');
      expect(codeOf(thrown(() => model.createRequest({ shapes: { x: [2, 3] } })))).toBe('ERR_INVALID_TENSOR');
      expect(codeOf(thrown(() => model.createRequest({ shapes: { z: [2, 2] } })))).toBe('ERR_INVALID_TENSOR');

      const request = model.createRequest({ shapes: { x: [2, 2] } });
      for (const rows of [2, 4, 1, 0, 3]) {
        request.reshape({ x: [rows, 2] });
        expect(request.inputs['x']).toMatchObject({ shape: [rows, 2] });
        expect(f32Of(request.inputs, 'x').length).toBe(2 * rows);
        f32Of(request.inputs, 'x').fill(rows);
        await request.run();
        expect(request.outputs['y']!.shape).toEqual([rows, 2]);
        expect(numbers(dataOf(request.outputs, 'y'))).toEqual(Array(2 * rows).fill(rows + 1));
      }
    });

    it('a refused reshape leaves the request as it was', async () => {
      const model = await loader.load(models.add(1, [-1, 2]));
      const request = model.createRequest({ shapes: { x: [1, 2] } });
      const view = f32Of(request.inputs, 'x');
      for (const shape of [[1, 3], [2], [-1, 2], [1.5, 2], [NaN, 2]]) {
        expect(codeOf(thrown(() => request.reshape({ x: shape })))).toBe('ERR_INVALID_TENSOR');
      }
      expect(request.inputs['x']!.data).toBe(view);
      view.set([3, 4]);
      await request.run();
      expect(numbers(dataOf(request.outputs, 'y'))).toEqual([4, 5]);
    });

    it('a reshape detaches the views that it replaces', async () => {
      const model = await loader.load(models.add(1, [-1, 2]));
      const request = model.createRequest({ shapes: { x: [1, 2] } });
      const view = f32Of(request.inputs, 'x');
      request.reshape({ x: [2, 2] });
      expect(view.length).toBe(0);
    });

    it('can be fixed when the model is loaded', async () => {
      const model = await loader.load(models.add(1, [-1, 2]), { shapes: { x: [3, 2] } });
      expect(model.inputs[0]!.shape).toEqual([3, 2]);
      expect(model.outputs[0]!.shape).toEqual([3, 2]);
      const request = model.createRequest();
      f32Of(request.inputs, 'x').fill(1);
      await request.run();
      expect(numbers(dataOf(request.outputs, 'y'))).toEqual(Array(6).fill(2));
      expect(model.statistics().bytesCopied).toBe(copiedBySdk(backend, 2 * 6 * 4));
      await expect(model.run({ x: new Float32Array(4) })).rejects.toMatchObject({ code: 'ERR_INVALID_TENSOR' });
    });

    it('fixed at load for an input that is not there, or to a shape that does not fit, are refused', async () => {
      const fixed = (shapes: Record<string, Shape>): Promise<unknown> =>
        loader.load(models.add(1, [-1, 2]), { shapes }).then(
          () => 'loaded',
          (error: unknown) => codeOf(error),
        );
      expect(await fixed({ z: [3, 2] })).toBe('ERR_INVALID_ARGUMENT');
      expect(await fixed({ x: [3, -2] })).toBe('ERR_INVALID_TENSOR');
    });
  });

  describe('outputs whose shape depends on the data', () => {
    const cases = [
      [0, 0, 0, 0],
      [1, 0, 0, 2],
      [1, 2, 3, 4],
      [0, 0, 0, 5],
      [0, 0, 0, 0],
    ];
    const indices = (values: readonly number[]): number[] => values.flatMap((value, i) => (value === 0 ? [] : [i]));

    itOfData('have it after run()', async () => {
      const model = await loader.load(models.nonzero!(4));
      for (const values of cases) {
        const { y } = await model.run({ x: Float32Array.from(values) });
        expect(numbers(y!.data)).toEqual(indices(values));
        expect(y!.shape[y!.shape.length - 1]).toBe(indices(values).length);
      }
    });

    itOfData('have it after each run of a request', async () => {
      const model = await loader.load(models.nonzero!(4));
      const request = model.createRequest();
      for (const [i, values] of cases.entries()) {
        f32Of(request.inputs, 'x').set(values);
        if (i % 2 === 0) await request.run();
        else request.runSync();
        const y = request.outputs['y']!;
        expect(numbers(y.data)).toEqual(indices(values));
        expect(y.shape[y.shape.length - 1]).toBe(indices(values).length);
      }
    });
  });
}
