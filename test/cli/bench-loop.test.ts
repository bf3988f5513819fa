// The benchmark's loops with requests that take a known time, by a clock that only they move.
import { closedLoop, fixedArrivals } from '../../lib/cli/bench-loop.js';
import type { InferenceRequest } from '../../lib/index.js';
import { VirtualClock } from '../support/virtual-clock.js';

const clock = new VirtualClock();
const never = (): boolean => false;
const hang = { run: () => new Promise(() => undefined) } as unknown as InferenceRequest;

interface Fake {
  readonly request: InferenceRequest;
  runs: number;
  readonly overlapped: () => boolean;
}

/** A request that takes `milliseconds` and fails at run `failAt`. */
function fake(milliseconds: number, failAt = Infinity): Fake {
  let running = false;
  let overlapped = false;
  const state = {
    runs: 0,
    overlapped: () => overlapped,
    request: {
      async run() {
        overlapped ||= running;
        running = true;
        state.runs++;
        const failing = state.runs >= failAt;
        await clock.sleep(milliseconds);
        running = false;
        if (failing) throw new Error('failed as told');
      },
      runSync() {
        state.runs++;
        clock.block(milliseconds);
      },
    } as unknown as InferenceRequest,
  };
  return state;
}

/** The least and the most of the latencies lie between these, in milliseconds. */
function expectBetween(latencies: readonly number[], least: number, most: number): void {
  expect(Math.min(...latencies)).toBeGreaterThanOrEqual(least);
  expect(Math.max(...latencies)).toBeLessThanOrEqual(most);
}

describe('closedLoop', () => {
  test('a number of runs, over all requests', async () => {
    const fakes = [fake(5), fake(5), fake(5)];
    const latencies: number[] = [];
    const loop = closedLoop(
      fakes.map((one) => one.request),
      { runs: 20, stopped: never },
      false,
      (latency) => latencies.push(latency),
    );
    await clock.run(loop);
    expect(latencies).toHaveLength(20);
    expect(fakes.map((one) => one.runs)).toEqual([7, 7, 6]);
    expect(fakes.some((one) => one.overlapped())).toBe(false);
    expectBetween(latencies, 5, 5.1);
  });

  test('no runs', async () => {
    const one = fake(1);
    await clock.run(closedLoop([one.request], { runs: 0, stopped: never }, false, () => undefined));
    expect(one.runs).toBe(0);
  });

  test('a time, synchronous, and the event loop gets its turns', async () => {
    const one = fake(1);
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    const latencies: number[] = [];
    const span = { milliseconds: 300, stopped: never };
    await clock.run(closedLoop([one.request], span, true, (latency) => latencies.push(latency)));
    clearInterval(timer);
    expectBetween([clock.now], 300, 303);
    expectBetween([one.runs], 290, 300);
    expectBetween(latencies, 1, 1.1);
    expect(turns).toBeGreaterThanOrEqual(5); // one each 50 ms
  });

  test('requests that end at once do not starve the event loop', async () => {
    const request = { run: () => Promise.resolve() } as unknown as InferenceRequest;
    let interrupted = false;
    setTimeout(() => (interrupted = true), 50);
    const span = { milliseconds: 20_000, stopped: () => interrupted };
    await clock.run(closedLoop([request], span, false, () => undefined));
    expectBetween([clock.now], 50, 60);
  });

  test('the first failure ends it, for all requests', async () => {
    const fakes = [fake(1), fake(1, 5)];
    const loop = closedLoop(
      fakes.map((one) => one.request),
      { milliseconds: 20_000, stopped: never },
      false,
      () => undefined,
    );
    await expect(clock.run(loop)).rejects.toThrow('failed as told');
    await clock.run(clock.sleep(100));
    expect(fakes[0]?.runs).toBeLessThanOrEqual(6);
    expect(fakes[1]?.runs).toBe(5);
  });

  test('once interrupted, a run that never ends is left behind after two seconds', async () => {
    let stop = false;
    setTimeout(() => (stop = true), 20);
    const span = { milliseconds: 60_000, stopped: () => stop };
    await clock.run(closedLoop([hang], span, false, () => undefined));
    expectBetween([clock.now], 2000, 2400);
  });

  test('not interrupted, it is an error after a minute, with what to do', async () => {
    const loop = closedLoop([hang], { milliseconds: 10, stopped: never }, false, () => undefined);
    await expect(clock.run(loop)).rejects.toMatchObject({
      code: 'ERR_TIMEOUT',
      remedy: expect.stringMatching(/hangs/) as string,
    });
    expectBetween([clock.now], 60_000, 60_400);
  });
});

describe('fixedArrivals', () => {
  test('a fast device: every frame, none late, in the time that they take', async () => {
    const latencies: number[] = [];
    const span = { milliseconds: 400, stopped: never };
    const loop = fixedArrivals([fake(1).request], 50, span, (latency) => latencies.push(latency));
    expect(await clock.run(loop)).toEqual({ frames: 20, late: 0, dropped: 0 });
    expect(latencies).toHaveLength(20);
    expectBetween(latencies, 1, 1.2);
    expectBetween([clock.now], 380, 385);
  });

  test('a slow device: the newest frame waits, older ones are dropped, latency counts from the arrival', async () => {
    // 100 ms a run, a frame each 20 ms: one of five is done, and has waited up to 20 ms before.
    const one = fake(100);
    const latencies: number[] = [];
    const span = { milliseconds: 1000, stopped: never };
    const arrivals = await clock.run(fixedArrivals([one.request], 50, span, (latency) => latencies.push(latency)));
    expect(arrivals.frames).toBe(50);
    expect(latencies.length + arrivals.dropped).toBe(50);
    expect(one.overlapped()).toBe(false);
    expectBetween([latencies.length], 10, 11);
    expect(arrivals.late).toBe(latencies.length);
    // A queue would let latency grow with every frame: here none waits longer than for one run and one frame.
    expectBetween(latencies, 100, 121);
  });

  test('several requests take the frames between them', async () => {
    const fakes = [fake(60), fake(60), fake(60), fake(60)];
    const ended: number[] = [];
    const loop = fixedArrivals(
      fakes.map((one) => one.request),
      50,
      { milliseconds: 500, stopped: never },
      () => ended.push(1),
    );
    expect(await clock.run(loop)).toEqual({ frames: 25, late: 25, dropped: 0 });
    expect(ended).toHaveLength(25);
    expect(fakes.some((one) => one.overlapped())).toBe(false);
    expect(fakes.filter((one) => one.runs > 0).length).toBeGreaterThanOrEqual(3);
  });

  test('frames that pile up behind a blocked event loop are dropped, not queued', async () => {
    const request = { run: () => Promise.resolve(clock.block(50)) } as unknown as InferenceRequest;
    const latencies: number[] = [];
    const span = { milliseconds: 500, stopped: never };
    const arrivals = await clock.run(fixedArrivals([request], 100, span, (latency) => latencies.push(latency)));
    expect(arrivals.frames).toBe(50);
    expect(latencies.length + arrivals.dropped).toBe(50);
    expectBetween([arrivals.dropped], 37, 41);
    expectBetween(latencies, 50, 111); // its own run, and the one before at most
  });

  test('a failure ends it', async () => {
    const loop = fixedArrivals([fake(1, 3).request], 100, { milliseconds: 20_000, stopped: never }, () => undefined);
    await expect(clock.run(loop)).rejects.toThrow('failed as told');
    expectBetween([clock.now], 20, 200);
  });

  test('an interrupt is heard between rare frames', async () => {
    let stop = false;
    setTimeout(() => (stop = true), 100);
    const span = { milliseconds: 1e6, stopped: () => stop };
    await clock.run(fixedArrivals([fake(1).request], 0.01, span, () => undefined));
    expectBetween([clock.now], 100, 400);
  });
});
