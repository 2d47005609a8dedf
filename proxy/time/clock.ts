/**
 * Time as an argument. Logic takes a Clock (or a bare `now`); only the outermost layer makes `systemClock`.
 */

export interface Clock {
  /** Milliseconds from an arbitrary start, never going back: for intervals and timeouts. */
  now(): number;
  /** Milliseconds since the Unix epoch: for what is shown or stored. */
  wall(): number;
  /** Calls `fn` once, `ms` from now, and returns what cancels it. A pending timer does not keep the process alive. */
  after(ms: number, fn: () => void): () => void;
}

/** Milliseconds that setTimeout can wait: it keeps them in 32 bits. */
const LONGEST_TIMEOUT = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  after(ms, fn) {
    let timer: NodeJS.Timeout;
    const wait = (left: number): void => {
      // A longer timeout would overflow and fire at once.
      const step = Math.min(left, LONGEST_TIMEOUT);
      timer = setTimeout(() => (left > step ? wait(left - step) : fn()), step);
      timer.unref();
    };
    wait(ms);
    return () => clearTimeout(timer);
  },
};

/** A clock that stands still until told: `advance(ms)` runs the timers that fall due, in order of their time. */
export class FakeClock implements Clock {
  #now = 0;
  #timers: { at: number; fn: () => void }[] = [];
  readonly #epoch: number;

  constructor(epoch = 0) {
    this.#epoch = epoch;
  }

  now(): number {
    return this.#now;
  }

  wall(): number {
    return this.#epoch + this.#now;
  }

  after(ms: number, fn: () => void): () => void {
    const timer = { at: this.#now + Math.max(0, ms), fn };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      let next: { at: number; fn: () => void } | undefined;
      for (const timer of this.#timers) if (timer.at <= end && (!next || timer.at < next.at)) next = timer;
      if (!next) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.#now = next.at;
      next.fn();
    }
    this.#now = end;
  }
}
