/** OpenVINO: where a model and its weights come from. */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Model } from '../../../lib/index.js';
import { Folder } from '../../support/folder.js';
import { addIr, identityIr, Ir } from '../../support/ir.js';
import { addOnnx, buildOnnx } from '../../support/onnx.js';
import { numbers } from '../../support/values.js';
import { closeAll, load } from './models.js';

const folder = new Folder();
const onnx = addOnnx(2, [3]);
const ir = addIr(3, [3]);
const onnxFile = folder.write('model.onnx', onnx);
const irFile = folder.write('model.xml', ir.xml);
const binFile = folder.write('model.bin', ir.bin);
const elsewhere = folder.write('elsewhere/the weights.bin', ir.bin);
const alone = folder.write('alone/ünï model.xml', ir.xml);

afterEach(closeAll);

async function adds(model: Model, number: number): Promise<void> {
  const { y } = await model.run({ x: Float32Array.of(1, 2, 3) });
  expect(numbers(y!.data)).toEqual([1 + number, 2 + number, 3 + number]);
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe('ONNX', () => {
  it.each([
    ['an absolute path', onnxFile],
    ['a relative path', path.relative(process.cwd(), onnxFile)],
    ['a URL object', pathToFileURL(onnxFile)],
    ['a URL as text', pathToFileURL(onnxFile).href],
  ])('from %s', async (_, source) => {
    const model = await load(source);
    await adds(model, 2);
    expect(model.info).toMatchObject({ backend: 'openvino', path: onnxFile, sha256: sha256(onnx) });
  });

  it('from memory', async () => {
    const model = await load(onnx);
    await adds(model, 2);
    expect(model.info).toMatchObject({ path: null, sha256: sha256(onnx) });
  });

  it('from the middle of a larger buffer, which may change when the model is loaded', async () => {
    const larger = new Uint8Array(onnx.length + 20).fill(255);
    larger.set(onnx, 10);
    const model = await load(larger.subarray(10, 10 + onnx.length));
    larger.fill(0);
    await adds(model, 2);
  });

  it('from a Buffer of the file system', async () => {
    await adds(await load(fs.readFileSync(onnxFile)), 2);
  });

  it('with several inputs and outputs, and odd names', async () => {
    const model = await load(
      buildOnnx({
        inputs: [
          { name: 'a/b:0', type: 'f32', shape: [2] },
          { name: '__proto__', type: 'f32', shape: [2] },
        ],
        outputs: [
          { name: 'sum of both', type: 'f32', shape: [2] },
          { name: 'constructor', type: 'f32', shape: [2] },
        ],
        nodes: [
          { op: 'Add', inputs: ['a/b:0', '__proto__'], outputs: ['sum of both'] },
          { op: 'Sub', inputs: ['a/b:0', '__proto__'], outputs: ['constructor'] },
        ],
      }),
    );
    expect(model.inputs.map(({ name }) => name)).toEqual(['a/b:0', '__proto__']);
    expect(model.outputs.map(({ name }) => name)).toEqual(['sum of both', 'constructor']);
    const outputs = await model.run({ 'a/b:0': Float32Array.of(5, 6), ['__proto__']: Float32Array.of(1, 2) });
    expect(numbers(outputs['sum of both']!.data)).toEqual([6, 8]);
    expect(numbers(outputs['constructor']!.data)).toEqual([4, 4]);
  });

  it('with named dynamic dimensions', async () => {
    const model = await load(addOnnx(1, ['batch', 2]));
    expect(model.inputs[0]!.shape).toEqual([-1, 2]);
    const { y } = await model.run({ x: new Float32Array(8) });
    expect(y!.shape).toEqual([4, 2]);
  });

  it('one tensor as two outputs: both are there', async () => {
    const port = { type: 'f32', shape: [2] } as const;
    const model = await load(
      buildOnnx({
        inputs: [{ name: 'x', ...port }],
        outputs: [
          { name: 'y', ...port },
          { name: 'z', ...port },
        ],
        nodes: [
          { op: 'Relu', inputs: ['x'], outputs: ['y'] },
          { op: 'Identity', inputs: ['y'], outputs: ['z'] },
        ],
      }),
    );
    expect(new Set(model.outputs.map(({ name }) => name)).size).toBe(2);
    const outputs = await model.run({ x: Float32Array.of(-1, 2) });
    expect(Object.values(outputs).map(({ data }) => numbers(data))).toEqual([
      [0, 2],
      [0, 2],
    ]);
  });
});

describe('OpenVINO IR', () => {
  it('from a path, its weights beside it', async () => {
    const model = await load(irFile);
    await adds(model, 3);
    expect(model.info).toMatchObject({ path: irFile, sha256: sha256(ir.xml) });
  });

  it.each([
    ['a path', elsewhere],
    ['a URL object', pathToFileURL(elsewhere)],
    ['memory', ir.bin],
  ])('from a path, its weights from %s', async (_, weights) => {
    await adds(await load(alone, { weights }), 3);
  });

  it.each([
    ['memory', ir.bin],
    ['a path', binFile],
    ['a URL object', pathToFileURL(binFile)],
  ])('from memory, its weights from %s', async (_, weights) => {
    const model = await load(ir.xml, { weights });
    await adds(model, 3);
    expect(model.info.path).toBeNull();
  });

  it('from memory, without weights where it needs none', async () => {
    const model = await load(identityIr('f32', [2]).xml);
    expect(numbers((await model.run({ x: Float32Array.of(1, 2) }))['y']!.data)).toEqual([1, 2]);
  });

  it('weights in memory may change afterwards', async () => {
    const bin = ir.bin.slice();
    const model = await load(ir.xml, { weights: bin });
    bin.fill(0);
    await adds(model, 3);
  });

  it('an output without a name gets one', async () => {
    const model = await load(identityIr('f32', [2], ['x', '']).xml);
    expect(model.outputs).toEqual([{ name: 'output0', dtype: 'f32', shape: [2] }]);
    expect(numbers((await model.run({ x: Float32Array.of(1, 2) }))['output0']!.data)).toEqual([1, 2]);
  });

  it('weights in memory that the compiled model uses in place live as long as it', async () => {
    // A table that the run looks things up in: the compiler makes no copy of it.
    const table = new Ir();
    const rows = table.constant('f32', [4], Float32Array.of(1, 2, 3, 4));
    const at = table.parameter('x', 'i64', [3]);
    const axis = table.constant('i64', [], BigInt64Array.of(0n));
    const output = { type: 'f32', shape: [3], name: 'y' };
    table.result(table.op('Gather', 'opset8', { batch_dims: 0 }, [rows, at, axis], output));
    const { xml, bin } = table.build();
    const model = await load(xml, { weights: bin });
    expect(numbers((await model.run({ x: BigInt64Array.of(0n, 3n, 1n) }))['y']!.data)).toEqual([1, 4, 2]);
  });

  it('an input without a name gets one', async () => {
    const model = await load(identityIr('f32', [2], ['', 'y']).xml);
    expect(model.inputs[0]!.name).toBe('input0');
    expect(numbers((await model.run({ input0: Float32Array.of(1, 2) }))['y']!.data)).toEqual([1, 2]);
  });
});

it('several files, each for its device: the first that there is', async () => {
  const model = await load([
    { file: 'no such file.onnx', device: 'openvino:cpu' },
    { file: alone, device: 'openvino:cpu', weights: elsewhere },
    { file: onnxFile, device: 'openvino:cpu' },
  ]);
  await adds(model, 3);
  expect(model.info.rejected).toMatchObject([{ device: 'openvino:cpu', code: 'ERR_MODEL_NOT_FOUND' }]);
});
