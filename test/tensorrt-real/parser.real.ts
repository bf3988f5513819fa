/**
 * The real libnvonnxparser of each major version on the simulated TensorRT: what it defines there, and what it says of
 * models that it does not take (`npm run test:tensorrt -- real`).
 */
import fs from 'node:fs';
import path from 'node:path';
import { onnx } from 'onnx-proto';
import { InferenceError, loadModel, type Model } from '../../lib/index.js';
import type { LoadOptions } from '../../lib/types.js';
import { major, tellDriver } from '../support/engine.js';
import { Folder } from '../support/folder.js';
import { buildOnnx, quantizedOnnx, type OnnxGraph, type OnnxNode } from '../support/onnx.js';
import { numbers } from '../support/values.js';
import { rejection } from '../support/wait.js';

const folder = new Folder();
const open: Model[] = [];
beforeEach(() => tellDriver());
afterEach(() => Promise.all(open.splice(0).map((model) => model.dispose({ timeoutMs: 20_000 }))));

async function load(model: Uint8Array | string, options: LoadOptions = {}): Promise<Model> {
  const loaded = await loadModel(model, { device: 'tensorrt', cache: false, isolate: false, ...options });
  open.push(loaded);
  return loaded;
}

function graph(nodes: readonly OnnxNode[], shape: readonly (number | string)[] = [2]): OnnxGraph {
  const port = (name: string) => ({ name, type: 'f32' as const, shape });
  const constants = [{ name: 'c', shape: shape.map(() => 1), values: Float32Array.of(1.5) }];
  return { inputs: [port('x')], outputs: [port('y')], nodes, constants };
}
const add: OnnxNode = { op: 'Add', inputs: ['x', 'c'], outputs: ['y'], name: 'plus' };

/** What the real parser says of a model, one line for each node. */
async function words(model: Uint8Array): Promise<string> {
  const error = await rejection(load(model));
  expect(error).toBeInstanceOf(InferenceError);
  expect(error).toMatchObject({ code: 'ERR_INVALID_MODEL', backend: 'tensorrt' });
  return String((error as InferenceError).cause);
}
const x = Float32Array.of(1, 2);

test('the parser is the real one', () => {
  const library = path.join(path.dirname(process.env['EDGE_INFER_TENSORRT']!), `libnvonnxparser.so.${major}`);
  expect(fs.realpathSync(library)).toContain(`${path.sep}bytedeco${path.sep}`);
  expect(fs.statSync(library).size).toBeGreaterThan(2_000_000);
});

describe('a model that it takes', () => {
  it('becomes an engine: Identity, Add of a constant', async () => {
    const same = await load(buildOnnx(graph([{ op: 'Identity', inputs: ['x'], outputs: ['y'] }])));
    expect(same.inputs).toEqual([expect.objectContaining({ name: 'x', dtype: 'f32', shape: [2] })]);
    expect(numbers((await same.run({ x }))['y']!.data)).toEqual([1, 2]);
    const plus = await load(buildOnnx(graph([add])));
    expect(numbers((await plus.run({ x }))['y']!.data)).toEqual([2.5, 3.5]);
  });

  it('several nodes, and names in between', async () => {
    const nodes: OnnxNode[] = [
      { op: 'Add', inputs: ['x', 'c'], outputs: ['m'] },
      { op: 'Identity', inputs: ['m'], outputs: ['n'] },
      { op: 'Add', inputs: ['c', 'n'], outputs: ['y'] },
    ];
    expect(numbers((await (await load(buildOnnx(graph(nodes)))).run({ x }))['y']!.data)).toEqual([4, 5]);
  });

  it('has its weights in another file: the parser is given the path', async () => {
    const model = onnx.ModelProto.decode(buildOnnx(graph([add])));
    const tensor = model.graph!.initializer![0]!;
    fs.writeFileSync(path.join(folder.path, 'weights.bin'), Float32Array.of(0, 8));
    tensor.rawData = new Uint8Array();
    tensor.dataLocation = onnx.TensorProto.DataLocation.EXTERNAL;
    tensor.externalData = Object.entries({ location: 'weights.bin', offset: '4', length: '4' }).map(([key, value]) => ({
      key,
      value,
    }));
    const file = folder.write('external.onnx', onnx.ModelProto.encode(model).finish());
    expect(numbers((await (await load(file)).run({ x }))['y']!.data)).toEqual([9, 10]);
  });
});

describe('a quantised model', () => {
  it('is known by its Q/DQ layers, and built in int8', async () => {
    const model = await load(quantizedOnnx(0.5, [3]), { precision: 'i8' });
    expect(model.info.precision).toEqual({ requested: 'i8', actual: 'i8' });
    const { y } = await model.run({ x: Float32Array.of(0.3, -1.1, 1000) });
    expect(numbers(y!.data)).toEqual([0.5, -1, 63.5]);
    const error = await rejection(load(buildOnnx(graph([add])), { precision: 'i8' }));
    expect(error).toMatchObject({ code: 'ERR_UNSUPPORTED' });
  });
});

describe('a model that it does not take', () => {
  it('an operator that nobody knows: the node, its name and its operator', async () => {
    const nodes: OnnxNode[] = [
      { op: 'Identity', inputs: ['x'], outputs: ['m'], name: 'same' },
      { op: 'Quux', inputs: ['m'], outputs: ['y'], name: 'odd one' },
    ];
    expect(await words(buildOnnx(graph(nodes)))).toMatch(
      major < 10 ? /^node 1: .*Plugin not found/ : /^node 1 'odd one' \(Quux\): .*Plugin not found/,
    );
  });

  it('an input that is not there', async () => {
    expect(await words(buildOnnx(graph([{ ...add, inputs: ['x', 'nowhere'] }])))).toMatch(
      major < 10 ? /^node 0: .*not registered/ : /^node 0 'plus' \(Add\): .*not registered/,
    );
  });

  it('no ONNX at all, or cut off', async () => {
    for (const junk of [Buffer.from('nothing of the kind'), buildOnnx(graph([add])).subarray(0, 40)]) {
      expect(await words(junk)).toMatch(/^node -1: .*Failed to (?:parse the ONNX model|import initializer)/);
    }
  });
});
