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

/** With a lease, the key goes with it; written again without one, it stays. */
export type Write = { readonly put: string; readonly value: unknown; readonly lease?: Lease } | { readonly delete: string };

/** Says that whoever wrote a key is alive. */
export interface Lease {
  /** Of this store. */
  readonly id: string;
  /** Aborted when it has ended by itself: its keys are deleted, or may be by now. */
  readonly lost: AbortSignal;
  /** Ends it, and deletes its keys. Idempotent. */
  release(): Promise<void>;
}

export type WatchEvent = { readonly type: 'put'; readonly entry: Entry } | { readonly type: 'delete'; readonly key: string; readonly revision: number };

/** Whether a store answers. */
export interface Contact {
  readonly reachable: boolean;
  /** Since when it has been so, in milliseconds of performance.now(); 0: from the beginning. */
  readonly since: number;
  /** Milliseconds that its last answer took. Absent: it has given none yet, or is not asked over a network. */
  readonly latency?: number;
  /** Why it is out of reach: one sentence or two. */
  readonly problem?: string;
}

export interface Store {
  /** As far as is known from what was asked of it last. */
  readonly contact: Contact;
  /**
   * Revision of the newest transaction that was committed here and changed something; 0 when there is none, or when the store has been
   * restored to an older state since. A watch of all keys shows it, or something newer.
   */
  readonly committed: number;
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
  /**
   * Ends `seconds` (at least 1) after this process has last been heard of, and its keys are deleted then. A store of one machine notices
   * that when it is opened again. As long as the process lives and reaches the store it goes on.
   */
  lease(seconds: number): Promise<Lease>;
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
