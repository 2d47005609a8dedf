/**
 * The last transactions of a store, in memory, for its watches. A watch reads along this log at its own pace and holds no
 * queue, so a slow reader costs nothing; one that falls behind the end of the log gets a CompactedError.
 * Where transactions come from, and that they are durable, is the store's affair.
 */
import type { WatchEvent } from './store.js';
import { CompactedError } from './store.js';

export class History {
  readonly #limit: number;
  /** Transactions with consecutive revisions; the last one's is #revision. */
  #transactions: (readonly WatchEvent[])[] = [];
  #revision: number;
  #ended = false;
  readonly #wakers = new Set<() => void>();

  /** @param revision of the last transaction before this log begins @param limit transactions to remember, at least 1 */
  constructor(revision: number, limit: number) {
    this.#revision = revision;
    this.#limit = limit;
  }

  /** Revision of the newest transaction. */
  get revision(): number {
    return this.#revision;
  }

  /** The transaction of revision `this.revision + 1`. */
  append(events: readonly WatchEvent[]): void {
    this.#revision += 1;
    this.#transactions.push(events);
    // Trimmed in batches: shifting a long array for every transaction would cost more than the memory is worth.
    if (this.#transactions.length >= 2 * this.#limit) this.#transactions = this.#transactions.slice(-this.#limit);
    this.#wake();
  }

  /** Ends every watch, after what it has not read yet. */
  end(): void {
    this.#ended = true;
    this.#wake();
  }

  /** See Store.watch. */
  async *watch(prefix: string, revision: number, signal: AbortSignal): AsyncGenerator<readonly WatchEvent[], void, undefined> {
    let next = revision + 1;
    while (!signal.aborted) {
      const oldest = this.#revision - Math.min(this.#transactions.length, this.#limit) + 1;
      if (next < oldest) throw new CompactedError(`events after revision ${next - 1} are no longer remembered: list again and compare (the oldest kept is ${oldest})`);
      if (next > this.#revision) {
        if (this.#ended) return;
        await this.#changed(signal);
        continue;
      }
      const events = (this.#transactions[this.#transactions.length - 1 - (this.#revision - next)] ?? []).filter((event) => keyOf(event).startsWith(prefix));
      next += 1;
      if (events.length > 0) yield events;
    }
  }

  #changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#wakers.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.#wakers.add(wake);
      signal.addEventListener('abort', wake);
    });
  }

  #wake(): void {
    for (const wake of [...this.#wakers]) wake();
  }
}

function keyOf(event: WatchEvent): string {
  return event.type === 'put' ? event.entry.key : event.key;
}
