/**
 * TensorRT on a simulated driver and library (`npm run test:tensorrt`): the conformance suite in-process and isolated, and
 * the ways in which a GPU fails. See test/simulators/cuda/README.md and test/simulators/nvinfer/README.md.
 */
import { InferenceError, listBackends, loadModel, timingsOf, type Model } from '../../lib/index.js';
import type { Dtype, LoadOptions, ModelSource } from '../../lib/types.js';
import { conformance, type ConformanceBackend, type Loadable } from '../backends/conformance.js';
import { runProgram } from '../support/child.js';
import { byName, engine, input, major, output, tellDriver } from '../support/engine.js';
import { Folder } from '../support/folder.js';
import { numbers } from '../support/values.js';
import { rejection, until } from '../support/wait.js';

const folder = new Folder();
const x = Float32Array.of(1);

function plusOne(...more: string[]): Uint8Array {
  return engine(input('x', 'f32', [1]), output('y', 'add', 'x', '1'), ...more);
}

const dtypes: readonly Dtype[] = ['f32', 'f16', 'bf16', 'i8', 'u8', 'i32', 'i64', 'bool'];

function backend(isolate: LoadOptions['isolate']): ConformanceBackend {
  const loadable = (...lines: string[]): Loadable => ({ source: engine(...lines) });
  return {
    device: 'tensorrt:0',
    async: false,
    dtypes,
    copiesUnknownShapes: false,
    options: { isolate: isolate! },
    models: {
      // An engine's inputs and outputs have names of their own.
      identity: (dtype, shape, [from, to] = ['x', 'y']) => {
        const name = to === from ? `${to}:1` : to;
        return loadable(input(from, dtype, shape), output(name, 'identity', from));
      },
      // In TensorRT 8 each request with open shapes has a profile of its own.
      add: (number, shape) =>
        loadable(input('x', 'f32', shape), output('y', 'add', 'x', String(number)), 'profiles 20'),
      pair: () =>
        loadable(
          input('a', 'f32', [2, 2]),
          input('b', 'i32', [3]),
          output('p', 'add', 'a', '1'),
          output('q', 'identity', 'b'),
        ),
      // From TensorRT 8.5 on.
      ...(byName && {
        nonzero: (length: number) => loadable(input('x', 'f32', [length]), output('y', 'nonzero', 'x')),
      }),
      slow: () => ({ source: plusOne('duration_us 400000') }),
      long: () => ({ source: plusOne('duration_us 5500000') }),
    },
  };
}

// Hang limits beyond what the suite's long models take.
const patient = { hangTimeoutMs: 120_000, firstRunTimeoutMs: 120_000 };
describe('tensorrt, in-process', () => conformance(backend(false)));
// Once: what is between the processes does not know the release.
if (major === 10 && process.env['EDGE_INFER_EMULATED'] !== 'yes')
  describe('tensorrt, isolated', () => conformance(backend(patient)));

const open: Model[] = [];
beforeEach(() => tellDriver());
afterEach(() => Promise.all(open.splice(0).map((model) => model.dispose({ timeoutMs: 20_000 }))));

async function load(source: ModelSource, options: LoadOptions = {}): Promise<Model> {
  const model = await loadModel(source, { device: 'tensorrt', ...options });
  open.push(model);
  return model;
}

async function failure(work: Promise<unknown>): Promise<InferenceError> {
  const error = await rejection(work);
  expect(error).toBeInstanceOf(InferenceError);
  expect((error as InferenceError).remedy).not.toBe('');
  return error as InferenceError;
}

describe('what is there', () => {
  it('is listed with its UUID, the library’s version and both libraries', async () => {
    const tensorrt = (await listBackends()).find(({ name }) => name === 'tensorrt')!;
    expect(tensorrt).toMatchObject({
      available: true,
      version: expect.stringMatching(new RegExp(`^${major}\\.`)) as string,
      library: process.env['EDGE_INFER_TENSORRT'],
      libraries: { cuda: process.env['EDGE_INFER_CUDA'], tensorrt: process.env['EDGE_INFER_TENSORRT'] },
      devices: [
        {
          id: 'tensorrt:0',
          type: 'gpu',
          driver: 'CUDA 12.4',
          capabilities: { memory: 'pinned', formats: ['engine', 'onnx'] },
        },
      ],
    });
    expect(tensorrt.devices[0]!.name).toContain('GPU-00112233-4455-6677-8899-aabbccddee00');
  });

  it('is taken by its number or its UUID', async () => {
    for (const device of ['tensorrt', 'TensorRT:0', 'tensorrt:GPU-00112233-4455-6677-8899-aabbccddee00', 'gpu']) {
      const model = await load(plusOne(), { device });
      expect(model.info.backend).toBe('tensorrt');
      expect(numbers((await model.run({ x }))['y']!.data)).toEqual([2]);
    }
    expect(await failure(load(plusOne(), { device: 'tensorrt:1' }))).toMatchObject({ code: 'ERR_UNAVAILABLE' });
    expect(await failure(load(plusOne(), { device: 'tensorrt:0:dla0' }))).toMatchObject({ code: 'ERR_UNAVAILABLE' });
  });

  it('runs after the first are launches of its CUDA graph, unless that is forbidden', async () => {
    for (const isolate of [false, patient]) {
      for (const [properties, graphRuns] of [
        [{}, 2],
        [{ CUDA_GRAPH: 'NO' }, 0],
      ] as const) {
        const model = await load(plusOne(), { isolate, properties });
        const request = model.createRequest();
        for (let i = 0; i < 3; i++) {
          (request.inputs['x']!.data as Float32Array)[0] = i;
          await request.run();
          expect(numbers(request.outputs['y']!.data!)).toEqual([i + 1]);
        }
        expect(model.statistics()).toMatchObject({ completed: 3, graphRuns });
      }
    }
    expect(await failure(load(plusOne(), { properties: { CUDA_GRAPH: 'maybe' } }))).toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
    });
  });

  it('a request takes the place of one that was disposed just now, where there is one profile', async () => {
    const source = engine(input('x', 'f32', [-1], 'range 1 8'), output('y', 'add', 'x', '1'), 'profiles 1');
    for (const isolate of [false, patient]) {
      const model = await load(source, { isolate });
      for (let i = 0; i < 50; i++) {
        const request = model.createRequest({ shapes: { x: [2] } });
        (request.inputs['x']!.data as Float32Array).fill(i);
        await request.run();
        expect(numbers(request.outputs['y']!.data!)).toEqual([i + 1, i + 1]);
        request.dispose();
      }
      await model.dispose();
    }
  });

  it('`auto` takes an engine there, and leaves other models to other devices', async () => {
    expect((await load(plusOne(), { device: 'auto' })).info.device).toBe('tensorrt:0');
    const other = await failure(load(new TextEncoder().encode('no model'), { device: 'auto' }));
    expect(other.message).toContain('An engine would have to be built');
  });

  it('from a file, and the driver without a GPU, in a process of its own', async () => {
    const file = folder.write('plus-one.engine', plusOne());
    expect(numbers((await (await load(file)).run({ x }))['y']!.data)).toEqual([2]);
    const program = `
      const [tensorrt] = (await edge.listBackends()).filter(({ name }) => name === 'tensorrt');
      console.log(tensorrt.available, tensorrt.error.code, tensorrt.error.message);`;
    const none = folder.write('none/control', 'no-gpus\n');
    const { code, stdout } = await runProgram(program, {
      EDGE_INFER_CUDA_SIMULATOR: none.slice(0, -'/control'.length),
    });
    expect([code, stdout]).toEqual([0, 'false ERR_UNAVAILABLE The CUDA driver is there, but it sees no GPU.\n']);
  });
});

describe('what is measured', () => {
  const detailed = (): Uint8Array => plusOne('verbosity detailed', 'duration_us 2000');
  const twice = ['tensorrt:0', 'tensorrt:gpu-00112233-4455-6677-8899-aabbccddee00'];
  const layer = { name: 'y', type: 'ElementWise', kernel: 'simulated_ElementWise' };

  it.each([
    ['in-process', { isolate: false }],
    ['isolated', { isolate: patient }],
    ['in a group', { isolate: false, device: twice, failover: true }],
  ] as const)('every layer and the stages of a run, %s', async (_, options) => {
    const model = await load(detailed(), { ...options, profile: true });
    expect(await model.layers()).toEqual(byName ? [{ ...layer, device: 'tensorrt:0', precision: 'f32' }] : []);
    expect(model.info.properties).toMatchObject({ CUDA_GRAPH: 'NO' });
    const request = model.createRequest();
    expect(request.timings).not.toHaveProperty('device');
    for (const run of [() => request.run(), () => request.runSync()]) {
      await run();
      expect(request.profile()).toMatchObject([byName ? layer : { name: 'y' }]);
      const { device, compute } = request.timings;
      // Of what the simulated GPU needs: 2 ms for the layer and some µs for each copy.
      expect(request.profile()[0]!.ms).toBeGreaterThanOrEqual(2);
      expect(device!.compute).toBeGreaterThanOrEqual(2);
      expect(device!.h2d).toBeGreaterThan(0);
      expect(device!.d2h).toBeGreaterThan(0);
      expect(compute).toBeGreaterThanOrEqual(2);
    }
    expect(timingsOf(await model.run({ x })).device!.compute).toBeGreaterThanOrEqual(2);
  });

  it('nothing without being asked; layers are told all the same, as far as the engine was built to', async () => {
    const model = await load(plusOne());
    const request = model.createRequest();
    await request.run();
    expect(request.timings).not.toHaveProperty('device');
    expect(request.profile()).toEqual([]);
    const unknown = { type: '', precision: '', kernel: '' };
    expect(await model.layers()).toEqual(byName ? [{ ...unknown, name: 'y', device: 'tensorrt:0' }] : []);
  });
});

describe('memory', () => {
  it('scratch memory: told, and shared by the requests of a model where it is asked for', async () => {
    const model = await load(plusOne('scratch 4096'), { inFlight: 2, properties: { SHARED_SCRATCH: true } });
    expect(model.info.properties).toMatchObject({ SCRATCH_BYTES: '4096' });
    const requests = Array.from({ length: 6 }, () => model.createRequest());
    for (let round = 0; round < 5; round++) await Promise.all(requests.map((request) => request.run()));
    for (const request of requests) expect(numbers(request.outputs['y']!.data)).toEqual([1]);
    expect(model.statistics()).toMatchObject({ completed: 30, failed: 0 });
  });

  it('pinned: nothing is copied, and what the hardware moves is counted', async () => {
    const model = await load(engine(input('x', 'f32', [256]), output('y', 'add', 'x', '1')));
    const request = model.createRequest();
    for (let i = 0; i < 3; i++) await request.run();
    expect(model.statistics()).toMatchObject({ bytesCopied: 0, bytesTransferred: 3 * 2 * 1024 });
  });

  it('isolated: the GPU reads and writes the memory that both processes share', async () => {
    const model = await load(engine(input('x', 'f32', [256]), output('y', 'add', 'x', '1')), { isolate: patient });
    const request = model.createRequest();
    for (let i = 0; i < 3; i++) await request.run();
    expect(model.statistics()).toMatchObject({ bytesCopied: 0, bytesTransferred: 3 * 2 * 1024 });
  });

  it('in a group of two it stays pinned', async () => {
    const model = await load(engine(input('x', 'f32', [256]), output('y', 'add', 'x', '1')), {
      device: ['tensorrt:0', 'tensorrt:gpu-00112233-4455-6677-8899-aabbccddee00'],
      failover: true,
    });
    const request = model.createRequest();
    await request.run();
    expect(model.statistics()).toMatchObject({ bytesCopied: 0, bytesTransferred: 2 * 1024 });
  });

  it('mapped, on an integrated GPU: only the inputs are moved', async () => {
    const control = folder.write('orin/control', 'gpu cc=8.7 integrated=1 name=Orin\n');
    const file = folder.write('add.engine', engine(input('x', 'f32', [256]), output('y', 'add', 'x', '1')));
    const program = `
      const model = await edge.loadModel(${JSON.stringify(file)}, { device: 'tensorrt' });
      const request = model.createRequest();
      await request.run();
      const [tensorrt] = (await edge.listBackends()).filter(({ name }) => name === 'tensorrt');
      const { bytesCopied, bytesTransferred } = model.statistics();
      console.log(tensorrt.devices[0].capabilities.memory, request.outputs.y.data[255], bytesCopied, bytesTransferred);
      await model.dispose();`;
    const { code, stdout } = await runProgram(program, {
      EDGE_INFER_CUDA_SIMULATOR: control.slice(0, -'/control'.length),
    });
    expect([code, stdout]).toEqual([0, 'mapped 1 0 1024\n']);
  });
});

describe('failures', () => {
  it('no memory for a request: an error, and then it goes on', async () => {
    const model = await load(plusOne());
    tellDriver('fail cuMemHostAlloc 2');
    expect(await rejection((async () => model.createRequest())())).toMatchObject({ code: 'ERR_OUT_OF_MEMORY' });
    tellDriver();
    expect(numbers((await model.run({ x }))['y']!.data)).toEqual([2]);
  });

  it('an engine that is damaged: TensorRT’s words are the cause', async () => {
    const error = await failure(load(new TextEncoder().encode('ftrt and nothing that is meant')));
    expect(error).toMatchObject({ code: 'ERR_INVALID_MODEL', backend: 'tensorrt' });
    expect(String(error.cause)).toContain('Magic tag does not match');
  });

  it('a GPU that is lost in this process stays lost', async () => {
    const file = folder.write('lost.engine', plusOne());
    const control = folder.write('lost/control', 'fail kernel 719 2\n');
    const program = `
      const model = await edge.loadModel(${JSON.stringify(file)}, { device: 'tensorrt' });
      const x = new Float32Array(1);
      const ends = [];
      for (let i = 0; i < 3; i++) ends.push(await model.run({ x }).then(({ y }) => y.data[0], ({ code }) => code));
      ends.push(await edge.loadModel(${JSON.stringify(file)}, { device: 'tensorrt' }).catch(({ code }) => code));
      console.log(ends.join(' '));
      await model.dispose();`;
    const { code, stdout } = await runProgram(program, {
      EDGE_INFER_CUDA_SIMULATOR: control.slice(0, -'/control'.length),
    });
    expect([code, stdout]).toEqual([0, '1 ERR_DEVICE_LOST ERR_DEVICE_LOST ERR_DEVICE_LOST\n']);
  });

  it('isolated, only the host is lost: it comes back by itself', async () => {
    const model = await load(plusOne(), { isolate: { ...patient, retry: false } });
    await model.run({ x });
    tellDriver('fail kernel 700 1');
    expect(await failure(model.run({ x }))).toMatchObject({ code: 'ERR_DEVICE_LOST' });
    tellDriver();
    await until(() => model.host()!.restarts > 0 && model.host()!.up, 'the host to be back');
    expect(numbers((await model.run({ x }))['y']!.data)).toEqual([2]);
  });

  it('process.exit() during a run ends the process with its status', async () => {
    const file = folder.write('slow.engine', plusOne('duration_us 60000000'));
    const program = `
      const model = await edge.loadModel(${JSON.stringify(file)}, { device: 'tensorrt' });
      void model.run({ x: new Float32Array(1) });
      while (model.statistics().running === 0) await new Promise(setImmediate);
      process.exit(5);`;
    expect(await runProgram(program, {})).toMatchObject({ code: 5 });
  });
});
