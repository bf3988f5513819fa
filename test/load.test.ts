/** loadModel: devices and lists of them, several files, progress, and the wording of wrong options. */
import { listBackends, loadModel, version } from '../lib/index.js';
import { native } from '../lib/native.js';
import type { LoadOptions, LoadProgress, ModelFile, ModelSource } from '../lib/types.js';
import { echo, echoPlusOne, loadEcho } from './support/echo.js';
import { Folder } from './support/folder.js';
import { numbers } from './support/values.js';
import { collect, rejection, until } from './support/wait.js';

const folder = new Folder();
const x = Float32Array.of(1);
const source = echoPlusOne();

describe('devices', () => {
  it.each(['echo', 'ECHO', 'Echo:CPU', 'echo:cpu'])('%s', async (device) => {
    const model = await loadEcho(source, { device });
    expect(model.info).toMatchObject({ backend: 'echo', device: 'echo:cpu', rejected: [] });
    await model.dispose();
  });

  it('are tried in order; those that were not taken are reported', async () => {
    const model = await loadEcho(source, { device: ['echo:npu', 'openvino:gpu.7', 'echo:cpu', 'echo:other'] });
    expect(model.info.device).toBe('echo:cpu');
    expect(model.info.rejected).toEqual([
      { device: 'echo:npu', code: 'ERR_UNAVAILABLE', message: "Echo has no device 'npu'." },
      { device: 'openvino:gpu.7', code: 'ERR_UNAVAILABLE', message: expect.stringMatching(/gpu\.7/i) },
    ]);
    await model.dispose();
  });

  it('of backends that this build does not have are passed over in a list', async () => {
    for (const other of ['tensorrt', 'tensorrt:0', 'tensorrt:0:dla1', 'edgetpu', 'tflite:edgetpu:0']) {
      const model = await loadEcho(source, { device: [other, 'echo'] });
      expect(model.info.device).toBe('echo:cpu');
      await model.dispose();
    }
  });

  it('that are known, but not in this build, are unavailable', async () => {
    for (const device of ['tensorrt', 'tensorrt:0', 'tflite:edgetpu:0', 'edgetpu', ['tensorrt', 'edgetpu']]) {
      expect(await rejection(loadEcho(source, { device }))).toMatchObject({ code: 'ERR_UNAVAILABLE' });
    }
  });

  it('that refuse the model: the next one is tried, and all are told when none is left', async () => {
    const refusing = echoPlusOne('refuse ERR_UNSUPPORTED');
    const single = await rejection(loadEcho(refusing, { device: ['echo:npu', 'echo:cpu'] }));
    // A device that is not there explains less than one that refused the model.
    expect(single).toMatchObject({
      code: 'ERR_UNSUPPORTED',
      message: 'The echo model refuses to load, as it was told to.',
    });
    const all = await rejection(loadEcho(source, { device: ['echo:npu', 'echo:gpu'] }));
    expect(all).toMatchObject({ code: 'ERR_UNAVAILABLE' });
    expect((all as Error).message).toContain("echo:npu: Echo has no device 'npu'.");
    expect((all as Error).message).toContain("echo:gpu: Echo has no device 'gpu'.");
  });

  it.each(['foo', 'foo:cpu', '', ':', 'echo:', 'constructor', '__proto__', 'toString:0', 5, null, {}, [], ['echo', 5]])(
    '%p is none',
    async (device) => {
      expect(await rejection(loadEcho(source, { device: device as string }))).toMatchObject({
        name: 'InferenceError',
        code: expect.stringMatching(
          device === 'echo:' ? /^ERR_(INVALID_ARGUMENT|UNAVAILABLE)$/ : /^ERR_INVALID_ARGUMENT$/,
        ),
      });
    },
  );

  it('auto and cpu choose a device of this machine, never echo', async () => {
    for (const device of [undefined, 'auto', 'AUTO', 'cpu', 'CPU']) {
      const error = await rejection(loadModel(source, device === undefined ? {} : { device }));
      expect(error).toMatchObject({ code: 'ERR_INVALID_MODEL' });
      expect((error as { backend: string }).backend).not.toBe('echo');
    }
  });

  it('listBackends lists echo only where it is asked for', async () => {
    expect((await listBackends()).map(({ name }) => name)).not.toContain('echo');
    const found = (await listBackends({ all: true })).find(({ name }) => name === 'echo');
    expect(found).toMatchObject({ available: true, library: null, error: null, searched: [] });
    expect(found!.devices).toMatchObject([
      { id: 'echo:cpu', type: 'cpu', capabilities: { memory: 'host', async: true, cancellable: true } },
    ]);
  });
});

describe('several files', () => {
  const file = folder.write('model.echo', source);
  const other = folder.write('other.echo', echo('input x f32 1', 'output y = add x 10'));

  it('each for its device: the first that can be loaded', async () => {
    const files: ModelFile[] = [
      { file: 'none.echo', device: 'echo' },
      { file: other, device: 'echo:npu' },
      { file: echoPlusOne('refuse ERR_UNSUPPORTED'), device: 'echo' },
      { file: other, device: 'echo' },
      { file, device: 'echo' },
    ];
    const model = await loadModel(files);
    expect(model.info.path).toBe(other);
    expect(model.info.rejected.map(({ device, code }) => [device, code])).toEqual([
      ['echo:cpu', 'ERR_MODEL_NOT_FOUND'],
      ['echo:npu', 'ERR_UNAVAILABLE'],
      ['echo:cpu', 'ERR_UNSUPPORTED'],
    ]);
    expect(numbers((await model.run({ x }))['y']!.data)).toEqual([11]);
    await model.dispose();
  });

  it.each([
    ['none', []],
    ['one without a device that is one', [{ file, device: 'foo' }]],
    ['one without a file', [{ device: 'echo' }]],
    ['null', [null]],
    ['a text', ['model.onnx']],
  ] as unknown as [string, ModelSource][])('%s is refused', async (_, files) => {
    expect(await rejection(loadModel(files))).toMatchObject({ name: 'InferenceError', code: 'ERR_INVALID_ARGUMENT' });
  });
});

describe('options', () => {
  const wrong: [string, unknown, string][] = [
    ['threads', 0, 'Expected `threads` to be a whole number from 1 to 65536, got 0.'],
    ['threads', 1.5, 'Expected `threads` to be a whole number from 1 to 65536, got 1.5.'],
    ['streams', -1, 'Expected `streams` to be a whole number from 1 to 65536, got -1.'],
    ['streams', '2', "Expected `streams` to be a whole number from 1 to 65536, got '2'."],
    ['inFlight', 0, 'Expected `inFlight` to be a whole number from 1 to 1024, got 0.'],
    ['inFlight', 1025, 'Expected `inFlight` to be a whole number from 1 to 1024, got 1025.'],
    ['queueLimit', -1, 'Expected `queueLimit` to be a whole number from 0 to 1048576, got -1.'],
    ['queueLimit', null, 'Expected `queueLimit` to be a whole number from 0 to 1048576, got null.'],
    ['precision', 'int4', "Expected `precision` to be 'f32', 'f16', 'bf16', 'i8' or 'auto', got 'int4'."],
    ['strict', 1, 'Expected `strict` to be true or false, got 1.'],
    ['calibration', {}, 'Expected `calibration` to be one with `inputs` or `cache`, got an object.'],
    ['performanceHint', 'speed', "Expected `performanceHint` to be 'latency' or 'throughput', got 'speed'."],
    ['performanceHint', '', "Expected `performanceHint` to be 'latency' or 'throughput', got ''."],
    ['properties', 'x', "Expected `properties` to be an object, got 'x'."],
    ['properties', { A: null }, 'Expected `properties.A` to be a string, a number or a boolean, got null.'],
    ['shapes', 5, 'Expected `shapes` to be an object of shapes by input, got 5.'],
    ['deadlineMs', -1, 'Expected `deadlineMs` to be a number of milliseconds that is not negative, got -1.'],
    ['signal', {}, 'Expected `signal` to be an AbortSignal, got an object.'],
    ['advanced', { wait: 'busy' }, "Expected `advanced.wait` to be 'sleep' or 'spin', got 'busy'."],
    ['advanced', { spinUs: 0 }, 'Expected `advanced.spinUs` to be a whole number from 1 to 1000, got 0.'],
    ['advanced', { spinUs: 1001 }, 'Expected `advanced.spinUs` to be a whole number from 1 to 1000, got 1001.'],
  ];
  it.each(wrong)('%s: %p', async (name, value, message) => {
    const error = await rejection(loadEcho(source, { [name]: value } as LoadOptions));
    expect(error).toMatchObject({ name: 'InferenceError', code: 'ERR_INVALID_ARGUMENT', message });
  });

  it('a shape that is none', async () => {
    const error = await rejection(loadEcho(source, { shapes: { x: [-1] } }));
    expect(error).toMatchObject({ code: 'ERR_INVALID_TENSOR' });
  });

  it.each([null, 5, 'x'])('as a whole: %p', async (options) => {
    expect(await rejection(loadModel(source, options as unknown as LoadOptions))).toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringMatching(/^Expected `options` to be an object, got /),
    });
  });

  it('are told in the model’s info', async () => {
    const model = await loadEcho(echoPlusOne('optimal 3'));
    expect(model.info).toMatchObject({
      inFlight: 3,
      queueLimit: 64,
      path: null,
      zeroCopy: true,
      precision: { requested: 'model', actual: 'f32' },
      versions: { edgeInfer: version, sdk: '1' },
    });
    expect(model.info.sha256).toMatch(/^[0-9a-f]{64}$/);
    await model.dispose();
  });
});

it('progress: each stage once, in order, with the device being tried', async () => {
  const seen: LoadProgress[] = [];
  const model = await loadEcho(source, { device: ['echo:npu', 'echo'], onProgress: (one) => void seen.push(one) });
  await model.dispose();
  const stages = (device: string): string[] => seen.filter((one) => one.device === device).map(({ stage }) => stage);
  const order = ['locate', 'open', 'load', 'ready'];
  const inOrder = (some: string[]): string[] => order.filter((stage) => some.includes(stage));
  expect(stages('echo:cpu')).toEqual(inOrder(stages('echo:cpu')));
  expect(stages('echo:cpu')).toEqual(expect.arrayContaining(['locate', 'load', 'ready']));
  expect(stages('echo:npu')).toEqual(inOrder(stages('echo:npu')));
  expect(stages('echo:npu')).not.toContain('ready');
  expect(seen[seen.length - 1]).toEqual({ stage: 'ready', device: 'echo:cpu' });
});

describe('giving up', () => {
  const slow = echoPlusOne('load_ms 300');

  it('by a signal, during the load: the reason itself; the model that comes late is disposed of', async () => {
    const { models } = native().process();
    const controller = new AbortController();
    const reason = { why: 'no time' };
    const rejected = rejection(loadEcho(slow, { signal: controller.signal, device: ['echo', 'echo:npu'] }));
    setImmediate(() => controller.abort(reason));
    expect(await rejected).toBe(reason);
    await new Promise((resolve) => setTimeout(resolve, 500)); // it has arrived by now
    await until(() => {
      collect();
      return native().process().models <= models;
    }, 'the late model to go');
  });

  it('by a deadline: no other device is tried', async () => {
    const seen: string[] = [];
    const error = await rejection(
      loadEcho(echoPlusOne('load_ms 3000'), {
        deadlineMs: 20,
        device: ['echo', 'echo:npu'],
        onProgress: ({ device }) => void seen.push(device),
      }),
    );
    expect(error).toMatchObject({ code: 'ERR_TIMEOUT', message: 'The model did not load within `deadlineMs`.' });
    expect(seen).not.toContain('echo:npu');
  });

  it('with time enough, nothing is given up', async () => {
    const { signal } = new AbortController();
    const model = await loadEcho(echoPlusOne('load_ms 10'), { signal, deadlineMs: 60_000 });
    expect(model.info.loadMs).toBeGreaterThanOrEqual(10);
    await model.dispose();
  });
});
