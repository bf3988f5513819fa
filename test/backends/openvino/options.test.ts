/** OpenVINO: precision, threads, streams, hints and properties, as asked for and as executed. */
import { listBackends } from '../../../lib/index.js';
import type { Precision } from '../../../lib/types.js';
import { addIr } from '../../support/ir.js';
import { numbers } from '../../support/values.js';
import { rejection } from '../../support/wait.js';
import { closeAll, loadIr, product, productIr, release, scattered } from './models.js';

afterEach(closeAll);

const x = scattered(64, 7);

/** The largest error of a product in this precision, and what executed it. */
async function productError(precision?: Precision): Promise<{ error: number; actual: string; requested: string }> {
  const model = await loadIr(productIr(), precision === undefined ? {} : { precision });
  const { y } = await model.run({ x });
  const exact = product(x);
  const error = Math.max(...numbers(y!.data).map((value, i) => Math.abs(value - exact[i]!)));
  const { actual, requested } = model.info.precision;
  return { error, actual, requested };
}

async function has(precision: string): Promise<boolean> {
  const backends = await listBackends();
  const cpu = backends.flatMap(({ devices }) => devices).find(({ id }) => id === 'openvino:cpu');
  return cpu!.capabilities.precisions.includes(precision);
}

describe('precision', () => {
  it('is f32 where nothing is asked for: never lowered silently', async () => {
    const { error, actual, requested } = await productError();
    expect({ actual, requested }).toEqual({ actual: 'f32', requested: 'model' });
    expect(error).toBeLessThan(1e-5);
  });

  it.each(['f32', 'fp32', 'FP32', 'float32'])('%s computes in f32', async (spelling) => {
    const { error, actual, requested } = await productError(spelling as Precision);
    expect({ actual, requested }).toEqual({ actual: 'f32', requested: 'f32' });
    expect(error).toBeLessThan(1e-5);
  });

  it('bf16 gives the numbers of bf16 where the CPU has it, and says so where it has not', async () => {
    const { error, actual, requested } = await productError('bf16');
    expect(requested).toBe('bf16');
    // OpenVINO emulates it on CPUs with AVX-512 that do not name it among what they have.
    if (actual === 'bf16' || (await has('bf16'))) {
      expect(actual).toBe('bf16');
      expect(error).toBeGreaterThan(1e-4);
      expect(error).toBeLessThan(0.5);
    } else {
      expect(actual).toBe('f32');
      expect(error).toBeLessThan(1e-5);
    }
  });

  it.each(['f16', 'fp16', 'FP16'])('%s is executed, or refused, or reported as finer', async (spelling) => {
    try {
      const { error, actual, requested } = await productError(spelling as Precision);
      expect(requested).toBe('f16');
      expect(['f16', 'f32']).toContain(actual);
      expect(error).toBeLessThan(actual === 'f32' ? 1e-5 : 0.1);
    } catch (error) {
      expect(error).toMatchObject({ code: 'ERR_UNSUPPORTED', backend: 'openvino' });
      expect((error as Error).message).toMatch(/^CPU executes \w+ where f16 was asked for\.$/);
      expect(await has('f16')).toBe(false);
    }
  });

  it('auto is OpenVINO’s own choice, which the model tells', async () => {
    const { actual, requested } = await productError('auto');
    expect(requested).toBe('auto');
    expect(['f32', 'bf16', 'f16']).toContain(actual);
  });

  it('int8 is what a quantised model brings itself', async () => {
    const refused = rejection(loadIr(productIr(), { precision: 'i8' }));
    expect(await refused).toMatchObject({ code: 'ERR_UNSUPPORTED', backend: 'openvino' });
  });

  it.each(['int4', 'f64', 'half', '', 5, null])('%p is refused', async (precision) => {
    expect(await rejection(loadIr(productIr(), { precision: precision as Precision }))).toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringMatching(/^Expected `precision` to be 'f32', 'f16', 'bf16', 'i8' or 'auto', got/),
    });
  });
});

describe('threads, streams and hints', () => {
  const add = addIr(1, [1]);

  it('threads', async () => {
    for (const threads of [1, 2]) {
      const { info } = await loadIr(add, { threads });
      expect(info.properties['INFERENCE_NUM_THREADS']).toBe(String(threads));
    }
  });

  it('streams, and as many runs in flight', async () => {
    for (const streams of [1, 2]) {
      const { info } = await loadIr(add, { streams, threads: 2 });
      expect(info.properties['NUM_STREAMS']).toBe(String(streams));
      expect(info.inFlight).toBe(streams);
    }
  });

  it('performance hints', async () => {
    const latency = await loadIr(add, { performanceHint: 'latency' });
    expect(latency.info.properties).toMatchObject({ PERFORMANCE_HINT: 'LATENCY', NUM_STREAMS: '1' });
    const throughput = await loadIr(add, { performanceHint: 'throughput' });
    expect(throughput.info.properties['PERFORMANCE_HINT']).toBe('THROUGHPUT');
    const optimal = Number(throughput.info.properties['OPTIMAL_NUMBER_OF_INFER_REQUESTS']);
    expect(throughput.info.inFlight).toBe(optimal);
  });

  it('inFlight and queueLimit as given', async () => {
    const { info } = await loadIr(add, { inFlight: 3, queueLimit: 5 });
    expect(info).toMatchObject({ inFlight: 3, queueLimit: 5 });
  });

  it('say what runs where', async () => {
    const { info } = await loadIr(add);
    expect(info).toMatchObject({ backend: 'openvino', device: 'openvino:cpu', rejected: [] });
    expect(info.deviceName).not.toBe('');
    expect(info.versions.sdk).toMatch(/^\d{4}\.\d+/);
    expect(info.properties['EXECUTION_DEVICES']).toBe('CPU');
    expect(info.loadMs).toBeGreaterThan(0);
  });
});

describe('properties', () => {
  const add = addIr(1, [1]);

  it('go to OpenVINO by its own names: a boolean, a number, a text', async () => {
    const off = await loadIr(add, { properties: { ENABLE_CPU_PINNING: false, INFERENCE_NUM_THREADS: 1 } });
    expect(off.info.properties).toMatchObject({ ENABLE_CPU_PINNING: 'NO', INFERENCE_NUM_THREADS: '1' });
    const on = await loadIr(add, { properties: { NUM_STREAMS: 2, EXECUTION_MODE_HINT: 'ACCURACY' }, threads: 2 });
    expect(on.info.properties).toMatchObject({ NUM_STREAMS: '2', EXECUTION_MODE_HINT: 'ACCURACY' });
  });

  it('win over our options', async () => {
    const { info } = await loadIr(add, { threads: 2, properties: { INFERENCE_NUM_THREADS: '1' } });
    expect(info.properties['INFERENCE_NUM_THREADS']).toBe('1');
  });

  it.each([
    ['NO_SUCH_PROPERTY', 1],
    ['NUM_STREAMS', 'many'],
    ['INFERENCE_NUM_THREADS', 'a few'],
    ...(release < 2026 ? [] : ([['INFERENCE_PRECISION_HINT', 'f33']] as [string, string][])), // older ones take any word, and compute in f32
    ['PERFORMANCE_HINT', 'SPEED'],
    ['ENABLE_CPU_PINNING', 'perhaps'],
  ])('%s = %s is refused, in OpenVINO’s own words', async (name, value) => {
    const error = await rejection(loadIr(add, { properties: { [name]: value } }));
    expect(error).toMatchObject({ code: 'ERR_INVALID_ARGUMENT', backend: 'openvino' });
    const cause = String((error as { cause: unknown }).cause);
    expect(cause.includes(name) || cause.includes(String(value))).toBe(true);
    expect((error as { remedy: string }).remedy).not.toBe('');
  });

  it('more than OpenVINO takes at once are refused', async () => {
    const properties = Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`PROPERTY_${i}`, i]));
    expect(await rejection(loadIr(add, { properties }))).toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
  });

  it('of another kind are refused before anything is loaded', async () => {
    const properties = { NUM_STREAMS: [1] as unknown as string };
    expect(await rejection(loadIr(add, { properties }))).toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: 'Expected `properties.NUM_STREAMS` to be a string, a number or a boolean, got an array.',
    });
  });
});
