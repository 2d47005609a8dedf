/**
 * Maglev's table (Eisenbud et al., NSDI 2016, section 3.4), filled in the weighted way of ip_vs_mh: an endpoint has `turns`
 * turns in a row, and takes in each the next free position of its own permutation, which is offset, offset + skip, … modulo
 * the table's size. Where offset and skip come from is the caller's business.
 */
export interface Permutation {
  /** 0 to size - 1. */
  readonly offset: number;
  /** 1 to size - 1. */
  readonly skip: number;
  /** 0: the endpoint gets no position. */
  readonly turns: number;
}

/**
 * For each position the index of its permutation; -1 everywhere when none has a turn.
 * @param size a prime number, so that every permutation reaches every position
 */
export function maglevTable(permutations: readonly Permutation[], size: number): Int32Array {
  const table = new Int32Array(size).fill(-1);
  if (permutations.every(({ turns }) => turns === 0)) return table;
  const next = Int32Array.from(permutations, ({ offset }) => offset);
  for (let filled = 0; ; ) {
    for (let i = 0; i < permutations.length; i++) {
      const { skip, turns } = permutations[i]!;
      for (let turn = 0; turn < turns; turn++) {
        let at = next[i]!;
        while (table[at] !== -1) at = at + skip >= size ? at + skip - size : at + skip;
        next[i] = at;
        table[at] = i;
        if (++filled === size) return table;
      }
    }
  }
}
