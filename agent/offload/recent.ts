/**
 * A costly answer that many ask for, and again and again: it is had anew only when it is some times as old as it took to be had.
 * So asking takes at most a part of the time, however long one answer takes.
 */
import type { Clock } from '../../proxy/time/clock.js';

/** Milliseconds for which an answer is good in any case. */
const LEAST_MS = 200;
/** And so many times as long as it took. */
const TIMES = 4;

export class Recent<T> {
  #answer: Promise<T> | undefined;
  #asking: Promise<T> | undefined;
  #goodUntil = Infinity;

  constructor(
    private readonly ask: () => Promise<T>,
    private readonly clock: Pick<Clock, 'now'>,
  ) {}

  /** Rejects as `ask` did; an error is not kept. */
  get(): Promise<T> {
    if (this.#answer === undefined || this.clock.now() >= this.#goodUntil) this.#answer = this.#had();
    return this.#answer;
  }

  /** Something has changed: whoever asks from now on is to have an answer that was had from now on. */
  forget(): void {
    this.#answer = undefined;
  }

  async #had(): Promise<T> {
    const began = this.clock.now();
    // Nobody asks twice at once.
    this.#goodUntil = Infinity;
    const asking = this.ask();
    const isNewest = (): boolean => this.#asking === asking;
    this.#asking = asking;
    try {
      const answer = await asking;
      const now = this.clock.now();
      if (isNewest()) this.#goodUntil = now + Math.max(LEAST_MS, TIMES * (now - began));
      return answer;
    } catch (error) {
      if (isNewest()) this.#answer = undefined;
      throw error;
    }
  }
}
