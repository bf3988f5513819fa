/** How far one output is from the same output of another side: sums over all samples, values taken pair by pair. */
import { fromBf16, fromF16 } from '../half.js';
import type { Dtype, Tensor } from '../types.js';

/** A value of b passes where |a − b| ≤ atol + rtol · |a|. */
export interface Tolerance {
  /** Null: floats are measured, not judged. Integers have to be equal then. */
  readonly atol: number | null;
  /** Of floats only: a relative difference of an index or a class means nothing. */
  readonly rtol: number;
  /** NaN on both sides passes. Else NaN never does. */
  readonly equalNan: boolean;
}

/** Values with `from` ≤ |a − b| < `to`; the first bin, 0 to 0, holds those that are equal. `to` null: no upper end. */
export interface Bin {
  readonly from: number;
  readonly to: number | null;
  readonly count: number;
}

export interface Worst {
  readonly sample: string;
  readonly index: readonly number[];
  readonly a: number;
  readonly b: number;
}

/** What is not finite stays out of all differences, of the cosine and of the histogram; it is counted here. */
export interface NonFinite {
  readonly nanA: number;
  readonly nanB: number;
  readonly nanBoth: number;
  readonly infiniteA: number;
  readonly infiniteB: number;
  /** Places where one side is NaN or infinite and the other is not the same. */
  readonly unequal: number;
}

export interface Difference {
  readonly values: number;
  readonly equal: number;
  /** Values beyond the tolerance, and values that are not finite where they may not be. */
  readonly beyond: number;
  readonly maxAbs: number;
  readonly meanAbs: number;
  /** The largest |a − b| / max(|a|, |b|). */
  readonly maxRelative: number;
  /** ‖a − b‖ / ‖a‖ over all samples; null where a is zero and b is not. */
  readonly relativeNorm: number | null;
  /** Of the sample where it is least; null where no sample has two vectors of finite numbers to compare. */
  readonly cosine: number | null;
  /** Rows along the last dimension whose largest value is at the same place; null where a row is one value. */
  readonly top1: { readonly agree: number; readonly rows: number } | null;
  /** Where the difference is largest; null where all values are equal. */
  readonly worst: Worst | null;
  readonly nonFinite: NonFinite;
  readonly histogram: readonly Bin[];
}

type Numbers = ArrayLike<number>;

const floats: readonly Dtype[] = ['f32', 'f16', 'bf16', 'f64'];

export function isFloat(dtype: Dtype): boolean {
  return floats.includes(dtype);
}

/** Two dtypes whose values mean the same: equal ones, or floats of any width. */
export function comparable(a: Dtype, b: Dtype): boolean {
  return a === b || (isFloat(a) && isFloat(b));
}

function numbersOf({ dtype, data }: Tensor): Numbers {
  if (dtype === 'f16') return fromF16(data as Uint16Array);
  if (dtype === 'bf16') return fromBf16(data as Uint16Array);
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) return Float64Array.from(data, Number);
  return data;
}

/** |a − b| of 64-bit integers, before they are rounded to a number. */
function bigDistance(a: Tensor, b: Tensor): ((i: number) => number) | null {
  const [x, y] = [a.data, b.data];
  const big = (data: unknown): data is BigInt64Array | BigUint64Array =>
    data instanceof BigInt64Array || data instanceof BigUint64Array;
  if (!big(x) || !big(y)) return null;
  return (i) => {
    const difference = (x[i] ?? 0n) - (y[i] ?? 0n);
    return Number(difference < 0n ? -difference : difference);
  };
}

/** Decades: a difference of 3e-5 is in the bin from 1e-5 to 1e-4. */
const leastDecade = -9;
const decades = 12;

function binOf(distance: number): number {
  if (distance === 0) return 0;
  // log10 is not exact at powers of ten on every machine; the edges below are.
  let bin = 1;
  while (bin <= decades && distance >= Number(`1e${leastDecade + bin - 1}`)) bin++;
  return bin;
}

function binsOf(counts: readonly number[]): Bin[] {
  return counts.map((count, bin): Bin => {
    if (bin === 0) return { from: 0, to: 0, count };
    const from = bin === 1 ? 0 : Number(`1e${leastDecade + bin - 2}`);
    return { from, to: bin > decades ? null : Number(`1e${leastDecade + bin - 1}`), count };
  });
}

/** The largest number of a row, NaN left out. */
function largest(values: Numbers, from: number, to: number): number {
  let most = -Infinity;
  for (let i = from; i < to; i++) {
    const value = values[i] ?? NaN;
    if (value > most) most = value;
  }
  return most;
}

/** Whether some place of the row is largest on both sides: equal scores, as quantised models have them, are no dispute. */
function sameTop(x: Numbers, y: Numbers, from: number, to: number): boolean {
  const [mostX, mostY] = [largest(x, from, to), largest(y, from, to)];
  for (let i = from; i < to; i++) if (x[i] === mostX && y[i] === mostY) return true;
  return false;
}

function placeOf(position: number, shape: readonly number[]): number[] {
  const index: number[] = [];
  let rest = position;
  for (const size of [...shape].reverse()) {
    index.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  return index;
}

/** Adds up the samples of one output. */
export class DifferenceSum {
  readonly #tolerance: Tolerance;
  #values = 0;
  #equal = 0;
  #beyond = 0;
  #finite = 0;
  #sum = 0;
  #maxAbs = 0;
  #maxRelative = 0;
  #squares = 0;
  #squaresOfA = 0;
  #cosine: number | null = null;
  #agree = 0;
  #rows = 0;
  #worst: Worst | null = null;
  #nonFinite = { nanA: 0, nanB: 0, nanBoth: 0, infiniteA: 0, infiniteB: 0, unequal: 0 };
  readonly #bins = new Array<number>(decades + 2).fill(0);

  constructor(tolerance: Tolerance) {
    this.#tolerance = tolerance;
  }

  /** Two tensors of one shape; returns the largest difference in them, null where no pair of values is finite. */
  add(sample: string, a: Tensor, b: Tensor): number | null {
    const [x, y] = [numbersOf(a), numbersOf(b)];
    const distanceOf = bigDistance(a, b) ?? ((i: number): number => Math.abs((x[i] ?? NaN) - (y[i] ?? NaN)));
    const float = isFloat(a.dtype) || isFloat(b.dtype);
    const atol = this.#tolerance.atol ?? (float ? Infinity : 0);
    const rtol = float ? this.#tolerance.rtol : 0;
    let [products, squaresX, squaresY, finite, most, worst] = [0, 0, 0, 0, 0, -1];
    for (let i = 0; i < x.length; i++) {
      const [one, other] = [x[i] ?? NaN, y[i] ?? NaN];
      if (!Number.isFinite(one) || !Number.isFinite(other)) {
        this.#addNonFinite(one, other);
        continue;
      }
      const distance = distanceOf(i);
      finite++;
      if (distance === 0) this.#equal++;
      // Not `>`: a limit that is no number must not let anything pass.
      if (!(distance <= atol + rtol * Math.abs(one))) this.#beyond++;
      this.#sum += distance;
      this.#bins[binOf(distance)] = (this.#bins[binOf(distance)] ?? 0) + 1;
      if (distance > most) [most, worst] = [distance, i];
      if (distance > 0) {
        this.#maxRelative = Math.max(this.#maxRelative, distance / Math.max(Math.abs(one), Math.abs(other)));
      }
      this.#squares += distance * distance;
      products += one * other;
      squaresX += one * one;
      squaresY += other * other;
    }
    this.#values += x.length;
    this.#finite += finite;
    this.#squaresOfA += squaresX;
    if (worst >= 0 && most > this.#maxAbs) {
      this.#maxAbs = most;
      this.#worst = { sample, index: placeOf(worst, a.shape), a: x[worst] ?? NaN, b: y[worst] ?? NaN };
    }
    if (finite > 0) this.#addCosine(products, squaresX, squaresY);
    this.#addTop(x, y, a.shape[a.shape.length - 1] ?? 1);
    return finite > 0 ? most : null;
  }

  #addNonFinite(one: number, other: number): void {
    const counts = this.#nonFinite;
    const [nanA, nanB] = [Number.isNaN(one), Number.isNaN(other)];
    if (nanA) counts.nanA++;
    else if (!Number.isFinite(one)) counts.infiniteA++;
    if (nanB) counts.nanB++;
    else if (!Number.isFinite(other)) counts.infiniteB++;
    if (nanA && nanB) {
      counts.nanBoth++;
      if (!this.#tolerance.equalNan) this.#beyond++;
    } else if (one === other) {
      this.#equal++;
    } else {
      counts.unequal++;
      this.#beyond++;
    }
  }

  #addCosine(products: number, squaresX: number, squaresY: number): void {
    let cosine: number;
    if (squaresX === 0 || squaresY === 0) cosine = squaresX === squaresY ? 1 : 0;
    else cosine = Math.max(-1, Math.min(1, products / (Math.sqrt(squaresX) * Math.sqrt(squaresY))));
    if (!Number.isNaN(cosine)) this.#cosine = Math.min(this.#cosine ?? 1, cosine);
  }

  #addTop(x: Numbers, y: Numbers, row: number): void {
    if (row < 2) return;
    for (let from = 0; from < x.length; from += row) {
      this.#rows++;
      if (sameTop(x, y, from, from + row)) this.#agree++;
    }
  }

  result(): Difference {
    const norm = this.#squares === 0 ? 0 : this.#squaresOfA === 0 ? null : Math.sqrt(this.#squares / this.#squaresOfA);
    return {
      values: this.#values,
      equal: this.#equal,
      beyond: this.#beyond,
      maxAbs: this.#maxAbs,
      meanAbs: this.#finite === 0 ? 0 : this.#sum / this.#finite,
      maxRelative: this.#maxRelative,
      relativeNorm: norm,
      cosine: this.#cosine,
      top1: this.#rows === 0 ? null : { agree: this.#agree, rows: this.#rows },
      worst: this.#worst,
      nonFinite: { ...this.#nonFinite },
      histogram: binsOf(this.#bins),
    };
  }
}
