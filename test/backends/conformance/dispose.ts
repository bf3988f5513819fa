/** Conformance: disposal of models and requests, idle and in flight, and use after it. */
import { numbers } from '../../support/values.js';
import { native } from '../../../lib/native.js';
import type { Model } from '../../../lib/index.js';
import { collect, rejection, thrown, until } from '../../support/wait.js';
import { codeOf, dataOf, f32Of, isRunning, Loader, type ConformanceBackend } from './harness.js';

export function dispose(backend: ConformanceBackend): void {
  const { models } = backend;
  const loader = new Loader(backend);
  const x = Float32Array.of(1);

  it('waits for what runs, and ends what waits with ERR_DISPOSED', async () => {
    const model = await loader.load(models.slow(), { inFlight: 1 });
    const request = model.createRequest();
    const running = model.run({ x });
    await isRunning(model);
    const waiting = [model.run({ x }), request.run()].map(rejection);
    let ended = false;
    void running.then(() => (ended = true));
    await model.dispose();
    expect(ended).toBe(true);
    expect(Math.round(numbers((await running)['y']!.data)[0]!)).toBe(2);
    for (const error of await Promise.all(waiting)) {
      expect(error).toMatchObject({
        code: 'ERR_DISPOSED',
        message: 'The model was disposed before the run could start.',
      });
    }
    expect(model.statistics()).toMatchObject({ submitted: 3, completed: 1, running: 0, queueDepth: 0 });
  });

  it('waits for a request’s run; its views are detached at once', async () => {
    const model = await loader.load(models.slow());
    const request = model.createRequest();
    const views = [f32Of(request.inputs, 'x'), f32Of(request.outputs, 'y')];
    let ended = false;
    const run = request.run().then(() => (ended = true));
    await isRunning(model);
    const disposed = model.dispose();
    expect(views.map((view) => view.length)).toEqual([0, 0]);
    await disposed;
    await run;
    expect(ended).toBe(true);
  });

  it('twice, and at once: the same end for all', async () => {
    const model = await loader.load(models.slow());
    const run = model.run({ x });
    await isRunning(model);
    await Promise.all([model.dispose(), model.dispose(), model.dispose({ timeoutMs: 60_000 })]);
    await run;
    await model.dispose();
    await model.dispose({ timeoutMs: 0 });
  });

  it('after it, the model refuses with ERR_DISPOSED, and still has its facts', async () => {
    const model = await loader.load(models.add(1, [1]));
    const request = model.createRequest();
    await model.run({ x });
    await model.dispose();
    for (const error of [
      await rejection(model.run({ x })),
      thrown(() => model.createRequest()),
      thrown(() => model.stream([{ x }])),
    ]) {
      expect(error).toMatchObject({
        code: 'ERR_DISPOSED',
        message: 'The model is disposed.',
        remedy: 'Load it again.',
      });
    }
    for (const error of [
      await rejection(request.run()),
      thrown(() => request.runSync()),
      thrown(() => request.reshape({ x: [1] })),
    ]) {
      expect(codeOf(error)).toBe('ERR_DISPOSED');
    }
    expect(request.busy).toBe(false);
    request.dispose();
    expect(model.info.device).toBe(backend.device);
    expect(model.inputs).toHaveLength(1);
    expect(model.statistics()).toMatchObject({ completed: 1 });
  });

  it('a disposed request refuses with ERR_DISPOSED; the model and other requests go on', async () => {
    const model = await loader.load(models.add(1, [1]));
    const request = model.createRequest();
    const other = model.createRequest();
    const views = [f32Of(request.inputs, 'x'), f32Of(request.outputs, 'y')];
    request.dispose();
    request.dispose();
    expect(views.map((view) => view.length)).toEqual([0, 0]);
    for (const error of [
      await rejection(request.run()),
      thrown(() => request.runSync()),
      thrown(() => request.reshape({ x: [1] })),
    ]) {
      expect(error).toMatchObject({ code: 'ERR_DISPOSED', message: 'The request is disposed.' });
    }
    f32Of(other.inputs, 'x').set([5]);
    await other.run();
    expect(numbers(dataOf(other.outputs, 'y'))).toEqual([6]);
  });

  it('a request disposed during its run: the run ends, the memory stays until then', async () => {
    const model = await loader.load(models.slow());
    const request = model.createRequest();
    const view = f32Of(request.inputs, 'x');
    const run = request.run();
    await isRunning(model);
    request.dispose();
    expect(view.length).toBe(0);
    expect(codeOf(await rejection(request.run()))).toBe('ERR_DISPOSED');
    await run;
    expect(model.statistics()).toMatchObject({ completed: 1, failed: 0 });
    expect(Math.round(numbers((await model.run({ x }))['y']!.data)[0]!)).toBe(2);
  });

  it('a request disposed while it waits', async () => {
    const model = await loader.load(models.slow(), { inFlight: 1 });
    const request = model.createRequest();
    const first = model.run({ x });
    await isRunning(model);
    const run = request.run();
    request.dispose();
    await first;
    await run; // it was submitted: it runs
    expect(model.statistics()).toMatchObject({ completed: 2 });
  });

  it('disposed after an abort, before the device has let go', async () => {
    const model = await loader.load(models.long());
    const controller = new AbortController();
    const request = model.createRequest();
    const run = rejection(request.run({ signal: controller.signal }));
    await isRunning(model);
    controller.abort('stop');
    request.dispose();
    await model.dispose();
    expect(await run).toBe('stop');
    expect(model.statistics().running).toBe(0);
  });

  it('`using` and `await using` dispose', async () => {
    let kept: Model;
    let view: Float32Array;
    {
      await using model = await loader.load(models.add(1, [1]));
      using request = model.createRequest();
      view = f32Of(request.inputs, 'x');
      await request.run();
      kept = model;
    }
    expect(view.length).toBe(0);
    expect(codeOf(await rejection(kept.run({ x })))).toBe('ERR_DISPOSED');
  });

  it('with `timeoutMs`, what has not ended is given up: its callers get ERR_DISPOSED', async () => {
    const before = native().process();
    const abandon = async (): Promise<void> => {
      const model = await loader.loadUntracked(models.long(), { inFlight: 2 });
      const request = model.createRequest();
      const runs = [model.run({ x }), request.run()].map(rejection);
      await isRunning(model, 2);
      await Promise.all([model.dispose(), model.dispose({ timeoutMs: 10 })]);
      for (const error of await Promise.all(runs)) {
        expect(error).toMatchObject({
          code: 'ERR_DISPOSED',
          message: 'The model was disposed before the run had ended.',
        });
      }
      expect(codeOf(await rejection(model.run({ x })))).toBe('ERR_DISPOSED');
      await model.dispose();
      await isRunning(model, 0); // the device was told to cancel
      expect(model.statistics()).toMatchObject({ completed: 0, compute: { count: 0 } });
    };
    await abandon();
    await until(() => {
      collect();
      const now = native().process();
      return now.models <= before.models && now.abandoned <= before.abandoned;
    }, 'the model to go');
  });

  it('with `timeoutMs` that suffices, nothing is abandoned', async () => {
    const { abandoned } = native().process();
    const model = await loader.load(models.slow());
    const run = model.run({ x });
    await isRunning(model);
    await model.dispose({ timeoutMs: 50_000 });
    expect(model.statistics().running).toBe(0);
    expect(native().process().abandoned).toBeLessThanOrEqual(abandoned); // earlier tests' may go meanwhile
    await run;
  });

  it.each([-1, NaN, '5', null])('refuses timeoutMs %p, and the model stays', async (timeoutMs) => {
    const model = await loader.load(models.add(1, [1]));
    expect(codeOf(await rejection(model.dispose({ timeoutMs: timeoutMs as number })))).toBe('ERR_INVALID_ARGUMENT');
    expect(numbers((await model.run({ x }))['y']!.data)).toEqual([2]);
  });

  it('gives everything back: models, requests, lanes, bytes', async () => {
    const before = native().process();
    const use = async (disposeRequest: boolean): Promise<void> => {
      const model = await loader.loadUntracked(models.add(1, [1024]), { inFlight: 2 });
      const request = model.createRequest();
      await Promise.all([request.run(), model.run({ x: new Float32Array(1024) })]);
      if (disposeRequest) request.dispose();
      await model.dispose();
    };
    for (let i = 0; i < 6; i++) await use(i % 2 === 0);
    const names = ['models', 'requests', 'lanes', 'bytesHeld'] as const;
    await until(() => {
      collect(); // the models' own objects are JavaScript's
      return names.every((name) => native().process()[name] <= before[name]);
    }, 'the counts to go back');
  });
}
