/**
 * Numbers out of samples. Pure.
 */

export interface Quantiles {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}

/** Of sorted samples, by the nearest rank: the smallest sample that at least `q` (0 to 1) of all do not exceed. NaN for none. */
export function quantile(sorted: ArrayLike<number>, q: number): number {
  const rank = Math.max(Math.ceil(q * sorted.length), 1);
  return sorted[rank - 1] ?? Number.NaN;
}

/** Sorts a copy. */
export function quantiles(samples: Float64Array): Quantiles {
  const sorted = samples.slice().sort();
  return { p50: quantile(sorted, 0.5), p99: quantile(sorted, 0.99), p999: quantile(sorted, 0.999) };
}

export interface Summary {
  readonly median: number;
  readonly least: number;
  readonly most: number;
  readonly count: number;
}

/** The mean of the middle two when the count is even. `samples` must not be empty. */
export function summarize(samples: readonly number[]): Summary {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  const median = sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
  return { median, least: sorted[0] ?? Number.NaN, most: sorted.at(-1) ?? Number.NaN, count: sorted.length };
}
