/** Streams on the echo backend: which frames are dropped, in which order results come, and how a stream ends. */
import { getEventListeners } from 'node:events';
import { Readable } from 'node:stream';
import type { Model } from '../lib/index.js';
import { runProgram } from './support/child.js';
import { echoPlusOne, loadEcho } from './support/echo.js';
import { all, frame, frames, indices, Source, type Frame } from './support/frames.js';
import { rejection, thrown, turns, until } from './support/wait.js';

let model: Model;
afterEach(() => model.dispose({ timeoutMs: 20_000 }));

describe('overload', () => {
  // All frames are there before the first run has ended.
  const crowd = (inFlight: number): Promise<Model> => loadEcho(echoPlusOne('delay_ms 250'), { inFlight });

  it.each([
    [1, 1, [0, 9], [1, 2, 3, 4, 5, 6, 7, 8]],
    [1, 2, [0, 8, 9], [1, 2, 3, 4, 5, 6, 7]],
    [2, 1, [0, 1, 9], [2, 3, 4, 5, 6, 7, 8]],
    [2, 4, [0, 1, 6, 7, 8, 9], [2, 3, 4, 5]],
    [4, 6, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], []],
  ])('drop-oldest, %i in flight, capacity %i', async (inFlight, capacity, kept, dropped) => {
    model = await crowd(inFlight);
    const { results, drops } = await all(model, frames(10), { overload: 'drop-oldest', capacity });
    expect(indices(results)).toEqual(kept);
    expect(indices(drops)).toEqual(dropped);
    expect(drops.every(({ reason, error }) => reason === 'drop-oldest' && error === undefined)).toBe(true);
    expect(results.reduce((sum, result) => sum + result.dropped, 0)).toBe(dropped.length);
    expect(model.statistics()).toMatchObject({
      dropped: dropped.length,
      submitted: kept.length,
      completed: kept.length,
    });
  });

  it.each([
    [1, 1, [0, 1], [2, 3, 4, 5, 6, 7, 8, 9]],
    [1, 2, [0, 1, 2], [3, 4, 5, 6, 7, 8, 9]],
    [2, 1, [0, 1, 2], [3, 4, 5, 6, 7, 8, 9]],
    [2, 4, [0, 1, 2, 3, 4, 5], [6, 7, 8, 9]],
  ])('drop-newest, %i in flight, capacity %i', async (inFlight, capacity, kept, dropped) => {
    model = await crowd(inFlight);
    const { results, drops } = await all(model, frames(10), { overload: 'drop-newest', capacity });
    expect(indices(results)).toEqual(kept);
    expect(indices(drops)).toEqual(dropped);
    expect(drops.every(({ reason }) => reason === 'drop-newest')).toBe(true);
    expect(model.statistics()).toMatchObject({ dropped: dropped.length, submitted: kept.length });
  });

  it.each([undefined, 'wait'] as const)('%s: nothing is dropped', async (overload) => {
    model = await loadEcho(echoPlusOne('delay_ms 2'), { inFlight: 2 });
    const { results, drops } = await all(model, frames(30), overload === undefined ? {} : { overload });
    expect(indices(results)).toEqual(indices(frames(30).map((_, index) => ({ index }))));
    expect(drops).toEqual([]);
    expect(model.statistics()).toMatchObject({ dropped: 0, refused: 0, completed: 30 });
  });

  it('the default capacity is 2', async () => {
    model = await crowd(1);
    expect(indices((await all(model, frames(6), { overload: 'drop-newest' })).results)).toEqual([0, 1, 2]);
  });

  it('`inFlight` of the stream counts, not that of the model', async () => {
    model = await crowd(4);
    const { results } = await all(model, frames(8), { overload: 'drop-newest', capacity: 1, inFlight: 1 });
    expect(indices(results)).toEqual([0, 1]);
  });

  it('each result says how many frames were dropped since the one before', async () => {
    model = await crowd(1);
    const { results } = await all(model, frames(10), { overload: 'drop-oldest', capacity: 1 });
    expect(results.map(({ dropped }) => dropped)).toEqual([8, 0]);
  });
});

describe('a slow consumer', () => {
  it('slows the source: what was asked for is bounded', async () => {
    model = await loadEcho(echoPlusOne(), { inFlight: 2 });
    const source = new Source(true);
    const stream = model.stream(source, { capacity: 3 });
    for (let taken = 1; taken <= 4; taken++) {
      expect((await stream.next()).value).toMatchObject({ index: taken - 1 });
      await until(() => model.statistics().running === 0, 'the runs to end');
      await turns(20);
      expect(source.asked).toBe(taken + 2 + 3); // taken, computed, waiting
    }
    await stream.return();
    expect(source.returned).toBe(1);
  });

  it('of a camera: memory is bounded, the oldest frames go', async () => {
    model = await loadEcho(echoPlusOne(), { inFlight: 1 });
    const source = new Source();
    const stream = model.stream(source, { overload: 'drop-oldest', capacity: 2 });
    const first = stream.next();
    for (let i = 0; i < 50; i++) {
      source.push(i);
      await turns(1);
    }
    expect((await first).value).toMatchObject({ index: 0 });
    await until(() => model.statistics().running === 0, 'the runs to end');
    expect(model.statistics().submitted).toBeLessThanOrEqual(3);
    expect(model.statistics().dropped).toBeGreaterThanOrEqual(50 - 2 - 2);
    await stream.return();
  });

  it('results that are late for the consumer keep their order', async () => {
    model = await loadEcho(echoPlusOne(), { inFlight: 3 });
    const seen: number[] = [];
    for await (const { index } of model.stream(frames(12))) {
      await turns(3);
      seen.push(index);
    }
    expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  });
});

describe('an early end', () => {
  it('by break: the source is closed, runs in flight are cancelled', async () => {
    model = await loadEcho(echoPlusOne('hang_at 2'), { inFlight: 2 });
    const source = new Source();
    source.push(0);
    for await (const { index } of model.stream(source)) {
      expect(index).toBe(0);
      source.push(1); // only now: of two runs that start together either may be the second, which hangs
      await until(() => model.statistics().running === 1, 'the hanging run');
      break;
    }
    expect(source.returned).toBe(1);
    await until(() => model.statistics().running === 0, 'the hanging run to be cancelled');
    const { asked } = source;
    await turns(20);
    expect(source.asked).toBe(asked);
  });

  it('by break while the source has nothing: it does not hold the consumer up', async () => {
    model = await loadEcho(echoPlusOne());
    const source = new Source();
    source.push(0);
    for await (const { index } of model.stream(source)) {
      expect(index).toBe(0);
      break;
    }
    expect(source.returned).toBe(1);
  });

  it('by an exception of the consumer', async () => {
    model = await loadEcho(echoPlusOne());
    const source = new Source(true);
    const failure = new Error('mine');
    const consume = async (): Promise<void> => {
      for await (const result of model.stream(source)) throw result.index === 0 ? failure : new Error('not the first');
    };
    expect(await rejection(consume())).toBe(failure);
    expect(source.returned).toBe(1);
  });

  it('by a signal: the reason itself, and nothing goes on', async () => {
    model = await loadEcho(echoPlusOne('hang_at 2'), { inFlight: 1 });
    const controller = new AbortController();
    const source = new Source(true);
    const stream = model.stream(source, { signal: controller.signal });
    expect((await stream.next()).value).toMatchObject({ index: 0 });
    const next = rejection(stream.next());
    await until(() => model.statistics().running === 1, 'the hanging run');
    const reason = { why: 'enough' };
    controller.abort(reason);
    expect(await next).toBe(reason);
    expect(await stream.next()).toEqual({ done: true, value: undefined });
    expect(source.returned).toBe(1);
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
    await until(() => model.statistics().running === 0, 'the run to be cancelled');
  });

  it('by a signal while the source has nothing', async () => {
    model = await loadEcho(echoPlusOne());
    const controller = new AbortController();
    const next = rejection(model.stream(new Source(), { signal: controller.signal }).next());
    await turns(3);
    controller.abort('enough');
    expect(await next).toBe('enough');
  });

  it('by the disposal of the model: ERR_DISPOSED', async () => {
    model = await loadEcho(echoPlusOne('delay_ms 50'), { inFlight: 1 });
    const source = new Source(true);
    const ended = rejection(all(model, source));
    await until(() => model.statistics().completed > 0, 'a result');
    await model.dispose();
    expect(await ended).toMatchObject({ code: 'ERR_DISPOSED' });
    expect(source.returned).toBe(1);
  });
});

describe('sources', () => {
  it('empty ones', async () => {
    model = await loadEcho(echoPlusOne());
    for (const source of [[], new Set<Frame>(), Readable.from([]), (async function* (): AsyncGenerator<Frame> {})()]) {
      expect((await all(model, source as Iterable<Frame>)).results).toEqual([]);
    }
    expect(model.statistics().submitted).toBe(0);
  });

  it('arrays, sets, generators, async generators, Readables', async () => {
    model = await loadEcho(echoPlusOne());
    const generator = function* (): Generator<Frame> {
      yield* frames(3);
    };
    const asyncGenerator = async function* (): AsyncGenerator<Frame> {
      for (const one of frames(3)) {
        await turns(1);
        yield one;
      }
    };
    const sources = [frames(3), new Set(frames(3)), generator(), asyncGenerator(), Readable.from(frames(3))];
    for (const source of sources) {
      expect(indices((await all(model, source as Iterable<Frame>)).results)).toEqual([0, 1, 2]);
    }
  });

  it('a generator’s `finally` runs at an early end', async () => {
    model = await loadEcho(echoPlusOne());
    let cleaned = false;
    const generator = function* (): Generator<Frame> {
      try {
        for (let i = 0; ; i++) yield frame(i);
      } finally {
        cleaned = true;
      }
    };
    for await (const { index } of model.stream(generator())) if (index === 2) break;
    expect(cleaned).toBe(true);
  });

  it.each(['drop-oldest', 'drop-newest'])(
    'one without end and without a wait leaves the process alive: %s',
    async (overload) => {
      model = await loadEcho(echoPlusOne());
      const { code, signal, stdout } = await runProgram(
        `const text = new TextEncoder().encode('echo 1\\ninput x f32 1\\noutput y = identity x\\n');
       const model = await edge.loadModel(text, { device: 'echo' });
       function* source() { for (;;) yield { x: new Float32Array(1) }; }
       let seen = 0;
       for await (const result of model.stream(source(), { overload: '${overload}' })) if (++seen === 3) break;
       await model.dispose();
       console.log(seen);`,
      );
      expect({ code, signal, stdout }).toEqual({ code: 0, signal: null, stdout: '3\n' });
    },
  );

  // Each in a process of its own: what holds the event loop up would hold this one up, too.
  it.each([
    ['frames that fail at once', `{ inputs: () => ({ x: [1] }), onError: () => failed++ }`],
    ['frames that are late at once', `{ deadlineMs: 0, onDrop: () => failed++ }`],
    ['frames that fail in the device', `{ onError: () => failed++ }`],
  ])('one without end leaves the event loop its turns: %s', async (_, options) => {
    model = await loadEcho(echoPlusOne());
    const { code, signal, stdout } = await runProgram(`
      const text = new TextEncoder().encode('echo 1\\ninput x f32 1\\noutput y = identity x\\nfail_at 1 ERR_BACKEND\\n');
      const model = await edge.loadModel(text, { device: 'echo' });
      let failed = 0;
      function* source() { for (;;) yield { x: new Float32Array(1) }; }
      const controller = new AbortController();
      const timer = setInterval(() => failed > 0 && controller.abort('enough'), 50);
      const end = await (async () => {
        for await (const result of model.stream(source(), { signal: controller.signal, ...${options} })) void result;
      })().catch((reason) => reason);
      clearInterval(timer);
      await model.dispose();
      console.log(end, failed > 0);`);
    expect({ code, signal, stdout }).toEqual({ code: 0, signal: null, stdout: 'enough true\n' });
  });

  it('end with the model, whatever onError thinks of it', async () => {
    model = await loadEcho(echoPlusOne());
    const { code, signal, stdout } = await runProgram(`
      const text = new TextEncoder().encode('echo 1\\ninput x f32 1\\noutput y = identity x\\n');
      const model = await edge.loadModel(text, { device: 'echo' });
      function* source() { for (;;) yield { x: new Float32Array(1) }; }
      let seen = 0;
      const errors = [];
      const end = await (async () => {
        for await (const result of model.stream(source(), { onError: (error) => errors.push(error) })) {
          if (++seen === 3) void model.dispose();
        }
      })().catch((error) => error.code);
      console.log(end, errors.length);`);
    expect({ code, signal, stdout }).toEqual({ code: 0, signal: null, stdout: 'ERR_DISPOSED 0\n' });
  });

  it('that throw end the stream with their error, after the results of what came before', async () => {
    model = await loadEcho(echoPlusOne('delay_ms 5'));
    const failure = new Error('camera lost');
    const source = function* (): Generator<Frame> {
      yield* frames(3);
      throw failure;
    };
    const seen: number[] = [];
    const consume = async (): Promise<void> => {
      for await (const { index } of model.stream(source())) seen.push(index);
    };
    expect(await rejection(consume())).toBe(failure);
    expect(seen).toEqual([0, 1, 2]);
  });

  it.each([5, null, undefined, {}])('%p is none', async (source) => {
    model = await loadEcho(echoPlusOne());
    const error = await rejection((async () => model.stream(source as unknown as Frame[]).next())());
    expect(error).toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: 'Expected the frames of a stream to be iterable.',
    });
  });
});

it('wrong options are refused at once', async () => {
  model = await loadEcho(echoPlusOne());
  const wrong: [object, string][] = [
    [{ overload: 'drop' }, "Expected `overload` to be 'wait' or 'drop-oldest' or 'drop-newest', got 'drop'."],
    [{ capacity: 0 }, 'Expected `capacity` to be a whole number from 1 to 1048576, got 0.'],
    [{ inFlight: 0 }, 'Expected `inFlight` to be a whole number from 1 to 1048576, got 0.'],
    [{ deadlineMs: -1 }, 'Expected `deadlineMs` to be a number of milliseconds that is not negative, got -1.'],
    [{ signal: 'x' }, "Expected `signal` to be an AbortSignal, got 'x'."],
  ];
  for (const [options, message] of wrong) {
    expect(thrown(() => model.stream(frames(1), options))).toMatchObject({ code: 'ERR_INVALID_ARGUMENT', message });
  }
});

it('a stream that nobody begins does nothing', async () => {
  model = await loadEcho(echoPlusOne());
  const source = new Source(true);
  model.stream(source);
  await turns(5);
  expect(source.asked).toBe(0);
});

it('several streams of one model do not disturb each other', async () => {
  model = await loadEcho(echoPlusOne('delay_ms 1'), { inFlight: 2 });
  const seen = await Promise.all([20, 15, 10].map((count) => all(model, frames(count))));
  expect(seen.map(({ results }) => results.length)).toEqual([20, 15, 10]);
});
