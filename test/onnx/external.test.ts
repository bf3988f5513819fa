/** The precision pass on models that keep weights in files beside them. */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { onnx } from 'onnx-proto';
import { convertPrecision, InferenceError } from '../../lib/index.js';
import { weightsFingerprint } from '../../lib/onnx/external.js';
import { Folder } from '../support/folder.js';
import { attribute, buildOnnx, onnxTypes, type OnnxGraph } from '../support/onnx.js';
import { rejection, thrown } from '../support/wait.js';
import { f32Port, node } from './models.js';

const folder = new Folder();

const graph: OnnxGraph = {
  inputs: [f32Port('x'), { name: 'choice', type: 'bool', shape: [] }],
  outputs: [f32Port('y')],
  nodes: [
    node('MatMul(x, w) -> a'),
    node('Reshape(a, dims) -> b'),
    node('If(choice) -> y', {
      attributes: [
        attribute.graph('then_branch', {
          inputs: [],
          outputs: [f32Port('yes')],
          nodes: [node('Add(b, v) -> yes')],
          constants: [{ name: 'v', shape: [2], values: Float32Array.of(5, 6) }],
        }),
        attribute.graph('else_branch', { inputs: [], outputs: [f32Port('no')], nodes: [node('Tanh(b) -> no')] }),
      ],
    }),
  ],
  constants: [
    { name: 'w', shape: [2, 2], values: Float32Array.of(1, 2, 3, 4) },
    { name: 'dims', shape: [2], values: BigInt64Array.of(-1n, 2n) },
  ],
};

type Entries = Record<string, string>;

/** The model with all weights in `weights.bin` of a new folder; `change` is of what the first one says of itself. */
function external(change: (entries: Entries) => Entries = (entries) => entries): string {
  const directory = fs.mkdtempSync(path.join(folder.path, 'model-'));
  const model = onnx.ModelProto.decode(buildOnnx(graph));
  const branch = model.graph!.node![2]!.attribute![0]!.g!;
  let [at, pieces] = [0, [] as Uint8Array[]];
  for (const [i, tensor] of [...model.graph!.initializer!, ...branch.initializer!].entries()) {
    const bytes = tensor.rawData!;
    const entries = { location: 'weights.bin', offset: String(at), length: String(bytes.length) };
    pieces = [...pieces, bytes];
    at += bytes.length;
    tensor.rawData = new Uint8Array(0);
    tensor.dataLocation = onnx.TensorProto.DataLocation.EXTERNAL;
    tensor.externalData = Object.entries(i === 0 ? change(entries) : entries).map(([key, value]) => ({ key, value }));
  }
  fs.writeFileSync(path.join(directory, 'weights.bin'), Buffer.concat(pieces));
  const file = path.join(directory, 'model.onnx');
  fs.writeFileSync(file, onnx.ModelProto.encode(model).finish());
  return file;
}

const convert = (file: string): Uint8Array =>
  convertPrecision(fs.readFileSync(file), { precision: 'f16', folder: path.dirname(file) }).model;

function tensors(model: Uint8Array): onnx.ITensorProto[] {
  const { graph: whole } = onnx.ModelProto.decode(model);
  return [
    ...whole!.initializer!,
    ...whole!.node!.flatMap((one) => one.attribute!.flatMap((a) => a.g?.initializer ?? [])),
  ];
}

function refusal(file: string): InferenceError {
  const error = thrown(() => convert(file)) as InferenceError;
  expect(error).toBeInstanceOf(InferenceError);
  expect(error.code).toBe('ERR_INVALID_MODEL');
  return error;
}

test('they become part of the result, also those of bodies and of other types', () => {
  const facts = (model: Uint8Array): unknown[] =>
    tensors(model).map(({ name, dataType, rawData, externalData, dataLocation }) => {
      return [name, dataType, [...rawData!], externalData, dataLocation];
    });
  const result = convert(external());
  expect(facts(result)).toEqual(facts(convertPrecision(buildOnnx(graph), { precision: 'f16' }).model));
  const w = tensors(result).find(({ name }) => name === 'w')!;
  expect([w.dataType, w.rawData!.length]).toEqual([onnxTypes.f16, 8]);
});

test('without the folder they are not looked for', () => {
  const error = thrown(() => convertPrecision(fs.readFileSync(external()), { precision: 'f16' }));
  expect(error).toMatchObject({ code: 'ERR_UNSUPPORTED', message: expect.stringContaining("'w'") });
  expect((error as InferenceError).remedy).toContain('folder');
  expect(thrown(() => convertPrecision(buildOnnx(graph), { precision: 'f16', folder: 1 as never }))).toMatchObject({
    code: 'ERR_INVALID_ARGUMENT',
  });
});

describe('names that lead elsewhere', () => {
  const at = (location: string) => external((entries) => ({ ...entries, location }));

  test.each(['../weights.bin', '/etc/passwd', 'a/../../x', '', 'weights.bin\0'])('%j', (location) => {
    expect(refusal(at(location)).message).toContain("is not in the model's folder");
  });

  test('a link out of the folder, and one inside', () => {
    const file = at('link');
    fs.symlinkSync('/etc/passwd', path.join(path.dirname(file), 'link'));
    expect(refusal(file).message).toContain('by a link');
    fs.rmSync(path.join(path.dirname(file), 'link'));
    fs.symlinkSync('weights.bin', path.join(path.dirname(file), 'link'));
    expect(convert(file).length).toBeGreaterThan(0);
  });

  test('what is missing, a folder, a pipe, or has a second name', () => {
    expect(refusal(at('nothing')).message).toContain('cannot be opened');
    const strange = at('strange');
    const beside = path.join(path.dirname(strange), 'strange');
    fs.mkdirSync(beside);
    expect(refusal(strange).message).toContain('no regular file');
    fs.rmdirSync(beside);
    expect(spawnSync('mkfifo', [beside]).status).toBe(0);
    expect(refusal(strange).message).toContain('no regular file');
    fs.rmSync(beside);
    fs.linkSync(path.join(path.dirname(strange), 'weights.bin'), beside);
    expect(refusal(strange).message).toContain('second name');
  });
});

test.each<[string, (entries: Entries) => Entries]>([
  ['an offset behind the end', (entries) => ({ ...entries, offset: '4000' })],
  ['a length beyond the end', (entries) => ({ ...entries, length: '4000' })],
  ['too few bytes', (entries) => ({ ...entries, length: '12' })],
  ['an offset that is no number', (entries) => ({ ...entries, offset: '-4' })],
  ['a length that is no number', (entries) => ({ ...entries, length: '1e3' })],
])('%s', (_, change) => {
  refusal(external(change));
});

describe('their fingerprint', () => {
  test('is of what is in them', async () => {
    const file = external();
    const before = await weightsFingerprint(file);
    expect(before).toMatch(/^weights\.bin [0-9a-f]{64}$/);
    expect(await weightsFingerprint(external())).toBe(before);
    fs.appendFileSync(path.join(path.dirname(file), 'weights.bin'), '.');
    expect(await weightsFingerprint(file)).not.toBe(before);
  });

  test('is nothing where there are none, also where the word for them is at the border of two reads', async () => {
    expect(await weightsFingerprint(folder.write('plain.onnx', buildOnnx(graph)))).toBe('');
    const model = onnx.ModelProto.decode(fs.readFileSync(external()));
    model.docString = 'x'.repeat((1 << 20) - 130);
    const file = external();
    for (let more = 0; more < 12; more++) {
      model.docString += 'x'.repeat(10);
      fs.writeFileSync(file, onnx.ModelProto.encode(model).finish());
      expect(await weightsFingerprint(file)).toMatch(/^weights\.bin /);
    }
  });

  test('reads nothing that a name may not lead to', async () => {
    const file = external((entries) => ({ ...entries, location: '/dev/zero' }));
    expect(await rejection(weightsFingerprint(file))).toMatchObject({ code: 'ERR_INVALID_MODEL' });
  });
});
