// `inspect` of TFLite files: what the file says, whether a device can be opened or not.
import fs from 'node:fs';
import path from 'node:path';
import type { TfliteInfo } from '../../lib/index.js';
import { compiledOf, quantizedAddTflite } from '../support/edgetpu.js';
import { addTflite } from '../support/tflite-graphs.js';
import { Tflite } from '../support/tflite.js';
import { packedTflite } from '../tflite/models.js';
import { edgeInfer, edgeInferJson, temporaryFolder } from './program.js';

interface Json {
  readonly size: number;
  readonly inputs?: unknown;
  readonly tflite: TfliteInfo;
  readonly notLoaded?: { readonly code: string; readonly message: string; readonly remedy: string };
  readonly error?: { readonly code: string };
}

const folder = temporaryFolder();
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

function write(name: string, content: Uint8Array | string): string {
  const file = path.join(folder, name);
  fs.writeFileSync(file, content);
  return file;
}

/** No device can be opened with this. */
const nothing = { env: { EDGE_INFER_BINDING: path.join(folder, 'none.node') } };

test('without any SDK: all that the file says, and why it was not loaded', async () => {
  const file = write('rich.tflite', packedTflite());
  const [{ code, json }, plain] = await Promise.all([
    edgeInferJson<Json>(['inspect', file], nothing),
    edgeInfer(['inspect', file], nothing),
  ]);
  expect(code).toBe(0);
  expect(json).toMatchObject({
    size: fs.statSync(file).size,
    tflite: {
      schemaVersion: 3,
      graphs: [{ name: 'main' }, { name: 'second' }],
      files: [{ name: 'labels.txt' }, {}, {}],
    },
    notLoaded: { code: 'ERR_UNAVAILABLE' },
  });
  expect(json.error).toBeUndefined();
  expect(plain.code).toBe(0);
  for (const part of [
    /inputs\s+image\s+u8\s+\?x3\s+0\.5 · \(q − 10\)/,
    /weights\s+i8\s+2x3\s+0\.5 · \(q − 0\), … \(2 along axis 0\)/,
    'operators  DEQUANTIZE, DEQUANTIZE, FULLY_CONNECTED',
    /variables\s+state\s+f32\s+1x6/,
    'serving_default(picture) → result',
    'min_runtime_version (7 B): 1.5.0',
    /files\s+labels\.txt \(\d/,
    'not loaded: ',
  ]) {
    expect(plain.stdout).toMatch(part);
  }
});

test('who names a device is told that it failed, after what the file says', async () => {
  const file = write('add.tflite', addTflite(1, [2]));
  const { code, json } = await edgeInferJson<Json>(['inspect', file, '--device', 'openvino:cpu'], nothing);
  expect(code).toBe(3);
  expect(json).toMatchObject({ tflite: { schemaVersion: 3 }, error: { code: 'ERR_UNAVAILABLE' } });
});

test('where a device can be opened, both', async () => {
  const file = write('loads.tflite', addTflite(1, [1, 2]));
  const { code, json } = await edgeInferJson<Json>(['inspect', file, '--device', 'openvino:cpu']);
  expect(code).toBe(0);
  expect(json).toMatchObject({
    inputs: [{ name: 'x', dtype: 'f32', shape: [1, 2] }],
    tflite: { graphs: [{ operators: [{ name: 'ADD', count: 1 }] }] },
  });
});

test('compiled for the Edge TPU: what the chip is asked for; it is loaded on no other device', async () => {
  const compiled = compiledOf(quantizedAddTflite('i8', 3, [1, 4]), { cachedBytes: 2000, cachingToken: 255n });
  const file = write('compiled_edgetpu.tflite', compiled);
  const [{ code, json }, plain] = await Promise.all([
    edgeInferJson<Json>(['inspect', file]),
    edgeInfer(['inspect', file]),
  ]);
  expect(code).toBe(0);
  expect(json.tflite.edgeTpu).toMatchObject([{ cachedBytes: 2000, cachingToken: 'ff', minimumRuntimeVersion: 13 }]);
  expect(json.notLoaded).toMatchObject({ code: 'ERR_UNSUPPORTED', remedy: expect.stringContaining('tflite:edgetpu') });
  expect(plain.stdout).toMatch(/runtime\s+version 13 or newer/);
  expect(plain.stdout).toMatch(/parameters\s+2.0 kB cached on the chip, 0 B streamed per run/);
  expect(plain.stdout).toMatch(/caching token\s+ff/);
});

test('a damaged file is a bad model, whatever its name', async () => {
  const bytes = addTflite(1, [2]);
  for (const name of ['cut.tflite', 'cut.bin']) {
    const { code, json } = await edgeInferJson<Json>(['inspect', write(name, bytes.subarray(0, 90))], nothing);
    expect([code, json.error?.code]).toEqual([4, 'ERR_INVALID_MODEL']);
  }
});

test('names cannot command the terminal', async () => {
  const model = new Tflite('\u001b]0;title\u0007');
  const x = model.main.input('in\u001b[2J', 'f32', [1]);
  for (const port of model.main.custom('op\u009b31m\r', [x], [x], new Uint8Array(0))) model.main.output(port);
  const file = write('names.tflite', model.build());
  const { stdout } = await edgeInfer(['inspect', file], nothing);
  expect(stdout).toContain('in\ufffd[2J');
  // eslint-disable-next-line no-control-regex
  expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
});
