/**
 * Measuring small things: rounds of a case, in nanoseconds per operation. The cases of one group take turns, round by
 * round, so that a machine that gets slower meanwhile slows all of them alike.
 *
 * The time is this process's CPU time: on a machine that has other things to do as well, a clock on the wall would count
 * theirs. Work that V8 does on threads of its own (collecting garbage, compiling) is in it, as it should be.
 */

export interface Case {
  readonly name: string;
  /**
   * Does the thing so many times. What it answers must depend on every time, so that the compiler can leave none of it out.
   */
  readonly run: (operations: number) => number;
  /** As many in every round, after `prepare`. Absent: as many as fill a round's time. */
  readonly operations?: number;
  /** Before every round, not measured. */
  readonly prepare?: () => void;
}

export interface Effort {
  /** Measured rounds; an odd number has a middle one. */
  readonly rounds: number;
  /** Milliseconds of a round. */
  readonly roundMs: number;
}

export interface Spread {
  readonly median: number;
  readonly fastest: number;
  readonly slowest: number;
}

/** Takes what runs return, and so makes it needed. */
const sink = new Int32Array(1);

/** Of each case and round, nanoseconds per operation. One round before does not count: the compiler is at work in it. */
export function measure(cases: readonly Case[], { rounds, roundMs }: Effort): number[][] {
  const operations = cases.map((each) => each.operations ?? operationsIn(each, roundMs));
  const results = cases.map((): number[] => []);
  for (let round = -1; round < rounds; round++) {
    cases.forEach((each, index) => {
      const nanoseconds = timeOf(each, operations[index]!) / operations[index]!;
      if (round >= 0) results[index]!.push(nanoseconds);
    });
  }
  return results;
}

/** Nanoseconds, but counted in microseconds: a round should take many of them. */
function timeOf(each: Case, operations: number): number {
  each.prepare?.();
  const start = process.cpuUsage();
  sink[0]! ^= each.run(operations);
  const { user, system } = process.cpuUsage(start);
  return (user + system) * 1000;
}

/** A number of operations that takes about `roundMs`. */
function operationsIn(each: Case, roundMs: number): number {
  const wanted = roundMs * 1e6;
  for (let operations = 64; ; operations *= 4) {
    const took = timeOf(each, operations);
    if (took >= wanted / 4) return Math.max(64, Math.round((operations * wanted) / took));
  }
}

/** @param values at least one */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const [fastest, median, slowest] = [sorted[0], sorted[sorted.length >> 1], sorted[sorted.length - 1]];
  if (fastest === undefined || median === undefined || slowest === undefined) throw new RangeError('nothing was measured');
  return { median, fastest, slowest };
}

/** A pseudo-random order of 0 … n - 1, the same every time. */
export function shuffled(n: number): Int32Array {
  const order = Int32Array.from({ length: n }, (_, index) => index);
  let state = 0x9e3779b9;
  for (let at = n - 1; at > 0; at--) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    const other = (state >>> 1) % (at + 1);
    const kept = order[at]!;
    order[at] = order[other]!;
    order[other] = kept;
  }
  return order;
}
