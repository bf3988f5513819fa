/** `edge-infer bench MODEL`: latency and throughput of a model, on request buffers, without copies. */
import fs from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { version } from '../index.js';
import type { InferenceRequest, Model } from '../index.js';
import { parseDuration, UsageError, type Args } from './args.js';
import { closedLoop, fixedArrivals, type Arrivals, type Span } from './bench-loop.js';
import {
  benchText,
  valueText,
  type BenchResult,
  type BenchSettings,
  type EventLoopDelay,
  type Stages,
} from './bench-result.js';
import { applyChecks, parseChecks } from './checks.js';
import type { Command } from './command.js';
import { checkWritable, writing } from './files.js';
import { Interrupt } from './interrupt.js';
import { LatencyHistogram } from './latency-histogram.js';
import { loadOptionsOf, loadOptionTable, withModel } from './load.js';
import { describeMachine } from './machine.js';
import { durationText, exitCodes, type Result } from './output.js';
import { htmlReport } from './report.js';
import { chooseInputs, inputOptionTable, type GivenInput } from './tensors.js';
import type { Ui } from './ui.js';

// Wakes the event loop 200 times a second: short enough to see a frame's delay, too rare to matter.
const delayResolutionMs = 5;

interface Plan {
  readonly sync: boolean;
  readonly concurrency: number;
  readonly rate: number | null;
  readonly durationMs: number;
  readonly warmup: BenchSettings['warmup'];
}

/** `10` counts runs, `2s` time. */
function warmupOf(args: Args): BenchSettings['warmup'] {
  const text = args.text('warmup');
  if (text === undefined) return { milliseconds: 1000 };
  if (/^\d+$/.test(text)) return { runs: Number(text) };
  const milliseconds = parseDuration(text, 'none');
  if (milliseconds === null) throw new UsageError(`Expected --warmup to be runs (10) or a time (2s), got '${text}'.`);
  return { milliseconds };
}

function planOf(args: Args): Plan {
  const sync = args.flag('sync');
  const concurrency = args.integer('concurrency', 1, 1024) ?? 1;
  const rate = args.positive('rate') ?? null;
  if (sync && concurrency > 1) throw new UsageError('--sync runs one at a time: leave --concurrency out.');
  if (sync && rate !== null)
    throw new UsageError('--sync would hold up the arrivals of --rate: leave one of them out.');
  return { sync, concurrency, rate, durationMs: args.duration('duration') ?? 10_000, warmup: warmupOf(args) };
}

/** Requests with their inputs written: the buffers are used in place from here on. */
function prepare(model: Model, given: readonly GivenInput[], concurrency: number): InferenceRequest[] {
  const dynamic = given.filter((_, i) => model.inputs[i]?.shape?.every((size) => size >= 0) !== true);
  const shapes = Object.fromEntries(dynamic.map(({ name, shape }) => [name, shape]));
  const requests: InferenceRequest[] = [];
  for (let i = 0; i < concurrency; i++) {
    const request = model.createRequest(dynamic.length > 0 ? { shapes } : {});
    for (const { name, data } of given) {
      // The union of array types has no common signature; the dtypes agree.
      (request.inputs[name]?.data as Uint8Array).set(data as Uint8Array);
    }
    requests.push(request);
  }
  return requests;
}

interface Measurement {
  readonly histogram: LatencyHistogram;
  readonly stages: Stages;
  readonly elapsedMs: number;
  readonly bytesCopied: number;
  readonly delay: EventLoopDelay | null;
  readonly arrivals: Arrivals | null;
}

async function measure(
  model: Model,
  requests: readonly InferenceRequest[],
  plan: Plan,
  stopped: () => boolean,
  ui: Ui,
): Promise<Measurement> {
  const histogram = new LatencyHistogram();
  const sums = { queued: 0, compute: 0, callback: 0 };
  const clock = { begin: performance.now(), end: 0 };
  const record = (latency: number, request: InferenceRequest): void => {
    clock.end = performance.now();
    histogram.record(latency);
    const { queued, compute, callback } = request.timings;
    sums.queued += queued;
    sums.compute += compute;
    sums.callback += callback;
  };

  ui.status('Warming up …');
  await closedLoop(requests, { ...plan.warmup, stopped }, plan.sync, () => undefined);
  const copiedBefore = model.statistics().bytesCopied;
  // A histogram of Node starts when it is enabled: after the warm-up.
  const delay = monitorEventLoopDelay({ resolution: delayResolutionMs });
  const progress = setInterval(() => {
    const done = performance.now() - clock.begin;
    ui.progress('Measuring', done / plan.durationMs, `${durationText(done)}, ${histogram.count} runs`);
  }, 500);
  delay.enable();
  clock.begin = clock.end = performance.now();
  const span: Span = { milliseconds: plan.durationMs, stopped };
  let arrivals: Arrivals | null = null;
  try {
    if (plan.rate === null) await closedLoop(requests, span, plan.sync, record);
    else arrivals = await fixedArrivals(requests, plan.rate, span, record);
  } finally {
    delay.disable();
    clearInterval(progress);
    ui.clear();
  }
  const { count } = histogram;
  // The monitor gives the time between two of its ticks: what exceeds their distance is the delay.
  const excess = (nanoseconds: number): number => Math.max(nanoseconds / 1e6 - delayResolutionMs, 0);
  return {
    histogram,
    stages: { queued: sums.queued / count, compute: sums.compute / count, callback: sums.callback / count },
    // With fixed arrivals the pause after the last frame belongs to it.
    elapsedMs: Math.max(clock.end - clock.begin, arrivals !== null && !stopped() ? plan.durationMs : 0),
    bytesCopied: model.statistics().bytesCopied - copiedBefore,
    delay: plan.sync
      ? null
      : {
          mean: excess(delay.mean),
          p50: excess(delay.percentile(50)),
          p99: excess(delay.percentile(99)),
          max: excess(delay.max),
        },
    arrivals,
  };
}

function interruptedTooSoon(): Result {
  const error = {
    code: 'ERR_INTERRUPTED',
    message: 'Interrupted before the first measured run ended.',
    remedy: 'Let it run longer, or shorten the warm-up (--warmup).',
  };
  return { json: {}, text: '', failure: { exitCode: exitCodes.failed, error } };
}

export const bench: Command = {
  name: 'bench',
  summary: "Measures a model's latency and throughput.",
  positionals: ['MODEL'],
  options: {
    warmup: { value: 'N|TIME', help: 'runs (10) or a time (2s) before measuring; default 1s' },
    duration: { value: 'TIME', help: 'how long to measure; default 10s' },
    concurrency: { value: 'N', help: 'requests in flight; default 1' },
    sync: { help: 'blocking calls on the JS thread instead of promises' },
    rate: { value: 'FPS', help: 'frames that arrive at a fixed rate, as from a camera' },
    'fail-if': { value: 'EXPR', help: 'ends with code 5 if this holds, such as "p99>20ms"', multiple: true },
    html: { value: 'FILE', help: 'writes a self-contained report with a histogram' },
    ...inputOptionTable,
    ...loadOptionTable,
  },
  notes: `
Inputs without a file get random values. Latency is the call until its promise is heard; with --rate it counts from the
time at which the frame was due: a frame waits for a free request, a newer one takes its place (dropped), and a result
that comes after the next frame was due is late.

--fail-if METRIC OPERATOR VALUE[UNIT], with > >= < <= == !=
  mean p50 p90 p95 p99 p999 max   us, ms (default) or s
  throughput                      runs a second (fps)
  dropped late                    frames; only with --rate
  copies                          bytes copied by the CPU

Ctrl-C ends the measurement and reports what was measured until then.`,
  async run(args, ui) {
    const model = args.positional(0) ?? '';
    const plan = planOf(args);
    const checks = parseChecks(args.texts('fail-if'), plan.rate !== null);
    const html = args.text('html') ?? null;
    if (html !== null) checkWritable(html);
    const machine = describeMachine();
    const options = { ...loadOptionsOf(args), inFlight: plan.concurrency };
    return withModel(model, options, ui, async (loaded): Promise<Result> => {
      const given = chooseInputs(loaded.inputs, args, true);
      const requests = prepare(loaded, given, plan.concurrency);
      const interrupt = new Interrupt();
      let measured: Measurement;
      try {
        measured = await measure(loaded, requests, plan, () => interrupt.requested, ui);
      } finally {
        interrupt.release();
        for (const request of requests) request.dispose();
      }
      const { histogram, elapsedMs, arrivals } = measured;
      if (histogram.count === 0 && interrupt.requested) return interruptedTooSoon();
      const latency = histogram.summary();
      const throughput = latency.count / (elapsedMs / 1000);
      const { info } = loaded;
      const result: BenchResult = {
        edgeInfer: version,
        created: new Date().toISOString(),
        model,
        sha256: info.sha256,
        backend: info.backend,
        sdk: info.versions.sdk,
        device: info.device,
        deviceName: info.deviceName,
        precision: info.precision,
        loadMs: info.loadMs,
        settings: {
          mode: plan.sync ? 'sync' : 'async',
          concurrency: plan.concurrency,
          durationMs: plan.durationMs,
          warmup: plan.warmup,
          rate: plan.rate,
          threads: options.threads ?? null,
          streams: options.streams ?? null,
          hint: options.performanceHint ?? null,
          seed: args.integer('seed', 0) ?? 0,
          inputs: given.map(({ name, dtype, shape, source }) => ({ name, dtype, shape, source })),
        },
        runs: latency.count,
        elapsedMs,
        latency,
        throughput,
        stages: measured.stages,
        copies: { bytes: measured.bytesCopied, perRun: measured.bytesCopied / latency.count },
        eventLoopDelay: measured.delay,
        arrivals: arrivals === null ? null : { rate: plan.rate ?? 0, completed: latency.count, ...arrivals },
        interrupted: interrupt.requested,
        checks: applyChecks(checks, {
          ...latency,
          throughput,
          dropped: arrivals?.dropped ?? null,
          late: arrivals?.late ?? null,
          copies: measured.bytesCopied,
        }),
        machine,
        html,
      };
      if (html !== null)
        writing(html, () => fs.writeFileSync(html, htmlReport(result, histogram.bars(60, latency.p99))));
      const violated = result.checks.filter((check) => !check.ok);
      const words = violated.map((check) => `${check.expression} (it is ${valueText(check)})`);
      const error = {
        code: 'ERR_CHECK_FAILED',
        message: `Check failed: ${words.join(', ')}.`,
        remedy: 'Measure on an idle machine, look at the histogram (--html), or change the check.',
      };
      return {
        json: { ...result },
        text: benchText(result),
        ...(violated.length > 0 && { failure: { exitCode: exitCodes.checkFailed, error } }),
      };
    });
  },
};
