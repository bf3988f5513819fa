/**
 * Several models on one simulated Edge TPU, several Edge TPUs for one model, and models in segments over several
 * (`npm run test:edgetpu`). What ran where is what the simulated devices have counted.
 */
import { InferenceError, loadModel, loadPipeline, type Model, type Pipeline } from '../../lib/index.js';
import type { PipelineOptions, Segment, SegmentStatus } from '../../lib/pipeline.js';
import type { LoadOptions, ModelSource } from '../../lib/types.js';
import { compiledOf, quantizedAddTflite } from '../support/edgetpu.js';
import { EdgeTpuSimulator } from '../support/edgetpu-simulator.js';
import { Folder } from '../support/folder.js';
import { networkOf, networkTflite } from '../support/tflite-segments.js';
import { bits, numbers } from '../support/values.js';
import { rejection, until } from '../support/wait.js';

const simulator = new EdgeTpuSimulator();
const folder = new Folder();
const [a, b] = ['/sys/bus/usb/devices/1-4', '/sys/bus/usb/devices/1-5'];
const [onA, onB] = ['tflite:edgetpu:usb-1-4', 'tflite:edgetpu:usb-1-5'];
const patient = { hangTimeoutMs: 120_000, firstRunTimeoutMs: 120_000 };
const quick = { probeMs: 20, healthyMs: 100 };
let plugs = 0;

/** Two sticks, freshly plugged in: what was wrong with them is over. */
function plug(): void {
  plugs++;
  simulator.reset();
  simulator.devices(`usb ${a} ${plugs}`, `usb ${b} ${plugs}`);
}
beforeEach(plug);

const open: Model[] = [];
afterEach(() => Promise.all(open.splice(0).map((model) => model.dispose({ timeoutMs: 20_000 }))));

/** When whoever had the sticks until just now has let go: hosts end, and SDKs free, a moment after dispose(). */
async function soon<Loaded extends Model>(work: () => Promise<Loaded>): Promise<Loaded> {
  for (;;) {
    try {
      const model = await work();
      open.push(model);
      return model;
    } catch (error) {
      if (!(error instanceof InferenceError) || error.code !== 'ERR_DEVICE_BUSY') throw error;
    }
  }
}

const load = (source: ModelSource, options: LoadOptions = {}): Promise<Model> => soon(() => loadModel(source, options));
const loadSegments = (segments: readonly Segment[], options: PipelineOptions = {}): Promise<Pipeline> =>
  soon(() => loadPipeline(segments, options));

/** What the two devices have run since. */
function counter(): () => [number, number] {
  const before = [a, b].map((device) => simulator.runs(device));
  return () => [simulator.runs(a) - before[0]!, simulator.runs(b) - before[1]!];
}

const plusOne = compiledOf(quantizedAddTflite('u8', 1, [4]));
const plusTwo = compiledOf(quantizedAddTflite('u8', 2, [4]));
const x = Uint8Array.of(1, 2, 3, 250);
const run = async (model: Model): Promise<number[]> => numbers((await model.run({ x }))['y']!.data);
const plus = (number: number): number[] => numbers(x).map((value) => value + number);
const lost = { code: 'ERR_DEVICE_LOST' };

describe('several models on one Edge TPU', () => {
  it.each([true, false])('share it, and go one by one (isolate: %s)', async (isolate) => {
    const [one, two] = [await load(plusOne, { device: onA, isolate }), await load(plusTwo, { device: onA, isolate })];
    const ran = counter();
    const results = await Promise.all([...Array(20).keys()].map((i) => run(i % 2 === 0 ? one : two)));
    results.forEach((result, i) => expect(result).toEqual(plus(1 + (i % 2))));
    expect(ran()).toEqual([20, 0]);
    await one.dispose();
    expect(await run(two)).toEqual(plus(2));
    expect(await run(await load(plusOne, { device: onA, isolate }))).toEqual(plus(1));
  });

  it('lose it together, and have it back together', async () => {
    const [one, two] = [await load(plusOne, { device: onA }), await load(plusTwo, { device: onA })];
    expect([await run(one), await run(two)]).toEqual([plus(1), plus(2)]);
    simulator.faults('abort 1');
    expect(await rejection(run(one))).toMatchObject(lost);
    await until(() => one.host()!.restarts > 0 && one.host()!.up, 'the host to be back');
    expect([await run(two), await run(one)]).toEqual([plus(2), plus(1)]);
    expect(two.host()).toEqual(one.host());
  });

  it('and others on another, at the same time', async () => {
    const [one, two] = [await load(plusOne, { device: onA }), await load(plusTwo, { device: onB })];
    expect(one.host()!.pid).not.toBe(two.host()!.pid);
    const ran = counter();
    await Promise.all([run(one), run(two), run(two)]);
    expect(ran()).toEqual([1, 2]);
    simulator.faults(`abort 1 ${a}`);
    expect(await rejection(run(one))).toMatchObject(lost);
    expect(await run(two)).toEqual(plus(2)); // nothing to do with it
  });
});

describe('several Edge TPUs as a pool', () => {
  const device = [[onA, onB]];
  /** With both: one that another test's host still had at load joins later. */
  const loadPool = async (options: LoadOptions = {}): Promise<Model> => {
    const model = await load(plusOne, { device, ...options });
    await bothServe(model);
    return model;
  };
  const bothServe = (model: Model): Promise<void> =>
    until(() => model.devices().every(({ state }) => state === 'healthy'), 'both to be healthy');

  it.each([undefined, quick])('share the runs (failover: %j)', async (failover) => {
    const model = await loadPool(failover && { failover });
    expect(model.devices().map((one) => one.device)).toEqual([onA, onB]);
    const ran = counter();
    await Promise.all([...Array(40).keys()].map(async () => expect(await run(model)).toEqual(plus(1))));
    expect(ran()).toEqual(model.devices().map(({ runs }) => runs));
    expect(ran().reduce((sum, runs) => sum + runs)).toBe(40);
    for (const runs of ran()) expect(runs).toBeGreaterThan(0);
  });

  it('one by one they take turns', async () => {
    const model = await loadPool();
    const ran = counter();
    for (let i = 0; i < 10; i++) await run(model);
    expect(ran()).toEqual([5, 5]);
  });

  it('one that is pulled out comes back', async () => {
    const model = await loadPool({ failover: quick });
    await Promise.all([run(model), run(model)]);
    simulator.devices(`usb ${a} ${plugs}`);
    const ran = counter();
    for (let i = 0; i < 10; i++) expect(await run(model)).toEqual(plus(1));
    expect(ran()).toEqual([10, 0]);
    expect(model.devices()).toMatchObject([{ state: 'healthy' }, { state: 'lost', losses: 1 }]);
    simulator.devices(`usb ${a} ${plugs}`, `usb ${b} again-${plugs}`);
    await bothServe(model);
    const after = counter();
    for (let i = 0; i < 10; i++) await run(model);
    expect(after()).toEqual([5, 5]);
    expect(model.statistics().failed).toBe(0);
  });
});

describe('models in segments', () => {
  const shape = [1, 16];
  const input = Uint8Array.from({ length: 16 }, (_, i) => 3 * i);
  const expected = numbers(input).map(networkOf);
  const net = networkTflite('u8', shape, [2]);
  const files = net.segments.map((one, i) => folder.write(`net_segment_${i}_edgetpu.tflite`, compiledOf(one)));
  const segments: readonly Segment[] = [
    { file: files[0]!, device: onA },
    { file: files[1]!, device: onB },
  ];
  const frame = async (model: Model, options = {}): Promise<number[]> =>
    numbers((await model.run({ x: input }, options))['y']!.data);
  const segment = (pipeline: Pipeline, index: number): SegmentStatus => pipeline.segments()[index]!;

  it.each([patient, false])('each on its own, in memory that both see (isolate: %j)', async (isolate) => {
    const pipeline = await loadSegments(segments, { isolate });
    expect(pipeline.info).toMatchObject({
      device: `${onA}, ${onB}`,
      devices: [onA, onB].map((_, i) => pipeline.segments()[i]!.info.devices[0]),
      isolated: isolate !== false,
      inFlight: 3,
    });
    const ran = counter();
    using request = pipeline.createRequest();
    (request.inputs['x']!.data as Uint8Array).set(input);
    for (let i = 0; i < 5; i++) await request.run();
    expect(numbers(request.outputs['y']!.data)).toEqual(expected);
    expect(ran()).toEqual([5, 5]);
    expect(pipeline.statistics()).toMatchObject({ completed: 5, bytesCopied: 0 });
    expect((await pipeline.layers()).map(({ type }) => type)).toEqual(Array(2).fill('edgetpu-custom-op'));
    const [first, second] = pipeline.segments();
    if (isolate !== false) expect(first!.host!.pid).not.toBe(second!.host!.pid);
    expect(pipeline.devices()).toMatchObject([{ runs: 5 }, { runs: 5 }]);
  });

  it('give what the whole model gives', async () => {
    const whole = await load(compiledOf(net.whole), { device: onA });
    const pipeline = await loadSegments(segments);
    const [one, other] = await Promise.all([whole, pipeline].map((model) => model.run({ x: input })));
    expect(bits(other!['y']!.data)).toBe(bits(one!['y']!.data));
    expect(pipeline.outputs).toEqual(whole.outputs);
  });

  it('signed: what the driver changes in its inputs, no other segment sees', async () => {
    const { whole, segments: parts } = networkTflite('i8', shape);
    const values = Int8Array.from({ length: 16 }, (_, i) => 3 * i - 128);
    const twin = await load(whole, { device: 'tflite:cpu', properties: { XNNPACK: 'NO' } });
    const pipeline = await loadSegments(
      parts.map((one, i) => ({ file: compiledOf(one), device: [onA, onB, onA][i]! })),
    );
    using request = pipeline.createRequest();
    (request.inputs['x']!.data as Int8Array).set(values);
    for (let i = 0; i < 3; i++) {
      await request.run();
      expect(bits(request.outputs['y']!.data)).toBe(bits((await twin.run({ x: values }))['y']!.data));
    }
    // The driver gets copies: one input, one, and two of the third segment.
    expect(pipeline.statistics().bytesCopied).toBe(3 * 4 * 16);
  });

  it('more segments than Edge TPUs: two on one, in one host', async () => {
    const { segments: parts } = networkTflite('u8', shape, [1, 2, 3]);
    const devices = [onA, onA, onB, onA];
    const pipeline = await loadSegments(parts.map((one, i) => ({ file: compiledOf(one), device: devices[i]! })));
    const ran = counter();
    const frames = await Promise.all([...Array(20).keys()].map(() => frame(pipeline)));
    for (const result of frames) expect(result).toEqual(expected);
    expect(ran()).toEqual([60, 20]);
    expect(new Set(pipeline.segments().map(({ host }) => host!.pid)).size).toBe(2);
  });

  it('both Edge TPUs at once, with different frames', async () => {
    const pipeline = await loadSegments(segments, { isolate: patient });
    await frame(pipeline);
    // The second frame stays on its Edge TPU until the next one is on the other.
    const before = simulator.log().length;
    simulator.faults(`hang 1 ${b}`, `hang 2 ${a}`);
    const ended = Promise.allSettled([frame(pipeline), frame(pipeline)]);
    await until(() => simulator.hung(before, a) && simulator.hung(before, b), 'both Edge TPUs to be at it');
    expect(pipeline.devices()).toMatchObject([
      { inFlight: 1, runs: 2 },
      { inFlight: 1, runs: 1 },
    ]);
    expect(pipeline.statistics().running).toBe(2);
    simulator.faults();
    const reasons = (await ended).map((result) => (result as PromiseRejectedResult).reason as InferenceError);
    expect(reasons.map(({ code }) => code)).toEqual(Array(2).fill('ERR_DEVICE_LOST'));
    expect(reasons.map(({ message }) => message.slice(0, message.indexOf(':'))).sort()).toEqual([
      'Segment 1 of 2 (net_segment_0_edgetpu.tflite)',
      'Segment 2 of 2 (net_segment_1_edgetpu.tflite)',
    ]);
    await until(() => pipeline.segments().every(({ host }) => host!.restarts > 0 && host!.up), 'both to be back');
    expect(await frame(pipeline)).toEqual(expected);
  });

  it('a stream: all frames through both, in order', async () => {
    const pipeline = await loadSegments(segments);
    const ran = counter();
    const frames = [...Array(60).keys()].map((i) => ({ x: input.map((value) => value + (i % 50)) }));
    let next = 0;
    for await (const { outputs, frame: given } of pipeline.stream(frames)) {
      expect(given).toBe(frames[next++]);
      expect(numbers(outputs['y']!.data)).toEqual(numbers(given.x).map(networkOf));
    }
    expect(next).toBe(60);
    expect(ran()).toEqual([60, 60]);
  });

  it.each(['fail', 'abort', 'unplug'])(
    '%s in the middle: ERR_DEVICE_LOST with the file, and runs go on',
    async (fault) => {
      const pipeline = await loadSegments(segments);
      expect(await frame(pipeline)).toEqual(expected);
      simulator.faults(`${fault} 1 ${b}`);
      expect(await rejection(frame(pipeline))).toMatchObject({
        code: 'ERR_DEVICE_LOST',
        message: expect.stringMatching(/^Segment 2 of 2 \(net_segment_1_edgetpu\.tflite\): /),
      });
      if (fault === 'unplug') simulator.devices(`usb ${a} ${plugs}`, `usb ${b} again-${plugs}`);
      await until(
        () => segment(pipeline, 1).host!.restarts > 0 && segment(pipeline, 1).host!.up,
        'the host to be back',
      );
      expect(await frame(pipeline)).toEqual(expected);
      expect(pipeline.segments()).toMatchObject([{ failures: 0, host: { restarts: 0 } }, { failures: 1 }]);
    },
  );

  it('a hang is ended at hangTimeoutMs, a frame at its deadline', async () => {
    const pipeline = await loadSegments(segments, { isolate: { hangTimeoutMs: 300, firstRunTimeoutMs: 60_000 } });
    expect(await frame(pipeline)).toEqual(expected);
    const before = simulator.log().length;
    simulator.faults(`hang 1 ${b}`);
    // Until one has come that far: on a busy machine the deadline may pass before.
    for (let deadlineMs = 10; !simulator.hung(before); deadlineMs *= 2) {
      expect(await rejection(frame(pipeline, { deadlineMs }))).toMatchObject({ code: 'ERR_TIMEOUT' });
      await until(
        () => simulator.hung(before) || pipeline.statistics().running === 0,
        'the frame to hang or to be gone',
      );
    }
    await until(() => segment(pipeline, 1).host!.restarts > 0 && segment(pipeline, 1).host!.up, 'the host to be back');
    simulator.faults();
    expect(await frame(pipeline)).toEqual(expected);
  });

  it('a segment with its twin on the CPU: frames go on there, and return', async () => {
    const second: ModelSource = [
      { file: files[1]!, device: onB },
      { file: net.segments[1]!, device: 'tflite:cpu' },
    ];
    const pipeline = await loadSegments([segments[0]!, { file: second, failover: quick }]);
    const stick = (): string => segment(pipeline, 1).devices[0]!.state;
    await until(() => stick() === 'healthy', 'the stick to be there'); // a host of another test may still have had it
    expect(await frame(pipeline)).toEqual(expected);
    simulator.devices(`usb ${a} ${plugs}`);
    const ran = counter();
    for (let i = 0; i < 10; i++) expect(await frame(pipeline)).toEqual(expected);
    expect(ran()).toEqual([10, 0]);
    expect(segment(pipeline, 1).devices).toMatchObject([
      { device: onB, state: 'lost', losses: 1 },
      { device: 'tflite:cpu', runs: 10 },
    ]);
    simulator.devices(`usb ${a} ${plugs}`, `usb ${b} again-${plugs}`);
    await until(() => stick() === 'healthy', 'the stick to be healthy again');
    const after = counter();
    expect(await frame(pipeline)).toEqual(expected);
    expect(after()).toEqual([1, 1]);
    expect(pipeline.statistics()).toMatchObject({ completed: 12, failed: 0 });
  });

  it('faults on both, at random: every frame is answered once, with its own values or a loss', async () => {
    const isolate = { retry: true, hangTimeoutMs: 1000, firstRunTimeoutMs: 5000 };
    const pipeline = await loadSegments(segments, { isolate });
    let state = 7;
    const random = (below: number): number => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    let answered = 0;
    // Each costs a restart of a host, and every restart waits longer than the one before: six are enough.
    for (const kind of ['fail', 'abort', 'hang', 'fail', 'hang', 'abort']) {
      simulator.faults(`${kind} ${1 + random(20)} ${[a, b][random(2)]}`);
      for (let round = 0; round < 6; round++) {
        const values = [...Array(8).keys()].map(() => Uint8Array.from({ length: 16 }, () => random(100)));
        const results = await Promise.allSettled(values.map((value) => pipeline.run({ x: value })));
        results.forEach((result, i) => {
          answered++;
          if (result.status === 'rejected') expect(result.reason).toMatchObject(lost);
          else expect(numbers(result.value['y']!.data)).toEqual(numbers(values[i]!).map(networkOf));
        });
      }
    }
    const { completed, failed, aborted, timedOut, running } = pipeline.statistics();
    expect(completed + failed).toBe(answered);
    expect({ aborted, timedOut, running }).toEqual({ aborted: 0, timedOut: 0, running: 0 });
    expect(completed).toBeGreaterThan(0);
    plug();
    await until(() => pipeline.segments().every(({ host }) => host!.up), 'both to be up');
  });
});
