// `compare` as users run it, on OpenVINO's CPU: the numbers, the sentence, the report and the exit codes.
import fs from 'node:fs';
import path from 'node:path';
import type { CompareResult } from '../../lib/cli/compare-result.js';
import { writeNpy } from '../../lib/cli/npy.js';
import type { TensorData } from '../../lib/types.js';
import { productIr } from '../backends/openvino/models.js';
import { Folder } from '../support/folder.js';
import { addOnnx, buildOnnx, type OnnxGraph } from '../support/onnx.js';
import { edgeInfer, edgeInferJson } from './program.js';

const folder = new Folder();

interface Compared extends CompareResult {
  readonly error?: { readonly code: string; readonly message: string; readonly remedy: string };
}

function file(name: string): string {
  return path.join(folder.path, name);
}

/** y = op(x), f32 [2, 3] unless told otherwise. */
function unary(name: string, op: string, more: Partial<OnnxGraph> = {}): string {
  const graph: OnnxGraph = {
    inputs: [{ name: 'x', type: 'f32', shape: [2, 3] }],
    outputs: [{ name: 'y', type: 'f32', shape: [2, 3] }],
    nodes: [{ op, inputs: ['x'], outputs: ['y'] }],
    ...more,
  };
  return folder.write(name, buildOnnx(graph));
}

function inputs(name: string, data: Float32Array, shape: readonly number[] = [data.length]): string {
  fs.mkdirSync(path.dirname(file(name)), { recursive: true });
  writeNpy(file(name), { dtype: 'f32', shape, data: data as TensorData });
  return path.dirname(file(name));
}

const compared = (...words: string[]): Promise<{ code: number | null; stderr: string; json: Compared }> =>
  edgeInferJson<Compared>(['compare', ...words]);

const cpu = ['--a', 'openvino:cpu:f32'] as const;
const abs = unary('abs.onnx', 'Abs');
const values = inputs('values/s.npy', Float32Array.of(-1, 4, 9, 0, -2, 1), [2, 3]);

describe('two files', () => {
  const one = folder.write('one.onnx', addOnnx(1, [4]));
  const more = folder.write('more.onnx', addOnnx(1.5, [4]));

  test('a known difference: within, beyond, relative, and not judged', async () => {
    const samples = inputs('adds/x.npy', Float32Array.of(0, 1, 2, 3));
    const words = [one, '--model-b', more, ...cpu, '--inputs', samples];
    const within = await compared(...words, '--atol', '0.5');
    expect(within.code).toBe(0);
    expect(within.json).toMatchObject({ ok: true, onlyA: [], onlyB: [], tolerance: { atol: 0.5, rtol: 0 } });
    expect(within.json.outputs).toEqual([
      expect.objectContaining({ name: 'y', values: 4, beyond: 0, maxAbs: 0.5, meanAbs: 0.5, ok: true }),
    ]);
    expect(within.json.found).toBe(
      `Within the tolerance of 0.5: ${more} on openvino:cpu in f32 against ${one} on openvino:cpu in f32 differs by up ` +
        `to 0.5 in 'y', over 1 sample; top-1 agrees in 1 of 1 row.`,
    );
    const beyond = await compared(...words, '--atol', '0.4');
    expect(beyond.code).toBe(5);
    expect(beyond.json.error).toMatchObject({ code: 'ERR_CHECK_FAILED', message: "Check failed: 'y' (4 values)." });
    expect(beyond.json.found).toMatch(/^Beyond the tolerance of 0\.4: .* 4 of 4 values too far/);
    // a is 1, 2, 3, 4: a tenth of it covers none, a quarter all but the first, a half all.
    for (const [rtol, left] of [
      ['0.1', 4],
      ['0.25', 1],
      ['5e-1', 0],
    ] as const) {
      const { code, json } = await compared(...words, '--rtol', rtol);
      expect([rtol, code, json.outputs[0]!.beyond]).toEqual([rtol, left === 0 ? 0 : 5, left]);
    }
    const measured = await compared(...words);
    expect(measured.code).toBe(0);
    expect(measured.json.found).toMatch(/^Measured without a tolerance: /);
    expect(measured.json.notes).toContain('Give --atol to have differences judged.');
  });

  test('samples: a folder each, the worst is named', async () => {
    const trouble = unary('sqrt.onnx', 'Sqrt');
    inputs('samples/good/x.npy', Float32Array.of(0, 1, 1, 0, 1, 0), [2, 3]);
    inputs('samples/worse/x.npy', Float32Array.of(0, 1, 16, 0, 1, 0), [2, 3]);
    const words = [abs, '--model-b', trouble, ...cpu, '--inputs', file('samples'), '--atol', '1'];
    const { code, json } = await compared(...words);
    expect(code).toBe(5);
    expect(json.samples.map(({ name }) => name)).toEqual(['good', 'worse']);
    expect(json.outputs[0]).toMatchObject({
      ...{ maxAbs: 12, beyond: 1, maxAbsBySample: [0, 12], values: 12 },
      worst: { sample: 'worse', index: [0, 2], a: 16, b: 4 },
    });
  });

  test('NaN and infinities: on one side, on both, asked for', async () => {
    const trouble = unary('log.onnx', 'Log');
    const one = await compared(abs, '--model-b', trouble, ...cpu, '--inputs', values, '--atol', '1e9', '--equal-nan');
    expect(one.code).toBe(5);
    expect(one.json.outputs[0]!.nonFinite).toMatchObject({ nanA: 0, nanB: 2, nanBoth: 0, infiniteB: 1, unequal: 3 });
    expect(one.json.found).toMatch(/^Not trustworthy: 'y' of a holds 0 NaN and 0 infinite, b 2 NaN and 1 infinite/);
    const both = await compared(trouble, ...cpu, '--b', 'openvino:cpu', '--inputs', values, '--atol', '1');
    expect(both.code).toBe(5);
    expect(both.json.found).toMatch(/^Not trustworthy: 'y' holds 2 NaN on both sides/);
    const asked = await compared(trouble, ...cpu, '--b', 'openvino:cpu', '--inputs', values, '--equal-nan');
    expect(asked.code).toBe(0);
    expect(asked.json.found).toMatch(/^Equal: all 4 values .* besides 2 NaN on both sides\.$/);
  });

  test('outputs of other names, shapes and dtypes', async () => {
    const renamed = unary('renamed.onnx', 'Abs', {
      outputs: [{ name: 'z', type: 'f32', shape: [2, 3] }],
      nodes: [{ op: 'Abs', inputs: ['x'], outputs: ['z'] }],
    });
    const names = await compared(abs, '--model-b', renamed, ...cpu, '--inputs', values, '--atol', '9');
    expect(names.code).toBe(5);
    expect(names.json).toMatchObject({ outputs: [], onlyA: ['y'], onlyB: ['z'] });
    expect(names.json.found).toMatch(/^Not comparable: the outputs differ, 'y' only on a and 'z' only on b/);
    const paired = await compared(
      abs,
      '--model-b',
      renamed,
      ...cpu,
      '--inputs',
      values,
      '--atol',
      '0',
      '--by-position',
    );
    expect(paired.code).toBe(0);
    expect(paired.json.outputs[0]).toMatchObject({ name: 'y', nameB: 'z', equal: 6 });

    const turned = unary('turned.onnx', 'Transpose', { outputs: [{ name: 'y', type: 'f32', shape: [3, 2] }] });
    const shapes = await compared(abs, '--model-b', turned, ...cpu, '--inputs', values, '--atol', '9');
    expect(shapes.code).toBe(5);
    expect(shapes.json.outputs[0]).toMatchObject({ values: 0, maxAbsBySample: [null], ok: false });
    expect(shapes.json.outputs[0]!.shapes).toEqual([{ sample: 's', a: [2, 3], b: [3, 2] }]);
    expect(shapes.json.found).toMatch(/^Not comparable: 'y' is 2x3 on a and 3x2 on b \(s\)/);

    const integers = unary('shape.onnx', 'Shape', { outputs: [{ name: 'y', type: 'i64', shape: [2] }] });
    const sums = unary('sums.onnx', 'Abs', {
      inputs: [{ name: 'x', type: 'f32', shape: [2] }],
      outputs: [{ name: 'y', type: 'f32', shape: [2] }],
    });
    const flat = inputs('flat/s.npy', Float32Array.of(1, 2));
    const counted = unary('counted.onnx', 'NonZero', {
      inputs: [{ name: 'x', type: 'f32', shape: [2] }],
      outputs: [{ name: 'y', type: 'i64', shape: [1, 'n'] }],
    });
    const dtypes = await compared(sums, '--model-b', counted, ...cpu, '--inputs', flat, '--atol', '9');
    expect(dtypes.code).toBe(5);
    expect(dtypes.json.outputs[0]).toMatchObject({ dtype: { a: 'f32', b: 'i64' }, ok: false });
    expect(dtypes.json.found).toMatch(/^Not comparable: 'y' is f32 on a and i64 on b/);
    const equal = await compared(integers, ...cpu, '--b', 'openvino:cpu', '--inputs', values);
    expect(equal.json.found).toMatch(/^Equal: all 2 values/);
  });

  test('integers have to be equal, without a tolerance too', async () => {
    const port = { outputs: [{ name: 'y', type: 'i64', shape: [1, 3] }] } as const;
    const words = [unary('most.onnx', 'ArgMax', port), '--model-b', unary('least.onnx', 'ArgMin', port), ...cpu];
    const { code, json } = await compared(...words, '--inputs', values);
    expect(code).toBe(5);
    expect(json.outputs[0]).toMatchObject({ dtype: { a: 'i64', b: 'i64' }, maxAbs: 1, beyond: 3 });
    expect(json.found).toMatch(/^Not equal: /);
    expect((await compared(...words, '--inputs', values, '--atol', '1')).code).toBe(0);
  });

  test('inputs that the other side does not take', async () => {
    const other = unary('other.onnx', 'Abs', {
      inputs: [{ name: 'q', type: 'f32', shape: [2, 3] }],
      nodes: [{ op: 'Abs', inputs: ['q'], outputs: ['y'] }],
    });
    const { code, json } = await compared(abs, '--model-b', other, ...cpu, '--inputs', values);
    expect(code).toBe(1);
    expect(json.error).toMatchObject({ code: 'ERR_INVALID_TENSOR', remedy: expect.stringContaining('--by-position') });
    expect((await compared(abs, '--model-b', other, ...cpu, '--inputs', values, '--by-position')).code).toBe(0);
  });
});

describe('precisions', () => {
  const { xml, bin } = productIr();
  const product = folder.write('product.xml', xml);
  folder.write('product.bin', bin);

  test('bf16 where the CPU executes it; where it does not, that nothing was compared', async () => {
    const words = [product, ...cpu, '--b', 'openvino:cpu:bf16', '--random', '4', '--seed', '3'];
    const { code, json } = await compared(...words, '--atol', '1e-4');
    expect(json).toMatchObject({ a: { precision: { actual: 'f32' } }, b: { precision: { requested: 'bf16' } } });
    expect(json.samples.map(({ name }) => name)).toEqual(['seed 3', 'seed 4', 'seed 5', 'seed 6']);
    const [output] = json.outputs;
    if (json.b.precision.actual === 'bf16') {
      expect(code).toBe(5);
      expect(output!.maxAbs).toBeGreaterThan(1e-4);
      expect(output!.maxAbs).toBeLessThan(0.5);
      expect(output!.cosine).toBeGreaterThan(0.999);
      expect(json.found).toMatch(/^Beyond the tolerance of 1\.00e-4: openvino:cpu in bf16 against openvino:cpu in f32/);
    } else {
      expect(code).toBe(0);
      expect(json.notes[0]).toMatch(/no precision was compared/);
    }
    expect(output!.histogram.reduce((sum, bin) => sum + bin.count, 0)).toBe(4 * 64);
  });

  test('the table, the histogram and the report say the same as the JSON', async () => {
    const html = file('report.html');
    const words = [
      'compare',
      product,
      ...cpu,
      '--b',
      'openvino:cpu:bf16',
      '--random',
      '2',
      '--atol',
      '1',
      '--html',
      html,
    ];
    const { code, stdout } = await edgeInfer(words);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ {2}a {2}.*product\.xml {2}openvino:cpu \(.*\) {2}f32$/m);
    expect(stdout).toMatch(/^ {2}output +dtype +shape +largest \|a−b\| /m);
    expect(stdout).toMatch(/^ {2}y +f32 +1x64 /m);
    expect(stdout).toMatch(/^(Within the tolerance of 1|Equal): .*\.$/m);
    expect(stdout).toContain(`The report is in ${html}.`);
    const report = fs.readFileSync(html, 'utf8');
    expect(report).not.toMatch(/<script|<link|<img|<iframe|\bon\w+=|@import|url\(|https?:|src=|href=/i);
    const found = /^(Within|Equal).*$/m.exec(stdout)![0];
    expect(report).toContain(`<p>${found.replace(/'/g, '&#39;')}</p>`);
  });
});

describe('what cannot be compared', () => {
  test.each([
    ['nothing to compare with', [abs, '--a', 'cpu'], 2, /Nothing to compare with/],
    ['no inputs', [abs, '--b', 'openvino:cpu'], 2, /Nothing to run on/],
    ['a tolerance that is none', [abs, '--b', 'cpu', '--atol', 'small'], 2, /Expected --atol to be a number/],
    ['a precision that is none', [abs, '--b', 'cpu:int8'], 2, /quantised model is another file/],
    [
      'no such device',
      [abs, '--b', 'openvino:cpu', '--a', 'openvino:nowhere', '--random', '1'],
      3,
      /^edge-infer: Side a: /,
    ],
    ['no such file', [abs, '--model-b', file('none.onnx'), '--random', '1'], 4, /^edge-infer: Side b: /],
    [
      'a report that cannot be written',
      [abs, '--b', 'cpu', '--random', '1', '--html', file('no/r.html')],
      2,
      /Cannot write/,
    ],
  ])('%s', async (_, words, code, message) => {
    const ended = await edgeInfer(['compare', ...words]);
    expect([ended.code, ended.stdout]).toEqual([code, '']);
    expect(ended.stderr).toMatch(message);
  });
});
