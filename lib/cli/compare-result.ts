/** What a comparison found: the shape of its JSON, the sentence that says it, and the same as text. */
import type { Dtype, ModelInfo, Shape } from '../types.js';
import { comparable, type Bin, type Difference, type Tolerance } from './difference.js';
import type { Machine } from './machine.js';
import { indent, shapeText, table } from './output.js';

export interface SideResult {
  readonly model: string;
  readonly sha256: string;
  readonly backend: string;
  readonly sdk: string;
  readonly device: string;
  readonly deviceName: string;
  readonly precision: ModelInfo['precision'];
}

export interface OutputResult extends Difference {
  readonly name: string;
  /** As b's file calls it. */
  readonly nameB: string;
  readonly dtype: { readonly a: Dtype; readonly b: Dtype };
  /** The first sample's on a. */
  readonly shape: Shape;
  /** Samples whose shapes differ between the sides: their values are not compared. */
  readonly shapes: readonly { readonly sample: string; readonly a: Shape; readonly b: Shape }[];
  /** By sample, in order; null where nothing could be compared. */
  readonly maxAbsBySample: readonly (number | null)[];
  readonly ok: boolean;
}

export interface CompareResult {
  readonly edgeInfer: string;
  readonly created: string;
  readonly ok: boolean;
  /** One sentence. */
  readonly found: string;
  /** What a reader should know before believing it. */
  readonly notes: readonly string[];
  readonly a: SideResult;
  readonly b: SideResult;
  readonly tolerance: Tolerance;
  readonly samples: readonly {
    readonly name: string;
    readonly inputs: readonly { name: string; dtype: string; shape: Shape; source: string }[];
  }[];
  readonly outputs: readonly OutputResult[];
  /** Outputs that the other side does not have. */
  readonly onlyA: readonly string[];
  readonly onlyB: readonly string[];
  readonly machine: Machine;
  readonly html: string | null;
}

/** Three significant digits, in exponent notation where they would be far behind the point. */
export function numberText(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  return size < 1e-3 || size >= 1e6 ? value.toExponential(2) : String(Number(value.toPrecision(4)));
}

/** A share in percent that says 100 or 0 only where it is all or nothing. */
export function percentText(part: number, whole: number): string {
  if (part === whole) return '100 %';
  const percent = (100 * part) / whole;
  return `${part > 0 ? Math.min(Math.max(percent, 0.01), 99.99).toFixed(2) : '0'} %`;
}

/** 1 where it is exactly 1, else with as many nines as it takes to see the difference. */
export function cosineText(cosine: number | null): string {
  if (cosine === null) return '–';
  if (cosine === 1) return '1';
  const digits = cosine > 0 ? Math.min(Math.max(Math.ceil(-Math.log10(1 - cosine)) + 1, 4), 15) : 4;
  return cosine.toFixed(digits);
}

function count(number: number, one: string): string {
  return `${number} ${one}${number === 1 ? '' : 's'}`;
}

/** The file where the two differ, the device and the precision as executed. */
export function sideText(side: SideResult, other: SideResult): string {
  const file = side.sha256 === other.sha256 ? '' : `${side.model} on `;
  return `${file}${side.device} in ${side.precision.actual}`;
}

export function toleranceText({ atol, rtol }: Tolerance): string {
  if (atol === null) return 'no tolerance';
  return rtol === 0 ? numberText(atol) : `${numberText(atol)} + ${numberText(rtol)} · |a|`;
}

function topText(outputs: readonly OutputResult[]): string {
  const tops = outputs.flatMap(({ top1 }) => (top1 === null ? [] : [top1]));
  if (tops.length === 0) return '';
  const agree = tops.reduce((sum, top) => sum + top.agree, 0);
  const rows = tops.reduce((sum, top) => sum + top.rows, 0);
  return `; top-1 agrees in ${agree} of ${count(rows, 'row')}`;
}

/** Why nothing can be said of an output's numbers, worst first. */
function obstacle(result: Omit<CompareResult, 'found' | 'notes' | 'ok'>): string | null {
  const { outputs, onlyA, onlyB } = result;
  if (onlyA.length + onlyB.length > 0) {
    const lists = [
      ...(onlyA.length > 0 ? [`${onlyA.map((name) => `'${name}'`).join(', ')} only on a`] : []),
      ...(onlyB.length > 0 ? [`${onlyB.map((name) => `'${name}'`).join(', ')} only on b`] : []),
    ];
    return `Not comparable: the outputs differ, ${lists.join(' and ')}`;
  }
  const mixed = outputs.find(({ dtype: { a, b } }) => !comparable(a, b));
  if (mixed !== undefined) return `Not comparable: '${mixed.name}' is ${mixed.dtype.a} on a and ${mixed.dtype.b} on b`;
  const reshaped = outputs.find(({ shapes }) => shapes.length > 0);
  const first = reshaped?.shapes[0];
  if (reshaped !== undefined && first !== undefined) {
    const shapes = `${shapeText(first.a)} on a and ${shapeText(first.b)} on b`;
    return `Not comparable: '${reshaped.name}' is ${shapes} (${first.sample})`;
  }
  const unequal = outputs.find(({ nonFinite }) => nonFinite.unequal > 0);
  if (unequal !== undefined) {
    const { nanA, nanB, infiniteA, infiniteB } = unequal.nonFinite;
    const holds = `a holds ${nanA} NaN and ${infiniteA} infinite, b ${nanB} NaN and ${infiniteB} infinite`;
    return `Not trustworthy: '${unequal.name}' of ${holds}, not in the same places`;
  }
  const nan = outputs.find(({ nonFinite }) => nonFinite.nanBoth > 0 && !result.tolerance.equalNan);
  if (nan === undefined) return null;
  return `Not trustworthy: '${nan.name}' holds ${nan.nonFinite.nanBoth} NaN on both sides`;
}

/** The one sentence: the verdict, the largest difference and where, and how often the answer is another one. */
export function foundText(result: Omit<CompareResult, 'found' | 'notes' | 'ok'>): string {
  const { a, b, outputs, tolerance, samples } = result;
  const over = `over ${count(samples.length, 'sample')}`;
  const sides = `${sideText(b, a)} against ${sideText(a, b)}`;
  const why = obstacle(result);
  if (why !== null) return `${why}: ${sides}, ${over}.`;
  const total = outputs.reduce((sum, output) => sum + output.values, 0);
  const equal = outputs.reduce((sum, output) => sum + output.equal, 0);
  const nans = outputs.reduce((sum, output) => sum + output.nonFinite.nanBoth, 0);
  const aside = nans === 0 ? '' : ` besides ${nans} NaN on both sides`;
  if (equal + nans === total) {
    return `Equal: all ${count(total - nans, 'value')} of ${sides}, ${over}${aside}.`;
  }
  // The output that is worst for the verdict: beyond the tolerance before far away.
  const worst = outputs.reduce((most, one) => {
    const [x, y] = [one.beyond > 0, most.beyond > 0];
    return x !== y ? (x ? one : most) : one.maxAbs > most.maxAbs ? one : most;
  });
  const far = `up to ${numberText(worst.maxAbs)} in '${worst.name}'`;
  const tops = topText(outputs);
  const beyond = outputs.reduce((sum, output) => sum + output.beyond, 0);
  if (beyond > 0) {
    // Integers have to be equal whether there is a tolerance or not.
    const limit = tolerance.atol === null ? 'Not equal' : `Beyond the tolerance of ${toleranceText(tolerance)}`;
    return `${limit}: ${sides} differs by ${far}, ${beyond} of ${count(total, 'value')} too far, ${over}${aside}${tops}.`;
  }
  const limit =
    tolerance.atol === null ? 'Measured without a tolerance' : `Within the tolerance of ${toleranceText(tolerance)}`;
  return `${limit}: ${sides} differs by ${far}, ${over}${aside}${tops}.`;
}

export const outputHeading = [
  ...['output', 'dtype', 'shape', 'largest |a−b|', 'mean |a−b|', 'relative', '‖a−b‖/‖a‖', 'cosine', 'top-1', 'beyond'],
];

/** One output's cells, under `outputHeading`. */
export function outputCells(output: OutputResult): string[] {
  const { name, nameB, dtype, top1, relativeNorm } = output;
  return [
    name === nameB ? name : `${name} | ${nameB}`,
    dtype.a === dtype.b ? dtype.a : `${dtype.a} | ${dtype.b}`,
    shapeText(output.shape),
    numberText(output.maxAbs),
    numberText(output.meanAbs),
    numberText(output.maxRelative),
    relativeNorm === null ? '–' : numberText(relativeNorm),
    cosineText(output.cosine),
    top1 === null ? '–' : percentText(top1.agree, top1.rows),
    `${output.beyond} of ${output.values}`,
  ];
}

/** What is not in the numbers: where it is worst, and what could not be compared. */
export function remarksOf(output: OutputResult): string[] {
  const { worst, nonFinite, shapes, dtype } = output;
  const remarks: string[] = [];
  if (worst !== null) {
    const at = worst.index.length === 0 ? '' : ` at [${worst.index.join(', ')}]`;
    remarks.push(`largest in ${worst.sample}${at}: a ${numberText(worst.a)}, b ${numberText(worst.b)}`);
  }
  if (nonFinite.nanA + nonFinite.nanB > 0) {
    remarks.push(
      `NaN: ${nonFinite.nanA} on a, ${nonFinite.nanB} on b, ${nonFinite.nanBoth} of them in the same places`,
    );
  }
  if (nonFinite.infiniteA + nonFinite.infiniteB > 0) {
    remarks.push(`infinite: ${nonFinite.infiniteA} on a, ${nonFinite.infiniteB} on b`);
  }
  if (dtype.a !== dtype.b) remarks.push(`${dtype.a} on a, ${dtype.b} on b`);
  for (const { sample, a, b } of shapes.slice(0, 3)) {
    remarks.push(`${sample}: ${shapeText(a)} on a, ${shapeText(b)} on b, not compared`);
  }
  if (shapes.length > 3) remarks.push(`… and ${shapes.length - 3} samples more`);
  return remarks;
}

export function binText({ from, to }: Bin): string {
  if (to === 0) return 'equal';
  if (to === null) return `from ${numberText(from)}`;
  return from === 0 ? `below ${to.toExponential(0)}` : `${from.toExponential(0)} to ${to.toExponential(0)}`;
}

/** Without the empty bins at both ends. */
export function filledBins(bins: readonly Bin[]): Bin[] {
  const filled = bins.map((bin) => bin.count > 0);
  return bins.slice(Math.max(filled.indexOf(true), 0), filled.lastIndexOf(true) + 1);
}

function histogramText(output: OutputResult): string {
  const bins = filledBins(output.histogram);
  const all = bins.reduce((sum, bin) => sum + bin.count, 0);
  return table(
    bins.map((bin) => [
      binText(bin),
      bin.count === 0 ? '' : percentText(bin.count, all),
      '█'.repeat(Math.ceil((40 * bin.count) / Math.max(all, 1))),
    ]),
  );
}

/** Precision as executed, and as asked for where that is another word. */
export function precisionText({ requested, actual }: ModelInfo['precision']): string {
  return requested === actual ? actual : `${actual} (asked for: ${requested})`;
}

export function sideRows({ a, b }: CompareResult): string[][] {
  return Object.entries({ a, b }).map(([name, side]) => [
    name,
    side.model,
    `${side.device} (${side.deviceName})`,
    precisionText(side.precision),
  ]);
}

export function compareText(result: CompareResult): string {
  const parts = [indent(table(sideRows(result)))];
  if (result.outputs.length > 0) {
    parts.push(indent(table([outputHeading, ...result.outputs.map(outputCells)])));
  }
  for (const output of result.outputs) {
    const lines = remarksOf(output);
    if (output.equal < output.values) lines.push('differences |a−b|', indent(histogramText(output)));
    if (lines.length > 0) parts.push(`  ${output.name}\n${indent(lines.join('\n'), '    ')}`);
  }
  parts.push([result.found, ...result.notes].join('\n'));
  if (result.html !== null) parts.push(`The report is in ${result.html}.`);
  return parts.join('\n\n');
}
