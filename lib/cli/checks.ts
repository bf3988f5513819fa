/** `--fail-if "p99>20ms"`: what an expression may say, and whether a measurement violates it. */
import { UsageError } from './args.js';

/** Durations in milliseconds; `null` where the way of measuring does not give the number. */
export interface Measured {
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p95: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
  /** Runs a second. */
  readonly throughput: number;
  /** Only with fixed arrivals. */
  readonly dropped: number | null;
  readonly late: number | null;
  /** Bytes copied by the CPU on our account. */
  readonly copies: number;
}

export type Metric = keyof Measured;
type Operator = '>' | '>=' | '<' | '<=' | '==' | '!=';

export interface Check {
  readonly expression: string;
  readonly metric: Metric;
  readonly operator: Operator;
  /** Milliseconds for durations. */
  readonly limit: number;
}

export interface CheckResult {
  readonly expression: string;
  /** Milliseconds for durations; NaN where it was not measured. */
  readonly value: number;
  readonly unit: 'ms' | 'fps' | '';
  readonly ok: boolean;
}

const durations: readonly Metric[] = ['mean', 'p50', 'p90', 'p95', 'p99', 'p999', 'max'];
const arrivals: readonly Metric[] = ['dropped', 'late'];
const metrics: readonly Metric[] = [...durations, 'throughput', ...arrivals, 'copies'];

const compare: Readonly<Record<Operator, (value: number, limit: number) => boolean>> = {
  '>': (value, limit) => value > limit,
  '>=': (value, limit) => value >= limit,
  '<': (value, limit) => value < limit,
  '<=': (value, limit) => value <= limit,
  '==': (value, limit) => value === limit,
  '!=': (value, limit) => value !== limit,
};

const milliseconds: Readonly<Record<string, number>> = { us: 1e-3, µs: 1e-3, ms: 1, s: 1000 };

/** The unit's factor; null where the metric has no such unit. A duration without a unit counts milliseconds. */
function unitFactor(metric: Metric, unit: string): number | null {
  if (durations.includes(metric)) return unit === '' ? 1 : (milliseconds[unit] ?? null);
  if (unit === '') return 1;
  return metric === 'throughput' && unit === 'fps' ? 1 : null;
}

/** Reads `metric operator value[unit]`. Throws `UsageError`. */
export function parseCheck(expression: string): Check {
  const match = /^\s*([a-z][a-z0-9.]*)\s*(>=|<=|==|!=|>|<)\s*(\d+(?:\.\d+)?|\.\d+)\s*([a-zµ%]*)\s*$/i.exec(expression);
  const wrong = (why: string): UsageError => new UsageError(`Cannot read --fail-if '${expression}': ${why}.`);
  if (match === null) throw wrong('expected METRIC OPERATOR VALUE[UNIT], such as p99>20ms');
  const [, name = '', operator = '', number = '', unit = ''] = match;
  const metric = metrics.find((candidate) => candidate === (name === 'p99.9' ? 'p999' : name));
  if (metric === undefined) throw wrong(`'${name}' is not one of ${metrics.join(', ')}`);
  const factor = unitFactor(metric, unit);
  if (factor === null) {
    const known = durations.includes(metric) ? 'us, ms or s' : metric === 'throughput' ? 'fps' : 'none';
    throw wrong(`the unit '${unit}' is not ${metric}'s (${known})`);
  }
  return { expression: expression.trim(), metric, operator: operator as Operator, limit: Number(number) * factor };
}

/** Reads all expressions; those about arrivals need `--rate`: without it they could never fail. */
export function parseChecks(expressions: readonly string[], hasRate: boolean): Check[] {
  const checks = expressions.map(parseCheck);
  const idle = checks.find((check) => !hasRate && arrivals.includes(check.metric));
  if (idle !== undefined) throw new UsageError(`--fail-if '${idle.expression}' needs --rate.`);
  return checks;
}

/** `ok` is false where the expression holds: the check is violated. What was not measured violates it too. */
export function applyChecks(checks: readonly Check[], measured: Measured): CheckResult[] {
  return checks.map(({ expression, metric, operator, limit }) => {
    const value = measured[metric] ?? NaN;
    const unit = durations.includes(metric) ? 'ms' : metric === 'throughput' ? 'fps' : '';
    return { expression, value, unit, ok: !Number.isNaN(value) && !compare[operator](value, limit) };
  });
}
