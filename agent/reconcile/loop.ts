/**
 * A reconcile loop: runs one pass at a time, and one more when anything asked for it meanwhile. Any number of requests
 * during a pass become one pass after it, so a burst of changes costs two passes, not one each.
 */
import type { Clock } from '../../proxy/time/clock.js';

/** How long after a failed pass the next one comes by itself. Doubles up to the second. */
const RETRY_MS = [250, 10_000] as const;

export class Loop {
  #running: Promise<void> | undefined;
  #again = false;
  #closed = false;
  #failures = 0;
  #cancelRetry: (() => void) | undefined;
  /** For the next pass that begins. */
  #waiting: (() => void)[] = [];

  constructor(
    private readonly pass: () => Promise<void>,
    private readonly clock: Clock,
    private readonly onError: (error: unknown) => void,
  ) {}

  /** Asks for a pass that begins after this call. */
  request(): void {
    if (this.#closed) return;
    if (this.#running) this.#again = true;
    else this.#running = this.#run();
  }

  /**
   * Resolves after a whole pass that begins after this call (or when the loop is closed). Further requests, of which there
   * may be a steady stream, do not make it wait longer.
   */
  settled(): Promise<void> {
    if (this.#closed && !this.#running) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.request();
    });
  }

  /** No pass begins after this; resolves when the one that runs has ended. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelRetry?.();
    await this.#running;
  }

  async #run(): Promise<void> {
    this.#cancelRetry?.();
    try {
      do {
        this.#again = false;
        // Never in the caller's own stack: whoever asks has usually not finished its change yet.
        await Promise.resolve();
        const waiting = this.#waiting.splice(0);
        try {
          await this.pass();
          this.#failures = 0;
        } catch (error) {
          this.onError(error);
          const delay = Math.min(RETRY_MS[0] * 2 ** this.#failures++, RETRY_MS[1]);
          this.#cancelRetry = this.clock.after(delay, () => this.request());
        }
        for (const resolve of waiting) resolve();
      } while (this.#again && !this.#closed);
    } finally {
      this.#running = undefined;
      // Closed before their pass began.
      for (const resolve of this.#waiting.splice(0)) resolve();
    }
  }
}
