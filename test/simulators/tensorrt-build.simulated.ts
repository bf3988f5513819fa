/**
 * Engines that a simulated TensorRT builds from ONNX models (`npm run test:tensorrt`): where they are built, where they are
 * kept, how a build is ended. See test/simulators/nvinfer/README.md.
 */
import fs from 'node:fs';
import path from 'node:path';
import { onnx } from 'onnx-proto';
import * as engines from '../../lib/engine.js';
import { InferenceError, loadModel, type Model } from '../../lib/index.js';
import type { LoadOptions, LoadProgress } from '../../lib/types.js';
import { runProgram } from '../support/child.js';
import { byName, engine, input, major, output, tellDriver } from '../support/engine.js';
import { Folder } from '../support/folder.js';
import { addOnnx, buildOnnx } from '../support/onnx.js';
import { numbers } from '../support/values.js';
import { rejection } from '../support/wait.js';

const folder = new Folder();
const x = Float32Array.of(1);
const patient = { hangTimeoutMs: 120_000, firstRunTimeoutMs: 120_000 };

const open: Model[] = [];
beforeEach(() => tellDriver());
afterEach(() => Promise.all(open.splice(0).map((model) => model.dispose({ timeoutMs: 20_000 }))));

let caches = 0;
function newCache(): string {
  return path.join(folder.path, `cache-${caches++}`);
}

async function load(model: Uint8Array | string, options: LoadOptions = {}): Promise<Model> {
  const loaded = await loadModel(model, { device: 'tensorrt', cache: newCache(), isolate: false, ...options });
  open.push(loaded);
  return loaded;
}

async function failure(work: Promise<unknown>): Promise<InferenceError> {
  const error = await rejection(work);
  expect(error).toBeInstanceOf(InferenceError);
  expect((error as InferenceError).remedy).not.toBe('');
  return error as InferenceError;
}

/** The line in which the simulated builder wrote what it was told, of the only engine in the cache. */
function built(cache: string): string {
  const [entry = ''] = fs.readdirSync(path.join(cache, 'tensorrt')).filter((name) => !name.startsWith('.'));
  const files = fs.readdirSync(path.join(cache, 'tensorrt', entry));
  const texts = files.map((name) => fs.readFileSync(path.join(cache, 'tensorrt', entry, name), 'latin1'));
  return /^built (.*)$/m.exec(texts.find((text) => text.startsWith('ftrt')) ?? '')?.[1] ?? '';
}

describe('an ONNX model', () => {
  it('is built in a process of its own, kept, and found again', async () => {
    const cache = newCache();
    const stages: LoadProgress['stage'][] = [];
    const onProgress = ({ stage, fraction }: LoadProgress): void => void (fraction === undefined && stages.push(stage));
    const first = await load(addOnnx(1, [1]), { cache, onProgress });
    expect(stages).toEqual(['locate', 'load', 'build', 'load', 'ready']);
    expect(first.info).toMatchObject({
      isolated: false,
      fromCache: false,
      precision: { actual: byName ? 'f32' : 'model' },
    });
    expect(numbers((await first.run({ x }))['y']!.data)).toEqual([2]);
    tellDriver('build_abort 1');
    const file = folder.write('again.onnx', addOnnx(1, [1]));
    stages.length = 0;
    const again = await load(file, { cache, onProgress });
    expect(stages).toEqual(['locate', 'load', 'ready']); // no other process
    expect(again.info.fromCache).toBe(true);
    expect(numbers((await again.run({ x }))['y']!.data)).toEqual([2]);
    expect(await failure(load(addOnnx(2, [1]), { cache }))).toMatchObject({ code: 'ERR_BACKEND' });
  });

  it('is built by the host where the model lives in one', async () => {
    const model = await load(addOnnx(1, [1]), { isolate: patient });
    expect(model.info).toMatchObject({ isolated: true, fromCache: false });
    expect(numbers((await model.run({ x }))['y']!.data)).toEqual([2]);
  });

  it('that TensorRT refuses, though it is whole, is built again', async () => {
    const cache = newCache();
    await load(addOnnx(1, [1]), { cache });
    tellDriver('generation 2'); // as if the driver had changed unseen
    const again = await load(addOnnx(1, [1]), { cache });
    expect(again.info.fromCache).toBe(false);
    expect(numbers((await again.run({ x }))['y']!.data)).toEqual([2]);
    expect((await load(addOnnx(1, [1]), { cache })).info.fromCache).toBe(true);
  });

  it('with `cache: false` leaves nothing behind', async () => {
    const temporary = path.join(folder.path, 'temporary');
    fs.mkdirSync(temporary);
    const file = folder.write('forgotten.onnx', addOnnx(1, [1]));
    const program = `
      const model = await edge.loadModel(${JSON.stringify(file)}, { device: 'tensorrt', cache: false });
      console.log((await model.run({ x: new Float32Array(1) })).y.data[0]);
      await model.dispose();`;
    const { code, stdout } = await runProgram(program, { TMPDIR: temporary });
    expect([code, stdout]).toEqual([0, '1\n']);
    expect(fs.readdirSync(temporary)).toEqual([]);
  });

  it('a cache that cannot be written to: said, not built a second time in this process', async () => {
    const cache = folder.write('no-folder', 'a file');
    const error = await failure(load(addOnnx(1, [1]), { cache }));
    expect(error).toMatchObject({ code: 'ERR_BACKEND', backend: 'tensorrt' });
    expect(error.message).toContain(cache);
  });

  it('open shapes: fixed, or in a range', async () => {
    const onnx = addOnnx(1, ['n', 2]);
    expect(await failure(load(onnx))).toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
    expect((await load(onnx, { shapes: { x: [3, 2] } })).outputs[0]!.shape).toEqual([3, 2]);
    const properties = { MIN_SHAPES: 'x:1x2', OPT_SHAPES: 'x:4x2', MAX_SHAPES: 'x:8x2' };
    const range = await load(onnx, { properties });
    for (const n of [1, 8]) {
      const given = { data: new Float32Array(2 * n), shape: [n, 2] };
      expect((await range.run({ x: given }))['y']!.shape).toEqual([n, 2]);
    }
    const nine = { data: new Float32Array(18), shape: [9, 2] };
    expect(await failure(range.run({ x: nine }))).toMatchObject({ code: 'ERR_INVALID_TENSOR' });
  });

  it('what the parser does not take: its words and the node', async () => {
    const port = (name: string) => ({ name, type: 'f32' as const, shape: [1] });
    const nodes = [{ op: 'Quux', inputs: ['x'], outputs: ['y'], name: 'odd one' }];
    const onnx = buildOnnx({ inputs: [port('x')], outputs: [port('y')], nodes });
    const error = await failure(load(onnx));
    expect(error).toMatchObject({ code: 'ERR_INVALID_MODEL', backend: 'tensorrt' });
    expect(String(error.cause)).toContain(major < 10 ? 'node 0:' : "node 0 'odd one' (Quux)");
    for (const junk of [Buffer.from('nothing of the kind'), onnx.subarray(0, 40)]) {
      expect(await failure(load(junk))).toMatchObject({ code: 'ERR_INVALID_MODEL' });
    }
  });
});

describe('precision', () => {
  it('f16 by flags, or from 11 on in the model itself', async () => {
    const cache = newCache();
    const model = await load(addOnnx(1, [1]), { cache, precision: 'f16' });
    expect(model.info.precision).toEqual({ requested: 'f16', actual: byName ? 'f16' : 'unknown' });
    expect(model.inputs[0]!.dtype).toBe('f32');
    expect(numbers((await model.run({ x }))['y']!.data)).toEqual([2]);
    expect(built(cache)).toMatch(major < 11 ? /^weak fp16 level/ : /^typed level/);
  });

  it('an engine of a converted model is found without converting it again', async () => {
    if (major < 10) return;
    const convert = jest.spyOn(engines, 'convertAside');
    const cache = newCache();
    const options: LoadOptions = { cache, precision: 'f16', properties: { STRONGLY_TYPED: true } };
    expect((await load(addOnnx(1, [1]), options)).info.fromCache).toBe(false);
    expect(convert).toHaveBeenCalledTimes(1);
    const again = await load(addOnnx(1, [1]), options);
    expect([again.info.fromCache, again.info.precision.actual]).toEqual([true, 'f16']);
    expect(numbers((await again.run({ x }))['y']!.data)).toEqual([2]);
    expect(convert).toHaveBeenCalledTimes(1);
    // In a host it may have to be built, and there the model is needed.
    expect((await load(addOnnx(1, [1]), { ...options, isolate: patient })).info.fromCache).toBe(true);
    expect(convert).toHaveBeenCalledTimes(2);
    // Another model, and another precision.
    expect((await load(addOnnx(2, [1]), options)).info.fromCache).toBe(false);
    expect((await load(addOnnx(1, [1]), { ...options, precision: 'bf16' })).info.fromCache).toBe(false);
    convert.mockRestore();
  });

  it('weights in a file beside the model are converted too, and an engine is known by them', async () => {
    if (major < 10) return;
    const model = onnx.ModelProto.decode(addOnnx(1, [1]));
    const [tensor] = model.graph!.initializer!;
    const length = String(tensor!.rawData!.length);
    tensor!.rawData = new Uint8Array(0);
    tensor!.dataLocation = onnx.TensorProto.DataLocation.EXTERNAL;
    tensor!.externalData = Object.entries({ location: 'added.bin', length }).map(([key, value]) => ({ key, value }));
    const file = folder.write('beside.onnx', onnx.ModelProto.encode(model).finish());
    const options: LoadOptions = { cache: newCache(), precision: 'f16', properties: { STRONGLY_TYPED: true } };
    for (const [added, fromCache] of [
      [1, false],
      [1, true],
      [3, false],
    ] as const) {
      folder.write('added.bin', Buffer.from(Float32Array.of(added).buffer));
      const loaded = await load(file, options);
      expect([loaded.info.fromCache, loaded.info.precision.actual]).toEqual([fromCache, 'f16']);
      expect(numbers((await loaded.run({ x }))['y']!.data)).toEqual([1 + added]);
    }
  });

  it('a layer that stays in f32 is told, and with `strict` an error that names it', async () => {
    if (major >= 11) return; // every layer has the model's own type there
    tellDriver('f32_layers 1');
    const cache = newCache();
    if (!byName) {
      expect((await load(addOnnx(1, [1]), { cache, precision: 'f16' })).info.precision.actual).toBe('unknown');
      const untold = await failure(load(addOnnx(1, [1]), { cache, precision: 'f16', strict: true }));
      expect(untold).toMatchObject({ code: 'ERR_UNSUPPORTED' });
      expect(untold.message).toContain('does not tell');
      return;
    }
    const model = await load(addOnnx(1, [1]), { cache, precision: 'f16' });
    expect(model.info.precision).toEqual({ requested: 'f16', actual: 'f32' });
    const error = await failure(load(addOnnx(1, [1]), { cache, precision: 'f16', strict: true }));
    expect(error).toMatchObject({ code: 'ERR_UNSUPPORTED', cause: 'y: f32' });
    expect(error.message).toContain('1 of 1 layers');
    tellDriver();
    await load(addOnnx(1, [1]), { precision: 'f16', strict: true });
    expect(await failure(load(addOnnx(1, [1]), { strict: 1 as never }))).toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
    });
  });

  it('without a word the model’s own, and no TensorFloat-32', async () => {
    const cache = newCache();
    await load(addOnnx(1, [1]), { cache });
    expect(built(cache)).toMatch(major < 10 ? /^weak level/ : /^typed level/);
  });

  it('strongly typed where it is asked for', async () => {
    const properties = { STRONGLY_TYPED: true };
    if (major < 10) {
      expect(await failure(load(addOnnx(1, [1]), { properties }))).toMatchObject({ code: 'ERR_UNSUPPORTED' });
      expect(await failure(load(addOnnx(1, [1]), { precision: 'bf16' }))).toMatchObject({ code: 'ERR_UNSUPPORTED' });
      return;
    }
    const cache = newCache();
    const model = await load(addOnnx(1, [1]), { cache, properties, precision: 'bf16' });
    expect(model.info.precision).toEqual({ requested: 'bf16', actual: 'bf16' });
    expect(numbers((await model.run({ x }))['y']!.data)).toEqual([2]);
    expect(built(cache)).toMatch(/^typed level/);
  });

  it('an error of the precision pass is the load’s', async () => {
    const properties = major < 10 ? {} : { STRONGLY_TYPED: true };
    const error = await failure(load(Buffer.from('nothing of the kind'), { precision: 'f16', properties }));
    expect(error).toMatchObject({ code: 'ERR_INVALID_MODEL' });
  });
});

describe('a build', () => {
  it.each(['signal', 'deadline'])('that is no longer wanted is ended: by %s', async (by) => {
    tellDriver('build_ms 600000');
    const controller = new AbortController();
    const limits = by === 'signal' ? { signal: controller.signal } : { deadlineMs: 1500 };
    let begun: (value: null) => void = () => undefined;
    const building = new Promise<null>((resolve) => (begun = resolve));
    const onProgress = ({ stage }: LoadProgress): void => void (stage === 'build' && setTimeout(begun, 300, null));
    const ended = rejection(load(addOnnx(1, [1]), { onProgress, ...limits }));
    await Promise.race([building, ended]);
    controller.abort('enough');
    if (by === 'signal') expect(await ended).toBe('enough');
    else expect(await ended).toMatchObject({ code: 'ERR_TIMEOUT' });
    tellDriver();
    expect(numbers((await (await load(addOnnx(1, [1]))).run({ x }))['y']!.data)).toEqual([2]);
  });

  it.each(['here', 'in a host'])('tells how far it is, where TensorRT does: %s', async (where) => {
    tellDriver('build_ms 1200');
    const told: LoadProgress[] = [];
    const isolate = where === 'here' ? false : patient;
    await load(addOnnx(1, [1]), { isolate, onProgress: (progress) => told.push(progress) });
    const phases = told.filter(({ fraction }) => fraction !== undefined);
    if (major < 10) {
      expect(phases).toEqual([]);
      return;
    }
    expect(phases.length).toBeGreaterThan(3);
    expect(new Set(phases.map(({ stage, device }) => `${stage} ${device}`))).toEqual(new Set(['build tensorrt:0']));
    expect(phases.map(({ phase }) => phase)).toContain('Timing');
    const fractions = phases.map(({ fraction }) => fraction!);
    expect(fractions).toEqual([...fractions].sort((a, b) => a - b));
    expect(fractions[0]).toBeLessThan(0.2);
    expect(fractions.at(-1)).toBeGreaterThan(0.2);
    expect(fractions.at(-1)).toBeLessThanOrEqual(1);
  });

  it('leaves the event loop free', async () => {
    tellDriver('build_ms 1000');
    let turns = 0;
    const timer = setInterval(() => turns++, 5);
    await load(addOnnx(1, [1]));
    clearInterval(timer);
    expect(turns).toBeGreaterThan(20);
  });

  it('that ends its process is an error, and this one goes on', async () => {
    tellDriver('build_abort 1');
    const error = await failure(load(addOnnx(1, [1])));
    expect(error).toMatchObject({ code: 'ERR_BACKEND', backend: 'tensorrt' });
    expect(error.message).toContain('signal 6');
    tellDriver('build_memory 1');
    expect(await failure(load(addOnnx(1, [1])))).toMatchObject({ code: 'ERR_OUT_OF_MEMORY' });
  });

  it('is not begun by `auto`, unless it may', async () => {
    const cache = newCache();
    const auto = await load(addOnnx(1, [1]), { device: ['auto', 'echo'], cache }).catch((error: unknown) => error);
    // On the CPU, where a runtime for it is installed.
    if (auto instanceof InferenceError) expect(auto.code).not.toBe('ERR_BACKEND');
    else
      expect((auto as Model).info.rejected).toContainEqual(
        expect.objectContaining({ device: 'tensorrt:0', code: 'ERR_UNSUPPORTED' }),
      );
    expect(fs.existsSync(path.join(cache, 'tensorrt'))).toBe(false);
    expect((await load(addOnnx(1, [1]), { device: 'auto', build: true })).info.device).toBe('tensorrt:0');
    expect(await failure(load(addOnnx(1, [1]), { build: false }))).toMatchObject({ code: 'ERR_UNSUPPORTED' });
    // An engine needs no building.
    const ready = engine(input('x', 'f32', [1]), output('y', 'add', 'x', '1'));
    expect((await load(ready, { device: 'auto' })).info.device).toBe('tensorrt:0');
  });

  it('is made once where two ask for it', async () => {
    tellDriver('build_ms 1500');
    const cache = newCache();
    const both = await Promise.all([
      load(addOnnx(1, [1]), { cache, isolate: { ...patient, maxMemory: 1 << 30 } }),
      load(addOnnx(1, [1]), { cache }),
    ]);
    for (const model of both) expect(numbers((await model.run({ x }))['y']!.data)).toEqual([2]);
    const entries = fs.readdirSync(path.join(cache, 'tensorrt')).filter((name) => !name.startsWith('.'));
    expect(entries).toHaveLength(1);
  });
});
