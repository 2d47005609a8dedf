/**
 * A store as somebody sees it who may write only for as long as a key stays as it is: whoever was elected, and may not know yet
 * that another is. Every commit compares that key too. Reading is not fenced.
 */
import type { Compare, Contact, Entry, Lease, Store, WatchEvent, Write } from './store.js';

/** The fence does not hold any more: nothing was written, and nothing will be. */
export class FencedOffError extends Error {
  override readonly name = 'FencedOffError';
}

export class FencedStore implements Store {
  constructor(
    readonly inner: Store,
    private readonly fence: Compare,
  ) {}

  get contact(): Contact {
    return this.inner.contact;
  }

  get committed(): number {
    return this.inner.committed;
  }

  get<T>(key: string): Promise<Entry<T> | undefined> {
    return this.inner.get(key);
  }

  list<T>(prefix: string): Promise<{ readonly entries: readonly Entry<T>[]; readonly revision: number }> {
    return this.inner.list(prefix);
  }

  /** Rejects with FencedOffError besides. */
  async commit(compares: readonly Compare[], writes: readonly Write[]): Promise<number | undefined> {
    const revision = await this.inner.commit([...compares, this.fence], writes);
    if (revision !== undefined) return revision;
    const { key, revision: expected } = this.fence;
    if (((await this.inner.get(key))?.revision ?? 0) !== expected) throw new FencedOffError(`'${key}' is not as it was at revision ${expected} any more`);
    return undefined;
  }

  watch(prefix: string, revision: number, signal: AbortSignal): AsyncIterable<readonly WatchEvent[]> {
    return this.inner.watch(prefix, revision, signal);
  }

  lease(seconds: number): Promise<Lease> {
    return this.inner.lease(seconds);
  }

  /** The inner store is somebody else's to close. */
  close(): Promise<void> {
    return Promise.resolve();
  }
}
