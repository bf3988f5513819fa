// `run` and `inspect`: what goes in as .npy comes out as .npy, bit by bit.
import fs from 'node:fs';
import path from 'node:path';
import { readNpy, writeNpy, type NpyArray } from '../../lib/cli/npy.js';
import { randomTensor } from '../../lib/cli/random.js';
import { listRuntimes } from '../../lib/runtimes.js';
import type { Dtype, TensorData } from '../../lib/types.js';
import { plus } from '../support/tflite-graphs.js';
import { Tflite } from '../support/tflite.js';
import { echoModel, edgeInfer, edgeInferJson, onEcho, temporaryFolder } from './program.js';

interface RunJson {
  readonly model: string;
  readonly device: string;
  readonly precision: { readonly requested: string; readonly actual: string };
  readonly timings: Record<string, number>;
  readonly inputs: readonly { name: string; dtype: string; shape: number[]; source: string }[];
  readonly outputs: readonly { name: string; dtype: string; shape: number[]; file: string | null; note?: string }[];
}

interface Failed {
  readonly error: { readonly code: string; readonly message: string };
}

const folder = temporaryFolder();
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

function file(name: string): string {
  return path.join(folder, name);
}

function save(name: string, array: NpyArray): string {
  writeNpy(file(name), array);
  return file(name);
}

test('arithmetic: the output is the input plus one', async () => {
  const model = echoModel(folder, 'input x f32 2,3\noutput y = add x 1', 'add.echo');
  const x = save('x.npy', { dtype: 'f32', shape: [2, 3], data: Float32Array.of(0, 1, 2, -1, 0.5, 1e6) });
  const out = file('out-add');
  const { code, json, stderr } = await edgeInferJson<RunJson>([
    'run',
    model,
    '--input',
    `x=${x}`,
    '--save-outputs',
    out,
    ...onEcho,
  ]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(json).toMatchObject({
    model,
    device: 'echo:cpu',
    precision: { requested: 'model', actual: 'f32' },
    inputs: [{ name: 'x', dtype: 'f32', shape: [2, 3], source: x }],
    outputs: [{ name: 'y', dtype: 'f32', shape: [2, 3], file: path.join(out, 'y.npy') }],
  });
  expect(Object.keys(json.timings).sort()).toEqual(['callback', 'compute', 'queued', 'total']);
  expect(json.timings.total).toBeGreaterThan(0);
  expect(readNpy(path.join(out, 'y.npy'))).toEqual({
    dtype: 'f32',
    shape: [2, 3],
    data: Float32Array.of(1, 2, 3, 0, 1.5, 1e6 + 1),
  });
});

const values: Record<Dtype, TensorData> = {
  f16: Uint16Array.of(0x3c00, 0xfc00, 1),
  f32: Float32Array.of(-0, Infinity, 1e-40),
  f64: Float64Array.of(Math.PI, -0, 5e-324),
  bf16: Uint16Array.of(0x3f80, 0xff80, 1),
  i8: Int8Array.of(-128, 127, 0),
  u8: Uint8Array.of(255, 0, 1),
  i16: Int16Array.of(-32768, 32767, 0),
  u16: Uint16Array.of(65535, 0, 1),
  i32: Int32Array.of(-(2 ** 31), 2 ** 31 - 1, 0),
  u32: Uint32Array.of(2 ** 32 - 1, 0, 1),
  i64: BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n, 0n),
  u64: BigUint64Array.of(2n ** 64n - 1n, 0n, 1n),
  bool: Uint8Array.of(1, 0, 1),
};

test('every dtype, bit by bit; bf16 travels as u2, with a note', async () => {
  const dtypes = Object.keys(values) as Dtype[];
  const lines = dtypes.map((dtype) => `input in_${dtype} ${dtype} 3\noutput out_${dtype} = identity in_${dtype}`);
  const model = echoModel(folder, lines.join('\n'), 'dtypes.echo');
  const inputs = dtypes.map((dtype) => {
    const saved = dtype === 'bf16' ? 'u16' : dtype;
    return `--input=in_${dtype}=${save(`${dtype}.npy`, { dtype: saved, shape: [3], data: values[dtype] })}`;
  });
  const { code, json } = await edgeInferJson<RunJson>([
    'run',
    model,
    ...inputs,
    '--save-outputs',
    file('out-dtypes'),
    ...onEcho,
  ]);
  expect(code).toBe(0);
  expect(json.outputs.map((output) => output.dtype)).toEqual(dtypes);
  for (const output of json.outputs) {
    const dtype = output.dtype as Dtype;
    const read = readNpy(output.file ?? '');
    expect(read).toEqual({ dtype: dtype === 'bf16' ? 'u16' : dtype, shape: [3], data: values[dtype] });
    expect(output.note !== undefined).toBe(dtype === 'bf16');
  }
});

describe('names', () => {
  test('odd tensor names become safe, different files inside the folder', async () => {
    const model = echoModel(
      folder,
      'input "a/b:0" f32 1\noutput "" = identity "a/b:0"\noutput ".." = add "a/b:0" 1\noutput "../x" = add "a/b:0" 2\noutput "a=b" = add "a/b:0" 3',
      'odd.echo',
    );
    const zero = save('zero.npy', { dtype: 'f32', shape: [1], data: Float32Array.of(0) });
    const out = file('out-odd');
    const { json } = await edgeInferJson<RunJson>([
      'run',
      model,
      '--input',
      `a/b:0=${zero}`,
      '--save-outputs',
      out,
      ...onEcho,
    ]);
    expect(json.outputs.map((output) => output.name)).toEqual(['', '..', '../x', 'a=b']);
    const files = json.outputs.map((output) => output.file ?? '');
    expect(files.every((name) => path.dirname(name) === out)).toBe(true);
    expect(fs.readdirSync(out).sort()).toEqual(files.map((name) => path.basename(name)).sort());
    expect(files.map((name) => readNpy(name).data[0])).toEqual([0, 1, 2, 3]);
  });

  test('= in names and paths', async () => {
    const model = echoModel(
      folder,
      'input a f32 1\ninput "a=b" f32 1\noutput y = identity a\noutput z = identity "a=b"',
      'equals.echo',
    );
    const one = save('k=1.npy', { dtype: 'f32', shape: [1], data: Float32Array.of(1) });
    const two = save('two.npy', { dtype: 'f32', shape: [1], data: Float32Array.of(2) });
    const words = [
      'run',
      model,
      '--input',
      `a=${one}`,
      '--input',
      `a=b=${two}`,
      '--save-outputs',
      file('out-equals'),
      ...onEcho,
    ];
    const { json } = await edgeInferJson<RunJson>(words);
    expect(json.outputs.map((output) => readNpy(output.file ?? '').data[0])).toEqual([1, 2]);
  });
});

describe('random inputs', () => {
  const text = 'input x f32 1,?\ninput n i64 4\noutput y = identity x\noutput m = identity n';

  test('are those of the seed, and files go before them', async () => {
    const model = echoModel(folder, text, 'random.echo');
    const n = save('n.npy', { dtype: 'i64', shape: [4], data: BigInt64Array.of(9n, 8n, 7n, 6n) });
    const words = ['run', model, '--random', '--seed', '5', '--shapes', 'x=1x6', '--input', `n=${n}`];
    const { json } = await edgeInferJson<RunJson>([...words, '--save-outputs', file('out-random'), ...onEcho]);
    expect(json.inputs.map((input) => input.source)).toEqual(['random', n]);
    const [y, m] = json.outputs.map((output) => readNpy(output.file ?? ''));
    expect(y).toEqual({ dtype: 'f32', shape: [1, 6], data: randomTensor('f32', [1, 6], 5, 'x') });
    expect(m?.data).toEqual(BigInt64Array.of(9n, 8n, 7n, 6n));
  });

  test('a dynamic input takes its shape from the file', async () => {
    const model = echoModel(folder, text, 'dynamic.echo');
    const x = save('x5.npy', { dtype: 'f32', shape: [1, 5], data: new Float32Array(5) });
    const { code, json } = await edgeInferJson<RunJson>(['run', model, '--random', '--input', `x=${x}`, ...onEcho]);
    expect(code).toBe(0);
    expect(json.outputs[0]).toEqual({ name: 'y', dtype: 'f32', shape: [1, 5], file: null });
  });

  test('need the shape of a dynamic input', async () => {
    const model = echoModel(folder, text, 'dynamic.echo');
    const { code, json } = await edgeInferJson<Failed>(['run', model, '--random', ...onEcho]);
    expect(code).toBe(2);
    expect(json.error.message).toContain('--shapes x=1x1');
  });
});

describe('inputs that are refused', () => {
  const model = echoModel(folder, 'input x f32 2,?\noutput y = identity x', 'strict.echo');
  test.each<[string, () => string, number, string, RegExp]>([
    [
      'another dtype',
      () => save('f64.npy', { dtype: 'f64', shape: [2, 1], data: new Float64Array(2) }),
      1,
      'ERR_INVALID_TENSOR',
      /holds f64, the input is 'x' \(f32 2x\?\)/,
    ],
    [
      'another rank',
      () => save('r1.npy', { dtype: 'f32', shape: [2], data: new Float32Array(2) }),
      1,
      'ERR_INVALID_TENSOR',
      /has the shape 2,/,
    ],
    [
      'another dimension',
      () => save('d3.npy', { dtype: 'f32', shape: [3, 1], data: new Float32Array(3) }),
      1,
      'ERR_INVALID_TENSOR',
      /has the shape 3x1,/,
    ],
    ['no .npy file', () => model, 1, 'ERR_INVALID_TENSOR', /not a \.npy file/],
    ['no file', () => file('none.npy'), 2, 'ERR_INVALID_ARGUMENT', /Cannot read/],
  ])('%s', async (_, make, exitCode, errorCode, message) => {
    const { code, json } = await edgeInferJson<Failed>(['run', model, '--input', `x=${make()}`, ...onEcho]);
    expect({ code, error: json.error.code }).toEqual({ code: exitCode, error: errorCode });
    expect(json.error.message).toMatch(message);
  });

  test('an input that the model does not have, or twice', async () => {
    const unknown = await edgeInferJson<Failed>(['run', model, '--input', 'z=a.npy', ...onEcho]);
    expect(unknown).toMatchObject({ code: 2, json: { error: { message: expect.stringContaining("'x' (f32 2x?)") } } });
    const twice = await edgeInferJson<Failed>(['run', model, '--input', 'x=a.npy', '--input', 'x=b.npy', ...onEcho]);
    expect(twice).toMatchObject({ code: 2, json: { error: { message: expect.stringContaining('got two') } } });
  });

  test('a shape for an input that the model does not have', async () => {
    const { code, json } = await edgeInferJson<Failed>(['inspect', model, '--shapes', 'z=2x1', ...onEcho]);
    expect(code).toBe(2);
    expect(json.error.message).toContain("no input 'z'");
  });

  test('outputs where no folder can be', async () => {
    const words = ['run', model, '--random', '--shapes', 'x=2x1', '--save-outputs', path.join(model, 'x'), ...onEcho];
    const { code, json } = await edgeInferJson<Failed>(words);
    expect(code).toBe(2);
    expect(json.error.message).toContain('Cannot write');
  });
});

test('text for people', async () => {
  const model = echoModel(folder, 'input x u8 2\noutput y = identity x', 'text.echo');
  const { code, stdout, stderr } = await edgeInfer(['run', model, '--random', ...onEcho]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toContain('echo:cpu');
  expect(stdout).toMatch(/out\s+y\s+u8\s+2/);
});

test('inspect', async () => {
  const text = 'input x f32 1,?,2\ninput n i64 -\noutput y = identity x\noutput z = nonzero x';
  const model = echoModel(folder, text, 'inspect.echo');
  const { code, json } = await edgeInferJson(['inspect', model, ...onEcho]);
  expect(code).toBe(0);
  expect(json).toMatchObject({
    model,
    size: fs.statSync(model).size,
    sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    inputs: [
      { name: 'x', dtype: 'f32', shape: [1, -1, 2] },
      { name: 'n', dtype: 'i64', shape: [] },
    ],
    outputs: [
      { name: 'y', dtype: 'f32', shape: [1, -1, 2] },
      { name: 'z', dtype: 'i64', shape: [-1] },
    ],
    info: { device: 'echo:cpu', backend: 'echo', path: model },
  });
});

test('inspect, of a quantised model', async () => {
  const text = [
    'input x u8 1,2\noutput y = identity x\noutput z = identity x',
    'quantized x - 0.0078125 128\nquantized y 1 0.1 -3 0.2 0',
  ];
  const model = echoModel(folder, text.join('\n'), 'quantised.echo');
  const { json } = await edgeInferJson(['inspect', model, ...onEcho]);
  const scale = [Math.fround(0.1), Math.fround(0.2)];
  expect(json).toMatchObject({
    inputs: [{ name: 'x', quantization: { scale: [0.0078125], zeroPoint: [128], axis: null } }],
    outputs: [{ name: 'y', quantization: { scale, zeroPoint: [-3, 0], axis: 1 } }, { name: 'z' }],
  });
  expect((json as { outputs: object[] }).outputs[1]).not.toHaveProperty('quantization');
  const { stdout } = await edgeInfer(['inspect', model, ...onEcho]);
  expect(stdout).toMatch(/x +u8 +1x2 +0\.0078125 · \(q − 128\)$/m);
  expect(stdout).toMatch(/y +u8 +1x2 +0\.1 · \(q \+ 3\), … \(2 along axis 1\)$/m);
  expect(stdout).toMatch(/z +u8 +1x2$/m);
});

const openvino = listRuntimes().some((runtime) => runtime.id === 'openvino' && runtime.installed);

(openvino ? describe : describe.skip)('OpenVINO', () => {
  const model = path.join(__dirname, '..', 'nodes', 'relu.xml');

  test('run', async () => {
    const x = save('relu-x.npy', { dtype: 'f32', shape: [1, 4], data: Float32Array.of(-1, 0, 2.5, -0.5) });
    const words = [
      'run',
      model,
      '--device',
      'openvino:cpu',
      '--precision',
      'f32',
      '--input',
      `x=${x}`,
      '--threads',
      '1',
    ];
    const { code, json } = await edgeInferJson<RunJson>([...words, '--save-outputs', file('out-relu')]);
    expect(code).toBe(0);
    expect(json).toMatchObject({ device: 'openvino:cpu', precision: { requested: 'f32', actual: 'f32' } });
    expect(readNpy(json.outputs[0]?.file ?? '').data).toEqual(Float32Array.of(0, 0, 2.5, 0));
  });

  test('inspect --layers, on a composition among several devices', async () => {
    const device = 'openvino:hetero:cpu,openvino:cpu';
    const { code, json } = await edgeInferJson<{
      info: { device: string; devices: string[] };
      layers: { device: string; precision: string; type: string }[];
    }>(['inspect', model, '--layers', '--device', device]);
    expect(code).toBe(0);
    expect(json.info).toMatchObject({ device: 'openvino:hetero:cpu', devices: ['openvino:cpu'] });
    expect(json.layers.length).toBeGreaterThan(0);
    for (const layer of json.layers) expect(layer).toMatchObject({ device: 'openvino:cpu' });
    const { stdout } = await edgeInfer(['inspect', model, '--layers', '--device', 'openvino:cpu']);
    expect(stdout).toMatch(/\n {2}layers\n {4}\w+ +f32 +openvino:cpu/);
    // The rest of a composition is not another device.
    const none = await edgeInferJson<Failed>(['inspect', model, '--device', 'openvino:hetero:gpu,cpu']);
    expect(none.json.error).toMatchObject({ code: 'ERR_UNAVAILABLE', message: expect.stringContaining("'gpu'") });
  });

  test('inspect', async () => {
    const { json } = await edgeInferJson(['inspect', model, '--device', 'openvino:cpu']);
    expect(json).toMatchObject({ inputs: [{ name: 'x', shape: [1, 4] }], outputs: [{ name: 'y' }] });
  });

  test('a file that is no model', async () => {
    fs.writeFileSync(file('no.onnx'), 'no model at all');
    expect((await edgeInferJson(['inspect', file('no.onnx'), '--device', 'openvino:cpu'])).code).toBe(4);
  });
});

test('a signature of a TFLite model, by name', async () => {
  const model = new Tflite();
  const x = model.main.input('x', 'f32', [1]);
  model.main.output(plus(model.main, x, 1, 'y'));
  const second = model.graph('second');
  const a = second.input('a', 'f32', [2]);
  const b = plus(second, a, 5, 'b');
  second.output(b);
  model.signature('five', { from: a }, { to: b }, 1);
  const name = file('signatures.tflite');
  fs.writeFileSync(name, model.build());
  const options = ['--device', 'tflite:cpu', '--signature'];
  const { code, json } = await edgeInferJson<RunJson>(['run', name, '--random', '--seed', '1', ...options, 'five']);
  expect(code).toBe(0);
  expect(json).toMatchObject({ inputs: [{ name: 'from', shape: [2] }], outputs: [{ name: 'to', shape: [2] }] });
  const failed = await edgeInferJson<Failed>(['run', name, '--random', ...options, 'six']);
  expect(failed.json.error).toMatchObject({ message: expect.stringContaining("no signature 'six'") as string });
});
