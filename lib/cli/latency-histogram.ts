/** A latency distribution in bounded memory, however long a benchmark runs. */

// Each power of two of nanoseconds is split into this many buckets: a value is known within 0.1 %.
const split = 1024;
const powers = 50; // up to 2^50 ns, 13 days

/** What a histogram's picture shows: bars of equal width in milliseconds, and how many values lie above them. */
export interface Bars {
  readonly from: number;
  readonly width: number;
  readonly counts: readonly number[];
  readonly above: number;
}

export interface LatencySummary {
  readonly count: number;
  /** All in milliseconds. `count`, `mean`, `min` and `max` are exact, the rest within 0.1 %. */
  readonly mean: number;
  readonly min: number;
  readonly max: number;
  readonly p50: number;
  readonly p90: number;
  readonly p95: number;
  readonly p99: number;
  readonly p999: number;
}

export class LatencyHistogram {
  readonly #counts = new Float64Array(split * powers);
  #count = 0;
  #sum = 0;
  #min = Infinity;
  #max = 0;

  get count(): number {
    return this.#count;
  }

  record(milliseconds: number): void {
    this.#count++;
    this.#sum += milliseconds;
    if (milliseconds < this.#min) this.#min = milliseconds;
    if (milliseconds > this.#max) this.#max = milliseconds;
    const bucket = LatencyHistogram.#bucketOf(milliseconds);
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
  }

  static #bucketOf(milliseconds: number): number {
    const nanoseconds = Math.min(Math.max(milliseconds * 1e6, 1), 2 ** powers - 1);
    const power = Math.floor(Math.log2(nanoseconds));
    // log2 may round up to the next power: the clamp keeps the bucket within its own.
    const within = Math.floor((nanoseconds / 2 ** power - 1) * split);
    return power * split + Math.min(Math.max(within, 0), split - 1);
  }

  /** The bucket's middle in milliseconds, within what was seen. */
  #valueOf(bucket: number): number {
    const power = Math.floor(bucket / split);
    const value = (2 ** power * (1 + ((bucket % split) + 0.5) / split)) / 1e6;
    return Math.min(Math.max(value, this.#min), this.#max);
  }

  /** The value that `percent` of all values do not exceed (nearest rank); NaN while there is none. */
  percentile(percent: number): number {
    if (this.#count === 0) return NaN;
    const rank = Math.max(Math.ceil((percent / 100) * this.#count), 1);
    if (rank >= this.#count) return this.#max;
    let seen = 0;
    for (let bucket = 0; bucket < this.#counts.length; bucket++) {
      seen += this.#counts[bucket] ?? 0;
      if (seen >= rank) return this.#valueOf(bucket);
    }
    return this.#max;
  }

  summary(): LatencySummary {
    const some = this.#count > 0;
    return {
      count: this.#count,
      mean: some ? this.#sum / this.#count : NaN,
      min: some ? this.#min : NaN,
      max: some ? this.#max : NaN,
      p50: this.percentile(50),
      p90: this.percentile(90),
      p95: this.percentile(95),
      p99: this.percentile(99),
      p999: this.percentile(99.9),
    };
  }

  /** So many bars from the least value to `to`. */
  bars(number: number, to: number): Bars {
    const counts = new Array<number>(number).fill(0);
    if (this.#count === 0) return { from: 0, width: 0, counts: [], above: 0 };
    const from = this.#min;
    // Equal values would give bars without a width.
    const width = Math.max((to - from) / number, from * 1e-3, 1e-6);
    let above = 0;
    this.#counts.forEach((count, bucket) => {
      if (count === 0) return;
      const value = this.#valueOf(bucket);
      const bar = Math.min(Math.floor((value - from) / width), number - 1);
      if (value > to) above += count;
      else counts[bar] = (counts[bar] ?? 0) + count;
    });
    return { from, width, counts, above };
  }
}
