/**
 * In which order endpoints have their turns: what nft's `numgen inc` counts through. Pure.
 *
 * rr: one turn for each that takes flows. wrr: the walk of ip_vs_wrr, which spreads the turns of a heavy endpoint among those
 * of the others; a cycle has the sum of all weights, divided by their greatest common divisor.
 */

/** Indexes of `weights` by turn; none when all weights are 0. Throws RangeError when there would be more than `most`. */
export function turnsOf(weights: readonly number[], weighted: boolean, most: number): number[] {
  const takers = weights.flatMap((weight, index) => (weight > 0 ? [index] : []));
  const divisor = takers.reduce((gcd, index) => greatestDivisor(gcd, weights[index]!), 0);
  const levels = weighted ? weights.map((weight) => weight / Math.max(1, divisor)) : weights.map((weight) => Math.min(weight, 1));
  const count = levels.reduce((sum, level) => sum + level, 0);
  if (count > most) throw new RangeError(`${count} turns are more than ${most}`);
  const turns: number[] = [];
  for (let level = Math.max(0, ...levels); level > 0; level--) {
    for (const index of takers) if (levels[index]! >= level) turns.push(index);
  }
  return turns;
}

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b);
}
