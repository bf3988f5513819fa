// Medians and spreads. A round gives one value; what is reported is the median and the 10th and 90th percentile of rounds.

/** The `fraction` quantile of numbers in any order (nearest rank). */
export function quantile(values, fraction) {
  if (values.length === 0) return NaN;
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(fraction * sorted.length) - 1))];
}

export function median(values) {
  return quantile(values, 0.5);
}

/** One number per round as `{ median, p10, p90, rounds }`. */
export function spread(values) {
  return { median: median(values), p10: quantile(values, 0.1), p90: quantile(values, 0.9), rounds: values.length };
}

/** What the rounds of one variant measured, by quantity. */
export class Rounds {
  #values = new Map();

  add(variant, quantity, value) {
    if (!this.#values.has(variant)) this.#values.set(variant, new Map());
    const quantities = this.#values.get(variant);
    if (!quantities.has(quantity)) quantities.set(quantity, []);
    quantities.get(quantity).push(value);
  }

  /** `{ variant: { quantity: { median, p10, p90, rounds } } }` */
  summary() {
    return Object.fromEntries(
      [...this.#values].map(([variant, quantities]) => [
        variant,
        Object.fromEntries([...quantities].map(([quantity, values]) => [quantity, spread(values)])),
      ]),
    );
  }
}
