/**
 * Ends a flow that was silent for too long. One timer a flow, which is not set anew with every byte: when it rings it looks
 * how long the silence has been, and waits for the rest.
 */
import type { Clock } from '../time/clock.js';

export interface IdleFlow {
  /** When something was last seen of it, by the same clock. */
  readonly lastSeen: () => number;
  /** Milliseconds of silence that end it. Asked for anew whenever it matters; `reset` is to be called when it got shorter. */
  readonly timeout: () => number;
  /** Called once at most. */
  readonly end: () => void;
}

export class IdleTimer {
  #cancel: () => void = () => undefined;

  constructor(
    private readonly clock: Clock,
    private readonly flow: IdleFlow,
  ) {
    this.#wait();
  }

  /** The time-out is another now. */
  reset(): void {
    this.#cancel();
    this.#wait();
  }

  cancel(): void {
    this.#cancel();
  }

  #wait(): void {
    this.#cancel = this.clock.after(Math.max(0, this.#left()), () => (this.#left() > 0 ? this.#wait() : this.flow.end()));
  }

  #left(): number {
    return this.flow.lastSeen() + this.flow.timeout() - this.clock.now();
  }
}
