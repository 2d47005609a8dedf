/**
 * The store of several machines: etcd (https://etcd.io/docs/v3.4/learning/api/), version 3.4 or newer. Revisions, compares and
 * watches are etcd's own; other users of the same etcd raise its revision too, so between two of ours there may be gaps.
 *
 * Every key is below `/vipmesh/<cluster>/`. What members there are and how they are asked is etcd-client.ts's affair.
 */
import { CompareResult, CompareTarget, EtcdMembers, type EtcdOptions, type KVClient } from './etcd-client.js';
import { entryOf } from './etcd-entry.js';
import { EtcdLease } from './etcd-lease.js';
import { EtcdWatches } from './etcd-watch.js';
import type { Compare, Contact, Entry, Lease, Store, WatchEvent, Write } from './store.js';
import { StoreError } from './store.js';
import { endOfPrefix, keyBytes, prepareWrites, type PreparedWrite } from './writes.js';

export interface EtcdStoreOptions extends EtcdOptions {
  /** The cluster's name: 1 to 63 of a-z, 0-9 and `-`. */
  readonly cluster: string;
}

/** Makes no connection yet: the first question does. */
export function openEtcdStore(options: EtcdStoreOptions): Store {
  return new EtcdStore(new EtcdMembers(options), `/vipmesh/${options.cluster}/`);
}

class EtcdStore implements Store {
  readonly #watches: EtcdWatches;
  readonly #committing = new Set<Promise<unknown>>();
  readonly #leases = new Set<EtcdLease>();
  #closing: Promise<void> | undefined;
  #committed = 0;

  constructor(
    private readonly members: EtcdMembers,
    private readonly root: string,
  ) {
    this.#watches = new EtcdWatches(members, root, () => (this.#committed = 0));
  }

  get contact(): Contact {
    return this.members.contact;
  }

  get committed(): number {
    return this.#committed;
  }

  async get<T>(key: string): Promise<Entry<T> | undefined> {
    this.#assertOpen();
    const bytes = this.#bytes(key);
    const { kvs } = await this.members.ask(({ kv }) => kv.range({ key: bytes }));
    return kvs[0] && entryOf<T>(kvs[0], this.root.length);
  }

  async list<T>(prefix: string): Promise<{ entries: Entry<T>[]; revision: number }> {
    this.#assertOpen();
    const start = Buffer.from(this.root + prefix);
    const { kvs, header } = await this.members.ask(({ kv }) => kv.range({ key: start, range_end: endOfPrefix(start) }));
    return { entries: kvs.map((pair) => entryOf<T>(pair, this.root.length)), revision: Number(header.revision) };
  }

  async commit(compares: readonly Compare[], writes: readonly Write[]): Promise<number | undefined> {
    this.#assertOpen();
    const committing = this.#commit(compares, prepareWrites(writes));
    this.#committing.add(committing);
    try {
      return await committing;
    } finally {
      this.#committing.delete(committing);
    }
  }

  async #commit(compares: readonly Compare[], writes: readonly PreparedWrite[]): Promise<number | undefined> {
    const request = {
      compare: compares.map(({ key, revision }) => ({ key: this.#bytes(key), target: CompareTarget.Mod, result: CompareResult.Equal, mod_revision: revision })),
      success: writes.map(({ key, json, lease }) =>
        json === undefined ? { request_delete_range: { key: this.#bytes(key) } } : { request_put: { key: this.#bytes(key), value: Buffer.from(json), ...(lease !== undefined && { lease }) } },
      ),
    };
    let tries = 0;
    let changed = writes.some(({ json }) => json !== undefined);
    const revision = await this.members.ask(async ({ kv }) => {
      const isAgain = ++tries > 1 && writes.length > 0;
      const before = isAgain ? await this.#alreadyWritten(kv, writes) : undefined;
      if (before !== undefined) return before;
      const { succeeded, header, responses } = await kv.txn(request);
      // Whoever only deletes what is not there makes no revision: the header's is somebody else's.
      changed ||= succeeded && responses.some((response) => Number(response.response_delete_range.deleted) > 0);
      if (succeeded) return Number(header.revision);
      // An earlier try may have been carried out since we looked: with a new leader it was still on its way.
      return isAgain ? this.#alreadyWritten(kv, writes) : undefined;
    });
    if (revision !== undefined && changed) {
      this.#committed = Math.max(this.#committed, revision);
      this.#watches.expect(writes.map(({ key }) => key), revision);
    }
    return revision;
  }

  /**
   * The answer to a transaction was lost, with a member that went or a leader that changed: the revision of that transaction when
   * all that it was to write is there. A deleted key leaves nothing to tell by; that it is absent is what was wanted.
   */
  async #alreadyWritten(kv: KVClient, writes: readonly PreparedWrite[]): Promise<number | undefined> {
    const { responses, header } = await kv.txn({ success: writes.map(({ key }) => ({ request_range: { key: this.#bytes(key) } })) });
    const revisions = new Set<string>();
    for (const [index, { json }] of writes.entries()) {
      const pair = responses[index]?.response_range.kvs[0];
      if (pair?.value.toString() !== json) return undefined;
      if (pair) revisions.add(pair.mod_revision);
    }
    const [revision = header.revision] = revisions;
    return revisions.size <= 1 ? Number(revision) : undefined;
  }

  watch(prefix: string, revision: number, signal: AbortSignal): AsyncIterable<readonly WatchEvent[]> {
    this.#assertOpen();
    return this.#watches.watch(prefix, revision, signal);
  }

  async lease(seconds: number): Promise<Lease> {
    this.#assertOpen();
    const lease = await EtcdLease.grant(this.members, seconds);
    this.#leases.add(lease);
    void lease.over.then(() => this.#leases.delete(lease));
    return lease;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#committing);
    for (const lease of this.#leases) lease.forget();
    await this.#watches.end();
    this.members.close();
  }

  #bytes(key: string): Buffer {
    return Buffer.concat([Buffer.from(this.root), keyBytes(key)]);
  }

  #assertOpen(): void {
    if (this.#closing) throw new StoreError('the store is closed');
  }
}
