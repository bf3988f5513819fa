/**
 * Edge TPUs on the simulated driver (`npm run test:edgetpu`): the conformance suite in-process and isolated, and the ways
 * in which a stick fails. What computes is the model's twin on the CPU; see test/simulators/edgetpu/README.md.
 */
import fs from 'node:fs';
import path from 'node:path';
import { native } from '../../lib/native.js';
import { events, InferenceError, listBackends, loadModel, type Model } from '../../lib/index.js';
import type { Dtype, LoadOptions, ModelSource, Shape } from '../../lib/types.js';
import { conformance, type ConformanceBackend, type Loadable } from '../backends/conformance.js';
import { tfliteBackend } from '../backends/tflite-models.js';
import { runProgram } from '../support/child.js';
import { compiledOf, quantizedAddTflite } from '../support/edgetpu.js';
import { EdgeTpuSimulator } from '../support/edgetpu-simulator.js';
import { Folder } from '../support/folder.js';
import { addTflite, identityTflite, pairTflite } from '../support/tflite-graphs.js';
import { numbers } from '../support/values.js';
import { collect, rejection, until } from '../support/wait.js';

const simulator = new EdgeTpuSimulator();
const folder = new Folder();
const usb = '/sys/bus/usb/devices/1-4';

/** One stick, freshly plugged in: what was wrong with it is over. */
function plug(): void {
  simulator.reset();
  simulator.devices(`usb ${usb}`);
}
beforeEach(plug);

/** The host was lost and is back. */
function isBack(model: Model): Promise<void> {
  return until(() => model.host()!.restarts > 0 && model.host()!.up, 'the host to be back');
}

/** What this process holds while every device of the model is healthy, and has run all of its requests. */
async function heldAtRest(model: Model, fill: () => Promise<unknown>): Promise<() => Record<string, number>> {
  plug();
  await until(() => model.devices().every(({ state }) => state === 'healthy'), 'the devices to be healthy');
  for (let i = 0; i < 20; i++) await fill();
  const entries = (name: string): number => fs.readdirSync(`/proc/self/${name}`).length;
  return () => {
    const { requests, models, bytesHeld } = native().process();
    return { requests, models, bytesHeld, descriptors: entries('fd'), threads: entries('task') };
  };
}

/** What the stick cannot do (open shapes, results whose size depends on the data, long sums) is left to the CPU. */
function onCpu({ source, options }: Loadable): Loadable {
  return { source, options: { ...options, partial: 'allow' } };
}

function backend(isolate: LoadOptions['isolate']): ConformanceBackend {
  const isFixed = (shape: Shape): boolean => shape.every((dim) => dim > 0);
  const cpu = tfliteBackend.models;
  return {
    device: 'tflite:edgetpu:0',
    async: false,
    options: { isolate: isolate! },
    models: {
      identity: (dtype: Dtype, shape: Shape, names) =>
        isFixed(shape)
          ? { source: compiledOf(identityTflite(dtype, shape, names)) }
          : onCpu(cpu.identity(dtype, shape, names)),
      add: (number, shape) =>
        isFixed(shape) ? { source: compiledOf(addTflite(number, shape)) } : onCpu(cpu.add(number, shape)),
      pair: () => ({ source: compiledOf(pairTflite()) }),
      nonzero: (length) => onCpu(cpu.nonzero!(length)),
      slow: () => onCpu(cpu.slow()),
      long: () => onCpu(cpu.long()),
    },
  };
}

// Hang limits beyond what the suite's long models take.
const patient = { hangTimeoutMs: 120_000, firstRunTimeoutMs: 120_000 };
describe('tflite:edgetpu, in-process', () => conformance(backend(false)));
describe('tflite:edgetpu, isolated', () => conformance(backend(patient)));

const open: Model[] = [];
const plusOne = compiledOf(quantizedAddTflite('u8', 1, [4]));
const x = Uint8Array.of(1, 2, 3, 254);
const y = [2, 3, 4, 255];

async function load(source: ModelSource, options: LoadOptions = {}): Promise<Model> {
  const model = await loadModel(source, { ...(Array.isArray(source) ? {} : { device: 'edgetpu' }), ...options });
  open.push(model);
  return model;
}

async function failure(work: Promise<unknown>): Promise<InferenceError> {
  const error = await rejection(work);
  expect(error).toBeInstanceOf(InferenceError);
  expect((error as InferenceError).remedy).not.toBe('');
  return error as InferenceError;
}

async function run(model: Model): Promise<number[]> {
  return numbers((await model.run({ x }))['y']!.data);
}

afterEach(() => Promise.all(open.splice(0).map((model) => model.dispose({ timeoutMs: 20_000 }))));

describe('what is there', () => {
  it('is listed by number, with its port and the driver’s version', async () => {
    simulator.devices(`usb ${usb}`, 'pci /dev/apex_0');
    const driver = expect.stringMatching(/^BuildLabel\(edge-infer-simulator.*RuntimeVersion\(14\)$/) as string;
    const tflite = (await listBackends()).find(({ name }) => name === 'tflite')!;
    expect(tflite.devices).toMatchObject([
      { id: 'tflite:cpu' },
      { id: 'tflite:edgetpu:0', type: 'edgetpu', name: expect.stringMatching(/USB.*usb-1-4/), driver },
      { id: 'tflite:edgetpu:1', type: 'edgetpu', name: expect.stringMatching(/PCIe.*pci-0/), driver },
    ]);
  });

  it('is taken by its number or by its port', async () => {
    simulator.devices('usb /sys/bus/usb/devices/2-1', `usb ${usb}`, 'pci /dev/apex_0');
    for (const device of [
      'edgetpu',
      'tflite:edgetpu',
      'tflite:edgetpu:1',
      'tflite:edgetpu:usb-2-1',
      'tflite:edgetpu:pci-0',
    ]) {
      expect(await run(await load(plusOne, { device, isolate: false }))).toEqual(y);
    }
  });

  it('nothing: ERR_UNAVAILABLE, and the CPU of the list runs', async () => {
    simulator.devices();
    expect(await failure(load(plusOne))).toMatchObject({
      code: 'ERR_UNAVAILABLE',
      message: expect.stringContaining('none'),
    });
    const model = await load([
      { file: plusOne, device: 'edgetpu' },
      { file: quantizedAddTflite('u8', 1, [4]), device: 'tflite:cpu' },
    ]);
    expect(model.info).toMatchObject({ device: 'tflite:cpu', rejected: [{ device: 'tflite:edgetpu:0' }] });
  });

  it('without the driver, the CPU is there all the same', async () => {
    const { stdout } = await runProgram(
      `const [tflite] = (await edge.listBackends()).filter(({ name }) => name === 'tflite');
       const error = await edge.loadModel('nothing.tflite', { device: 'edgetpu' }).catch((error) => error);
       console.log(tflite.devices.map(({ id }) => id).join(), error.code);`,
      { EDGE_INFER_EDGETPU: '' },
    );
    expect(stdout).toBe('tflite:cpu ERR_MODEL_NOT_FOUND\n');
  });
});

describe('models', () => {
  it('run on the stick, isolated unless said otherwise', async () => {
    const model = await load(plusOne);
    expect(model.info).toMatchObject({
      device: 'tflite:edgetpu:0',
      devices: ['tflite:edgetpu:0'],
      isolated: true,
      properties: { NODES_EDGETPU: '1', EDGETPU_DRIVER: expect.stringMatching(/^BuildLabel\(.*RuntimeVersion\(14\)$/) },
    });
    const before = simulator.runs(usb);
    expect(await run(model)).toEqual(y);
    expect(simulator.runs(usb)).toBe(before + 1);
    expect(await model.layers()).toMatchObject([
      { type: 'edgetpu-custom-op', device: 'tflite:edgetpu:0', kernel: 'libedgetpu' },
    ]);
  });

  it('u8 without a copy; i8 keeps what the caller wrote, run after run', async () => {
    for (const isolate of [true, false]) {
      const first = await load(plusOne, { isolate });
      const unsigned = first.createRequest();
      (unsigned.inputs['x']!.data as Uint8Array).set(x);
      const model = await load(compiledOf(quantizedAddTflite('i8', 1, [4])), { isolate });
      const signed = model.createRequest();
      (signed.inputs['x']!.data as Int8Array).set([-128, -1, 5, 126]);
      for (let i = 0; i < 3; i++) {
        await unsigned.run();
        await signed.run();
        expect(numbers(unsigned.outputs['y']!.data)).toEqual(y);
        expect(numbers(signed.inputs['x']!.data)).toEqual([-128, -1, 5, 126]);
        expect(numbers(signed.outputs['y']!.data)).toEqual([-127, 0, 6, 127]);
      }
      expect(first.statistics().bytesCopied).toBe(0);
      expect(model.statistics().bytesCopied).toBe(3 * 4); // the driver changes its inputs: it gets copies
      await Promise.all([first.dispose(), model.dispose()]);
    }
  });

  it('that are not compiled are refused, unless the CPU may run them', async () => {
    const twin = quantizedAddTflite('u8', 1, [4]);
    const error = await failure(load(twin));
    expect(error).toMatchObject({ code: 'ERR_UNSUPPORTED', message: expect.stringContaining('not compiled') });
    const model = await load(twin, { partial: 'allow' });
    expect(model.info.devices).toEqual(['tflite:cpu']);
    expect(await run(model)).toEqual(y);
  });

  it('of which a part runs on the CPU say so', async () => {
    const model = await load(compiledOf(quantizedAddTflite('u8', 1, [4]), { tail: 'dequantize' }));
    expect(model.info.devices).toEqual(['tflite:edgetpu:0', 'tflite:cpu']);
    expect((await model.layers()).map(({ type, device, kernel }) => [type, device, kernel])).toEqual([
      ['edgetpu-custom-op', 'tflite:edgetpu:0', 'libedgetpu'],
      ['DEQUANTIZE', 'tflite:cpu', 'XNNPACK'],
    ]);
  });

  it('that need a newer driver are refused in words', async () => {
    const newer = compiledOf(quantizedAddTflite('u8', 1, [4]), { minimumRuntimeVersion: 15 });
    expect(await failure(load(newer))).toMatchObject({
      code: 'ERR_UNSUPPORTED',
      message: 'The model was compiled for Edge TPU runtime 15; this driver is 14.',
      remedy: expect.stringContaining('--min_runtime_version'),
    });
  });

  it('several on one stick, in one host', async () => {
    const plusTwo = await load(compiledOf(quantizedAddTflite('u8', 2, [4])), { deadlineMs: 20_000 });
    const model = await load(plusOne);
    expect(model.host()!.pid).toBe(plusTwo.host()!.pid);
    const results = await Promise.all([...Array(20).keys()].map((i) => run(i % 2 === 0 ? model : plusTwo)));
    results.forEach((result, i) => expect(result).toEqual(i % 2 === 0 ? y : [3, 4, 5, 255]));
  });

  it('options reach the driver; wrong ones do not', async () => {
    await load(plusOne, { properties: { Performance: 'High', 'Usb.MaxBulkInQueueLength': 8 } });
    expect(simulator.log().some(({ event }) => event.includes('Performance=High'))).toBe(true);
    for (const [name, value] of [
      ['Performance', 'Fast'],
      ['Usb.AlwaysDfu', 'YES'],
      ['Usb.MaxBulkInQueueLength', 257],
      ['Colour', 'green'],
    ] as const) {
      expect(await failure(load(plusOne, { properties: { [name]: value } }))).toMatchObject({
        code: 'ERR_INVALID_ARGUMENT',
      });
    }
  });
});

describe('one process at a time', () => {
  it('a second one gets ERR_DEVICE_BUSY with the owner’s pid, and the first goes on', async () => {
    const model = await load(plusOne);
    const file = folder.write('plus-one.tflite', plusOne);
    const { stdout } = await runProgram(
      `const error = await edge.loadModel(${JSON.stringify(file)}, { device: 'edgetpu' }).catch((error) => error);
       console.log(error.code, error.message);`,
    );
    expect(stdout).toContain('ERR_DEVICE_BUSY');
    expect(stdout).toContain(String(model.host()!.pid));
    expect(stdout).toContain(`started by ${process.pid}`);
    expect(await run(model)).toEqual(y);
  });

  it('also where the second one may write no file', async () => {
    const model = await load(plusOne);
    const busy = { code: 'ERR_DEVICE_BUSY', message: expect.stringContaining(String(model.host()!.pid)) };
    expect(await failure(loadModel(plusOne, { device: 'edgetpu', isolate: { sandbox: 'strict' } }))).toMatchObject(
      busy,
    );
    expect(await failure(loadModel(plusOne, { device: 'edgetpu', trust: 'probe' }))).toMatchObject(busy);
    expect(await run(model)).toEqual(y);
    expect(model.host()!.restarts).toBe(0);
  });

  it('is free again when its models are disposed of', async () => {
    for (const isolate of [false, patient, false, true]) {
      const model = await load(plusOne, { isolate });
      expect(await run(model)).toEqual(y);
      await model.dispose();
    }
  });
});

describe('faults', () => {
  const lost = { code: 'ERR_DEVICE_LOST' };

  it.each(['fail', 'abort', 'unplug'])('%s: ERR_DEVICE_LOST, and the next runs find the stick again', async (fault) => {
    const model = await load(plusOne);
    expect(await run(model)).toEqual(y);
    simulator.faults(`${fault} 1`);
    expect(await failure(run(model))).toMatchObject(lost);
    plug();
    await isBack(model);
    expect(await run(model)).toEqual(y);
  });

  it('hang: ended at hangTimeoutMs, whatever the caller’s deadline', async () => {
    const model = await load(plusOne, { isolate: { hangTimeoutMs: 300, firstRunTimeoutMs: 60_000 } });
    expect(await run(model)).toEqual(y);
    const before = simulator.log().length;
    simulator.faults('hang 1');
    // Until one has come that far: on a busy machine the deadline may pass before.
    for (let deadlineMs = 10; !simulator.hung(before); deadlineMs *= 2) {
      expect(await failure(model.run({ x }, { deadlineMs }))).toMatchObject({ code: 'ERR_TIMEOUT' });
      await until(() => simulator.hung(before) || model.statistics().running === 0, 'the run to hang or to be gone');
    }
    await isBack(model);
    simulator.faults();
    expect(await run(model)).toEqual(y);
  });

  it('the stick comes back at another port: the model finds it', async () => {
    const recovered: string[] = [];
    const hear = ({ device }: { device: string }): void => void recovered.push(device);
    events.on('deviceRecovered', hear);
    const model = await load(plusOne, { isolate: { retry: true } });
    expect(await run(model)).toEqual(y);
    simulator.devices();
    const waiting = run(model);
    await until(() => !model.host()!.up, 'the loss to be noticed');
    simulator.devices('usb /sys/bus/usb/devices/3-2');
    expect(await waiting).toEqual(y);
    expect(simulator.runs('/sys/bus/usb/devices/3-2')).toBeGreaterThan(0);
    expect(recovered).toContain('tflite:edgetpu:0');
    events.off('deviceRecovered', hear);
  });

  it('in-process: a failed run is an error, and a new load finds the stick again', async () => {
    const model = await load(plusOne, { isolate: false });
    expect(await run(model)).toEqual(y);
    simulator.faults('fail 1');
    expect(await failure(run(model))).toMatchObject(lost);
    await model.dispose();
    simulator.faults();
    expect(await run(await load(plusOne, { isolate: false }))).toEqual(y);
  });
});

describe('failover and pools', () => {
  const quick = { probeMs: 20, healthyMs: 100 };
  const twin = quantizedAddTflite('u8', 1, [4]);
  const both: ModelSource = [
    { file: plusOne, device: 'edgetpu' },
    { file: twin, device: 'tflite:cpu' },
  ];

  it('frames go on on the CPU when the stick is pulled, and return to it', async () => {
    const model = await load(both, { failover: quick });
    expect(model.info.members).toEqual([['tflite:edgetpu:0'], ['tflite:cpu']]);
    expect(await run(model)).toEqual(y);
    simulator.devices();
    for (let i = 0; i < 20; i++)
      expect(numbers((await model.run({ x }, { deadlineMs: 20_000 }))['y']!.data)).toEqual(y);
    const [tpu, cpu] = model.devices();
    expect(tpu).toMatchObject({ device: 'tflite:edgetpu:0', state: 'lost', losses: 1 });
    expect(cpu).toMatchObject({ device: 'tflite:cpu', runs: 20 });
    simulator.devices(`usb ${usb} 2`);
    await until(() => model.devices()[0]!.state === 'healthy', 'the stick to be healthy again');
    const before = model.devices()[0]!.runs;
    expect(await run(model)).toEqual(y);
    expect(model.devices()[0]!.runs).toBe(before + 1);
    expect(model.statistics()).toMatchObject({ completed: 22, failed: 0 });
  });

  it('a pool of two shares the runs, and goes on with one', async () => {
    simulator.devices(`usb ${usb}`, 'usb /sys/bus/usb/devices/1-5');
    simulator.latency(2000);
    const device = [['tflite:edgetpu:usb-1-4', 'tflite:edgetpu:usb-1-5']];
    const model = await load(plusOne, { device, failover: quick });
    // One that another test's host still had at load joins later.
    await until(() => model.devices().every(({ state }) => state === 'healthy'), 'both to be healthy');
    await Promise.all([...Array(40).keys()].map(async () => expect(await run(model)).toEqual(y)));
    expect(model.devices().map(({ runs }) => runs > 0)).toEqual([true, true]);
    simulator.devices(`usb ${usb}`);
    await Promise.all([...Array(40).keys()].map(async () => expect(await run(model)).toEqual(y)));
    expect(model.statistics()).toMatchObject({ completed: 80, failed: 0 });
  });

  it('a pool by number takes a stick back that comes last in the list', async () => {
    simulator.devices(`usb ${usb}`, 'usb /sys/bus/usb/devices/1-5');
    const device = [['tflite:edgetpu:0', 'tflite:edgetpu:1']];
    const model = await load(plusOne, { device, failover: quick });
    for (let i = 0; i < 4; i++) expect(await run(model)).toEqual(y);
    simulator.devices('usb /sys/bus/usb/devices/1-5');
    for (let i = 0; i < 4; i++) expect(await run(model)).toEqual(y);
    await until(() => model.devices().some(({ state }) => state === 'lost'), 'the loss to be noticed');
    simulator.devices('usb /sys/bus/usb/devices/1-5', `usb ${usb} 2`);
    await until(() => model.devices().every(({ state }) => state === 'healthy'), 'both to be healthy');
    for (let i = 0; i < 4; i++) expect(await run(model)).toEqual(y);
  });

  const rounds = Number(process.env['EDGE_INFER_RUNS'] ?? 2000);
  it(
    'random faults: every run is answered once, with its own values',
    async () => {
      const model = await load(both, { failover: quick, isolate: { hangTimeoutMs: 500 }, queueLimit: 64 });
      const kinds = ['fail', 'abort', 'unplug', 'hang'];
      const between = 16 * Math.max(13, Math.floor(rounds / 16 / 200)); // restarts take their time: 200 faults are enough
      let state = 1;
      const random = (below: number): number => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return Math.floor((state / 2 ** 32) * below);
      };
      let faults = 0;
      const frames = (values: readonly Uint8Array[]) => Promise.all(values.map((value) => model.run({ x: value })));
      const fill = () => frames(Array.from({ length: 16 }, () => Uint8Array.of(1, 2, 3, 4)));
      let filled = 0;
      let early: Record<string, number> | undefined;
      let rss = 0;
      for (let done = 0; done < rounds; done += 16) {
        if (early === undefined && done * 10 >= rounds) {
          early = (await heldAtRest(model, fill))();
          collect();
          filled = 20 * 16;
          rss = process.memoryUsage.rss();
        }
        if (done % between === 0) {
          const kind = kinds[random(kinds.length)]!;
          faults++;
          simulator.faults(`${kind} ${1 + random(20)}`);
          simulator.devices(`usb ${usb} ${faults}`);
        }
        const values = [...Array(16).keys()].map(() => Uint8Array.from({ length: 4 }, () => random(255)));
        const results = await frames(values);
        results.forEach((result, i) => {
          expect(numbers(result['y']!.data)).toEqual(numbers(values[i]!).map((value) => value + 1));
        });
      }
      const { completed, failed, aborted, timedOut } = model.statistics();
      expect({ failed, aborted, timedOut }).toEqual({ failed: 0, aborted: 0, timedOut: 0 });
      expect(completed).toBe(16 * Math.ceil(rounds / 16) + filled);
      // Nothing grows. What was lost is torn down on threads that end in their own time.
      const held = await heldAtRest(model, fill);
      await until(
        () => Object.entries(held()).every(([name, count]) => count <= early![name]!),
        `${JSON.stringify(held())} to be ${JSON.stringify(early)} again`,
      );
      collect();
      const grown = (process.memoryUsage.rss() - rss) / 2 ** 20;
      if (rounds > 2000) console.log(`${rounds} runs, ${faults} faults, ${grown.toFixed(1)} MiB more`, held());
      expect(grown).toBeLessThan(100); // the test runner's own heap breathes
    },
    180_000 + 50 * rounds,
  );
});

describe('the real compiled model', () => {
  const assets = process.env['EDGE_INFER_ASSETS'];
  const twinOfReal = process.env['EDGE_INFER_EDGETPU_TWIN'];
  (assets !== undefined && twinOfReal !== undefined ? it : it.skip)('gives what its twin gives', async () => {
    const models = path.join(assets!, 'models');
    const compiled = await load(path.join(models, 'mobilenet_v1_0.25_128_quant_edgetpu.tflite'));
    const twin = await load(twinOfReal!, { device: 'tflite:cpu', properties: { XNNPACK: 'NO' } });
    const name = compiled.inputs[0]!.name;
    const pixels = Uint8Array.from({ length: 128 * 128 * 3 }, (_, i) => (i * 7919) >> 3);
    const [a, b] = await Promise.all([compiled.run({ [name]: pixels }), twin.run({ [name]: pixels })]);
    expect(numbers(Object.values(a)[0]!.data)).toEqual(numbers(Object.values(b)[0]!.data));
  });
});
