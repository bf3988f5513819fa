/** What a GPU has to show for itself: precision, memory, graphs, concurrency, the cache, and how it fails: `npm run test:gpu`. */
import fs from 'node:fs';
import path from 'node:path';
import { InferenceError, listBackends, loadModel, type BackendInfo, type Model } from '../../lib/index.js';
import type { LoadOptions, LoadProgress, Precision } from '../../lib/types.js';
import { Folder } from '../support/folder.js';
import { addOnnx } from '../support/onnx.js';
import { numbers } from '../support/values.js';
import { rejection } from '../support/wait.js';
import { convolutions, convolve, noise, side } from './models.js';
import { record, simulated } from './record.js';

const folder = new Folder();
const open: Model[] = [];
afterEach(() => Promise.all(open.splice(0).map((model) => model.dispose({ timeoutMs: 20_000 }))));

let names = 0;
const newCache = (): string => path.join(folder.path, `cache-${names++}`);
const shared = newCache();

async function load(model: Uint8Array, options: LoadOptions = {}): Promise<Model> {
  const loaded = await loadModel(model, { device: 'tensorrt:0', cache: shared, ...options });
  open.push(loaded);
  return loaded;
}

let backend: BackendInfo;
let major = 0;
beforeAll(async () => {
  backend = (await listBackends()).find(({ name }) => name === 'tensorrt')!;
  major = Number.parseInt(backend.version ?? '', 10);
});

it('is there, and says what it is', () => {
  expect(backend.error).toBeNull();
  expect(major).toBeGreaterThanOrEqual(8);
  expect(backend.devices[0]!.id).toBe('tensorrt:0');
});

if (!simulated) {
  describe('precision, against double precision on the CPU', () => {
    const x = noise(3 * side * side, 7);
    const exact = convolve(x);
    const size = Math.sqrt(exact.reduce((sum, value) => sum + value * value, 0) / exact.length);

    /** The root of the mean square error, as a part of the outputs' own. */
    async function error(model: Model): Promise<number> {
      const y = (await model.run({ x }))['y']!.data as Float32Array;
      expect(y).toHaveLength(exact.length);
      return Math.sqrt(exact.reduce((sum, value, i) => sum + (value - y[i]!) ** 2, 0) / exact.length) / size;
    }

    it.each([
      ['f32', 1e-5],
      ['f16', 5e-3],
    ] as [Precision, number][])('%s', async (precision, most) => {
      const model = await load(convolutions(), { precision });
      const found = await error(model);
      record(`error in ${precision}`, { relative: found, actual: model.info.precision.actual });
      expect(found).toBeLessThan(most);
      // A half that is none would be as exact as f32.
      if (precision === 'f16') expect(model.info.precision.actual).toContain('f16');
    });

    it('int8, of a model that is quantised (Q/DQ)', async () => {
      const model = await load(convolutions(true), { precision: 'i8' });
      const found = await error(model);
      record('error in i8 (Q/DQ)', { relative: found, actual: model.info.precision.actual });
      expect(found).toBeLessThan(0.1);
      expect(found).toBeGreaterThan(1e-4);
      expect((await model.layers()).some((layer) => layer.precision === 'i8')).toBe(true);
    });

    it('int8, by calibration, where TensorRT has it', async () => {
      const inputs = Array.from({ length: 16 }, (_, i) => ({ x: noise(3 * side * side, 100 + i) }));
      const cache = path.join(folder.path, 'calibration');
      const loading = load(convolutions(), { precision: 'i8', calibration: { inputs, cache } });
      if (major >= 11) {
        expect(await rejection(loading)).toMatchObject({ code: 'ERR_UNSUPPORTED' });
        return;
      }
      const found = await error(await loading);
      record('error in i8 (calibrated)', { relative: found, cache: fs.readFileSync(cache, 'utf8').split('\n')[0] });
      expect(found).toBeLessThan(0.2);
    });
  });
}

describe('memory', () => {
  it('is pinned, or mapped where the GPU shares the host’s', async () => {
    const { memory } = backend.devices[0]!.capabilities;
    expect(['pinned', 'mapped']).toContain(memory);
    const count = 1 << 16;
    const model = await load(addOnnx(1, [count]));
    const request = model.createRequest();
    (request.inputs['x']!.data as Float32Array).fill(2);
    for (let i = 0; i < 3; i++) await request.run();
    expect((request.outputs['y']!.data as Float32Array).every((value) => value === 3)).toBe(true);
    const { bytesCopied, bytesTransferred } = model.statistics();
    record('memory', { memory, bytesTransferred });
    expect(bytesCopied).toBe(0);
    // Outputs may be written where they are, inputs are moved in any case.
    expect([3 * 4 * count, 6 * 4 * count]).toContain(bytesTransferred);
  });

  it('of a run’s own can be shared by requests, and nothing changes', async () => {
    const options = { inFlight: 2, properties: { SHARED_SCRATCH: true } };
    // The simulated GPU knows no convolutions.
    const model = await load(simulated ? addOnnx(1, [4]) : convolutions(), options);
    const count = simulated ? 4 : 3 * side * side;
    const requests = Array.from({ length: 6 }, () => model.createRequest());
    const expected = await Promise.all(
      requests.map(async (request, i) => {
        const x = noise(count, i + 1);
        (request.inputs['x']!.data as Float32Array).set(x);
        await request.run();
        return numbers((await model.run({ x }))['y']!.data);
      }),
    );
    for (let round = 0; round < 20; round++) await Promise.all(requests.map((request) => request.run()));
    requests.forEach((request, i) => {
      expect(numbers(request.outputs['y']!.data)).toEqual(expected[i]);
    });
    record('scratch memory', {
      bytes: model.info.properties['SCRATCH_BYTES'],
      graphRuns: model.statistics().graphRuns,
    });
  });

  it('that is not there is an error, and the GPU goes on', async () => {
    // Some releases refuse to build that, and others find out when a request asks for the memory.
    const large = async (): Promise<void> => void (await load(addOnnx(1, [2 ** 30, 2 ** 10]))).createRequest();
    const error = await rejection(large());
    expect(error).toBeInstanceOf(InferenceError);
    record('four terabytes', { code: (error as InferenceError).code });
    expect(['ERR_OUT_OF_MEMORY', 'ERR_BACKEND', 'ERR_INVALID_MODEL', 'ERR_UNSUPPORTED']).toContain(
      (error as InferenceError).code,
    );
    const model = await load(addOnnx(1, [1]));
    expect(numbers((await model.run({ x: Float32Array.of(1) }))['y']!.data)).toEqual([2]);
  });
});

it.each([true, false])('CUDA graphs: %s', async (graphs) => {
  const model = await load(addOnnx(1, [4]), { properties: { CUDA_GRAPH: graphs } });
  const request = model.createRequest();
  for (let i = 0; i < 5; i++) {
    (request.inputs['x']!.data as Float32Array).fill(i);
    await request.run();
    expect(numbers(request.outputs['y']!.data!)).toEqual([i + 1, i + 1, i + 1, i + 1]);
  }
  expect(model.statistics().graphRuns).toBe(graphs ? 4 : 0);
});

it.each([1, 2, 4, 8])('%i requests at once each get their own', async (count) => {
  const model = await load(addOnnx(1, [64]), { inFlight: count, queueLimit: 1000 });
  const runs = Array.from({ length: 200 }, (_, i) => model.run({ x: new Float32Array(64).fill(i) }));
  for (const [i, run] of runs.entries()) {
    expect(new Set((await run)['y']!.data as Float32Array)).toEqual(new Set([i + 1]));
  }
});

it('an engine is built once, and found again', async () => {
  const cache = newCache();
  const times = [performance.now()];
  const cold = await load(addOnnx(3, [8]), { cache });
  times.push(performance.now());
  const warm = await load(addOnnx(3, [8]), { cache });
  times.push(performance.now());
  record('load, cold and warm', { coldMs: times[1]! - times[0]!, warmMs: times[2]! - times[1]! });
  expect([cold.info.fromCache, warm.info.fromCache]).toEqual([false, true]);
  expect(numbers((await warm.run({ x: new Float32Array(8) }))['y']!.data)).toEqual(new Array(8).fill(3));
});

it('a build that is no longer wanted is ended', async () => {
  const controller = new AbortController();
  const onProgress = ({ stage }: LoadProgress): void => void (stage === 'build' && controller.abort('enough'));
  const loading = load(addOnnx(4, [8]), { cache: newCache(), signal: controller.signal, onProgress });
  expect(await rejection(loading)).toBe('enough');
  expect((await load(addOnnx(4, [8]))).info.device).toBe('tensorrt:0');
});
