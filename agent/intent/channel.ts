/**
 * Many writers, one reader: values in the order in which they were pushed, until the signal aborts. A push waits while the
 * reader is behind, so nothing piles up.
 */
export class Channel<T> implements AsyncIterable<T> {
  readonly #queue: { value: T; taken: () => void }[] = [];
  #wake: () => void = () => undefined;

  constructor(private readonly signal: AbortSignal) {
    signal.addEventListener('abort', () => {
      for (const item of this.#queue.splice(0)) item.taken();
      this.#wake();
    });
  }

  /** Resolves when the reader has taken the value, or nobody will any more. */
  push(value: T): Promise<void> {
    if (this.signal.aborted) return Promise.resolve();
    return new Promise((taken) => {
      this.#queue.push({ value, taken });
      this.#wake();
    });
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    while (!this.signal.aborted) {
      const item = this.#queue.shift();
      if (item) {
        item.taken();
        yield item.value;
      } else {
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    }
  }
}
