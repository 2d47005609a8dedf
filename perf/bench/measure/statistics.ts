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

export interface Interval {
  readonly low: number;
  readonly high: number;
  /** 0 to 1: how probable it is that the true median is in it. */
  readonly confidence: number;
}

/** What an interval is to have, if there are samples enough: five. */
export const CONFIDENCE = 0.9;

/**
 * Where the true median is, as far as the samples tell, whatever their distribution: each is below it or above it as a coin falls, so it is
 * between the k-th least and the k-th greatest unless fewer than k coins fell on one side. k is the largest that leaves
 * `CONFIDENCE`; of fewer than five samples it is 1 (the whole spread), and the confidence is less. `samples` must not be empty.
 */
export function medianInterval(samples: readonly number[]): Interval {
  const sorted = [...samples].sort((a, b) => a - b);
  const count = sorted.length;
  let [k, ways, tail] = [0, 1, 0.5 ** count];
  let confidence = 1 - 2 * tail;
  for (;;) {
    k++;
    // Of exactly k on one side, and of k or fewer.
    ways = (ways * (count - k + 1)) / k;
    tail += ways * 0.5 ** count;
    if (1 - 2 * tail < CONFIDENCE) break;
    confidence = 1 - 2 * tail;
  }
  return { low: sorted[k - 1] ?? Number.NaN, high: sorted[count - k] ?? Number.NaN, confidence };
}
