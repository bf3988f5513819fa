// `bench` as users run it: what is in its JSON, its HTML, and what Ctrl-C does.
import fs from 'node:fs';
import path from 'node:path';
import type { BenchResult } from '../../lib/cli/bench-result.js';
import { until } from '../support/wait.js';
import { echoModel, edgeInfer, edgeInferJson, onEcho, temporaryFolder } from './program.js';

const folder = temporaryFolder();
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const model = echoModel(folder, 'input x f32 2,3\noutput y = add x 1\ndelay_ms 4');
const short = ['--duration', '400ms', '--warmup', '3', ...onEcho] as const;

test('async: latencies, throughput and settings fit each other', async () => {
  const { code, json, stderr } = await edgeInferJson<BenchResult>(['bench', model, ...short, '--concurrency', '2']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const { latency } = json;
  expect(json).toMatchObject({
    model,
    device: 'echo:cpu',
    precision: { requested: 'model', actual: 'f32' },
    settings: {
      ...{ mode: 'async', concurrency: 2, durationMs: 400, warmup: { runs: 3 }, rate: null, seed: 0 },
      inputs: [{ name: 'x', dtype: 'f32', shape: [2, 3], source: 'random' }],
    },
    ...{ arrivals: null, interrupted: false, checks: [], html: null },
    // The zero-copy path: nothing is copied.
    copies: { bytes: 0, perRun: 0 },
  });
  expect(latency.min).toBeGreaterThanOrEqual(3.9);
  const ordered = [latency.min, latency.p50, latency.p90, latency.p95, latency.p99, latency.p999, latency.max];
  expect([...ordered].sort((a, b) => a - b)).toEqual(ordered);
  expect(json.runs).toBe(latency.count);
  expect(json.throughput).toBeCloseTo(json.runs / (json.elapsedMs / 1000), 3);
  expect(json.runs).toBeGreaterThan(0);
  expect(json.stages.compute).toBeGreaterThan(3.9);
  expect(json.stages.compute).toBeLessThanOrEqual(latency.mean);
  expect(json.eventLoopDelay).toMatchObject({ p50: expect.any(Number), p99: expect.any(Number) });
  expect(json.machine).toMatchObject({ node: process.versions.node, cores: expect.any(Number) });
});

test('sync', async () => {
  const { json } = await edgeInferJson<BenchResult>(['bench', model, ...short, '--sync']);
  expect(json).toMatchObject({
    settings: { mode: 'sync', concurrency: 1 },
    eventLoopDelay: null,
    copies: { bytes: 0 },
  });
  expect(json.latency.min).toBeGreaterThanOrEqual(3.9);
  expect(json.runs).toBeGreaterThan(0);
});

test('copies are counted where there are some', async () => {
  const { json } = await edgeInferJson<BenchResult>(['bench', model, ...short, '--property', 'copy=1']);
  expect(json.copies).toEqual({ bytes: json.runs * 24, perRun: 24 });
});

test('a camera: frames, late and dropped', async () => {
  const words = ['bench', model, '--duration', '500ms', '--warmup', '100ms', '--rate', '500', ...onEcho];
  const { json } = await edgeInferJson<BenchResult>(words);
  expect(json.settings).toMatchObject({ rate: 500, warmup: { milliseconds: 100 } });
  expect(json.arrivals).toMatchObject({ rate: 500, frames: 250, completed: json.runs });
  const { completed, dropped, late } = json.arrivals ?? { completed: 0, dropped: 0, late: 0 };
  expect(completed + dropped).toBe(250);
  // 4 ms a run, a frame each 2 ms.
  expect(dropped).toBeGreaterThan(100);
  expect(late).toBe(completed);
});

test('checks: those that hold fail, with everything measured still there', async () => {
  const words = [
    'bench',
    model,
    ...short,
    '--fail-if',
    'p50>1ms',
    '--fail-if',
    'max>1000s',
    '--fail-if',
    'throughput<1000',
  ];
  const { code, json, stderr } = await edgeInferJson<BenchResult & { error: object }>(words);
  expect(code).toBe(5);
  expect(json.checks.map((check) => [check.expression, check.ok])).toEqual([
    ['p50>1ms', false],
    ['max>1000s', true],
    ['throughput<1000', false],
  ]);
  expect(json.latency.count).toBeGreaterThan(0);
  expect(json.error).toMatchObject({ code: 'ERR_CHECK_FAILED', message: expect.stringContaining('p50>1ms (it is ') });
  expect(stderr).toContain('Check failed: p50>1ms');
  expect(await edgeInfer(['bench', model, ...short, '--fail-if', 'p50<1ms'])).toMatchObject({ code: 0 });
});

describe('dynamic shapes', () => {
  const dynamic = echoModel(folder, 'input x f32 1,?\noutput y = identity x', 'dynamic.echo');

  test('are given', async () => {
    const { code, json } = await edgeInferJson<BenchResult>(['bench', dynamic, ...short, '--shapes', 'x=1x5']);
    expect(code).toBe(0);
    expect(json.settings.inputs).toMatchObject([{ shape: [1, 5] }]);
    expect(json.copies.bytes).toBe(0);
  });

  test('or missed', async () => {
    expect((await edgeInfer(['bench', dynamic, ...short])).code).toBe(2);
  });
});

describe('Ctrl-C', () => {
  /** Interrupts a benchmark of ten minutes in its run number `run`, which marks itself with a file. */
  async function interrupted(words: readonly string[], run: number, signal: NodeJS.Signals = 'SIGINT') {
    const mark = path.join(folder, `run-${run}-${signal}`);
    const marked = echoModel(
      folder,
      `input x f32 2,3\noutput y = add x 1\ndelay_ms 4\nfault_at ${run} leak\nonce "${mark}"`,
      `mark-${run}.echo`,
    );
    return edgeInferJson<BenchResult & { error?: { code: string } }>(
      ['bench', marked, '--duration', '10m', ...words, ...onEcho],
      {
        during: (child) =>
          void until(() => fs.existsSync(mark), 'the run').then(() => setTimeout(() => child.kill(signal), 500)),
      },
    );
  }

  test.each<NodeJS.Signals>(['SIGINT', 'SIGTERM'])('%s: ends, and reports', async (signal) => {
    const { code, json } = await interrupted(['--warmup', '1', '--fail-if', 'mean<0'], 20, signal);
    expect(code).toBe(0);
    expect(json).toMatchObject({ interrupted: true, checks: [{ ok: true }] });
    expect(json.runs).toBeGreaterThan(17);
  });

  test('with a run that never ends', async () => {
    const { code, json } = await interrupted(['--warmup', '1', '--property', 'hang_at=50'], 49);
    expect(code).toBe(0);
    expect(json).toMatchObject({ interrupted: true, runs: 48 });
  });

  test('before anything was measured', async () => {
    const { code, json } = await interrupted(['--warmup', '10m'], 5);
    expect({ code, error: json.error?.code }).toEqual({ code: 1, error: 'ERR_INTERRUPTED' });
  });
});

describe('HTML', () => {
  test('is written, and named in the result', async () => {
    const html = path.join(folder, 'report.html');
    const { json } = await edgeInferJson<BenchResult>(['bench', model, ...short, '--html', html]);
    expect(json.html).toBe(html);
    const text = fs.readFileSync(html, 'utf8');
    expect(text).toContain(model);
    expect(text).toContain(`${json.runs} in `);
  });

  test('on a full disk: 1, and what to do', async () => {
    const words = ['bench', model, ...short, '--html', '/dev/full'];
    const { code, json } = await edgeInferJson<{ error: object }>(words);
    expect(code).toBe(1);
    expect(json.error).toMatchObject({ code: 'ERR_PERMISSION', remedy: expect.stringContaining('space') });
  });

  test('is refused before measuring where it cannot be written', async () => {
    const words = ['bench', model, '--duration', '10m', '--html', path.join(folder, 'none', 'r.html'), ...onEcho];
    const { code, json } = await edgeInferJson<{ error: { message: string } }>(words);
    expect(code).toBe(2);
    expect(json.error.message).toContain('Cannot write');
  });
});

test('no progress bars outside a terminal', async () => {
  const { stdout, stderr } = await edgeInfer(['bench', model, '--duration', '1200ms', '--warmup', '1', ...onEcho]);
  expect(stderr).toBe('');
  expect(stdout).not.toContain('\r');
  for (const label of ['mean', 'p50', 'p90', 'p95', 'p99', 'p99.9', 'throughput', 'copied', 'event loop']) {
    expect(stdout).toMatch(new RegExp(`^ +${label.replace('.', '\\.')} `, 'm'));
  }
});
