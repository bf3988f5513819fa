/** Streams on the echo backend, frame by frame: deadlines, failures, timestamps and where the inputs come from. */
import type { Model } from '../lib/index.js';
import type { StreamOptions } from '../lib/types.js';
import { echoPlusOne, loadEcho } from './support/echo.js';
import { all, frame, frames, indices, type Frame } from './support/frames.js';
import { numbers } from './support/values.js';
import { rejection } from './support/wait.js';

let model: Model;
afterEach(() => model.dispose({ timeoutMs: 20_000 }));

describe('frames', () => {
  it('that are late are dropped with the reason `deadline`', async () => {
    model = await loadEcho(echoPlusOne('delay_ms 20000'), { inFlight: 1 });
    const { results, drops } = await all(model, frames(3), { deadlineMs: 30 });
    expect(results).toEqual([]);
    expect(indices(drops).sort()).toEqual([0, 1, 2]); // those that wait may be dropped before the one that runs
    expect(drops.every(({ reason }) => reason === 'deadline')).toBe(true);
    expect(model.statistics()).toMatchObject({ dropped: 3, completed: 0 });
  });

  it('with time enough are not', async () => {
    model = await loadEcho(echoPlusOne('delay_ms 5'));
    const { results, drops } = await all(model, frames(5), { deadlineMs: 60_000 });
    expect(indices(results)).toEqual([0, 1, 2, 3, 4]);
    expect(drops).toEqual([]);
  });

  it('that fail end the stream, unless onError takes them', async () => {
    model = await loadEcho(echoPlusOne('fail_at 2 ERR_BACKEND'), { inFlight: 1 });
    const seen: number[] = [];
    const consume = async (): Promise<void> => {
      for await (const { index } of model.stream(frames(4))) seen.push(index);
    };
    expect(await rejection(consume())).toMatchObject({ code: 'ERR_BACKEND' });
    expect(seen).toEqual([0]);
  });

  it('that fail are skipped with onError, and reported as dropped', async () => {
    model = await loadEcho(echoPlusOne('fail_at 2 ERR_BACKEND'), { inFlight: 1 });
    const errors: [string, number, number][] = [];
    const { results, drops } = await all(model, frames(4), {
      timestamp: ({ x }) => 100 + x[0]!,
      onError: (error, { index, timestamp }) =>
        errors.push([(error as { code?: string }).code ?? '', index, timestamp]),
    });
    expect(indices(results)).toEqual([0, 2, 3]);
    expect(results.map(({ dropped }) => dropped)).toEqual([0, 1, 0]);
    expect(errors).toEqual([['ERR_BACKEND', 1, 101]]);
    expect(drops).toMatchObject([{ index: 1, timestamp: 101, reason: 'error', error: { code: 'ERR_BACKEND' } }]);
    expect(model.statistics()).toMatchObject({ dropped: 1, failed: 1 });
  });

  it('that are wrong inputs fail alone', async () => {
    model = await loadEcho(echoPlusOne());
    const wrong = { x: new Float32Array(2) };
    const errors: string[] = [];
    const { results } = await all(model, [frame(0), wrong, frame(2)], {
      onError: (error) => void errors.push((error as { code?: string }).code ?? ''),
    });
    expect(indices(results)).toEqual([0, 2]);
    expect(errors).toEqual(['ERR_INVALID_TENSOR']);
  });

  it('have a timestamp: of their arrival, or the source’s own', async () => {
    model = await loadEcho(echoPlusOne());
    const before = performance.now();
    const arrived = (await all(model, frames(5))).results.map(({ timestamp }) => timestamp);
    expect(arrived[0]).toBeGreaterThanOrEqual(before);
    expect(arrived[4]).toBeLessThanOrEqual(performance.now());
    expect([...arrived].sort((a, b) => a - b)).toEqual(arrived);
    const own = (await all(model, frames(3), { timestamp: ({ x }) => 1000 * x[0]! })).results;
    expect(own.map(({ timestamp }) => timestamp)).toEqual([0, 1000, 2000]);
  });

  it('may be anything that `inputs` takes the inputs out of', async () => {
    model = await loadEcho(echoPlusOne());
    const cameras = [{ pixels: Float32Array.of(4) }, { pixels: Float32Array.of(5) }];
    const seen: [unknown, number][] = [];
    for await (const { frame: own, outputs } of model.stream(cameras, { inputs: ({ pixels }) => ({ x: pixels }) })) {
      seen.push([own, numbers(outputs['y']!.data)[0]!]);
    }
    expect(seen).toEqual([
      [cameras[0], 5],
      [cameras[1], 6],
    ]);
    expect(seen[0]![0]).toBe(cameras[0]);
  });

  it('`inputs` that throws is that frame’s error', async () => {
    model = await loadEcho(echoPlusOne());
    const failure = new Error('no pixels');
    const inputs = (one: Frame): Frame => {
      if (one.x[0] === 1) throw failure;
      return one;
    };
    const errors: Error[] = [];
    const { results } = await all(model, frames(3), {
      inputs: inputs as unknown as StreamOptions<Frame>['inputs'] & object,
      onError: (error) => void errors.push(error),
    });
    expect(indices(results)).toEqual([0, 2]);
    expect(errors).toEqual([failure]);
  });
});
