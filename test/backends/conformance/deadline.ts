/** Conformance: deadlines that pass in the queue, during the run, and never. */
import { numbers } from '../../support/values.js';
import { rejection } from '../../support/wait.js';
import { codeOf, dataOf, f32Of, isFree, isRunning, Loader, type ConformanceBackend } from './harness.js';

export function deadline(backend: ConformanceBackend): void {
  const { models } = backend;
  const loader = new Loader(backend);
  const x = Float32Array.of(1);

  it('a run that expires in the queue never starts', async () => {
    const model = await loader.load(models.slow(), { inFlight: 1 });
    const request = model.createRequest(); // may have to wait for the device
    const first = model.run({ x });
    await isRunning(model);
    const expired = await Promise.all(
      [model.run({ x }, { deadlineMs: 1 }), request.run({ deadlineMs: 1 })].map(rejection),
    );
    for (const error of expired) {
      expect(error).toMatchObject({
        code: 'ERR_TIMEOUT',
        message: 'The deadline passed before the run could start; it was not started.',
      });
      expect((error as { remedy: string }).remedy).not.toBe('');
    }
    expect(request.busy).toBe(false);
    await first;
    await model.run({ x });
    expect(model.statistics()).toMatchObject({
      submitted: 4,
      completed: 2,
      timedOut: 2,
      failed: 0,
      queueDepth: 0,
      compute: { count: 2 }, // two runs have been in the device, not four
    });
  });

  it('a deadline of 0 is over before the run can start', async () => {
    const model = await loader.load(models.add(1, [1]));
    const request = model.createRequest();
    expect(codeOf(await rejection(model.run({ x }, { deadlineMs: 0 })))).toBe('ERR_TIMEOUT');
    expect(codeOf(await rejection(request.run({ deadlineMs: 0 })))).toBe('ERR_TIMEOUT');
    await isFree(request);
    await request.run();
    expect(model.statistics()).toMatchObject({ timedOut: 2, completed: 1, compute: { count: 1 } });
  });

  it('a deadline that passes during the run ends the wait; the request is free when the device has let go', async () => {
    const model = await loader.load(models.long());
    const request = model.createRequest();
    // On a busy machine it may pass before the run has begun: then again, with more time.
    let error: unknown;
    let runs = 0;
    do {
      error = await rejection(request.run({ deadlineMs: 200 * 2 ** runs++ }));
      await isFree(request);
    } while (/before the run could start/.test(String(error)) && runs < 6);
    expect(error).toMatchObject({
      code: 'ERR_TIMEOUT',
      message: 'The deadline passed while the run was in progress.',
    });
    expect(model.statistics()).toMatchObject({ timedOut: runs, completed: 0, aborted: 0, compute: { count: 0 } });
    expect(codeOf(await rejection(model.run({ x }, { deadlineMs: 400 })))).toBe('ERR_TIMEOUT');
  });

  it('a request is usable after its deadline passed during the run', async () => {
    const model = await loader.load(models.slow());
    const request = model.createRequest();
    expect(codeOf(await rejection(request.run({ deadlineMs: 20 })))).toBe('ERR_TIMEOUT');
    await isFree(request);
    f32Of(request.inputs, 'x').set([4]);
    await request.run({ deadlineMs: 100_000 });
    expect(Math.round(numbers(dataOf(request.outputs, 'y'))[0]!)).toBe(5);
  });

  it('a far deadline, with a signal or without, changes nothing', async () => {
    const model = await loader.load(models.add(1, [1]));
    const request = model.createRequest();
    const { signal } = new AbortController();
    for (const deadlineMs of [60_000, 2 ** 31, 1e15, Infinity]) {
      await request.run({ deadlineMs });
      await request.run({ deadlineMs, signal });
      const { y } = await model.run({ x }, { deadlineMs, signal });
      expect(numbers(y!.data)).toEqual([2]);
    }
    expect(model.statistics()).toMatchObject({ completed: 12, timedOut: 0 });
  });

  it('the reason of an abort wins when it comes before the deadline', async () => {
    const model = await loader.load(models.long());
    const controller = new AbortController();
    const run = rejection(model.run({ x }, { signal: controller.signal, deadlineMs: 60_000 }));
    await isRunning(model);
    controller.abort('first');
    expect(await run).toBe('first');
    expect(model.statistics()).toMatchObject({ aborted: 1, timedOut: 0 });
  });

  it.each([NaN, -1, '5', null, {}])('a deadline that is none is refused: %p', async (deadlineMs) => {
    const model = await loader.load(models.add(1, [1]));
    const options = { deadlineMs: deadlineMs as number };
    for (const error of [
      await rejection(model.run({ x }, options)),
      await rejection(model.createRequest().run(options)),
    ]) {
      expect(error).toMatchObject({
        code: 'ERR_INVALID_ARGUMENT',
        message: expect.stringMatching(
          /^Expected `deadlineMs` to be a number of milliseconds that is not negative, got/,
        ),
      });
    }
  });
}
