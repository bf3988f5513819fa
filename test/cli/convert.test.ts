// `convert`: the file that it writes, its report, and what it refuses.
import fs from 'node:fs';
import path from 'node:path';
import { onnx } from 'onnx-proto';
import type { PrecisionReport } from '../../lib/index.js';
import { facts, f32Port, node } from '../onnx/models.js';
import { buildOnnx } from '../support/onnx.js';
import { edgeInfer, edgeInferJson, temporaryFolder } from './program.js';

const folder = temporaryFolder();
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const file = path.join(folder, 'model.onnx');
const output = path.join(folder, 'out.onnx');
fs.writeFileSync(
  file,
  buildOnnx({
    inputs: [f32Port('x')],
    outputs: [f32Port('y')],
    nodes: [
      node('MatMul(x, w) -> a', { name: 'first' }),
      node('Softmax(a) -> b'),
      node('Tanh(b) -> c'),
      node('Relu(c) -> y'),
    ],
    constants: [{ name: 'w', shape: [2, 2], values: Float32Array.of(1, 2, 3, 4) }],
  }),
);

test('writes the model and says what stays', async () => {
  const { code, stdout, stderr } = await edgeInfer([
    'convert',
    file,
    '-o',
    output,
    '--precision',
    'f16',
    '--keep',
    'Tanh,LSTM',
  ]);
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout).toMatch(/nodes\s+2 of 4 compute in f16/);
  expect(stdout).toMatch(/casts\s+4 added, 0 taken out/);
  expect(stdout).toMatch(/constants\s+1, with 4 values/);
  expect(stdout).toMatch(/1\s+Tanh\s+its operator is to be kept/);
  expect(facts(fs.readFileSync(output)).constants).toEqual({ w: 'f16' });
});

test('weights beside the model become part of it', async () => {
  const model = onnx.ModelProto.decode(fs.readFileSync(file));
  const [tensor] = model.graph!.initializer!;
  fs.writeFileSync(path.join(folder, 'weights.bin'), tensor!.rawData!);
  tensor!.rawData = new Uint8Array(0);
  tensor!.dataLocation = onnx.TensorProto.DataLocation.EXTERNAL;
  tensor!.externalData = [{ key: 'location', value: 'weights.bin' }];
  const outside = path.join(folder, 'outside.onnx');
  fs.writeFileSync(outside, onnx.ModelProto.encode(model).finish());
  const { code } = await edgeInfer(['convert', outside, '-o', output, '--precision', 'f16']);
  expect(code).toBe(0);
  expect(facts(fs.readFileSync(output)).constants).toEqual({ w: 'f16' });
});

test('--json has the report; sensitive operators can be converted and nodes kept', async () => {
  const args = [
    'convert',
    file,
    '--output',
    output,
    '--precision',
    'bf16',
    '--convert',
    'Softmax',
    '--keep-node',
    'first',
  ];
  const { code, json } = await edgeInferJson<PrecisionReport & { output: string; outputSize: number }>(args);
  expect(code).toBe(0);
  expect(json).toMatchObject({
    precision: 'bf16',
    converted: 3,
    kept: [{ name: 'first', operator: 'MatMul', reason: 'its name is to be kept' }],
    output,
    outputSize: fs.statSync(output).size,
  });
});

test.each<[string, string[], number, RegExp]>([
  ['no output', [file, '--precision', 'f16'], 2, /Missing --output/],
  ['no precision', [file, '-o', output], 2, /Missing --precision/],
  ['another precision', [file, '-o', output, '--precision', 'f32'], 2, /f16 or bf16/],
  ['its own file', [file, '-o', file, '--precision', 'f16'], 2, /model itself/],
  ['an unknown node', [file, '-o', output, '--precision', 'f16', '--keep-node', 'x'], 2, /no node 'x'/],
  ['no such file', [path.join(folder, 'none.onnx'), '-o', output, '--precision', 'f16'], 4, /There is no file/],
  ['no model', [__filename, '-o', output, '--precision', 'f16'], 4, /no ONNX model/],
  ['no such folder', [file, '-o', path.join(folder, 'none', 'x.onnx'), '--precision', 'f16'], 2, /Cannot write/],
])('%s', async (_, words, exitCode, message) => {
  const before = fs.readFileSync(file);
  const { code, stderr } = await edgeInfer(['convert', ...words]);
  expect([code, stderr]).toEqual([exitCode, expect.stringMatching(message)]);
  expect(fs.readFileSync(file)).toEqual(before);
});
