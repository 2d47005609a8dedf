/**
 * Waiting for a condition instead of for a time.
 */

export interface PollOptions {
  /** Milliseconds until it is given up; a minute by default, which only a test that fails takes. */
  timeout?: number;
  /** Milliseconds between two looks; 20 by default. */
  interval?: number;
}

/**
 * Calls `look` until it answers something truthy, and answers that. A look that throws is a look that failed. Rejects with
 * the `what` that did not happen, and the last error if there was one.
 */
export async function pollUntil<T>(what: string, look: () => T | Promise<T>, options: PollOptions = {}): Promise<NonNullable<T>> {
  const { timeout = 60_000, interval = 20 } = options;
  const deadline = performance.now() + timeout;
  let last: unknown;
  for (;;) {
    try {
      const value = await look();
      if (value) return value;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (performance.now() >= deadline) throw new Error(`did not happen within ${timeout} ms: ${what}`, { cause: last });
    await new Promise((resolve) => setTimeout(resolve, interval));
  }
}
