/** Conformance: what is copied, what is not, and what native memory is held. */
import { native } from '../../../lib/native.js';
import { collect, until } from '../../support/wait.js';
import { numbers } from '../../support/values.js';
import { type ConformanceBackend, copiedBySdk, dataOf, f32Of, itWhereShapesDependOnData, Loader } from './harness.js';

export function copies(backend: ConformanceBackend): void {
  const { models } = backend;
  const itOfData = itWhereShapesDependOnData(backend);
  const loader = new Loader(backend);

  it('a request copies nothing, and keeps its views', async () => {
    const model = await loader.load(models.add(1, [8]));
    expect(model.info.zeroCopy).toBe(true);
    const request = model.createRequest();
    const x = f32Of(request.inputs, 'x');
    const y = f32Of(request.outputs, 'y');
    for (let i = 0; i < 20; i++) {
      x.fill(i);
      if (i % 2 === 0) await request.run();
      else request.runSync();
      expect(numbers(y)).toEqual(Array(8).fill(i + 1));
    }
    expect(request.inputs['x']!.data).toBe(x);
    expect(request.outputs['y']!.data).toBe(y);
    expect(model.statistics().bytesCopied).toBe(copiedBySdk(backend, 20 * 2 * 8 * 4));
    expect(model.statistics().completed).toBe(20);
  });

  it('run() copies the inputs in and the outputs out, once each', async () => {
    const model = await loader.load(models.pair());
    const inputs = { a: new Float32Array(4), b: new Int32Array(3) };
    const bytes = 4 * 4 + 3 * 4;
    await model.run(inputs); // makes the pooled request, for which the inputs wait in memory of their own
    for (let i = 0; i < 3; i++) {
      const before = model.statistics().bytesCopied;
      await model.run(inputs);
      expect(model.statistics().bytesCopied - before).toBe(2 * bytes + copiedBySdk(backend, 2 * bytes));
    }
  });

  it('run() returns memory of its own, that later runs leave alone', async () => {
    const model = await loader.load(models.add(1, [2]));
    const x = Float32Array.of(1, 2);
    const pending = model.run({ x });
    x.fill(100); // copied before run() returned
    const first = await pending;
    const second = await model.run({ x });
    expect(numbers(first['y']!.data)).toEqual([2, 3]);
    expect(numbers(second['y']!.data)).toEqual([101, 101]);
    expect(first['y']!.data.buffer.byteLength).toBe(8);
  });

  itOfData('outputs whose shape depends on the data are counted as copied, where they are', async () => {
    const model = await loader.load(models.nonzero!(4));
    const request = model.createRequest();
    f32Of(request.inputs, 'x').set([1, 0, 1, 1]);
    const copied = (backend.copiesUnknownShapes === false ? 0 : 3 * 8) + copiedBySdk(backend, 4 * 4);
    await request.run();
    expect(model.statistics().bytesCopied).toBe(copied);
    request.runSync();
    expect(model.statistics().bytesCopied).toBe(2 * copied);
  });

  it('bytesHeld counts the buffers of live requests', async () => {
    const model = await loader.load(models.add(1, [1024]));
    const before = model.statistics().bytesHeld;
    let request = model.createRequest();
    expect(model.statistics().bytesHeld - before).toBe(2 * 4096);
    request.dispose();
    request = model.createRequest();
    await until(() => {
      collect(); // the memory goes with its ArrayBuffer
      return model.statistics().bytesHeld - before === 2 * 4096;
    }, 'the first request’s memory to go');
    request.dispose();
  });

  describe('where external ArrayBuffers are forbidden', () => {
    beforeEach(() => native().forbidExternalBuffers(true));
    afterEach(async () => {
      await loader.close();
      native().forbidExternalBuffers(false);
    });

    it('the same API gives the same results by copying', async () => {
      const model = await loader.load(models.pair());
      expect(model.info.zeroCopy).toBe(false);
      const bytes = 4 * 4 + 3 * 4;
      const request = model.createRequest();
      for (let i = 1; i < 4; i++) {
        f32Of(request.inputs, 'a').fill(i);
        (dataOf(request.inputs, 'b') as Int32Array).fill(-i);
        if (i % 2 === 0) await request.run();
        else request.runSync();
        expect(numbers(dataOf(request.outputs, 'p'))).toEqual(Array(4).fill(i + 1));
        expect(numbers(dataOf(request.outputs, 'q'))).toEqual(Array(3).fill(-i));
        expect(model.statistics().bytesCopied).toBe(i * (2 * bytes + copiedBySdk(backend, 2 * bytes)));
      }
      const { p } = await model.run({ a: new Float32Array(4), b: new Int32Array(3) });
      expect(numbers(p!.data)).toEqual([1, 1, 1, 1]);
    });

    it('with an abort signal and a reshape', async () => {
      const { signal } = new AbortController();
      const dynamic = await loader.load(models.add(1, [-1]));
      const request = dynamic.createRequest({ shapes: { x: [1] } });
      for (const length of [3, 1, 0, 2]) {
        request.reshape({ x: [length] });
        f32Of(request.inputs, 'x').fill(length);
        await request.run({ signal });
        expect(numbers(dataOf(request.outputs, 'y'))).toEqual(Array(length).fill(length + 1));
      }
    });

    itOfData('with an abort signal and outputs that depend on the data', async () => {
      const { signal } = new AbortController();
      const model = await loader.load(models.nonzero!(4));
      const other = model.createRequest();
      for (const values of [
        [1, 0, 1, 0],
        [0, 0, 0, 0],
        [1, 1, 1, 1],
      ]) {
        f32Of(other.inputs, 'x').set(values);
        await other.run({ signal });
        expect(numbers(dataOf(other.outputs, 'y'))).toEqual(values.flatMap((value, i) => (value === 0 ? [] : [i])));
      }
    });

    it('views are detached by dispose there too', async () => {
      const model = await loader.load(models.add(1, [8]));
      const request = model.createRequest();
      const views = [f32Of(request.inputs, 'x'), f32Of(request.outputs, 'y')];
      request.dispose();
      expect(views.map((view) => view.length)).toEqual([0, 0]);
    });
  });
}
