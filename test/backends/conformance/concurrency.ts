/** Conformance: many runs at once, their order, the bounded queue and requests that are busy. */
import { numbers } from '../../support/values.js';
import { rejection, thrown } from '../../support/wait.js';
import { codeOf, copiedBySdk, dataOf, f32Of, isFree, isRunning, Loader, type ConformanceBackend } from './harness.js';

export function concurrency(backend: ConformanceBackend): void {
  const { models } = backend;
  const loader = new Loader(backend);

  it('runs in flight never mix up their results', async () => {
    const model = await loader.load(models.add(0.5, [16]), { inFlight: 4, queueLimit: 1000 });
    const results = await Promise.all(
      Array.from({ length: 300 }, (_, i) => model.run({ x: new Float32Array(16).fill(i) })),
    );
    results.forEach(({ y }, i) => expect(numbers(y!.data)).toEqual(Array(16).fill(i + 0.5)));
    expect(model.statistics()).toMatchObject({ submitted: 300, completed: 300, failed: 0, running: 0, queueDepth: 0 });
  });

  it('runs of different shapes in flight never mix up', async () => {
    const model = await loader.load(models.add(0.5, [-1]), { inFlight: 3, queueLimit: 1000 });
    const results = await Promise.all(
      Array.from({ length: 100 }, (_, i) => model.run({ x: new Float32Array(1 + (i % 7)).fill(i) })),
    );
    results.forEach(({ y }, i) => expect(numbers(y!.data)).toEqual(Array(1 + (i % 7)).fill(i + 0.5)));
  });

  it('requests in flight never mix up', async () => {
    const model = await loader.load(models.add(0.5, [16]), { inFlight: 3 });
    await Promise.all(
      Array.from({ length: 12 }, async (_, i) => {
        const request = model.createRequest();
        for (let round = 0; round < 25; round++) {
          f32Of(request.inputs, 'x').fill(100 * i + round);
          await request.run();
          expect(numbers(dataOf(request.outputs, 'y'))).toEqual(Array(16).fill(100 * i + round + 0.5));
        }
      }),
    );
    expect(model.statistics()).toMatchObject({
      completed: 300,
      bytesCopied: copiedBySdk(backend, 300 * 2 * 16 * 4),
    });
  });

  it('several models at once', async () => {
    const all = await Promise.all([1, 2, 3, 4].map((number) => loader.load(models.add(number, [1]))));
    const results = await Promise.all(Array.from({ length: 80 }, (_, i) => all[i % 4]!.run({ x: Float32Array.of(i) })));
    results.forEach(({ y }, i) => expect(numbers(y!.data)).toEqual([i + 1 + (i % 4)]));
  });

  it('a stream gives results in the frames’ order', async () => {
    const model = await loader.load(models.add(0.5, [4]), { inFlight: 4 });
    const frames = Array.from({ length: 60 }, (_, i) => ({ x: new Float32Array(4).fill(i) }));
    const seen: number[] = [];
    for await (const { index, frame, outputs, dropped } of model.stream(frames)) {
      expect(frame).toBe(frames[index]);
      expect(dropped).toBe(0);
      seen.push(numbers(outputs['y']!.data)[0]!);
    }
    expect(seen).toEqual(frames.map((_, i) => i + 0.5));
  });

  it('a full queue refuses with ERR_QUEUE_FULL, and goes on with what it took', async () => {
    const model = await loader.load(models.slow(), { inFlight: 1, queueLimit: 2 });
    const request = model.createRequest();
    const runs = [1, 2, 3].map((i) => model.run({ x: Float32Array.of(i) }));
    const refused = await rejection(model.run({ x: Float32Array.of(4) }));
    expect(codeOf(refused)).toBe('ERR_QUEUE_FULL');
    expect((refused as { remedy: string }).remedy).not.toBe('');
    expect(codeOf(await rejection(request.run()))).toBe('ERR_QUEUE_FULL');
    expect(request.busy).toBe(false);
    const results = await Promise.all(runs);
    expect(results.map(({ y }) => Math.round(numbers(y!.data)[0]!))).toEqual([2, 3, 4]);
    expect(model.statistics()).toMatchObject({ refused: 2, completed: 3, queueDepth: 0, queueDepthMax: 2 });
    await request.run(); // there is room again
  });

  it('queueLimit 0 takes what can run at once and no more', async () => {
    const model = await loader.load(models.slow(), { inFlight: 1, queueLimit: 0 });
    const first = model.run({ x: Float32Array.of(1) });
    expect(codeOf(await rejection(model.run({ x: Float32Array.of(2) })))).toBe('ERR_QUEUE_FULL');
    await first;
  });

  it('a request that runs is busy: ERR_BUSY until it has ended', async () => {
    const model = await loader.load(models.slow(), { inFlight: 2 });
    const request = model.createRequest();
    expect(request.busy).toBe(false);
    f32Of(request.inputs, 'x').set([1]);
    const run = request.run();
    expect(request.busy).toBe(true);
    const refused = await rejection(request.run());
    expect(codeOf(refused)).toBe('ERR_BUSY');
    expect(refused).toMatchObject({ message: 'This request is already running.' });
    expect(codeOf(await rejection(request.run({ deadlineMs: 10_000 })))).toBe('ERR_BUSY');
    await isRunning(model);
    expect(codeOf(thrown(() => request.runSync()))).toBe('ERR_BUSY');
    expect(codeOf(thrown(() => request.reshape({ x: [1] })))).toBe('ERR_BUSY');
    await run;
    await isFree(request);
    expect(Math.round(numbers(dataOf(request.outputs, 'y'))[0]!)).toBe(2);
    await request.run();
    expect(model.statistics()).toMatchObject({ completed: 2, refused: 0 });
  });

  it('a failed start leaves the request usable: a busy one, a full queue', async () => {
    const model = await loader.load(models.slow(), { inFlight: 1, queueLimit: 0 });
    const one = model.createRequest();
    const other = model.createRequest();
    const run = one.run();
    const { signal } = new AbortController();
    expect(codeOf(await rejection(other.run({ signal })))).toBe('ERR_QUEUE_FULL');
    await run;
    await other.run({ signal });
    await one.run();
  });
}
