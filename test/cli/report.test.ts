// The HTML report: what is in it, and that no name can become markup.
import type { BenchResult } from '../../lib/cli/bench-result.js';
import { benchText } from '../../lib/cli/bench-result.js';
import { escapeHtml } from '../../lib/cli/html.js';
import { LatencyHistogram } from '../../lib/cli/latency-histogram.js';
import { htmlReport } from '../../lib/cli/report.js';

const histogram = new LatencyHistogram();
for (let i = 0; i < 1000; i++) histogram.record(2 + (i % 100) / 100 + (i % 333 === 0 ? 50 : 0));

const result: BenchResult = {
  ...{ edgeInfer: '1.2.3', created: '2026-01-02T03:04:05.000Z', model: 'detector.onnx', sha256: 'ab'.repeat(32) },
  ...{ backend: 'openvino', sdk: '2026.1', device: 'openvino:cpu', deviceName: 'Some CPU', loadMs: 12 },
  precision: { requested: 'model', actual: 'f32' },
  settings: {
    ...{ mode: 'async', concurrency: 2, durationMs: 5000, warmup: { runs: 10 }, rate: 30 },
    ...{ threads: 4, streams: 2, hint: 'latency', seed: 0 },
    inputs: [{ name: 'images', dtype: 'f32', shape: [1, 3, 224, 224], source: 'random' }],
  },
  ...{ runs: 1000, elapsedMs: 5000, throughput: 200, interrupted: false, html: null },
  latency: histogram.summary(),
  stages: { queued: 0.01, compute: 2.4, callback: 0.02 },
  copies: { bytes: 0, perRun: 0 },
  eventLoopDelay: { mean: 0.1, p50: 0.1, p99: 0.7, max: 3 },
  arrivals: { rate: 30, frames: 150, completed: 140, late: 7, dropped: 10 },
  checks: [
    { expression: 'p99>20ms', value: 2.99, unit: 'ms', ok: true },
    { expression: 'dropped>0', value: 10, unit: '', ok: false },
  ],
  machine: {
    ...{ node: '20.0.0', platform: 'linux-x64', kernel: 'Linux 6.1', system: 'Debian', board: 'Some board' },
    ...{ cpu: 'Some CPU', cores: 4, coreLimit: 2, memoryBytes: 8e9, governor: 'performance', loadAverage: 0.25 },
  },
};

const html = htmlReport(result, histogram.bars(60, result.latency.p99));

test('everything measured, how, and on what', () => {
  for (const text of [
    ...['detector.onnx', 'openvino:cpu', 'Some CPU', 'f32', 'ab'.repeat(32), '2 requests, async, 30 frames/s'],
    ...['p99.9', '200.0 fps', '150 at 30/s: 140 done, 7 late, 10 dropped', '1x3x224x224', 'Some board', 'performance'],
    ...['limited to 2.000', 'fail if p99&gt;20ms', 'class="failed">failed', 'edge-infer 1.2.3'],
  ]) {
    expect(html).toContain(text);
  }
});

test('the bars hold every run', () => {
  const counts = [...html.matchAll(/<title>[^<]*: (\d+)<\/title>/g)].map((match) => Number(match[1]));
  expect(counts).toHaveLength(61); // the last one for what is above p99
  expect(counts.reduce((sum, count) => sum + count, 0)).toBe(1000);
  expect(html).toContain(`The last bar holds the ${counts[60]} of 1000 runs above p99.`);
  const heights = [...html.matchAll(/<rect class="bar"[^>]* height="([\d.]+)"/g)].map((match) => Number(match[1]));
  expect(Math.max(...heights)).toBe(230);
  // Every bar with runs can be seen.
  counts.slice(0, 60).forEach((count, i) => expect((heights[i] ?? 0) > 0).toBe(count > 0));
});

test('p50 stands left of p99, both inside the picture', () => {
  const [p50 = NaN, p99 = NaN] = [...html.matchAll(/<line class="mark" x1="([\d.]+)"/g)].map((match) =>
    Number(match[1]),
  );
  expect(p50).toBeGreaterThan(50);
  expect(p99).toBeGreaterThan(p50);
  expect(p99).toBeLessThanOrEqual(880);
});

test('stands alone: no scripts, nothing to fetch', () => {
  expect(html).not.toMatch(/<script|<link|<img|<iframe|\bon\w+=|@import|url\(|https?:|src=|href=/i);
  expect(html).toContain("default-src 'none'");
  // Each element that is opened is closed.
  for (const tag of [
    'html',
    'head',
    'body',
    'style',
    'title',
    'table',
    'tr',
    'td',
    'th',
    'p',
    'h2',
    'svg',
    'text',
    'rect',
  ]) {
    const opened = html.match(new RegExp(`<${tag}[ >]`, 'g'))?.length ?? 0;
    expect([tag, html.match(new RegExp(`</${tag}>`, 'g'))?.length ?? 0]).toEqual([tag, opened]);
    expect(opened).toBeGreaterThan(0);
  }
});

test('names are text, never markup', () => {
  const evil = `"><script>alert('x')</script>&amp;\0`;
  const report = htmlReport(
    {
      ...result,
      ...{ model: evil, device: evil, deviceName: evil, sdk: evil, backend: evil, sha256: evil, edgeInfer: evil },
      precision: { requested: 'model', actual: evil },
      settings: { ...result.settings, hint: evil, inputs: [{ name: evil, dtype: evil, shape: [1], source: evil }] },
      checks: [{ expression: evil, value: 1, unit: '', ok: false }],
      machine: { ...result.machine, cpu: evil, board: evil, system: evil, kernel: evil, governor: evil, node: evil },
    },
    histogram.bars(60, 3),
  );
  expect(report).not.toContain('<script');
  expect(report).not.toContain('\0');
  expect(report).not.toContain(`"><`.concat('script'));
  // In the title, the heading, the tables: each time escaped, the entity in the name too.
  const escaped = '&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;amp;\uFFFD';
  expect(escapeHtml(evil)).toBe(escaped);
  expect(report.split(escaped).length - 1).toBeGreaterThanOrEqual(15);
});

test('one value, and none', () => {
  const one = new LatencyHistogram();
  one.record(5);
  const report = htmlReport({ ...result, latency: one.summary(), checks: [] }, one.bars(60, 5));
  expect(report).not.toMatch(/NaN|Infinity|undefined|Checks/);
  const none = new LatencyHistogram();
  expect(htmlReport({ ...result, latency: none.summary() }, none.bars(60, NaN))).toContain('No run ended.');
});

test('the same as text', () => {
  const text = benchText({ ...result, interrupted: true });
  for (const part of [
    'detector.onnx on openvino:cpu',
    'throughput   200.0 fps',
    'FAILED  fail if dropped>0  10',
    'Interrupted',
  ]) {
    expect(text).toContain(part);
  }
});
