/** OpenVINO: models that cannot be loaded, SDKs that are not there, loads that are given up. */
import fs from 'node:fs';
import path from 'node:path';
import { InferenceError, listBackends } from '../../../lib/index.js';
import type { LoadOptions, ModelSource } from '../../../lib/types.js';
import { runProgram } from '../../support/child.js';
import { Folder } from '../../support/folder.js';
import { addIr, convertIr, identityIr, slowIr } from '../../support/ir.js';
import { addOnnx, buildOnnx } from '../../support/onnx.js';
import { numbers } from '../../support/values.js';
import { rejection } from '../../support/wait.js';
import { closeAll, library, libraryFolder, load, scattered } from './models.js';

const folder = new Folder();
const onnx = addOnnx(2, [64]);
const ir = addIr(3, [3]);

afterEach(closeAll);

async function refusal(source: ModelSource, options?: LoadOptions): Promise<InferenceError> {
  const error = await rejection(load(source, options));
  expect(error).toBeInstanceOf(InferenceError);
  const refused = error as InferenceError;
  expect(refused.message).not.toBe('');
  expect(refused.remedy).not.toBe('');
  return refused;
}

describe('files', () => {
  it('that are not there', async () => {
    const file = path.join(folder.path, 'none.onnx');
    const error = await refusal(file);
    expect(error.code).toBe('ERR_MODEL_NOT_FOUND');
    expect(error.message).toContain(file);
    expect((await refusal(path.join(folder.write('a.txt', 'a'), 'x.onnx'))).code).toBe('ERR_MODEL_NOT_FOUND');
  });

  it('that are a folder', async () => {
    const error = await refusal(folder.path);
    expect(error).toMatchObject({ code: 'ERR_INVALID_MODEL', message: `The model ${folder.path} is a folder.` });
  });

  it('that are empty', async () => {
    const file = folder.write('empty.onnx', '');
    expect(await refusal(file)).toMatchObject({
      code: 'ERR_INVALID_MODEL',
      message: `The model ${file} is empty.`,
    });
  });

  // Root may read everything.
  (process.getuid?.() === 0 ? it.skip : it)('that this user may not read', async () => {
    const file = folder.write('secret.onnx', onnx);
    fs.chmodSync(file, 0);
    expect((await refusal(file)).code).toBe('ERR_PERMISSION');
  });

  it.each([
    ['half an ONNX model', 'half.onnx', onnx.subarray(0, onnx.length >> 1)],
    ['an ONNX model without its last byte', 'short.onnx', onnx.subarray(0, onnx.length - 1)],
    ['random bytes', 'random.onnx', new Uint8Array(scattered(1000, 3).buffer)],
    ['a text', 'text.onnx', 'This is not a model.\n'],
    ['a page of a web server', 'page.onnx', '<!DOCTYPE html><html><body>404 Not Found</body></html>'],
    ['half an IR', 'half.xml', ir.xml.subarray(0, ir.xml.length >> 1)],
    ['some other XML', 'other.xml', '<?xml version="1.0"?><note>hello</note>'],
    ['a suffix that nobody knows', 'model.xyz', new Uint8Array(scattered(100, 5).buffer)],
  ])('%s', async (_, name, content) => {
    const file = folder.write(name, content);
    const error = await refusal(file);
    expect(error).toMatchObject({ code: 'ERR_INVALID_MODEL', backend: 'openvino' });
    expect(error.message).toContain(file);
    expect(String(error.cause)).not.toBe('');
  });

  it('an IR without its weights', async () => {
    const error = await refusal(folder.write('alone/alone.xml', ir.xml));
    expect(error).toMatchObject({ code: 'ERR_INVALID_MODEL', backend: 'openvino' });
    expect(`${error.message} ${error.remedy} ${String(error.cause)}`).toMatch(/\.bin|weights/i);
  });

  it('weights that are not there', async () => {
    const weights = path.join(folder.path, 'none.bin');
    const error = await refusal(folder.write('with.xml', ir.xml), { weights });
    expect(error.code).toBe('ERR_MODEL_NOT_FOUND');
    expect(error.message).toContain(weights);
  });
});

describe('memory', () => {
  it.each([
    ['no byte', new Uint8Array(0), {}],
    ['half an ONNX model', onnx.subarray(0, onnx.length >> 1), {}],
    ['random bytes', new Uint8Array(scattered(1000, 3).buffer), {}],
    ['an IR without its weights', ir.xml, {}],
    ['an IR with too few weights', ir.xml, { weights: ir.bin.subarray(0, 2) }],
  ] as [string, Uint8Array, LoadOptions][])('%s', async (_, bytes, options) => {
    expect((await refusal(bytes, options)).code).toBe('ERR_INVALID_MODEL');
  });

  it.each([5, null, {}, '', new Float32Array(4), []])('what is no source: %p', async (source) => {
    expect((await refusal(source as unknown as string)).code).toBe('ERR_INVALID_ARGUMENT');
  });

  it('a URL that is no file', async () => {
    expect(await refusal(new URL('https://example.com/model.onnx'))).toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: 'Expected `source` to be a file: URL, got https://example.com/model.onnx.',
    });
  });
});

describe('inputs and outputs of types that no tensor carries', () => {
  it.each(['u1', 'u2', 'u3', 'u4', 'u6', 'i4', 'nf4', 'f8e4m3', 'f8e5m2', 'f8e8m0', 'f4e2m1'])('%s', async (type) => {
    const error = await refusal(convertIr(type).xml);
    expect(error).toMatchObject({ code: 'ERR_UNSUPPORTED', backend: 'openvino' });
    expect(error.message).toBe(`The input 'x' is of the type ${type}, which cannot be passed in or out.`);
  });

  it('string, in IR and in ONNX', async () => {
    const port = { type: 'string', shape: [2] } as const;
    const strings = buildOnnx({
      inputs: [{ name: 'x', ...port }],
      outputs: [{ name: 'y', ...port }],
      nodes: [{ op: 'Identity', inputs: ['x'], outputs: ['y'] }],
    });
    for (const source of [identityIr('string', [2]).xml, strings]) {
      const error = await refusal(source);
      expect(error.code).toBe('ERR_UNSUPPORTED');
      expect(error.message).toContain('string');
    }
  });

  it('a rank that only the run decides', async () => {
    const { xml, bin } = addIr(1, null);
    expect((await refusal(xml, { weights: bin })).code).toBe('ERR_UNSUPPORTED');
  });
});

describe('the SDK', () => {
  it('that is not where the option says: the path is named', async () => {
    const error = await refusal(onnx, { libraries: { openvino: '/nonexistent/openvino' } });
    expect(error).toMatchObject({ code: 'ERR_UNAVAILABLE', backend: 'openvino' });
    expect(error.message).toContain('/nonexistent/openvino');
    expect(error.remedy).toContain('`libraries`');
  });

  it('that is not where the variable says, in a process of its own', async () => {
    const { code, stdout, stderr } = await runProgram(
      `const error = await edge.loadModel(new Uint8Array(10), { device: 'openvino:cpu' }).catch((error) => error);
       const [openvino] = (await edge.listBackends()).filter(({ name }) => name === 'openvino');
       console.log(JSON.stringify({ ...error, message: error.message, openvino }));`,
      { EDGE_INFER_OPENVINO: '/nonexistent/openvino' },
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const {
      code: found,
      message,
      remedy,
      openvino,
    } = JSON.parse(stdout) as {
      code: string;
      message: string;
      remedy: string;
      openvino: { searched: unknown };
    };
    expect(found).toBe('ERR_UNAVAILABLE');
    expect(message).toContain('/nonexistent/openvino');
    expect(remedy).toContain('EDGE_INFER_OPENVINO');
    expect(openvino).toMatchObject({
      available: false,
      library: null,
      devices: [],
      error: { code: 'ERR_UNAVAILABLE' },
    });
    expect(openvino.searched).toMatchObject([{ source: 'environment', path: '/nonexistent/openvino', found: false }]);
  });

  it('that is some other file', async () => {
    const file = folder.write('libopenvino_c.so', 'no library');
    const { stdout } = await runProgram(
      `const error = await edge.loadModel(new Uint8Array(10), { device: 'openvino:cpu' }).catch((error) => error);
       console.log(error.code, error.message, error.remedy);`,
      { EDGE_INFER_OPENVINO: file },
    );
    expect(stdout).toMatch(/^ERR_UNAVAILABLE /);
    expect(stdout).toContain(file);
  });

  it('named as its folder or as its file is the one that runs', async () => {
    for (const openvino of [libraryFolder(), library()]) {
      const model = await load(addOnnx(2, [1]), { libraries: { openvino } });
      expect(numbers((await model.run({ x: Float32Array.of(1) }))['y']!.data)).toEqual([3]);
    }
  });

  it('from a second place in the same process: the first one is named', async () => {
    await load(onnx);
    const other = folder.write(`other/${path.basename(library())}`, fs.readFileSync(library()));
    const error = await refusal(onnx, { libraries: { openvino: other } });
    expect(error.code).toBe('ERR_UNAVAILABLE');
    expect(error.message).toContain(library());
    expect(error.message).toContain(other);
    const [openvino] = (await listBackends()).filter(({ name }) => name === 'openvino');
    expect(openvino!.library).toBe(library());
  });

  it('has no such device', async () => {
    const error = await refusal(onnx, { device: 'openvino:gpu.7' });
    expect(error).toMatchObject({ code: 'ERR_UNAVAILABLE', backend: 'openvino' });
    expect(error.message).toMatch(/gpu\.7/i);
  });
});

describe('a load that is given up', () => {
  it('before it began', async () => {
    const reason = { why: 'never mind' };
    expect(await rejection(load(onnx, { signal: AbortSignal.abort(reason) }))).toBe(reason);
  });

  it('by a signal', async () => {
    const controller = new AbortController();
    const reason = new Error('too slow');
    const loading = load(slowIr(400, 16).xml, { weights: slowIr(400, 16).bin, signal: controller.signal });
    const rejected = rejection(loading);
    setImmediate(() => controller.abort(reason));
    expect(await rejected).toBe(reason);
  });

  it('by its deadline', async () => {
    const { xml, bin } = slowIr(400, 16);
    const error = await rejection(load(xml, { weights: bin, deadlineMs: 1 }));
    expect(error).toMatchObject({ code: 'ERR_TIMEOUT', message: 'The model did not load within `deadlineMs`.' });
  });

  it.each([
    ['a signal', `setTimeout(() => controller.abort(new Error('too slow')), 300); options.signal = controller.signal;`],
    ['a deadline', 'options.deadlineMs = 300;'],
  ])('by %s: the process can end while the compiler is still at work', async (_, patience) => {
    const { xml, bin } = slowIr(12_000, 16); // minutes
    const files = { xml: folder.write('slow.xml', xml), bin: folder.write('slow.bin', bin) };
    const { code, signal, stdout, stderr } = await runProgram(`
      const controller = new AbortController();
      const options = { device: 'openvino:cpu' };
      ${patience}
      const end = await edge.loadModel(${JSON.stringify(files.xml)}, options).then(() => 'loaded', (error) => error.message);
      console.log(end);
    `);
    expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
    expect(['too slow\n', 'The model did not load within `deadlineMs`.\n']).toContain(stdout);
  });
});
