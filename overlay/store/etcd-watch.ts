/**
 * Watches of an etcd store. Each has a stream of its own, begins anew with another member when that one fails, and goes on after
 * the last revision that it gave: nothing is lost or given twice. As long as no member answers it waits.
 *
 * What makes going on impossible is a CompactedError: etcd has forgotten the past, or was restored from a copy that is older than
 * what was seen, or is another cluster.
 */
import { endStream, type EtcdMembers, type IWatchResponse, type Member } from './etcd-client.js';
import { entryOf } from './etcd-entry.js';
import type { Entry, WatchEvent } from './store.js';
import { CompactedError, StoreError } from './store.js';
import { endOfPrefix } from './writes.js';

/** Milliseconds until a failed stream is opened again, doubled up to the greatest. */
const PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2000;
/** Milliseconds that a stream may take to be opened. */
const OPENING_MS = 2000;
/** Milliseconds that `end` waits for events of transactions that were committed here. */
const LAST_EVENTS_MS = 1000;

type Stream = Awaited<ReturnType<Member['watchClient']['watch']>>;

interface Watch {
  readonly prefix: string;
  readonly ended: AbortController;
  /** The revision of the newest transaction of ours that it will show; of the newest that it has shown. */
  expected: number;
  shown: number;
  /** What a later stream must find where this one saw it. */
  proof: Entry | undefined;
  onShown: () => void;
}

export class EtcdWatches {
  readonly #watches = new Set<Watch>();
  #clusterId: string | undefined;

  /** @param onOtherHistory etcd does not go on from what it was: its revisions have begun anew, or gone back */
  constructor(
    private readonly members: EtcdMembers,
    private readonly root: string,
    private readonly onOtherHistory: () => void,
  ) {}

  /** `keys` were written here, at `revision`. */
  expect(keys: readonly string[], revision: number): void {
    for (const watch of this.#watches) if (keys.some((key) => key.startsWith(watch.prefix))) watch.expected = Math.max(watch.expected, revision);
  }

  /** Ends all, after the events of what was committed here. */
  async end(): Promise<void> {
    await Promise.all(
      [...this.#watches].map(async (watch) => {
        if (watch.shown < watch.expected) {
          const late = AbortSignal.timeout(LAST_EVENTS_MS);
          await new Promise<void>((resolve) => {
            watch.onShown = () => watch.shown >= watch.expected && resolve();
            late.addEventListener('abort', () => resolve());
          });
        }
        watch.ended.abort();
      }),
    );
  }

  /** See Store.watch. */
  watch(prefix: string, revision: number, signal: AbortSignal): AsyncIterable<readonly WatchEvent[]> {
    const watch: Watch = { prefix, ended: new AbortController(), expected: 0, shown: revision, proof: undefined, onShown: () => undefined };
    this.#watches.add(watch);
    return this.#run(watch, AbortSignal.any([signal, watch.ended.signal]));
  }

  async *#run(watch: Watch, signal: AbortSignal): AsyncGenerator<readonly WatchEvent[], void, undefined> {
    let pause = PAUSE_MS;
    try {
      while (!signal.aborted) {
        const { member, index } = this.members.member();
        try {
          await this.#assertSamePast(member, watch.proof);
          for await (const response of this.#stream(member, watch, signal)) {
            pause = PAUSE_MS;
            for (const events of transactionsOf(response, this.root.length)) {
              watch.shown = revisionOf(events);
              for (const event of events) if (event.type === 'put') watch.proof = event.entry;
              yield events;
              watch.onShown();
            }
          }
        } catch (error) {
          if (error instanceof CompactedError || error instanceof StoreError) throw error;
          this.members.failed(index, error);
        }
        await waited(pause, signal);
        pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
      }
    } finally {
      this.#watches.delete(watch);
    }
  }

  /** Responses with events, until the stream or the signal ends. Throws what the stream fails with. */
  async *#stream(member: Member, watch: Watch, signal: AbortSignal): AsyncGenerator<IWatchResponse, void, undefined> {
    const stream = await opened(member, signal);
    const responses = queueOf(stream, signal);
    try {
      const start = Buffer.from(this.root + watch.prefix);
      stream.write({ create_request: { key: start, range_end: endOfPrefix(start), start_revision: watch.shown + 1, progress_notify: true } });
      for await (const response of responses) {
        this.#assertSameHistory(response, watch.shown);
        if (response.canceled) throw new Error(response.cancel_reason);
        if (response.events.length > 0) yield response;
      }
    } finally {
      endStream(stream);
    }
  }

  /** A store that was restored from a copy may have come to the same revisions by another way. */
  async #assertSamePast({ kv }: Member, proof: Entry | undefined): Promise<void> {
    if (proof === undefined) return;
    let found;
    try {
      found = (await kv.range({ key: Buffer.from(this.root + proof.key), revision: String(proof.revision), keys_only: true })).kvs[0];
    } catch (error) {
      if (!(error instanceof Error) || !/required revision/.test(error.message)) throw error;
      // Compacted, or of a future that this etcd has not seen.
    }
    if (Number(found?.mod_revision ?? 0) === proof.revision) return;
    this.onOtherHistory();
    throw new CompactedError(`etcd does not have what it had at revision ${proof.revision}: list again and compare`);
  }

  #assertSameHistory({ created, header, compact_revision }: IWatchResponse, shown: number): void {
    if (Number(compact_revision) > 0) throw new CompactedError(`etcd has forgotten what came after revision ${shown}, up to ${compact_revision}: list again and compare`);
    if (!created) return;
    const before = (this.#clusterId ??= header.cluster_id);
    this.#clusterId = header.cluster_id;
    if (header.cluster_id !== before || Number(header.revision) < shown) this.onOtherHistory();
    if (header.cluster_id !== before) throw new CompactedError('etcd is another cluster than before: list again and compare');
    if (Number(header.revision) < shown) throw new CompactedError(`etcd is at revision ${header.revision}, and revision ${shown} was seen already: it was restored from a copy. List again and compare`);
  }
}

async function opened(member: Member, signal: AbortSignal): Promise<Stream> {
  const opening = member.watchClient.watch();
  const late = new Promise<never>((_, reject) => {
    AbortSignal.any([signal, AbortSignal.timeout(OPENING_MS)]).addEventListener('abort', () => reject(new Error('no stream')));
  });
  try {
    return await Promise.race([opening, late]);
  } catch (error) {
    opening.then((stream) => endStream(stream)).catch(() => undefined);
    throw error;
  }
}

/** What a stream brings, in order. Ends with the signal, throws with the stream. */
async function* queueOf(stream: Stream, signal: AbortSignal): AsyncGenerator<IWatchResponse, void, undefined> {
  const queue: IWatchResponse[] = [];
  let failure: Error | undefined;
  let wake = (): void => undefined;
  const onAbort = (): void => wake();
  stream.on('data', (response: IWatchResponse) => {
    queue.push(response);
    wake();
  });
  stream.on('error', (error: Error) => {
    failure ??= error;
    wake();
  });
  stream.on('end', () => {
    failure ??= new Error('the stream ended');
    wake();
  });
  signal.addEventListener('abort', onAbort);
  try {
    while (!signal.aborted) {
      const next = queue.shift();
      if (next) yield next;
      else if (failure) throw failure;
      else await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** etcd never parts the events of one revision over two responses, unless it is asked to. */
function transactionsOf({ events }: IWatchResponse, rootLength: number): (readonly WatchEvent[])[] {
  const transactions: WatchEvent[][] = [];
  let revision = '';
  for (const { type, kv } of events) {
    if (kv.mod_revision !== revision) transactions.push([]);
    revision = kv.mod_revision;
    transactions.at(-1)?.push(isDelete(type) ? { type: 'delete', key: kv.key.toString().slice(rootLength), revision: Number(revision) } : { type: 'put', entry: entryOf(kv, rootLength) });
  }
  return transactions;
}

/** etcd3's types spell the enum's names in another way than its wire format. */
function isDelete(type: string): boolean {
  return type.toUpperCase() === 'DELETE';
}

function revisionOf([event]: readonly WatchEvent[]): number {
  return event === undefined ? 0 : event.type === 'put' ? event.entry.revision : event.revision;
}

function waited(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener('abort', done);
    if (signal.aborted) done();
  });
}
