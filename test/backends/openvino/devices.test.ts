/** OpenVINO: what it says of its devices, compositions of them, layers as executed, and the time of each. */
import { listBackends } from '../../../lib/index.js';
import type { BackendInfo, DeviceInfo } from '../../../lib/types.js';
import { addIr, slowIr } from '../../support/ir.js';
import { numbers } from '../../support/values.js';
import { rejection, thrown } from '../../support/wait.js';
import { closeAll, loadIr, product, productIr, scattered } from './models.js';

afterEach(closeAll);

async function openvino(): Promise<BackendInfo> {
  const found = (await listBackends()).find(({ name }) => name === 'openvino');
  return found!;
}

describe('devices', () => {
  it('have a full name, precisions, formats and a useful number of runs at once', async () => {
    const { devices } = await openvino();
    const cpu = devices.find(({ id }) => id === 'openvino:cpu') as DeviceInfo;
    expect(cpu.name).not.toBe('CPU');
    expect(cpu.capabilities.precisions).toEqual(expect.arrayContaining(['f32', 'int8']));
    expect(cpu.capabilities.formats).toEqual(expect.arrayContaining(['onnx', 'ir', 'tflite', 'paddle', 'tensorflow']));
    expect(cpu.capabilities.inFlight).toBeGreaterThanOrEqual(1);
  });

  it('that are not there are refused by name, in compositions too', async () => {
    for (const device of ['openvino:gpu.9', 'openvino:hetero:gpu.9,cpu', 'openvino:auto:gpu.9', 'openvino:myriad']) {
      const error = await rejection(loadIr(addIr(1, [1]), { device }));
      expect(error).toMatchObject({ code: 'ERR_UNAVAILABLE', backend: 'openvino' });
      expect((error as Error).message).toMatch(/'(gpu\.9|myriad)'.*sees: cpu/);
    }
    expect(await rejection(loadIr(addIr(1, [1]), { device: 'openvino:hetero' }))).toMatchObject({
      code: 'ERR_UNAVAILABLE',
      message: expect.stringContaining('hetero:gpu,cpu'),
    });
  });
});

describe('compositions', () => {
  it.each(['openvino:auto', 'openvino:auto:cpu', 'openvino:AUTO:-gpu', 'openvino:hetero:cpu', 'openvino:multi:cpu'])(
    '%s computes what its device computes, in f32',
    async (device) => {
      const x = scattered(64, 7);
      const model = await loadIr(productIr(), { device, profile: true });
      expect(model.info).toMatchObject({ device: device.toLowerCase(), devices: ['openvino:cpu'] });
      const { y } = await model.run({ x });
      product(x).forEach((value, i) => expect(numbers(y!.data)[i]).toBeCloseTo(value, 4));
      const request = model.createRequest();
      (request.inputs['x']!.data as Float32Array).set(x);
      const { bytesCopied } = model.statistics();
      await request.run();
      expect(numbers(request.outputs['y']!.data)).toEqual(numbers(y!.data));
      expect(model.statistics().bytesCopied).toBe(bytesCopied); // by run() alone
      const layers = await model.layers();
      const precisions = new Set(layers.map(({ precision }) => precision));
      expect(precisions).toEqual(new Set(['f32']));
    },
  );

  it('pass precision and threads on to their devices', async () => {
    const [cpu] = (await openvino()).devices;
    const wanted = cpu!.capabilities.precisions.includes('bf16') ? 'bf16' : 'f32';
    const model = await loadIr(productIr(), {
      device: 'openvino:auto:cpu',
      precision: wanted,
      threads: 1,
      profile: true,
    });
    expect((await model.layers()).map(({ precision }) => precision)).toContain(wanted);
  });
});

describe('layers', () => {
  it('say what runs where, in which precision', async () => {
    const model = await loadIr(productIr(), { profile: true });
    const layers = await model.layers();
    expect(layers.length).toBeGreaterThan(0);
    for (const { name, device, precision, kernel } of layers) {
      expect(name).not.toBe('');
      expect({ device, precision }).toEqual({ device: 'openvino:cpu', precision: 'f32' });
      expect(kernel).toMatch(/./);
    }
    expect(layers.map(({ type }) => type)).toEqual(expect.arrayContaining([expect.stringMatching(/MatMul|FullyConn/)]));
  });

  it('of models with dynamic shapes too', async () => {
    expect((await (await loadIr(addIr(1, [-1, 3]), { profile: true })).layers()).length).toBeGreaterThan(0);
  });

  it('need a model that measures them', async () => {
    const model = await loadIr(addIr(1, [1]));
    expect(await rejection(model.layers())).toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      remedy: expect.stringContaining('profile: true'),
    });
    const request = model.createRequest();
    await request.run();
    expect(thrown(() => request.profile())).toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
  });

  it('each with its time, after each run', async () => {
    const model = await loadIr(slowIr(3, 256), { profile: true });
    const request = model.createRequest();
    for (let run = 0; run < 2; run++) {
      await request.run();
      const layers = request.profile();
      expect(layers.length).toBeGreaterThanOrEqual(3);
      for (const { name, kernel, ms } of layers) {
        expect(name).not.toBe('');
        expect(kernel).not.toBe('');
        expect(ms).toBeGreaterThanOrEqual(0);
      }
      expect(layers.reduce((all, { ms }) => all + ms, 0)).toBeGreaterThan(0);
    }
  });

  it('are refused after disposal', async () => {
    const model = await loadIr(addIr(1, [1]), { profile: true });
    const request = model.createRequest();
    await model.dispose();
    expect(await rejection(model.layers())).toMatchObject({ code: 'ERR_DISPOSED' });
    for (const use of [() => request.profile(), () => request.resetState()]) {
      expect(thrown(use)).toMatchObject({ code: 'ERR_DISPOSED' });
    }
  });

  it('may be asked for while the model goes', async () => {
    const model = await loadIr(addIr(1, [1]), { profile: true });
    const layers = model.layers();
    await model.dispose();
    expect((await layers).length).toBeGreaterThan(0);
  });
});

describe('a model that the device refuses', () => {
  it('is an error in its own words; the CPU has nobody to leave layers to', async () => {
    for (const partial of ['error', 'allow'] as const) {
      const refused = await rejection(loadIr(addIr(1, null), { partial }));
      expect(refused).toMatchObject({ code: 'ERR_UNSUPPORTED', backend: 'openvino' });
    }
  });

  it.each([
    ['partial', 'some'],
    ['partial', true],
    ['profile', 1],
    ['cache', 5],
    ['cache', ''],
  ])('option %s: %p is refused', async (name, value) => {
    expect(await rejection(loadIr(addIr(1, [1]), { [name]: value }))).toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
  });
});
