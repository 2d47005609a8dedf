/**
 * What a row of health probes says about a task, as a state machine over `now`. It runs nothing: agent/tasks/health.ts does,
 * when `nextProbeAt` says, and what becomes of an unhealthy task is the caller's decision.
 *
 *   starting ──success──► healthy ──`retries` failures in a row──► unhealthy ──success──► healthy
 *       └──`retries` failures, each an `interval` apart, after `startPeriod`──►┘
 *
 * A task that is starting is probed at once and then in quick steps that double up to `interval`, so that it is found healthy
 * soon after it is. Those extra probes must not condemn it sooner: while starting, one failure per interval counts.
 */
export interface HealthPolicy {
  /** Milliseconds from the end of one probe to the start of the next. */
  readonly interval: number;
  /** Consecutive failures that make a task unhealthy; at least 1. */
  readonly retries: number;
  /** Milliseconds after the start in which failures do not count. A success ends it. */
  readonly startPeriod: number;
}

export type TrackedHealth = 'starting' | 'healthy' | 'unhealthy';

const FIRST_STEP_MS = 250;

export class HealthTracker {
  #state: TrackedHealth = 'starting';
  #failures = 0;
  #step = FIRST_STEP_MS;
  #nextProbeAt: number;
  /** While starting: probes due before this time do not count as failures. */
  #countsFrom: number;

  /** `now` is the task's start. */
  constructor(
    private readonly policy: HealthPolicy,
    now: number,
  ) {
    this.#nextProbeAt = now;
    this.#countsFrom = now + policy.startPeriod + policy.interval;
  }

  get state(): TrackedHealth {
    return this.#state;
  }

  /** Failures in a row that count. */
  get failures(): number {
    return this.#failures;
  }

  /** When the next probe is due. Record its result before asking again. */
  get nextProbeAt(): number {
    return this.#nextProbeAt;
  }

  /** Takes the result of the probe that was due, `now` being its end. True when the state changed. */
  record(success: boolean, now: number): boolean {
    const before = this.#state;
    if (success) {
      this.#state = 'healthy';
      this.#failures = 0;
      this.#nextProbeAt = now + this.policy.interval;
    } else if (this.#state === 'starting') {
      this.#failStarting(now);
    } else {
      this.#fail();
      this.#nextProbeAt = now + this.policy.interval;
    }
    return this.#state !== before;
  }

  #failStarting(now: number): void {
    // The time it was due decides, not the time it took place: a timer that fires a little early must not lose a count.
    if (this.#nextProbeAt >= this.#countsFrom) {
      this.#countsFrom = now + this.policy.interval;
      this.#fail();
    }
    const next = now + Math.min(this.#step, this.policy.interval);
    this.#nextProbeAt = this.#countsFrom > now ? Math.min(next, this.#countsFrom) : next;
    this.#step *= 2;
  }

  #fail(): void {
    this.#failures++;
    if (this.#failures >= this.policy.retries) this.#state = 'unhealthy';
  }
}
