/**
 * The store: where intent and allocations live. One contract, several implementations (test/contract/store).
 *
 * A key is text such as `services/3f2a9c0d1b7e`; a value is JSON. Every committed transaction has a revision, one more than
 * the one before, shared by all keys (the model of etcd). Nothing is ever half-committed.
 */

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

export interface Entry<T = unknown> {
  readonly key: string;
  readonly value: T;
  /** Revision of the transaction that last wrote the key. */
  readonly revision: number;
}

/** What must hold for a transaction to commit. Revision 0 means: the key does not exist. */
export interface Compare {
  readonly key: string;
  readonly revision: number;
}

export type Write = { readonly put: string; readonly value: unknown } | { readonly delete: string };

export type WatchEvent = { readonly type: 'put'; readonly entry: Entry } | { readonly type: 'delete'; readonly key: string; readonly revision: number };

export interface Store {
  get<T>(key: string): Promise<Entry<T> | undefined>;
  /** Entries whose key starts with `prefix`, in the order of their keys (bytes), and the revision that they show. */
  list<T>(prefix: string): Promise<{ readonly entries: readonly Entry<T>[]; readonly revision: number }>;
  /** All or nothing. Answers the new revision, or undefined when a compare did not hold (and nothing was written). */
  commit(compares: readonly Compare[], writes: readonly Write[]): Promise<number | undefined>;
  /**
   * Every event of keys with `prefix` from transactions after `revision`, in order, one array per transaction, until the
   * signal aborts. A revision that the store no longer remembers is a CompactedError: list again and diff.
   */
  watch(prefix: string, revision: number, signal: AbortSignal): AsyncIterable<readonly WatchEvent[]>;
  /** Ends every watch and frees what the store holds. Idempotent. */
  close(): Promise<void>;
}

export class CompactedError extends Error {
  override readonly name = 'CompactedError';
}

/** The store cannot be used (locked, unreadable, full, gone). The message names the cause and the remedy. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
}
