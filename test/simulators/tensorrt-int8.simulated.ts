/**
 * Engines in int8 on a simulated TensorRT (`npm run test:tensorrt`): of models that are quantised, and by calibration. See
 * test/simulators/nvinfer/README.md.
 */
import fs from 'node:fs';
import path from 'node:path';
import { InferenceError, loadModel, type CalibrationBatch, type Model } from '../../lib/index.js';
import type { LoadOptions } from '../../lib/types.js';
import { major, tellDriver } from '../support/engine.js';
import { Folder } from '../support/folder.js';
import { addOnnx, quantizedOnnx } from '../support/onnx.js';
import { numbers } from '../support/values.js';
import { rejection, until } from '../support/wait.js';

const folder = new Folder();
const open: Model[] = [];
beforeEach(() => tellDriver());
afterEach(() => Promise.all(open.splice(0).map((model) => model.dispose({ timeoutMs: 20_000 }))));

let names = 0;
const newName = (): string => path.join(folder.path, `n${names++}`);

async function load(model: Uint8Array, options: LoadOptions = {}): Promise<Model> {
  const given = { device: 'tensorrt', cache: newName(), isolate: false, precision: 'i8' as const, ...options };
  const loaded = await loadModel(model, given);
  open.push(loaded);
  return loaded;
}

async function failure(work: Promise<unknown>): Promise<InferenceError> {
  const error = await rejection(work);
  expect(error).toBeInstanceOf(InferenceError);
  expect((error as InferenceError).remedy).not.toBe('');
  return error as InferenceError;
}

const onnx = addOnnx(1, [2]);
const calibrates = major < 11;

/** Counts how many batches were asked for, and whether it was told to stop. */
class Batches implements AsyncIterable<CalibrationBatch> {
  asked = 0;
  stopped = false;
  constructor(private readonly batches: readonly unknown[]) {}
  async *[Symbol.asyncIterator](): AsyncGenerator<CalibrationBatch> {
    try {
      for (const batch of this.batches) {
        this.asked++;
        await new Promise(setImmediate);
        yield batch as CalibrationBatch;
      }
    } finally {
      this.stopped = true;
    }
  }
}
const good = [{ x: Float32Array.of(1, -254) }, { x: Float32Array.of(3, 4) }];

it('a quantised model computes in int8, whatever the spelling', async () => {
  const model = await load(quantizedOnnx(0.5, [3]), { precision: 'int8' as 'i8' });
  expect(model.info.precision.requested).toBe('i8');
  const { y } = await model.run({ x: Float32Array.of(0.3, -1.1, 1000) });
  expect(numbers(y!.data)).toEqual([0.5, -1, 63.5]);
});

it('without a word on how it is refused', async () => {
  const error = await failure(load(onnx));
  expect(error).toMatchObject({ code: 'ERR_UNSUPPORTED', backend: 'tensorrt' });
  expect(error.remedy).toContain('Q/DQ');
  expect(error.remedy.includes('calibration')).toBe(calibrates);
});

it('from 11 on nothing is calibrated', async () => {
  if (calibrates) return;
  const inputs = new Batches(good);
  const error = await failure(load(onnx, { calibration: { inputs } }));
  expect([error.code, inputs.asked]).toEqual(['ERR_UNSUPPORTED', 0]);
});

// TensorRT 11 has none.
const describeWhere = (there: boolean, name: string, tests: () => void): void => void (there && describe(name, tests));

describeWhere(calibrates, 'calibration', () => {
  it.each(['here', 'in a host'])('by inputs, which leave a calibration cache: %s', async (where) => {
    const file = newName();
    const cache = newName();
    const inputs = new Batches(good);
    const isolate = where === 'here' ? false : { hangTimeoutMs: 120_000, firstRunTimeoutMs: 120_000 };
    const model = await load(onnx, { cache, isolate, calibration: { inputs, cache: file } });
    expect(numbers((await model.run({ x: Float32Array.of(1, 2) }))['y']!.data)).toEqual([2, 3]);
    expect([inputs.asked, inputs.stopped]).toEqual([2, true]);
    expect(fs.readFileSync(file, 'utf8')).toMatch(/^TRT-\d+-EntropyCalibration2\nx: 40000000\n$/);
    // The engine is known by it, and nobody is asked for inputs again.
    tellDriver('build_abort 1');
    const again = await load(onnx, { cache, calibration: { inputs, cache: file } });
    expect([again.info.fromCache, inputs.asked]).toEqual([true, 2]);
    const bytes = await load(onnx, { cache, calibration: { cache: fs.readFileSync(file) } });
    expect(bytes.info.fromCache).toBe(true);
  });

  it('without a file it is known by the inputs', async () => {
    const cache = newName();
    await load(onnx, { cache, calibration: { inputs: good } });
    tellDriver('build_abort 1');
    expect((await load(onnx, { cache, calibration: { inputs: new Batches(good) } })).info.fromCache).toBe(true);
    const others = [{ x: Float32Array.of(1, 2) }];
    expect(await failure(load(onnx, { cache, calibration: { inputs: others } }))).toMatchObject({
      code: 'ERR_BACKEND',
    });
  });

  it('leaves nothing in the temporary folder', async () => {
    const before = process.env['TMPDIR'];
    const temporary = newName();
    fs.mkdirSync(temporary);
    process.env['TMPDIR'] = temporary;
    try {
      await load(onnx, { calibration: { inputs: good } });
      await failure(load(onnx, { calibration: { inputs: [{ x: Float32Array.of(1) }] } }));
      await failure(load(onnx, { calibration: { inputs: [{ x: 'no array' } as unknown as CalibrationBatch] } }));
    } finally {
      if (before === undefined) delete process.env['TMPDIR'];
      else process.env['TMPDIR'] = before;
    }
    expect(fs.readdirSync(temporary)).toEqual([]);
  });

  it.each([
    ['too few values', [...good, { x: Float32Array.of(1) }], 'ERR_INVALID_ARGUMENT', "4 bytes of 'x' in batch 3"],
    ['another name', [{ z: Float32Array.of(1, 2) }], 'ERR_INVALID_ARGUMENT', "'z'"],
    ['none', [], 'ERR_INVALID_ARGUMENT', 'are none'],
    ['no batch', [null], 'ERR_INVALID_ARGUMENT', 'calibration.inputs[0]'],
    ['no array', [{ x: [1, 2] }], 'ERR_INVALID_ARGUMENT', 'calibration.inputs[0].x'],
  ] as const)('inputs that do not fit: %s', async (_, batches, code, words) => {
    const file = newName();
    const error = await failure(load(onnx, { calibration: { inputs: new Batches(batches), cache: file } }));
    expect(error.code).toBe(code);
    expect(error.message).toContain(words);
    expect(fs.existsSync(file)).toBe(false);
  });

  it('an error of the inputs is the load’s, and an abort or a deadline ends the asking', async () => {
    const failing = (async function* (): AsyncGenerator<CalibrationBatch> {
      yield await Promise.resolve(good[0]!);
      throw new Error('the camera is gone');
    })();
    expect(await rejection(load(onnx, { calibration: { inputs: failing } }))).toMatchObject({
      message: 'the camera is gone',
    });
    const hanging = { [Symbol.asyncIterator]: () => ({ next: () => new Promise<never>(() => undefined) }) };
    const controller = new AbortController();
    const aborted = rejection(load(onnx, { calibration: { inputs: hanging }, signal: controller.signal }));
    setTimeout(() => controller.abort('enough'), 50);
    expect(await aborted).toBe('enough');
    const late = await failure(load(onnx, { calibration: { inputs: hanging }, deadlineMs: 50 }));
    expect(late.code).toBe('ERR_TIMEOUT');
  });

  it('given as bytes it is there when a host comes back', async () => {
    const cache = Buffer.from('TRT-8601-EntropyCalibration2\nx: 3f800000\n');
    const isolate = { hangTimeoutMs: 120_000, firstRunTimeoutMs: 120_000, retry: true };
    const model = await load(onnx, { calibration: { cache }, isolate });
    process.kill(model.host()!.pid, 'SIGKILL');
    await until(() => model.host()!.restarts === 1 && model.host()!.up, 'the host to come back');
    expect(numbers((await model.run({ x: Float32Array.of(1, 2) }))['y']!.data)).toEqual([2, 3]);
  });

  it('a cache folder that cannot be written to is said', async () => {
    const cache = folder.write('no-folder', 'a file');
    const error = await failure(load(onnx, { cache, calibration: { inputs: good } }));
    expect(error).toMatchObject({ code: 'ERR_BACKEND', backend: 'tensorrt' });
    expect(error.message).toContain(cache);
  });

  it('what is no calibration cache, or not there', async () => {
    const cache = Buffer.from('nothing of the kind\n');
    expect(await failure(load(onnx, { calibration: { cache } }))).toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
    const missing = { cache: newName() };
    expect(await failure(load(onnx, { calibration: missing }))).toMatchObject({ code: 'ERR_MODEL_NOT_FOUND' });
  });

  it('is for int8 only, and options are checked first', async () => {
    const inputs = new Batches(good);
    const wrong: LoadOptions[] = [
      { precision: 'f16', calibration: { inputs } },
      { precision: undefined, calibration: { inputs } } as unknown as LoadOptions,
      { calibration: {} },
      { calibration: 'file' as never },
      { calibration: { inputs: 5 as never } },
      { calibration: { cache: 5 as never } },
    ];
    for (const options of wrong) {
      expect(await failure(load(onnx, options))).toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
    }
    expect(inputs.asked).toBe(0);
    const auto = await load(onnx, { precision: 'auto', calibration: { inputs } });
    expect(numbers((await auto.run({ x: Float32Array.of(1, 2) }))['y']!.data)).toEqual([2, 3]);
  });
});
