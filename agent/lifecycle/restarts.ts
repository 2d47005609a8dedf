/**
 * When an inner process that has died is started again: after a growing pause, until it has died too often shortly after its start. A pure
 * state machine; starting and waiting is for others.
 */
import type { Clock } from '../../proxy/time/clock.js';

/** Milliseconds that one has to live for the deaths before it to be forgotten. */
export const LONG_LIFE_MS = 60_000;

/** Milliseconds before each new start; one death more in a row, and that is the end. */
export const PAUSES_MS: readonly number[] = [100, 500, 1000, 2000, 4000];

export class Restarts {
  #startedAt: number;
  #deaths = 0;

  /** One has just been started. */
  constructor(private readonly clock: Clock) {
    this.#startedAt = clock.now();
  }

  /** Short lives in a row. */
  get deaths(): number {
    return this.#deaths;
  }

  started(): void {
    this.#startedAt = this.clock.now();
  }

  /** It has died. Milliseconds until the next start, or undefined: it is to be given up. */
  died(): number | undefined {
    if (this.clock.now() - this.#startedAt >= LONG_LIFE_MS) this.#deaths = 0;
    return PAUSES_MS[this.#deaths++];
  }
}
