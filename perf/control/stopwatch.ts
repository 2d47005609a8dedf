/** Samples of what takes turns: for each number of services one value a round, the median of those in the round. */
import { summarize } from '../bench/measure/statistics.js';
import type { Row } from './result.js';

export class Stopwatch {
  readonly #rounds: number[][][] = [];

  constructor(
    private readonly row: Omit<Row, 'samples'>,
    private readonly sizes: number,
  ) {}

  round(): void {
    this.#rounds.push(Array.from({ length: this.sizes }, () => []));
  }

  /** Milliseconds on the wall: processes and the kernel work in it, too. */
  async time(size: number, work: () => Promise<void>): Promise<void> {
    const begin = performance.now();
    await work();
    this.#rounds.at(-1)![size]!.push(performance.now() - begin);
  }

  result(): Row {
    return { ...this.row, samples: Array.from({ length: this.sizes }, (_, size) => this.#rounds.map((round) => summarize(round[size]!).median)) };
  }
}
