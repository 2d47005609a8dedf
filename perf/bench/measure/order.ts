/**
 * In which order the peers take their turns. Pure.
 *
 * A machine's speed drifts, and what ran before warms caches and the processor's clock: each peer must meet each place in the
 * order equally often as far as chance allows, and of two peers each must be before the other as often as after it, since they are
 * compared within a round. The same seed must give the same order again.
 */

/** Mulberry32, public domain: uniform in [0, 1). */
export function random(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A shuffled copy (Fisher and Yates). */
export function shuffled<T>(items: readonly T[], next: () => number): T[] {
  const result = [...items];
  for (let last = result.length - 1; last > 0; last--) {
    const other = Math.floor(next() * (last + 1));
    [result[last], result[other]] = [result[other] as T, result[last] as T];
  }
  return result;
}

/** An order for each round: a shuffled one, then the same backwards, and so on. */
export function turnOrders<T>(items: readonly T[], rounds: number, next: () => number): T[][] {
  const orders: T[][] = [];
  while (orders.length < rounds) {
    const order = shuffled(items, next);
    orders.push(order, [...order].reverse());
  }
  return orders.slice(0, rounds);
}
