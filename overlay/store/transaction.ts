/**
 * Reads and writes over a Store that commit together or not at all.
 *
 * Optimistic: what `get` answered must still hold at the commit, otherwise the body runs again from the start. A body
 * therefore has no effect other than through its transaction. Transactions of one process over one store queue up behind
 * each other, so they do not fight; the comparisons are for other writers.
 *
 * Writers that are many make room for each other: after the nth attempt that failed the next one waits for a random time, of up to
 * 2n times what that one took. A commit that is refused costs the store as much as one that is not, so that sixteen who try again
 * at once keep it busy with refusing.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ContentionError } from '../model/errors.js';
import { FencedStore } from './fenced.js';
import type { Entry, Store, Write } from './store.js';

const MAX_ATTEMPTS = 30;
/** Milliseconds. */
const LONGEST_WAIT = 2000;

/** An insert met an existing key: the body's view was old. Never leaves `transact`. */
class Stale extends Error {}

export class Transaction {
  readonly #compares = new Map<string, number>();
  readonly #writes = new Map<string, { readonly value: unknown } | undefined>();

  constructor(private readonly store: Store) {}

  /** The value now, own writes included. The commit fails when it has changed since. */
  async get<T>(key: string): Promise<T | undefined> {
    if (this.#writes.has(key)) return this.#writes.get(key)?.value as T | undefined;
    const entry = await this.store.get<T>(key);
    this.#expect(key, entry?.revision ?? 0);
    return entry?.value;
  }

  /** The value now, own writes included; it may change before the commit. */
  async peek<T>(key: string): Promise<T | undefined> {
    if (this.#writes.has(key)) return this.#writes.get(key)?.value as T | undefined;
    return (await this.store.get<T>(key))?.value;
  }

  /** Entries as stored: without own writes, and free to change before the commit. */
  async list<T>(prefix: string): Promise<readonly Entry<T>[]> {
    return (await this.store.list<T>(prefix)).entries;
  }

  /** Writes a key that must not exist at the commit. */
  create(key: string, value: unknown): void {
    if (this.#writes.get(key) !== undefined) throw new TypeError(`key '${key}' is created twice in one transaction`);
    if (!this.#writes.has(key)) this.#expect(key, 0);
    this.#writes.set(key, { value });
  }

  put(key: string, value: unknown): void {
    this.#writes.set(key, { value });
  }

  delete(key: string): void {
    this.#writes.set(key, undefined);
  }

  /** True when everything was written, or there was nothing to write. */
  async commit(): Promise<boolean> {
    if (this.#writes.size === 0) return true;
    const compares = [...this.#compares].map(([key, revision]) => ({ key, revision }));
    const writes = [...this.#writes].map(([key, write]): Write => (write ? { put: key, value: write.value } : { delete: key }));
    return (await this.store.commit(compares, writes)) !== undefined;
  }

  #expect(key: string, revision: number): void {
    const expected = this.#compares.get(key);
    if (expected !== undefined && expected !== revision) throw new Stale();
    this.#compares.set(key, revision);
  }
}

const queues = new WeakMap<Store, Promise<unknown>>();

/** Runs `body` until it commits, and answers what it answered. What it throws ends it, with nothing written. */
export function transact<T>(store: Store, body: (transaction: Transaction) => Promise<T>): Promise<T> {
  const own = store instanceof FencedStore ? store.inner : store;
  const before = queues.get(own) ?? Promise.resolve();
  const turn = before.then(() => attempt(store, body));
  queues.set(
    own,
    turn.catch(() => undefined),
  );
  return turn;
}

async function attempt<T>(store: Store, body: (transaction: Transaction) => Promise<T>): Promise<T> {
  for (let attempts = 1; attempts <= MAX_ATTEMPTS; attempts++) {
    const began = performance.now();
    const transaction = new Transaction(store);
    try {
      const result = await body(transaction);
      if (await transaction.commit()) return result;
    } catch (error) {
      if (!(error instanceof Stale)) throw error;
    }
    await sleep(Math.random() * Math.min(2 * attempts * (performance.now() - began), LONGEST_WAIT));
  }
  throw new ContentionError(MAX_ATTEMPTS);
}
