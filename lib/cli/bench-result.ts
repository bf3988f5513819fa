/** What a benchmark found: the shape of its JSON, and the same as text. */
import type { ModelInfo } from '../types.js';
import type { CheckResult } from './checks.js';
import type { LatencySummary } from './latency-histogram.js';
import type { Machine } from './machine.js';
import { bytesText, durationText, fixed, indent, table } from './output.js';

export interface BenchSettings {
  readonly mode: 'async' | 'sync';
  readonly concurrency: number;
  readonly durationMs: number;
  readonly warmup: { readonly runs: number } | { readonly milliseconds: number };
  /** Frames a second with fixed arrivals, else null. */
  readonly rate: number | null;
  readonly threads: number | null;
  readonly streams: number | null;
  readonly hint: string | null;
  readonly seed: number;
  readonly inputs: readonly { name: string; dtype: string; shape: readonly number[]; source: string }[];
}

/** Means in milliseconds, as `Timings` defines the stages. */
export interface Stages {
  readonly queued: number;
  readonly compute: number;
  readonly callback: number;
}

export interface ArrivalsResult {
  readonly rate: number;
  readonly frames: number;
  readonly completed: number;
  readonly late: number;
  readonly dropped: number;
}

export interface EventLoopDelay {
  readonly mean: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface BenchResult {
  readonly edgeInfer: string;
  readonly created: string;
  readonly model: string;
  readonly sha256: string;
  readonly backend: string;
  readonly sdk: string;
  readonly device: string;
  readonly deviceName: string;
  readonly precision: ModelInfo['precision'];
  readonly loadMs: number;
  readonly settings: BenchSettings;
  /** Measured runs that have ended; warm-up does not count. */
  readonly runs: number;
  readonly elapsedMs: number;
  /** Milliseconds: of the call until its promise is heard, or from the frame's scheduled arrival. */
  readonly latency: LatencySummary;
  /** Runs a second. */
  readonly throughput: number;
  readonly stages: Stages;
  /** Bytes that the CPU copied on our account while measuring. */
  readonly copies: { readonly bytes: number; readonly perRun: number };
  /** Null where the measuring itself blocks the event loop (`--sync`). */
  readonly eventLoopDelay: EventLoopDelay | null;
  readonly arrivals: ArrivalsResult | null;
  readonly interrupted: boolean;
  readonly checks: readonly CheckResult[];
  readonly machine: Machine;
  readonly html: string | null;
}

/** One line on how it was measured. */
export function settingsText(settings: BenchSettings): string {
  const { mode, concurrency, rate, durationMs, warmup, threads, streams, hint } = settings;
  const parts = [`${concurrency} ${concurrency === 1 ? 'request' : 'requests'}`, mode];
  if (rate !== null) parts.push(`${rate} frames/s`);
  if (threads !== null) parts.push(`${threads} threads`);
  if (streams !== null) parts.push(`${streams} streams`);
  if (hint !== null) parts.push(hint);
  const warm = 'runs' in warmup ? `${warmup.runs} runs` : durationText(warmup.milliseconds);
  return `${parts.join(', ')}; ${durationText(durationMs)} after a warm-up of ${warm}`;
}

/** Label and value of everything measured, for text and HTML alike. */
export function resultRows(result: BenchResult): [string, string][] {
  const { latency, stages, eventLoopDelay: delay, arrivals, copies } = result;
  const rows: [string, string][] = [
    ['runs', `${result.runs} in ${durationText(result.elapsedMs)}`],
    ['throughput', `${fixed(result.throughput)} fps`],
    ['mean', durationText(latency.mean)],
    ['p50', durationText(latency.p50)],
    ['p90', durationText(latency.p90)],
    ['p95', durationText(latency.p95)],
    ['p99', durationText(latency.p99)],
    ['p99.9', durationText(latency.p999)],
    ['min, max', `${durationText(latency.min)}, ${durationText(latency.max)}`],
    [
      'of it, mean',
      `queued ${durationText(stages.queued)}, compute ${durationText(stages.compute)}, callback ${durationText(stages.callback)}`,
    ],
  ];
  if (arrivals !== null) {
    const { frames, completed, late, dropped, rate } = arrivals;
    rows.push(['frames', `${frames} at ${rate}/s: ${completed} done, ${late} late, ${dropped} dropped`]);
  }
  rows.push(['copied', `${bytesText(copies.bytes)} (${bytesText(Math.round(copies.perRun))} a run)`]);
  rows.push([
    'event loop',
    delay === null
      ? 'blocked by the measuring itself'
      : `delayed by ${durationText(delay.mean)} (p99 ${durationText(delay.p99)}, max ${durationText(delay.max)})`,
  ]);
  return rows;
}

export function machineRows(machine: Machine): [string, string][] {
  const cores = machine.coreLimit === null ? '' : `, limited to ${fixed(machine.coreLimit)}`;
  const rows: [string, string | null][] = [
    ['board', machine.board],
    ['cpu', `${machine.cpu}, ${machine.cores} cores${cores}`],
    ['memory', bytesText(machine.memoryBytes)],
    ['governor', machine.governor],
    ['load before', fixed(machine.loadAverage)],
    ['system', [machine.system, machine.kernel].filter((part) => part !== null).join(', ')],
    ['node', `${machine.node} (${machine.platform})`],
  ];
  return rows.filter((row): row is [string, string] => row[1] !== null);
}

/** What a check was about, with its unit. */
export function valueText({ value, unit }: CheckResult): string {
  const text = Number.isInteger(value) ? String(value) : fixed(value);
  return `${text} ${unit}`.trim();
}

export function benchText(result: BenchResult): string {
  const title = `${result.model} on ${result.device} (${result.deviceName}), ${result.precision.actual}`;
  const lines = [title, settingsText(result.settings), '', indent(table(resultRows(result)))];
  if (result.interrupted) lines.push('', 'Interrupted before the end.');
  const checks = result.checks.map((check) => [
    check.ok ? 'ok' : 'FAILED',
    `fail if ${check.expression}`,
    valueText(check),
  ]);
  if (checks.length > 0) lines.push('', indent(table(checks)));
  if (result.html !== null) lines.push('', `The report is in ${result.html}.`);
  return lines.join('\n');
}
