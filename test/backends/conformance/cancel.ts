/** Conformance: AbortSignal before, during and after a run. */
import { getEventListeners } from 'node:events';
import { numbers } from '../../support/values.js';
import { rejection } from '../../support/wait.js';
import { codeOf, dataOf, f32Of, isFree, isRunning, Loader, type ConformanceBackend } from './harness.js';

export function cancel(backend: ConformanceBackend): void {
  const { models } = backend;
  const loader = new Loader(backend);
  const x = Float32Array.of(1);

  it('a signal that is aborted already: nothing is submitted', async () => {
    const model = await loader.load(models.add(1, [1]));
    const request = model.createRequest();
    const reason = { why: 'too late' };
    const signal = AbortSignal.abort(reason);
    expect(await rejection(model.run({ x }, { signal }))).toBe(reason);
    expect(await rejection(request.run({ signal }))).toBe(reason);
    expect(await rejection(model.stream([{ x }], { signal }).next())).toBe(reason);
    expect(request.busy).toBe(false);
    expect(model.statistics()).toMatchObject({ submitted: 0, aborted: 0 });
  });

  it('without a reason, the rejection is an AbortError', async () => {
    const model = await loader.load(models.add(1, [1]));
    expect(await rejection(model.run({ x }, { signal: AbortSignal.abort() }))).toMatchObject({ name: 'AbortError' });
  });

  it.each([
    ['an Error', new Error('enough')],
    ['a text', 'enough'],
    ['null', null],
    ['a number', 0],
  ])('a running request rejects with the reason itself: %s', async (_, reason) => {
    const model = await loader.load(models.long());
    const request = model.createRequest();
    const controller = new AbortController();
    const run = request.run({ signal: controller.signal });
    await isRunning(model);
    controller.abort(reason);
    expect(await rejection(run)).toBe(reason);
    await isFree(request);
    // It was cancelled in the device: no run has come to its end.
    expect(model.statistics()).toMatchObject({ aborted: 1, completed: 0, failed: 0, compute: { count: 0 } });
  });

  it('an aborted request is busy until the device has let go, then usable again', async () => {
    const model = await loader.load(models.slow());
    const request = model.createRequest();
    f32Of(request.inputs, 'x').set([1]);
    let more = 0;
    for (let round = 1; round <= 3; round++) {
      const controller = new AbortController();
      const run = request.run({ signal: controller.signal });
      await isRunning(model);
      controller.abort('stop');
      expect(await rejection(run)).toBe('stop');
      if (request.busy) {
        // The device may let go just now: then this is a run like any other.
        const refused = await request.run().then(() => null, codeOf);
        if (refused === null) more++;
        else expect(refused).toBe('ERR_BUSY');
      }
      await isFree(request);
      f32Of(request.inputs, 'x').set([10 * round]);
      await request.run();
      expect(Math.round(numbers(dataOf(request.outputs, 'y'))[0]!)).toBe(10 * round + 1);
    }
    expect(model.statistics()).toMatchObject({ aborted: 3, completed: 3 + more });
  });

  it('a running model.run() is cancelled, and the model goes on', async () => {
    const model = await loader.load(models.long());
    const controller = new AbortController();
    const run = model.run({ x }, { signal: controller.signal });
    await isRunning(model);
    const reason = new Error('stop');
    controller.abort(reason);
    expect(await rejection(run)).toBe(reason);
    await isRunning(model, 0);
    expect(model.statistics()).toMatchObject({ aborted: 1, completed: 0, compute: { count: 0 } });

    const again = new AbortController();
    const next = model.run({ x }, { signal: again.signal });
    await isRunning(model);
    again.abort();
    await rejection(next);
  });

  it('a waiting run is never started, and others keep their turn', async () => {
    const model = await loader.load(models.slow(), { inFlight: 1 });
    const controller = new AbortController();
    const request = model.createRequest();
    const first = model.run({ x });
    const reason = { why: 'not needed' };
    const waiting = [model.run({ x }, { signal: controller.signal }), request.run({ signal: controller.signal })].map(
      rejection,
    );
    const last = model.run({ x: Float32Array.of(5) });
    controller.abort(reason);
    const errors = await Promise.all(waiting);
    expect(errors[0]).toBe(reason);
    expect(errors[1]).toBe(reason);
    expect(request.busy).toBe(false);
    await first;
    expect(Math.round(numbers((await last)['y']!.data)[0]!)).toBe(6);
    expect(model.statistics()).toMatchObject({ submitted: 4, completed: 2, aborted: 2, compute: { count: 2 } });
  });

  it('one signal ends many runs, and only those that have it', async () => {
    const model = await loader.load(models.slow(), { inFlight: 2 });
    const controller = new AbortController();
    const requests = Array.from({ length: 6 }, () => model.createRequest());
    const runs = requests.map((request, i) => {
      f32Of(request.inputs, 'x').set([i]);
      return i % 2 === 0 ? request.run() : rejection(request.run({ signal: controller.signal }));
    });
    await isRunning(model, 2);
    controller.abort('stop');
    expect((await Promise.all(runs)).filter((value) => value === 'stop')).toHaveLength(3);
    await Promise.all(requests.map(isFree));
    requests.forEach((request, i) => {
      if (i % 2 === 0) expect(Math.round(numbers(dataOf(request.outputs, 'y'))[0]!)).toBe(i + 1);
    });
    expect(model.statistics()).toMatchObject({ completed: 3, aborted: 3 });
  });

  it('an abort after the end changes nothing, and leaves no listener', async () => {
    const model = await loader.load(models.add(1, [1]));
    const controller = new AbortController();
    const { signal } = controller;
    const request = model.createRequest();
    for (let i = 0; i < 20; i++) {
      await request.run({ signal });
      await model.run({ x }, { signal });
    }
    await rejection(model.run({ x: new Float32Array(2) }, { signal }));
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    controller.abort();
    await request.run();
    expect(model.statistics()).toMatchObject({ aborted: 0, completed: 41 });
  });

  it.each(['x', 5, {}, null])('a signal that is none is refused: %p', async (signal) => {
    const model = await loader.load(models.add(1, [1]));
    const options = { signal: signal as unknown as AbortSignal };
    expect(codeOf(await rejection(model.run({ x }, options)))).toBe('ERR_INVALID_ARGUMENT');
    expect(codeOf(await rejection(model.createRequest().run(options)))).toBe('ERR_INVALID_ARGUMENT');
  });
}
