/** Conformance: timings of runs and the model's statistics are consistent with each other. */
import { timingsOf } from '../../../lib/index.js';
import type { Histogram, Timings } from '../../../lib/types.js';
import { thrown } from '../../support/wait.js';
import { codeOf, Loader, type ConformanceBackend } from './harness.js';

/** What must hold on any machine, however slow it is. */
function expectSound({ queued, compute, callback, total }: Timings): void {
  for (const part of [queued, compute, callback]) {
    expect(Number.isFinite(part)).toBe(true);
    expect(part).toBeGreaterThanOrEqual(0);
    expect(total).toBeGreaterThanOrEqual(part);
  }
  expect(queued + compute + callback).toBeCloseTo(total, 3);
}

function expectOrdered({ count, min, mean, max, p50, p90, p95, p99, p999 }: Histogram, runs: number): void {
  expect(count).toBe(runs);
  const inOrder = [p50, p90, p95, p99, p999];
  expect([...inOrder].sort((a, b) => a - b)).toEqual(inOrder);
  expect(min).toBeGreaterThanOrEqual(0);
  expect(mean).toBeGreaterThanOrEqual(min);
  expect(max).toBeGreaterThanOrEqual(mean);
}

export function timings(backend: ConformanceBackend): void {
  const { models } = backend;
  const loader = new Loader(backend);
  const x = Float32Array.of(1);

  it('of run(), by its result', async () => {
    const model = await loader.load(models.slow());
    const outputs = await model.run({ x });
    const times = timingsOf(outputs);
    expectSound(times);
    expect(times.compute).toBeGreaterThan(0);
    expect(codeOf(thrown(() => timingsOf({ ...outputs })))).toBe('ERR_INVALID_ARGUMENT');
  });

  it('of a request, after run() and runSync()', async () => {
    const model = await loader.load(models.add(1, [1]));
    const request = model.createRequest();
    expect(request.timings).toEqual({ queued: 0, compute: 0, callback: 0, total: 0 });
    await request.run();
    expectSound(request.timings);
    expect(request.timings.compute).toBeGreaterThan(0);
    request.runSync();
    expectSound(request.timings);
    expect(request.timings).toMatchObject({ queued: 0, callback: 0 });
    expect(request.timings.total).toBe(request.timings.compute);
  });

  it('of a stream’s results', async () => {
    const model = await loader.load(models.add(1, [1]));
    for await (const result of model.stream([{ x }, { x }])) expectSound(result.timings);
  });

  it('a run that waits for another one has waited for as long as that computed, or longer', async () => {
    const model = await loader.load(models.slow(), { inFlight: 1 });
    // The first may begin before the next is submitted; the second begins long after the third was.
    const [, second, third] = await Promise.all([model.run({ x }), model.run({ x }), model.run({ x })]);
    expect(timingsOf(third!).queued).toBeGreaterThan(timingsOf(second!).compute);
  });

  it('statistics count each run once, with one measurement a stage', async () => {
    const model = await loader.load(models.add(1, [1]), { advanced: { dispatch: 'lane' } });
    expect(model.statistics()).toMatchObject({ submitted: 0, completed: 0, total: { count: 0 } });
    const request = model.createRequest();
    for (let i = 0; i < 10; i++) {
      await request.run();
      await model.run({ x });
    }
    const statistics = model.statistics();
    expect(statistics).toMatchObject({
      submitted: 20,
      completed: 20,
      failed: 0,
      aborted: 0,
      timedOut: 0,
      refused: 0,
      dropped: 0,
      inlineRuns: 0,
      queueDepth: 0,
      running: 0,
    });
    for (const stage of ['queued', 'compute', 'callback', 'total'] as const) expectOrdered(statistics[stage], 20);
    expect(statistics.total.mean).toBeGreaterThanOrEqual(statistics.compute.mean);
  });
}
