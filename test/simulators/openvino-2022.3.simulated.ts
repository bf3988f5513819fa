/**
 * The OpenVINO backend on a simulator of release 2022.3 (`npm run test:versions`): the conformance suite on its CPU and on
 * its Movidius stick (MYRIAD), and the ways in which the stick fails.
 */
import fs from 'node:fs';
import path from 'node:path';
import { InferenceError, listBackends, loadModel, type Model } from '../../lib/index.js';
import type { Dtype, LoadOptions } from '../../lib/types.js';
import { conformance, type Loadable } from '../backends/conformance.js';
import { runProgram } from '../support/child.js';
import { Folder } from '../support/folder.js';
import { addIr, copyOf, identityIr, Ir, nonZeroIr, type IrModel } from '../support/ir.js';
import { numbers } from '../support/values.js';
import { rejection, until } from '../support/wait.js';

const folder = new Folder();
// Set before this process started: jest's environment variables are not those that a library sees.
const control = process.env['EDGE_SIMULATOR_CONTROL'] ?? '';

/** Tells the stick what to do from now on. */
function tell(...words: string[]): void {
  fs.writeFileSync(`${control}.new`, words.join('\n'));
  fs.renameSync(`${control}.new`, control);
}

afterEach(() => tell());

function irType(dtype: Dtype): string {
  return dtype === 'bool' ? 'boolean' : dtype;
}

function pair(): IrModel {
  const ir = new Ir();
  const a = ir.parameter('a', 'f32', [2, 2]);
  const b = ir.parameter('b', 'i32', [3]);
  ir.result(ir.binary('Add', a, ir.constant('f32', [], Float32Array.of(1)), 'p'));
  ir.result(copyOf(ir, b, 'q'));
  return ir.build();
}

function delayed(ms: number): IrModel {
  const ir = new Ir();
  const x = ir.parameter('x', 'f32', [1]);
  const later = ir.op('Delay', 'simulator', { ms }, [x], { type: 'f32', shape: [1] });
  ir.result(ir.binary('Add', later, ir.constant('f32', [], Float32Array.of(1)), 'y'));
  return ir.build();
}

function loadable({ xml, bin }: IrModel, options: LoadOptions = {}): Loadable {
  return { source: xml, options: bin.length === 0 ? options : { weights: bin, ...options } };
}

describe.each([
  ['openvino:cpu', {}],
  ['openvino:myriad', { precision: 'f16' }],
] as [string, LoadOptions][])('%s', (device, options) => {
  conformance({
    device,
    models: {
      identity: (dtype, shape, names) => loadable(identityIr(irType(dtype), shape, names), options),
      add: (number, shape) => loadable(addIr(number, shape), options),
      pair: () => loadable(pair(), options),
      nonzero: (length) => loadable(nonZeroIr([length]), options),
      slow: () => loadable(delayed(300), options),
      long: () => loadable(delayed(100_000), options),
    },
  });
});

describe('a library without one of the functions', () => {
  const whole = fs.readFileSync(process.env['EDGE_INFER_OPENVINO'] ?? '');

  /** Loads and runs with a copy of the library in which the function has another name. */
  async function without(name: string): Promise<{ code: number | null; stdout: string }> {
    const bytes = Buffer.from(whole);
    for (let at = 0; (at = bytes.indexOf(`\0${name}\0`, at)) >= 0; at++) bytes[at + name.length] = 0x5f;
    expect(bytes.equals(whole)).toBe(false);
    const { xml, bin } = addIr(2, [1]);
    const file = folder.write('without/add.xml', xml);
    folder.write('without/add.bin', bin);
    return runProgram(
      `const end = await edge.loadModel(${JSON.stringify(file)}, { device: 'openvino:cpu' })
         .then(async (model) => (await model.run({ x: new Float32Array(1) })).y.data[0], (error) => error);
       console.log(end instanceof Error ? [end.code, end.message, end.remedy, end.cause].join(' | ') : end);`,
      { EDGE_INFER_OPENVINO: folder.write(`without/libopenvino_c.so.${name}`, bytes) },
    );
  }

  it.each(['ov_core_compile_model', 'ov_infer_request_cancel'])('that it cannot do without: %s', async (name) => {
    const { code, stdout } = await without(name);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ERR_UNAVAILABLE \| .*2022\.3 or newer.* \| Use the runtime of .* \| missing: /);
    expect(stdout.trim().endsWith(`missing: ${name}`)).toBe(true);
  });

  it('that it can do without', async () => {
    expect(await without('ov_infer_request_get_profiling_info')).toMatchObject({ code: 0, stdout: '2\n' });
  });
});

describe('MYRIAD', () => {
  const x = Float32Array.of(1);
  const open: Model[] = [];

  async function load(more: LoadOptions = {}): Promise<Model> {
    const { source, options } = loadable(addIr(2, [1]));
    const model = await loadModel(source, { device: 'openvino:myriad', precision: 'f16', ...options, ...more });
    open.push(model);
    return model;
  }

  afterEach(() => {
    tell();
    return Promise.all(open.splice(0).map((model) => model.dispose({ timeoutMs: 20_000 })));
  });

  async function failure(work: Promise<unknown>): Promise<InferenceError> {
    const error = await rejection(work);
    expect(error).toBeInstanceOf(InferenceError);
    expect((error as InferenceError).remedy).not.toBe('');
    return error as InferenceError;
  }

  it('is listed with its name, precision and number of requests', async () => {
    const [openvino] = await listBackends();
    expect(openvino!.version).toMatch(/^2022\.3/);
    expect(openvino!.devices).toMatchObject([
      { id: 'openvino:cpu', type: 'cpu', capabilities: { precisions: ['f32'] } },
      {
        id: 'openvino:myriad',
        type: 'other',
        name: 'Intel Movidius Myriad X VPU (simulator)',
        capabilities: { precisions: ['f16'], inFlight: 6, hostCompute: false, dynamicShapes: false },
      },
    ]);
  });

  it('computes in f16, which nobody gets without having asked', async () => {
    for (const precision of [undefined, 'f32'] as const) {
      const options = precision === undefined ? {} : { precision };
      const { source, options: weights } = loadable(addIr(2, [1]));
      const error = await failure(loadModel(source, { device: 'openvino:myriad', ...weights, ...options }));
      expect(error).toMatchObject({ code: 'ERR_UNSUPPORTED', message: expect.stringContaining('f16') });
    }
    for (const precision of ['f16', 'auto'] as const) {
      expect((await load({ precision })).info.precision).toEqual({ requested: precision, actual: 'f16' });
    }
  });

  it('keeps as many runs in flight as it calls optimal', async () => {
    expect((await load()).info.inFlight).toBe(4);
  });

  it('vanishes during a run: ERR_DEVICE_LOST, and again when it is back', async () => {
    const model = await load();
    expect(numbers((await model.run({ x }))['y']!.data)).toEqual([3]);
    tell('vanish');
    expect(await failure(model.run({ x }))).toMatchObject({ code: 'ERR_DEVICE_LOST', backend: 'openvino' });
    const [openvino] = await listBackends();
    const ids = openvino!.devices.map(({ id }) => id);
    expect(ids).toEqual(['openvino:cpu']);
    expect(await failure(load())).toMatchObject({ code: 'ERR_UNAVAILABLE' });
    tell();
    const again = await load();
    expect(numbers((await again.run({ x }))['y']!.data)).toEqual([3]);
  });

  it('vanishes: a list of devices goes on with the next one', async () => {
    tell('vanish');
    const model = await load({ device: ['openvino:myriad', 'openvino:cpu'], precision: 'auto' });
    expect(model.info).toMatchObject({ device: 'openvino:cpu', rejected: [{ device: 'openvino:myriad' }] });
  });

  it('freezes: the caller is free at the deadline, the request is not until the stick lets go', async () => {
    const model = await load();
    const request = model.createRequest();
    tell('freeze');
    let error: InferenceError;
    let deadlineMs = 25;
    // On a busy machine the deadline may pass before the run has begun.
    do error = await failure(request.run({ deadlineMs: (deadlineMs *= 2) }));
    while (/before the run could start/.test(error.message));
    expect(error).toMatchObject({ code: 'ERR_TIMEOUT' });
    expect(request.busy).toBe(true);
    expect(await failure(request.run())).toMatchObject({ code: 'ERR_BUSY' });
    tell();
    await until(() => !request.busy, 'the stick to let go');
    (request.inputs['x']!.data as Float32Array).set(x);
    await request.run();
    expect(numbers(request.outputs['y']!.data)).toEqual([3]);
  });

  it('freezes for good: the process ends all the same', async () => {
    const { xml, bin } = addIr(2, [1]);
    const files = { xml: folder.write('add.xml', xml), frozen: folder.write('frozen', 'freeze\n') };
    folder.write('add.bin', bin);
    const { code, signal, stdout } = await runProgram(
      `const model = await edge.loadModel(${JSON.stringify(files.xml)}, { device: 'openvino:myriad', precision: 'f16' });
       const late = (deadlineMs) => model.run({ x: new Float32Array(1) }, { deadlineMs }).catch((error) => error);
       let error = await late(50);
       // On a busy machine the deadline may pass before the run has begun.
       for (let ms = 100; /before the run could start/.test(error.message); ms *= 2) error = await late(ms);
       await model.dispose({ timeoutMs: 50 });
       console.log(error.code, model.statistics().running);`,
      { EDGE_SIMULATOR_CONTROL: files.frozen },
    );
    expect({ code, signal, stdout }).toEqual({ code: 0, signal: null, stdout: 'ERR_TIMEOUT 1\n' });
  });

  it('takes no model', async () => {
    tell('compile_fails');
    expect(await failure(load())).toMatchObject({ code: 'ERR_UNSUPPORTED', backend: 'openvino' });
  });

  it('refuses a part: an error, or shared with the CPU where that is allowed', async () => {
    tell('refuse');
    const error = await failure(load());
    expect(error).toMatchObject({ code: 'ERR_UNSUPPORTED' });
    expect(error.remedy).toContain("partial: 'allow'");
    const model = await load({ partial: 'allow', profile: true });
    expect(model.info.devices).toEqual(['openvino:myriad', 'openvino:cpu']);
    expect(numbers((await model.run({ x }))['y']!.data)).toEqual([3]);
    // Which layer went where is not told by this release.
    expect((await model.layers()).map(({ device }) => device)).toEqual(['']);
  });

  it('is not shared where it takes the whole model', async () => {
    expect((await load({ partial: 'allow' })).info.devices).toEqual(['openvino:myriad']);
  });

  it('tells its layers, kernels and times', async () => {
    const model = await load({ profile: true });
    expect(await model.layers()).toEqual([
      { name: 'layer2', type: 'Add', device: 'openvino:myriad', precision: 'f16', kernel: 'stage_FP16' },
    ]);
    const request = model.createRequest();
    await request.run();
    expect(request.profile()).toEqual([{ name: 'layer2', type: 'Add', kernel: 'stage_FP16', ms: 0.007 }]);
  });

  it('is not cached by a release that does not tell where a model came from', async () => {
    const cache = path.join(folder.path, 'cache');
    for (let i = 0; i < 2; i++) expect((await load({ cache })).info.fromCache).toBe(false);
  });

  it('aborts its process: the SDK takes an application along that does not isolate it', async () => {
    const { xml, bin } = addIr(2, [1]);
    const file = folder.write('abort/add.xml', xml);
    folder.write('abort/add.bin', bin);
    const { signal } = await runProgram(
      `const model = await edge.loadModel(${JSON.stringify(file)}, { device: 'openvino:myriad', precision: 'f16' });
       await model.run({ x: new Float32Array(1) });`,
      { EDGE_SIMULATOR_CONTROL: folder.write('abort/control', 'abort\n') },
    );
    expect(signal).toBe('SIGABRT');
  });
});
