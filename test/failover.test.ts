/** Failover and pools through the public API: retries, returns, what is reported, and what callers see of it. */
import path from 'node:path';
import { events, loadModel, type InferenceRequest, type Model } from '../lib/index.js';
import { native } from '../lib/native.js';
import type { DeviceEvent, FailoverEvent, LoadOptions, ModelSource } from '../lib/types.js';
import { runProgram } from './support/child.js';
import { echo, echoPlusOne, loadEcho } from './support/echo.js';
import { Folder } from './support/folder.js';
import { numbers } from './support/values.js';
import { collect, rejection, until } from './support/wait.js';

const quick = { probeMs: 1, healthyMs: 4 };
const x = Float32Array.of(1);
const folder = new Folder();
const models: Model[] = [];
/** y = x + number; which number says which device ran. */
const plus = (number: number, ...lines: string[]): Uint8Array =>
  echo('input x f32 1', `output y = add x ${number}`, ...lines);

async function load(source: ModelSource, options: LoadOptions = {}): Promise<Model> {
  const model = await loadModel(source, { failover: quick, ...options });
  models.push(model);
  return model;
}

const restore = async (device: string): Promise<void> => (await loadEcho(echoPlusOne('restore'), { device })).dispose();
const lose = async (device: string): Promise<void> => {
  expect(await rejection(loadEcho(echoPlusOne('lose'), { device }))).toMatchObject({ code: 'ERR_DEVICE_LOST' });
};
const state = (model: Model, device: string): string | undefined =>
  model.devices().find((one) => one.device === device)?.state;
const isHealthy = (model: Model, device: string): Promise<void> =>
  until(() => state(model, device) === 'healthy', `${device} to be healthy`);

async function run(request: InferenceRequest, value = 1): Promise<number> {
  (request.inputs['x']!.data as Float32Array)[0] = value;
  await request.run();
  return (request.outputs['y']!.data as Float32Array)[0]! - value;
}

afterEach(async () => {
  await Promise.all(models.splice(0).map((model) => model.dispose()));
  for (const device of ['echo:cpu', 'echo:1', 'echo:2', 'echo:3']) await restore(device);
});

const two: ModelSource = [
  { file: plus(10), device: 'echo:1' },
  { file: plus(20), device: 'echo:cpu' },
];

describe('failover', () => {
  it('a lost device: the run succeeds on the next one, in the same buffers, without a copy', async () => {
    const model = await load(two);
    expect(model.info).toMatchObject({ device: 'echo:1', members: [['echo:1'], ['echo:cpu']], rejected: [] });
    const request = model.createRequest();
    const views = [request.inputs['x']!.data, request.outputs['y']!.data];
    expect(await run(request)).toBe(10);
    await lose('echo:1');
    expect(await run(request, 5)).toBe(20);
    request.runSync();
    expect([request.inputs['x']!.data, request.outputs['y']!.data]).toEqual(views);
    expect(request.outputs['y']!.data).toBe(views[1]);
    expect(model.statistics()).toMatchObject({ completed: 3, failed: 0, bytesCopied: 0 });
    expect(model.devices()).toMatchObject([
      {
        device: 'echo:1',
        tier: 0,
        state: 'lost',
        runs: 2,
        failures: 1,
        losses: 1,
        lastError: expect.stringMatching(/lost/),
      },
      { device: 'echo:cpu', tier: 1, state: 'healthy', runs: 2, failures: 0, losses: 0, lastError: null },
    ]);
  });

  it('returns to the better device; events say what happened, in order', async () => {
    const heard: string[] = [];
    const note = (name: string) => (event: DeviceEvent | FailoverEvent) =>
      void heard.push([name, event.device, ...('from' in event ? [event.from] : [])].join(' '));
    const listeners = (['deviceLost', 'deviceRecovered', 'failover'] as const).map(
      (name) => [name, note(name)] as const,
    );
    for (const [name, listener] of listeners) events.on(name, listener);
    const model = await load(two);
    await lose('echo:1');
    expect(numbers((await model.run({ x }))['y']!.data)).toEqual([21]);
    await restore('echo:1');
    await isHealthy(model, 'echo:1');
    expect(numbers((await model.run({ x }))['y']!.data)).toEqual([11]);
    await until(() => heard.length >= 4, 'the events');
    for (const [name, listener] of listeners) events.off(name, listener);
    expect(heard).toEqual([
      'deviceLost echo:1',
      'failover echo:cpu echo:1',
      'deviceRecovered echo:1',
      'failover echo:1 echo:cpu',
    ]);
  });

  it('one model for all devices of the list; `on` of echo says where', async () => {
    const model = await load(plus(10, 'on 1 lost_at 2'), { device: ['echo:1', 'echo:cpu'] });
    const request = model.createRequest();
    for (let i = 0; i < 4; i++) expect(await run(request, i)).toBe(10);
    expect(model.devices().map(({ runs }) => runs)).toEqual([2, 3]);
  });

  it('the deadline holds across devices: a run that expires is not made again', async () => {
    const model = await load([
      { file: plus(10, 'hang_at 1'), device: 'echo:1' },
      { file: plus(20, 'hang_at 1'), device: 'echo:cpu' },
    ]);
    const request = model.createRequest();
    const run = rejection(request.run({ deadlineMs: 1500 }));
    await until(() => model.devices()[0]!.inFlight === 1, 'the run');
    await lose('echo:1');
    expect(await run).toMatchObject({ code: 'ERR_TIMEOUT' });
    await until(() => !request.busy, 'the device to let go');
    expect(model.statistics()).toMatchObject({ timedOut: 1, completed: 0, failed: 0 });
  });

  it('an abort during the retry', async () => {
    const model = await load([
      { file: plus(10), device: 'echo:1' },
      { file: plus(20, 'delay_ms 600000'), device: 'echo:cpu' },
    ]);
    const request = model.createRequest();
    await lose('echo:1');
    const controller = new AbortController();
    const reason = new Error('enough');
    const aborted = rejection(request.run({ signal: controller.signal }));
    await until(() => model.devices()[1]!.inFlight === 1, 'the retry'); // which may not have begun yet
    controller.abort(reason);
    expect(await aborted).toBe(reason);
    await until(() => !request.busy, 'the device to let go');
    await restore('echo:1');
    await isHealthy(model, 'echo:1');
    expect(await run(request)).toBe(10);
  });

  it('all lost: ERR_DEVICE_LOST names every device; who comes back first serves', async () => {
    const model = await load(two);
    const request = model.createRequest();
    await lose('echo:1');
    await lose('echo:cpu');
    for (let i = 0; i < 2; i++) {
      const error = await rejection(request.run());
      expect(error).toMatchObject({ name: 'InferenceError', code: 'ERR_DEVICE_LOST' });
      expect((error as Error).message).toMatch(/^No device of the model answers\. echo:1: .*; echo:cpu: /);
    }
    await restore('echo:cpu');
    await isHealthy(model, 'echo:cpu');
    expect(await run(request)).toBe(20);
  });

  it('dispose during a failover: every run is answered once', async () => {
    for (let round = 0; round < 5; round++) {
      const model = await load(plus(10, 'delay_ms 2', 'on 1 lost_at 3'), {
        device: ['echo:1', 'echo:cpu'],
        inFlight: 2,
      });
      const runs = Array.from({ length: 20 }, () =>
        model.run({ x }).then(
          () => 'ok',
          (error: { code: string }) => error.code,
        ),
      );
      await runs[round];
      await model.dispose();
      const ends = await Promise.all(runs);
      expect(ends.filter((end) => end !== 'ok' && end !== 'ERR_DISPOSED')).toEqual([]);
      expect(model.devices()).toEqual([]);
      await restore('echo:1');
    }
  });

  it('a model that the device has forgotten is loaded anew', async () => {
    const file = folder.write('model.echo', plus(10, 'needs_reload'));
    const model = await load([
      { file, device: 'echo:1' },
      { file: plus(20), device: 'echo:cpu' },
    ]);
    const request = model.createRequest();
    await lose('echo:1');
    expect(await run(request)).toBe(20);
    await restore('echo:1');
    await isHealthy(model, 'echo:1');
    expect(await run(request)).toBe(10);
    expect(model.statistics().bytesCopied).toBe(0);
  });

  it('a device that is not there at load is reported, and joins later', async () => {
    await lose('echo:1');
    const model = await load(two);
    expect(model.info).toMatchObject({ device: 'echo:cpu', members: [['echo:cpu']] });
    expect(model.info.rejected).toMatchObject([{ device: 'echo:1', code: 'ERR_DEVICE_LOST' }]);
    expect(numbers((await model.run({ x }))['y']!.data)).toEqual([21]);
    await restore('echo:1');
    await isHealthy(model, 'echo:1');
    expect(numbers((await model.run({ x }))['y']!.data)).toEqual([11]);
  });

  it('models that are not alike are refused, in words', async () => {
    const error = await rejection(
      load([
        { file: plus(1), device: 'echo:1' },
        { file: echo('input x f32 2', 'output y = add x 1'), device: 'echo:cpu' },
      ]),
    );
    expect(error).toMatchObject({
      code: 'ERR_INVALID_MODEL',
      message:
        "The devices of the model are not alike: the input 'x' is f32 [2] on echo:cpu, on the first 'x' is f32 [1].",
    });
  });

  it('integers that stand for other numbers are refused; where one file does not tell, the other is believed', async () => {
    const twin = (...lines: string[]) => echo('input x u8 1', 'output y = identity x', ...lines);
    const pair = (first: string[], second: string[]) =>
      load([
        { file: twin(...first), device: 'echo:1' },
        { file: twin(...second), device: 'echo:cpu' },
      ]);
    const error = await rejection(pair(['quantized y - 0.5 3'], ['quantized y - 0.5 4']));
    expect(error).toMatchObject({
      code: 'ERR_INVALID_MODEL',
      message: expect.stringMatching(
        /not alike: the output 'y' is quantised by another scale or zero point on echo:cpu than on the first/,
      ) as string,
    });
    const model = await pair(['quantized y - 0.5 3'], []);
    expect(model.outputs[0]?.quantization).toEqual({ scale: [0.5], zeroPoint: [3], axis: null });
    expect(model.inputs[0]).not.toHaveProperty('quantization');
  });

  it('no device at all: the reason of every one', async () => {
    const error = await rejection(load(plus(1), { device: ['echo:npu', 'echo:gpu'] }));
    expect(error).toMatchObject({ code: 'ERR_UNAVAILABLE' });
    expect((error as Error).message).toMatch(/echo:npu: .*echo:gpu: /);
  });

  it('with isolation: the host process is lost, the run succeeds in this process', async () => {
    const model = await load(plus(10, 'fault_at 2 abort', `once "${path.join(folder.path, 'once')}"`), {
      device: ['echo:1', 'echo:2'],
      isolate: { firstRunTimeoutMs: 120_000, hangTimeoutMs: 120_000 },
    });
    const request = model.createRequest();
    expect(await run(request, 1)).toBe(10);
    expect(await run(request, 2)).toBe(10);
    expect(model.devices()).toMatchObject([{ failures: 1, losses: 1 }, { failures: 0 }]);
    expect(model.statistics().bytesCopied).toBe(0);
    await isHealthy(model, 'echo:1');
    expect(await run(request, 3)).toBe(10);
  });

  it('dynamic shapes, and views that stay', async () => {
    const text = echo('input x f32 ?', 'output y = add x 1');
    const model = await load(text, { device: ['echo:1', 'echo:cpu'] });
    const request = model.createRequest({ shapes: { x: [3] } });
    (request.inputs['x']!.data as Float32Array).set([1, 2, 3]);
    const { data } = request.outputs['y']!;
    await request.run();
    await lose('echo:1');
    await request.run();
    expect(request.outputs['y']!.data).toBe(data);
    expect(numbers(data)).toEqual([2, 3, 4]);
    request.reshape({ x: [2] });
    (request.inputs['x']!.data as Float32Array).set([5, 6]);
    await restore('echo:1');
    await isHealthy(model, 'echo:1');
    await request.run();
    expect(numbers(request.outputs['y']!.data)).toEqual([6, 7]);
    expect(model.statistics().bytesCopied).toBe(0);
  });

  it.each([
    ['failover', 5, 'Expected `failover` to be true, false or an object, got 5.'],
    ['failover', { probeMs: 0 }, 'Expected `failover.probeMs` to be a whole number from 1 to 2147483647, got 0.'],
    ['failover', { healthyMs: -1 }, 'Expected `failover.healthyMs` to be a whole number from 0 to 2147483647, got -1.'],
    ['device', [[]], 'Expected `device` to be pools of one device or more, got an array.'],
    ['device', [['echo', 'auto']], undefined],
    ['device', [[['echo:1']]], undefined],
  ])('a wrong option: %s %p', async (name, value, message) => {
    const error = await rejection(loadModel(plus(1), { device: 'echo', [name]: value }));
    expect(error).toMatchObject({ code: 'ERR_INVALID_ARGUMENT', ...(message === undefined ? {} : { message }) });
  });

  it('the SDK’s own start cannot move a run: refused', async () => {
    const error = await rejection(load(two, { advanced: { dispatch: 'async' } }));
    expect(error).toMatchObject({ code: 'ERR_UNSUPPORTED' });
  });

  it('nothing is left behind', async () => {
    const { models: before } = native().process();
    const model = await load(two);
    model.createRequest();
    await model.run({ x });
    await model.dispose();
    await until(() => {
      collect();
      return native().process().models <= before;
    }, 'the model to go');
  });
});

describe('pools', () => {
  it('share the runs; failing members leave, the others go on; without `failover` the loss is reported', async () => {
    const model = await load(plus(10, 'delay_ms 3'), { device: [['echo:1', 'echo:2'], 'echo:cpu'], failover: false });
    expect(model.info).toMatchObject({ device: 'echo:1', members: [['echo:1', 'echo:2']], inFlight: 2 });
    await Promise.all(Array.from({ length: 20 }, () => model.run({ x })));
    const runs = model.devices().map((one) => one.runs);
    expect(runs[0]! + runs[1]!).toBe(20);
    expect(Math.min(...runs)).toBeGreaterThan(0); // how many is the scheduler's affair
    await lose('echo:2');
    const ends = await Promise.all(
      Array.from({ length: 10 }, () =>
        model.run({ x }).then(
          () => 'ok',
          (error: { code: string }) => error.code,
        ),
      ),
    );
    expect(ends.filter((end) => end !== 'ok' && end !== 'ERR_DEVICE_LOST')).toEqual([]);
    expect(ends.filter((end) => end === 'ok').length).toBeGreaterThanOrEqual(8);
    expect(state(model, 'echo:2')).toBe('lost');
  });

  it('with a file for the pool, and one for what comes after it', async () => {
    const model = await load([
      { file: plus(10), device: ['echo:1', 'echo:2'] },
      { file: plus(20), device: 'echo:cpu' },
    ]);
    expect(model.info.members).toEqual([['echo:1', 'echo:2'], ['echo:cpu']]);
    const request = model.createRequest();
    await lose('echo:1');
    for (let i = 0; i < 4; i++) expect(await run(request)).toBe(10);
    await lose('echo:2');
    expect(await run(request)).toBe(20);
  });

  it('the first step of the list that can be loaded, without `failover`', async () => {
    const model = await load(plus(10), { device: [['echo:npu', 'echo:gpu'], 'echo:cpu'], failover: false });
    expect(model.info.members).toEqual([['echo:cpu']]);
    expect(model.devices()).toMatchObject([{ device: 'echo:cpu', state: 'healthy' }]);
    expect(numbers((await model.run({ x }))['y']!.data)).toEqual([11]);
  });

  it('a model on one device tells of that one', async () => {
    const model = await load(plus(10), { device: 'echo:cpu', failover: false });
    await model.run({ x });
    expect(model.devices()).toEqual([
      { device: 'echo:cpu', tier: 0, state: 'healthy', inFlight: 0, runs: 1, failures: 0, losses: 0, lastError: null },
    ]);
  });
});

it('chaos: devices come and go at random, every run is answered once, with the right values', async () => {
  const { code, signal, stdout, stderr } = await runProgram(`
    const encode = (...lines) => new TextEncoder().encode(['echo 1', 'input x f32 1', 'output y = add x 10', ...lines, ''].join('\\n'));
    const model = await edge.loadModel(encode(), {
      device: [['echo:1', 'echo:2'], 'echo:3', 'echo:cpu'], failover: { probeMs: 1, healthyMs: 3 }, inFlight: 3, queueLimit: 10000,
    });
    let seed = 11, over = false, wrong = 0, answers = 0;
    const random = (n) => ((seed = (seed * 1103515245 + 12345) % 2147483648) >> 8) % n;
    const chaos = (async () => {
      while (!over) {
        await edge.loadModel(encode('lose ' + random(6)), { device: 'echo:' + (1 + random(3)) }).catch(() => undefined);
        await new Promise((resolve) => setTimeout(resolve, random(4)));
      }
    })();
    const own = Array.from({ length: 3 }, async (_, n) => {
      const request = model.createRequest();
      for (let i = 0; i < 400; i++) {
        request.inputs.x.data[0] = i;
        await request.run();
        answers++;
        if (request.outputs.y.data[0] !== i + 10) wrong++;
      }
    });
    const copies = Array.from({ length: 1500 }, (_, i) =>
      model.run({ x: Float32Array.of(i) }).then(({ y }) => { answers++; if (y.data[0] !== i + 10) wrong++; }));
    await Promise.all([...own, ...copies]);
    over = true;
    await chaos;
    const losses = model.devices().reduce((sum, one) => sum + one.losses, 0);
    const { completed, failed } = model.statistics();
    await model.dispose();
    console.log(JSON.stringify({ answers, wrong, completed, failed, lost: losses > 0 }));
  `);
  expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
  expect(JSON.parse(stdout)).toEqual({ answers: 2700, wrong: 0, completed: 2700, failed: 0, lost: true });
});
