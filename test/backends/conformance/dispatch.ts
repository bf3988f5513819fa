/** Conformance: the core of the suite again, for every way in which a run can reach the device. */
import type { AdvancedOptions } from '../../../lib/types.js';
import { numbers } from '../../support/values.js';
import { rejection, thrown } from '../../support/wait.js';
import {
  codeOf,
  type ConformanceBackend,
  copiedBySdk,
  dataOf,
  f32Of,
  isFree,
  isRunning,
  itWhereShapesDependOnData,
  Loader,
} from './harness.js';

const modes: [string, AdvancedOptions][] = [
  ['auto', { dispatch: 'auto' }],
  ['lane', { dispatch: 'lane' }],
  ['inline', { dispatch: 'inline' }],
  ['async', { dispatch: 'async' }],
  ['a lane that spins', { dispatch: 'lane', wait: 'spin' }],
  ['auto that spins longer', { wait: 'spin', spinUs: 500 }],
];

export function dispatch(backend: ConformanceBackend): void {
  const { models } = backend;
  const itOfData = itWhereShapesDependOnData(backend);
  const loader = new Loader(backend);

  describe.each(modes.filter(([mode]) => mode !== 'async' || backend.async !== false))('%s', (mode, advanced) => {
    it('requests one after the other, zero copy', async () => {
      const model = await loader.load(models.add(1, [4]), { advanced });
      const request = model.createRequest();
      for (let i = 0; i < 200; i++) {
        f32Of(request.inputs, 'x').fill(i);
        await request.run();
        expect(f32Of(request.outputs, 'y')[3]).toBe(i + 1);
      }
      request.runSync();
      const statistics = model.statistics();
      expect(statistics).toMatchObject({ submitted: 201, completed: 201, running: 0 });
      expect(statistics.bytesCopied).toBe(copiedBySdk(backend, 201 * 2 * 4 * 4));
      if (mode === 'inline') expect(statistics.inlineRuns).toBe(200);
      if (mode === 'lane' || mode === 'async') expect(statistics.inlineRuns).toBe(0);
    });

    it('requests and plain runs side by side', async () => {
      const model = await loader.load(models.add(0.5, [4]), { inFlight: 3, queueLimit: 1000, advanced });
      const requests = Array.from({ length: 8 }, async (_, i) => {
        const request = model.createRequest();
        for (let round = 0; round < 20; round++) {
          f32Of(request.inputs, 'x').fill(100 * i + round);
          await request.run();
          expect(numbers(dataOf(request.outputs, 'y'))).toEqual(Array(4).fill(100 * i + round + 0.5));
        }
      });
      const runs = Array.from({ length: 100 }, async (_, i) => {
        const { y } = await model.run({ x: new Float32Array(4).fill(-i) });
        expect(numbers(y!.data)).toEqual(Array(4).fill(0.5 - i));
      });
      await Promise.all([...requests, ...runs]);
      expect(model.statistics()).toMatchObject({ completed: 260, failed: 0, running: 0, queueDepth: 0 });
    });

    itOfData('outputs whose shape depends on the data', async () => {
      const model = await loader.load(models.nonzero!(3), { advanced });
      const request = model.createRequest();
      for (const values of [
        [0, 1, 0],
        [1, 1, 1],
        [0, 0, 0],
        [5, 0, 5],
      ]) {
        f32Of(request.inputs, 'x').set(values);
        await request.run();
        const expected = values.flatMap((value, i) => (value === 0 ? [] : [i]));
        expect(numbers(dataOf(request.outputs, 'y'))).toEqual(expected);
        const { y } = await model.run({ x: Float32Array.from(values) });
        expect(numbers(y!.data)).toEqual(expected);
      }
    });

    it('an abort during the run, and the next run', async () => {
      const model = await loader.load(models.slow(), { advanced });
      const request = model.createRequest();
      const controller = new AbortController();
      const run = request.run({ signal: controller.signal });
      await isRunning(model); // with a signal, no run blocks this thread
      controller.abort('stop');
      expect(await rejection(run)).toBe('stop');
      await isFree(request);
      f32Of(request.inputs, 'x').set([2]);
      await request.run();
      expect(Math.round(numbers(dataOf(request.outputs, 'y'))[0]!)).toBe(3);
      expect(model.statistics()).toMatchObject({ aborted: 1, completed: 1 });
    });

    it('a deadline in the queue', async () => {
      const model = await loader.load(models.slow(), { inFlight: 1, advanced });
      const { signal } = new AbortController();
      const request = model.createRequest();
      // The SDK's own queue is given up to twice what it runs at once.
      const others = Array.from({ length: mode === 'async' ? 2 : 1 }, () => model.createRequest());
      const runs = others.map((other) => other.run({ signal }));
      await isRunning(model, runs.length);
      expect(codeOf(await rejection(request.run({ deadlineMs: 1 })))).toBe('ERR_TIMEOUT');
      await Promise.all(runs);
      expect(model.statistics()).toMatchObject({ timedOut: 1, compute: { count: runs.length } });
    });

    it('ERR_BUSY, and disposal in flight', async () => {
      const model = await loader.load(models.slow(), { inFlight: 1, advanced });
      const request = model.createRequest();
      const { signal } = new AbortController();
      const run = request.run({ signal });
      await isRunning(model);
      expect(codeOf(thrown(() => request.runSync()))).toBe('ERR_BUSY');
      expect(codeOf(await rejection(request.run()))).toBe('ERR_BUSY');
      const view = f32Of(request.inputs, 'x');
      await model.dispose();
      expect(view.length).toBe(0);
      await run;
      expect(model.statistics()).toMatchObject({ completed: 1, running: 0 });
      expect(codeOf(await rejection(request.run()))).toBe('ERR_DISPOSED');
    });
  });

  if (backend.async === false) {
    it('an asynchronous start that the device does not have is refused', async () => {
      const refused = await rejection(loader.load(models.add(1, [1]), { advanced: { dispatch: 'async' } }));
      expect(codeOf(refused)).toBe('ERR_UNSUPPORTED');
    });
  }

  it('what a mode is must be one of those that there are', async () => {
    const refused = await rejection(loader.load(models.add(1, [1]), { advanced: { dispatch: 'eager' as 'lane' } }));
    expect(refused).toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: "Expected `advanced.dispatch` to be 'auto' or 'lane' or 'inline' or 'async', got 'eager'.",
    });
  });
}
