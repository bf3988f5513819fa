/** Models in segments on echo at work: runs that overlap, deadlines, losses, and what stays afterwards. */
import { loadPipeline } from '../lib/index.js';
import { native } from '../lib/native.js';
import { runProgram } from './support/child.js';
import { echoPlusOne, loadEcho } from './support/echo.js';
import { Folder } from './support/folder.js';
import { gone, load, run, segment, step, two } from './support/pipeline.js';
import { numbers } from './support/values.js';
import { collect, rejection, thrown, until } from './support/wait.js';

const folder = new Folder();

describe('runs', () => {
  it('overlap: the first segment goes on with other frames while the second has one', async () => {
    const pipeline = await load(two([], ['hang_at 1']));
    const [first, controller] = [new AbortController(), new AbortController()];
    const hung = run(pipeline, 1, { signal: first.signal });
    await until(() => segment(pipeline, 1).running === 1, 'the second segment to have a frame');
    const waiting = run(pipeline, 2, { signal: controller.signal });
    const last = run(pipeline, 3);
    await until(() => segment(pipeline, 1).waiting === 2, 'two frames to wait for the second segment');
    expect(segment(pipeline, 0)).toMatchObject({ running: 0, waiting: 0, runs: 3 });
    expect(segment(pipeline, 1)).toMatchObject({ running: 1, runs: 0 });
    expect(pipeline.devices()).toMatchObject([{ inFlight: 0 }, { inFlight: 1 }]);
    // Who is aborted leaves the line, and is never started.
    controller.abort('enough');
    expect(await rejection(waiting)).toBe('enough');
    await until(() => segment(pipeline, 1).waiting === 1, 'the aborted frame to leave');
    first.abort('enough');
    expect(await rejection(hung)).toBe('enough');
    expect(await last).toBe(14);
    expect(segment(pipeline, 1).runs).toBe(2);
  });

  it('a segment takes as many frames at once as its device calls useful, and no more', async () => {
    const pipeline = await load(two([], ['hang_at 1', 'optimal 2', 'delay_ms 0']), { inFlight: 4 });
    const controller = new AbortController();
    const { signal } = controller;
    const ends = [1, 2].map((value) => run(pipeline, value, { signal }).catch((reason: unknown) => reason));
    // Past the one that hangs, whichever it is.
    expect([12, 13]).toContain(await Promise.race(ends));
    controller.abort('enough');
    expect(await Promise.all(ends)).toContain('enough');
  });

  it('both devices at once', async () => {
    const pipeline = await load(two(['hang_at 2'], ['delay_ms 600000']));
    const controller = new AbortController();
    const first = run(pipeline, 1, { signal: controller.signal });
    await until(() => segment(pipeline, 1).running === 1, 'the second segment to have a frame');
    const second = run(pipeline, 2, { signal: controller.signal });
    await until(() => segment(pipeline, 0).running === 1, 'the first segment to have the next');
    expect(pipeline.devices()).toMatchObject([
      { device: 'echo:1', inFlight: 1 },
      { device: 'echo:2', inFlight: 1 },
    ]);
    controller.abort('enough');
    expect(await Promise.all([rejection(first), rejection(second)])).toEqual(['enough', 'enough']);
    await until(() => pipeline.statistics().running === 0, 'both to let go');
    // Runs that were cancelled are no failures. That the second one had begun is not sure: it only had its turn.
    expect(pipeline.segments()).toMatchObject([
      { running: 0, waiting: 0, failures: 0, compute: { count: 1 } },
      { running: 0, waiting: 0, failures: 0, compute: { count: 0 } },
    ]);
    expect(segment(pipeline, 1).runs).toBeLessThanOrEqual(1); // the second frame never came to it
  });

  it('a deadline holds over all segments, and ends the wait for a turn', async () => {
    const pipeline = await load(two([], ['hang_at 1']));
    const controller = new AbortController();
    const hung = run(pipeline, 1, { signal: controller.signal });
    await until(() => segment(pipeline, 1).running === 1, 'a frame in the second segment');
    expect(await rejection(run(pipeline, 2, { deadlineMs: 50 }))).toMatchObject({ code: 'ERR_TIMEOUT' });
    await until(() => segment(pipeline, 1).waiting === 0, 'the late frame to leave');
    controller.abort('enough');
    expect(await rejection(hung)).toBe('enough');
    expect(await run(pipeline, 3)).toBe(14);
    expect(segment(pipeline, 1).runs).toBe(2); // the late frame never came to it
    const other = await load(two([], ['hang_at 1']));
    let late = 0;
    // Until one has hung in the second segment: on a busy machine the deadline may pass before that.
    while (segment(other, 1).runs === 0) {
      expect(await rejection(run(other, 1, { deadlineMs: 50 * 2 ** late++ }))).toMatchObject({ code: 'ERR_TIMEOUT' });
      await until(() => other.statistics().running === 0, 'the device to let go');
    }
    expect(await run(other, 3)).toBe(14);
    expect(other.statistics()).toMatchObject({ completed: 1, timedOut: late });
  });

  it('what is more than in flight and the queue: ERR_QUEUE_FULL', async () => {
    // All of them hang: who is aborted first must not let the next one through.
    const pipeline = await load(two([], ['delay_ms 600000']), { inFlight: 2, queueLimit: 1 });
    const controller = new AbortController();
    const held = [1, 2, 3].map((value) => rejection(run(pipeline, value, { signal: controller.signal })));
    expect(await rejection(run(pipeline))).toMatchObject({ code: 'ERR_QUEUE_FULL' });
    controller.abort('enough');
    expect(await Promise.all(held)).toEqual(['enough', 'enough', 'enough']);
  });

  it('an error names the segment; other frames are what they were', async () => {
    const pipeline = await load([step('x', 'm', 1), step('m', 'y', 10, 'fail_at 3 ERR_BACKEND')]);
    const results = await Promise.allSettled([...Array(8).keys()].map((value) => run(pipeline, value)));
    const failed = results.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[];
    expect(failed).toHaveLength(1);
    expect(failed[0]!.reason).toMatchObject({
      code: 'ERR_BACKEND',
      backend: 'echo',
      message: expect.stringMatching(/^Segment 2 of 2: .*run 3/),
    });
    results.forEach((result, i) => {
      if (result.status === 'fulfilled') expect(result.value).toBe(i + 11);
    });
    expect(segment(pipeline, 1)).toMatchObject({ runs: 8, failures: 1 });
  });

  it('a stream keeps the order, and every frame its values', async () => {
    const pipeline = await load(two(['delay_ms 1'], ['spin_us 200']));
    const frames = [...Array(50).keys()].map((value) => ({ x: Float32Array.of(value) }));
    const seen: number[] = [];
    for await (const { outputs } of pipeline.stream(frames)) seen.push(outputs['y']!.data[0] as number);
    expect(seen).toEqual(frames.map((_, i) => i + 11));
    expect(pipeline.segments().map(({ runs, waiting }) => [runs, waiting])).toEqual([
      [50, 0],
      [50, 0],
    ]);
  });

  it.each(['lane', 'inline'] as const)('dispatch: %s', async (dispatch) => {
    const pipeline = await load(two(), { advanced: { dispatch } });
    using request = pipeline.createRequest();
    await request.run();
    expect(numbers(request.outputs['y']!.data)).toEqual([11]);
    expect(pipeline.statistics().inlineRuns).toBe(dispatch === 'inline' ? 1 : 0);
  });

  it('where external buffers are forbidden, the same', async () => {
    native().forbidExternalBuffers(true);
    try {
      const pipeline = await load(two());
      using request = pipeline.createRequest();
      (request.inputs['x']!.data as Float32Array)[0] = 3;
      await request.run();
      expect(numbers(request.outputs['y']!.data)).toEqual([14]);
      expect(await run(pipeline, 4)).toBe(15);
    } finally {
      native().forbidExternalBuffers(false);
    }
  });
});

describe('losses', () => {
  it('ERR_DEVICE_LOST names the segment; when the device is back, runs go on', async () => {
    const pipeline = await load(two([], ['lost_at 2']));
    expect(await run(pipeline)).toBe(12);
    for (let i = 0; i < 2; i++) {
      expect(await rejection(run(pipeline))).toMatchObject({
        code: 'ERR_DEVICE_LOST',
        message: expect.stringMatching(/^Segment 2 of 2: /),
      });
    }
    await (await loadEcho(echoPlusOne('restore'), { device: 'echo:2' })).dispose();
    expect(await run(pipeline)).toBe(12);
    expect(segment(pipeline, 1)).toMatchObject({ runs: 4, failures: 2 });
  });

  it('a segment with devices of its own moves to the next one, without a copy', async () => {
    const file = step('m', 'y', 10).file as Uint8Array;
    const other = step('m', 'y', 20).file as Uint8Array;
    const pipeline = await load([
      step('x', 'm', 1),
      {
        file: [
          { file, device: 'echo:1' },
          { file: other, device: 'echo:2' },
        ],
        failover: { probeMs: 1, healthyMs: 4 },
      },
    ]);
    using request = pipeline.createRequest();
    await request.run();
    expect(numbers(request.outputs['y']!.data)).toEqual([11]);
    expect(await rejection(loadEcho(echoPlusOne('lose'), { device: 'echo:1' }))).toMatchObject({
      code: 'ERR_DEVICE_LOST',
    });
    await request.run();
    expect(numbers(request.outputs['y']!.data)).toEqual([21]);
    expect(pipeline.statistics()).toMatchObject({ completed: 2, failed: 0, bytesCopied: 0 });
    expect(segment(pipeline, 1)).toMatchObject({
      failures: 0,
      devices: [
        { device: 'echo:1', state: 'lost', losses: 1 },
        { device: 'echo:2', runs: 1 },
      ],
    });
    expect(pipeline.devices().map(({ device }) => device)).toEqual(['echo:cpu', 'echo:1', 'echo:2']);
  });

  it.each([
    ['both', [true, true]],
    ['the first', [true, false]],
    ['the second', [false, true]],
  ])('isolated, %s: shared memory from end to end, and a host that crashes is restarted', async (_, isolate) => {
    const fault = ['fault_at 3 crash', `once "${folder.path}/crashed-${isolate.join('-')}"`];
    const segments = two([], isolate[1]! ? fault : []).map((one, i) => ({ ...one, isolate: isolate[i]! }));
    const pipeline = await load(segments);
    expect(pipeline.info.isolated).toBe(isolate.every(Boolean));
    using request = pipeline.createRequest();
    for (const value of [1, 2]) {
      (request.inputs['x']!.data as Float32Array)[0] = value;
      await request.run();
      expect(numbers(request.outputs['y']!.data)).toEqual([value + 11]);
    }
    expect(pipeline.segments().map(({ host }) => host !== null)).toEqual(isolate);
    if (isolate[1]!) {
      expect(await rejection(request.run())).toMatchObject({
        code: 'ERR_DEVICE_LOST',
        message: expect.stringMatching(/^Segment 2 of 2: /),
      });
      await until(
        () => segment(pipeline, 1).host!.restarts > 0 && segment(pipeline, 1).host!.up,
        'the host to be back',
      );
    }
    (request.inputs['x']!.data as Float32Array)[0] = 5;
    await request.run();
    expect(numbers(request.outputs['y']!.data)).toEqual([16]);
    expect(pipeline.statistics().bytesCopied).toBe(0);
  });

  it('two segments on one device share its host', async () => {
    const pipeline = await load([step('x', 'm', 1), step('m', 'y', 10)], { isolate: true });
    using request = pipeline.createRequest();
    await request.run();
    expect(numbers(request.outputs['y']!.data)).toEqual([11]);
    const [a, b] = pipeline.segments();
    expect(a!.host!.pid).toBe(b!.host!.pid);
    expect(pipeline.statistics().bytesCopied).toBe(0);
  });
});

describe('dispose', () => {
  it('ends everything once, and leaves nothing behind', async () => {
    const before = native().process();
    const pipeline = await loadPipeline(two(), { device: 'echo' });
    const request = pipeline.createRequest();
    const done = Promise.all([...Array(20).keys()].map((value) => run(pipeline, value)));
    await done;
    await Promise.all([pipeline.dispose(), pipeline.dispose()]);
    expect(request.inputs['x']!.data).toHaveLength(0);
    expect(pipeline.segments()).toEqual([]);
    expect(pipeline.devices()).toEqual([]);
    expect(await rejection(run(pipeline))).toMatchObject({ code: 'ERR_DISPOSED' });
    expect(await rejection(pipeline.layers())).toMatchObject({ code: 'ERR_DISPOSED' });
    expect(thrown(() => pipeline.createRequest())).toMatchObject({ code: 'ERR_DISPOSED' });
    const { models, requests, lanes, bytesHeld } = before;
    await gone({ models, requests, lanes, bytesHeld });
  });

  it('waits for frames in every segment; those that wait for a place end', async () => {
    const pipeline = await load(two([], ['hang_at 1']), { inFlight: 2 });
    const controller = new AbortController();
    const hung = rejection(run(pipeline, 1, { signal: controller.signal }));
    await until(() => segment(pipeline, 1).running === 1, 'a frame in the second segment');
    const next = run(pipeline, 2);
    await until(() => segment(pipeline, 1).waiting === 1, 'the next one to wait for it');
    const last = rejection(run(pipeline, 3));
    const disposed = pipeline.dispose();
    expect(await last).toMatchObject({ code: 'ERR_DISPOSED' });
    controller.abort('enough');
    expect(await hung).toBe('enough');
    expect(await next).toBe(13);
    await disposed;
  });

  it('with timeoutMs, a frame that never ends is given up', async () => {
    const pipeline = await load(two([], ['stuck_at 1']), {
      isolate: { hangTimeoutMs: 60_000, firstRunTimeoutMs: 60_000 },
    });
    const stuck = run(pipeline);
    await until(() => segment(pipeline, 1).running === 1, 'the frame to be stuck');
    await pipeline.dispose({ timeoutMs: 10 });
    expect(await rejection(stuck)).toMatchObject({ code: 'ERR_DISPOSED' });
  });

  it('a pipeline that its holder forgot is collected, with its segments', async () => {
    const { models, requests } = native().process();
    await (async () => {
      const pipeline = await loadPipeline(two(), { device: 'echo' });
      expect(await run(pipeline)).toBe(12);
    })();
    await gone({ models, requests });
  });

  it('runs of a pipeline that nobody holds any more end as if it were held', async () => {
    const runs = await (async () => {
      const pipeline = await loadPipeline(two([], ['delay_ms 5']), { device: 'echo' });
      return [...Array(10).keys()].map((value) => run(pipeline, value));
    })();
    collect();
    expect(await Promise.all(runs)).toEqual([...Array(10).keys()].map((value) => value + 11));
  });

  it.each([false, true])('a process may exit with frames in every segment (isolate: %s)', async (isolate) => {
    const { code, stderr } = await runProgram(
      `const echo = (...lines) => new TextEncoder().encode(['echo 1', ...lines, ''].join('\\n'));
       const segments = [
         { file: echo('input x f32 1', 'output m = add x 1', 'hang_at 2'), device: 'echo:1' },
         { file: echo('input m f32 1', 'output y = add m 10', 'hang_at 1'), device: 'echo:2' },
       ];
       const pipeline = await edge.loadPipeline(segments, { isolate: ${isolate} });
       for (let i = 0; i < 5; i++) pipeline.run({ x: Float32Array.of(i) });
       setInterval(() => pipeline.segments().every(({ running }) => running === 1) && process.exit(7), 1);`,
    );
    expect([code, stderr]).toEqual([7, '']);
  });
});
