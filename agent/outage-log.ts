/**
 * The log of something that fails for as long as it lasts (a store out of reach): a line when that begins, one a minute at most while it
 * goes on, one when it is over. Without stacks: they would be the same each time, and say nothing of the cause.
 */
import type { Clock } from '../proxy/time/clock.js';
import type { Logger } from './log.js';

/** Milliseconds between two lines of one outage. */
const AGAIN_MS = 60_000;

export class OutageLog {
  /** On the clock. */
  #outage: { readonly since: number; told: number; failures: number } | undefined;

  /** @param what fails, as a sentence @param over what is said when it does no more */
  constructor(
    private readonly log: Pick<Logger, 'error' | 'info'>,
    private readonly clock: Pick<Clock, 'now'>,
    private readonly what: string,
    private readonly over: string,
  ) {}

  failed(error: unknown): void {
    const now = this.clock.now();
    const problem = error instanceof Error ? error.message : String(error);
    if (!this.#outage) {
      this.#outage = { since: now, told: now, failures: 1 };
      return this.log.error(this.what, { problem });
    }
    this.#outage.failures++;
    if (now - this.#outage.told < AGAIN_MS) return;
    this.#outage.told = now;
    this.log.error(this.what, { problem, failures: this.#outage.failures, seconds: seconds(now - this.#outage.since) });
  }

  /** It works: said once, and only after a failure. */
  works(): void {
    if (!this.#outage) return;
    this.log.info(this.over, { seconds: seconds(this.clock.now() - this.#outage.since) });
    this.#outage = undefined;
  }
}

function seconds(ms: number): number {
  return Math.round(ms / 1000);
}
