// The comparison's words and its HTML report: numbers people can read, and no name that becomes markup.
import { compareHtml } from '../../lib/cli/compare-report.js';
import { compareText, cosineText, foundText, numberText, percentText } from '../../lib/cli/compare-result.js';
import type { CompareResult, OutputResult, SideResult } from '../../lib/cli/compare-result.js';
import { DifferenceSum } from '../../lib/cli/difference.js';

const sum = new DifferenceSum({ atol: 1e-3, rtol: 0, equalNan: false });
const a = Float32Array.from({ length: 60 }, (_, i) => Math.sin(i));
const b = a.map((value, i) => value + (i % 7 === 0 ? 0 : 10 ** -(i % 7)));
sum.add('cat', { dtype: 'f32', shape: [10, 6], data: a }, { dtype: 'f32', shape: [10, 6], data: b });

const side: SideResult = {
  ...{ model: 'detector.onnx', sha256: 'ab'.repeat(32), backend: 'openvino', sdk: '2026.4', device: 'openvino:cpu' },
  ...{ deviceName: 'Some CPU', precision: { requested: 'f32', actual: 'f32' } },
};
const output: OutputResult = {
  ...sum.result(),
  ...{ name: 'scores', nameB: 'scores', dtype: { a: 'f32', b: 'f32' }, shape: [10, 6], shapes: [], ok: false },
  maxAbsBySample: [0.1],
};
const result: CompareResult = {
  ...{ edgeInfer: '1.2.3', created: '2026-01-02T03:04:05.000Z', ok: false, found: 'It was found.', notes: ['A note.'] },
  ...{ a: side, b: { ...side, precision: { requested: 'bf16', actual: 'bf16' } } },
  tolerance: { atol: 1e-3, rtol: 0.01, equalNan: false },
  samples: [{ name: 'cat', inputs: [{ name: 'x', dtype: 'f32', shape: [1, 3], source: 'cat.npy' }] }],
  ...{ outputs: [output], onlyA: [], onlyB: [], html: null },
  machine: {
    ...{ node: '20.0.0', platform: 'linux-x64', kernel: 'Linux 6.1', system: 'Debian', board: null },
    ...{ cpu: 'Some CPU', cores: 4, coreLimit: null, memoryBytes: 8e9, governor: null, loadAverage: 0.25 },
  },
};

test('numbers', () => {
  expect([0, 1.23456, 0.00012345, 123456789, -2, Infinity].map(numberText)).toEqual([
    ...['0', '1.235', '1.23e-4', '1.23e+8', '-2', 'Infinity'],
  ]);
  expect([percentText(3, 3), percentText(0, 3), percentText(99999, 100000), percentText(1, 1e6)]).toEqual([
    ...['100 %', '0 %', '99.99 %', '0.01 %'],
  ]);
  // As many nines as it takes, never a rounded 1.
  expect([1, 0.99999994, 0.5, 0, -1, null].map(cosineText)).toEqual([
    ...['1', '0.999999940', '0.5000', '0.0000', '-1.0000', '–'],
  ]);
});

test('the report has the verdict, every bar, the samples and both sides', () => {
  const html = compareHtml(result);
  for (const text of [
    ...['It was found.', 'A note.', 'scores', '10x6', 'detector.onnx', 'bf16', 'ab'.repeat(32), 'openvino 2026.4'],
    ...['Some CPU', 'Tolerance: 0.001 + 0.01 · |a|', 'x f32 1x3', 'class="failed">It was found.', 'edge-infer 1.2.3'],
  ]) {
    expect(html).toContain(text);
  }
  const counts = [...html.matchAll(/<title>[^<]*: (\d+)<\/title>/g)].map((match) => Number(match[1]));
  expect(counts.reduce((total, count) => total + count, 0)).toBe(60);
  expect(html).toContain("default-src 'none'");
  for (const tag of ['html', 'body', 'table', 'tr', 'td', 'th', 'p', 'h2', 'svg', 'text', 'rect']) {
    const opened = html.match(new RegExp(`<${tag}[ >]`, 'g'))?.length ?? 0;
    expect([tag, html.match(new RegExp(`</${tag}>`, 'g'))?.length ?? 0]).toEqual([tag, opened]);
    expect(opened).toBeGreaterThan(0);
  }
});

test('names are text, never markup', () => {
  const evil = `"><script>alert('x')</script>\0`;
  const evilSide = { ...side, model: evil, device: evil, deviceName: evil, sdk: evil, sha256: evil };
  const html = compareHtml({
    ...result,
    ...{ a: evilSide, b: evilSide, found: evil, notes: [evil] },
    outputs: [{ ...output, name: evil, nameB: evil, worst: { ...output.worst!, sample: evil } }],
    samples: [{ name: evil, inputs: [{ name: evil, dtype: evil, shape: [1], source: evil }] }],
  });
  expect(html).not.toContain('<script');
  expect(html).not.toContain('\0');
  expect(html.split('&lt;script&gt;').length - 1).toBeGreaterThanOrEqual(18);
});

test('no outputs, no values, many samples: no NaN and no end', () => {
  const none = new DifferenceSum(result.tolerance).result();
  const many = Array.from({ length: 250 }, (_, i) => ({ name: `s${i}`, inputs: [] }));
  for (const outputs of [[], [{ ...output, ...none, maxAbsBySample: [null] }]]) {
    const html = compareHtml({ ...result, outputs, samples: many });
    expect(html).not.toMatch(/NaN|Infinity|undefined/);
    expect(html).toContain('and 50 more');
    expect(compareText({ ...result, outputs })).not.toMatch(/NaN|Infinity|undefined/);
  }
});

test('the sentence names what fails before what is merely far', () => {
  const failing: OutputResult = { ...output, name: 'classes', maxAbs: 1, beyond: 3, dtype: { a: 'i64', b: 'i64' } };
  const far: OutputResult = { ...output, name: 'boxes', maxAbs: 50, beyond: 0 };
  expect(foundText({ ...result, outputs: [far, failing] })).toContain("up to 1 in 'classes'");
  expect(foundText({ ...result, outputs: [far, failing] })).toMatch(
    /^Beyond the tolerance of 0\.001 \+ 0\.01 · \|a\|: /,
  );
});

test('text: table, remarks and histogram', () => {
  const text = compareText(result);
  expect(text).toMatch(/^ {2}scores +f32 +10x6 /m);
  expect(text).toMatch(/largest in cat at \[\d+, \d+\]: a -?[\d.]+, b -?[\d.]+/);
  expect(text).toMatch(/^ +1e-2 to 1e-1 +[\d.]+ % +█+$/m);
  expect(text).toMatch(/It was found\.\nA note\.$/);
});
