/**
 * The store of a single machine: LMDB, a memory-mapped B-tree with durable transactions (http://www.lmdb.tech/doc/). The
 * only file that imports lmdb.
 *
 * A commit is acknowledged after its fsync, so it survives kill -9 and a power cut. Commits asked for in one turn of the
 * event loop share one LMDB transaction and one fsync, which this thread waits for. LMDB's binding does not survive a write
 * that fails for want of space, so the space is looked at beforehand. One process writes: that no second agent opens the same directory is the agent's
 * lock's affair; watches see what this process commits.
 *
 * On disk: database `entries`, key → `<revision> <JSON>`; database `leased`, key → id of its lease, for those that have one; database
 * `meta`, with `format` and the last `revision`.
 */
import { accessSync, constants, existsSync, mkdirSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import type { Database, RootDatabase } from 'lmdb';
import { open } from 'lmdb';
import { checkDataFile } from './embedded-file.js';
import { History } from './history.js';
import type { Compare, Contact, Entry, Lease, Store, WatchEvent, Write } from './store.js';
import { StoreError } from './store.js';
import { endOfPrefix, keyBytes, prepareWrites, type PreparedWrite } from './writes.js';

const FORMAT = 1;
const DATA_FILE = 'data.mdb';
const DEFAULT_HISTORY = 1000;
/** Left free on the disk: several times what a large batch rewrites of the tree. */
const RESERVE_BYTES = 1 << 20;

export interface EmbeddedOptions {
  /** Transactions that a watch can start from the past of; at least 1. */
  readonly history?: number;
  /** Free bytes of the disk that holds the directory; absent: asked of the system. */
  readonly freeBytes?: (directory: string) => number;
}

/** Opens the store in `directory`, which is made when absent. Throws StoreError with the cause and the remedy. */
export function openEmbeddedStore(directory: string, options: EmbeddedOptions = {}): Store {
  prepareDirectory(directory);
  try {
    const root = open<string, Uint8Array>({ path: directory, noSubdir: false, maxDbs: 3, overlappingSync: false, encoding: 'string', keyEncoding: 'binary' });
    const entries = root.openDB<string, Uint8Array>({ name: 'entries', encoding: 'string', keyEncoding: 'binary' });
    const leased = root.openDB<string, Uint8Array>({ name: 'leased', encoding: 'string', keyEncoding: 'binary' });
    const meta = root.openDB<number, string>({ name: 'meta', encoding: 'json' });
    const format = meta.get('format') ?? FORMAT;
    if (format !== FORMAT) throw new StoreError(`the store in ${directory} has format ${format}, and this version reads format ${FORMAT}: use the version that wrote it`);
    return new EmbeddedStore(directory, root, entries, leased, meta, options);
  } catch (error) {
    if (error instanceof StoreError) throw error;
    throw new StoreError(`the store in ${directory} cannot be opened: ${messageOf(error)}. If its files are damaged, restore them from a copy, or move them away to start empty`);
  }
}

/** The checks that LMDB's binding does not survive failing, made beforehand. */
function prepareDirectory(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    accessSync(directory, constants.R_OK | constants.W_OK | constants.X_OK);
    for (const file of [DATA_FILE, 'lock.mdb']) {
      if (existsSync(join(directory, file))) accessSync(join(directory, file), constants.R_OK | constants.W_OK);
    }
  } catch (error) {
    throw new StoreError(`the store's directory ${directory} is not usable: ${messageOf(error)}. Make it a directory that the agent's user may write to, or choose another state directory`);
  }
  checkDataFile(join(directory, DATA_FILE));
}

interface PendingCommit {
  readonly compares: readonly { readonly bytes: Uint8Array; readonly revision: number }[];
  readonly writes: readonly PreparedWrite[];
  readonly resolve: (revision: number | undefined) => void;
  readonly reject: (error: Error) => void;
}

/** `events` is empty when nothing changed; `revision` undefined when a compare did not hold. */
interface Applied {
  readonly revision: number | undefined;
  readonly events: readonly WatchEvent[];
}

class EmbeddedStore implements Store {
  readonly #history: History;
  readonly #freeBytes: (directory: string) => number;
  #pending: PendingCommit[] = [];
  /** That were had of this process. */
  #leases = 0;
  #closing: Promise<void> | undefined;

  constructor(
    private readonly directory: string,
    private readonly root: RootDatabase<string, Uint8Array>,
    private readonly entries: Database<string, Uint8Array>,
    private readonly leased: Database<string, Uint8Array>,
    private readonly meta: Database<number, string>,
    options: EmbeddedOptions,
  ) {
    this.#history = new History(meta.get('revision') ?? 0, options.history ?? DEFAULT_HISTORY);
    this.#freeBytes = options.freeBytes ?? freeBytesOf;
    // Whoever had leases is gone: only one process at a time has this directory.
    const left = this.#leasedKeys();
    if (left.length > 0) root.transactionSync(() => this.#apply({ compares: [], writes: prepareWrites(left.map((key) => ({ delete: key }))) }));
  }

  get contact(): Contact {
    return { reachable: true, since: 0 };
  }

  get committed(): number {
    return this.#history.revision;
  }

  // The methods are async so that an error is a rejection, as it will be with a store across a network.
  // eslint-disable-next-line @typescript-eslint/require-await
  async get<T>(key: string): Promise<Entry<T> | undefined> {
    this.#assertOpen();
    const stored = this.#reading(() => this.entries.get(keyBytes(key)));
    return stored === undefined ? undefined : parseStored<T>(key, stored);
  }

  // eslint-disable-next-line @typescript-eslint/require-await
  async list<T>(prefix: string): Promise<{ entries: Entry<T>[]; revision: number }> {
    this.#assertOpen();
    return this.#reading(() => {
      const transaction = this.root.useReadTransaction();
      try {
        const found: Entry<T>[] = [];
        for (const { key, value } of this.entries.getRange({ ...rangeOf(prefix), transaction })) {
          const text = Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString();
          found.push(parseStored<T>(text, value));
        }
        return { entries: found, revision: this.meta.get('revision', { transaction }) ?? 0 };
      } finally {
        transaction.done();
      }
    });
  }

  async commit(compares: readonly Compare[], writes: readonly Write[]): Promise<number | undefined> {
    this.#assertOpen();
    const prepared = { compares: compares.map(({ key, revision }) => ({ bytes: keyBytes(key), revision })), writes: prepareWrites(writes) };
    return new Promise((resolve, reject) => {
      if (this.#pending.push({ ...prepared, resolve, reject }) === 1) setImmediate(() => this.#flush());
    });
  }

  watch(prefix: string, revision: number, signal: AbortSignal): AsyncIterable<readonly WatchEvent[]> {
    this.#assertOpen();
    return this.#history.watch(prefix, revision, signal);
  }

  // eslint-disable-next-line @typescript-eslint/require-await
  async lease(): Promise<Lease> {
    this.#assertOpen();
    const id = String(++this.#leases);
    let releasing: Promise<void> | undefined;
    const release = async (): Promise<void> => void (await this.commit([], this.#leasedKeys(id).map((key) => ({ delete: key }))));
    return { id, lost: new AbortController().signal, release: () => (releasing ??= release()) };
  }

  /** Of one lease, or of all. */
  #leasedKeys(lease?: string): string[] {
    const keys: string[] = [];
    for (const { key, value } of this.leased.getRange()) if (lease === undefined || value === lease) keys.push(Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString());
    return keys;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#flush();
    this.#history.end();
    await this.root.close();
  }

  /** Commits what is pending, all in one LMDB transaction: when that fails, nothing of it is written. */
  #flush(): void {
    const batch = this.#pending;
    this.#pending = [];
    if (batch.length === 0) return;
    let applied: Applied[];
    try {
      this.#assertSpace(batch);
      applied = this.root.transactionSync(() => batch.map((commit) => this.#apply(commit)));
    } catch (error) {
      const failure = new StoreError(`the store in ${this.directory} could not be written: ${messageOf(error)}. Nothing was changed; make room or repair the disk, and try again`);
      for (const { reject } of batch) reject(failure);
      return;
    }
    applied.forEach(({ revision, events }, index) => {
      if (events.length > 0) this.#history.append(events);
      batch[index]?.resolve(revision);
    });
  }

  #assertSpace(batch: readonly PendingCommit[]): void {
    let needed = RESERVE_BYTES;
    for (const { writes } of batch) for (const { bytes, json } of writes) needed += 4 * (bytes.length + (json?.length ?? 0));
    const free = this.#freeBytes(this.directory);
    if (free < needed) throw new Error(`its disk has only ${Math.floor(free / 1024)} KiB free, ${Math.ceil(needed / 1024)} are needed`);
  }

  /** One commit, inside the LMDB transaction of its batch: sees the commits before it. */
  #apply({ compares, writes }: Pick<PendingCommit, 'compares' | 'writes'>): Applied {
    for (const { bytes, revision } of compares) if (revisionOf(this.entries.get(bytes)) !== revision) return { revision: undefined, events: [] };
    const last = this.meta.get('revision') ?? 0;
    const effective = writes.filter(({ bytes, json }) => json !== undefined || this.entries.doesExist(bytes));
    if (effective.length === 0) return { revision: last, events: [] };
    const revision = last + 1;
    const events = effective.map(({ key, bytes, json, lease }): WatchEvent => {
      if (lease !== undefined) this.leased.putSync(bytes, lease);
      else if (this.leased.doesExist(bytes)) this.leased.removeSync(bytes);
      if (json === undefined) {
        this.entries.removeSync(bytes);
        return { type: 'delete', key, revision };
      }
      this.entries.putSync(bytes, `${revision} ${json}`);
      return { type: 'put', entry: { key, value: JSON.parse(json) as unknown, revision } };
    });
    if (last === 0) this.meta.putSync('format', FORMAT);
    this.meta.putSync('revision', revision);
    return { revision, events };
  }

  #reading<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      if (error instanceof TypeError) throw error;
      throw new StoreError(`the store in ${this.directory} could not be read: ${messageOf(error)}. If its files are damaged, restore them from a copy`);
    }
  }

  #assertOpen(): void {
    if (this.#closing) throw new StoreError('the store is closed');
  }
}

/** Every key that begins with `prefix`. */
function rangeOf(prefix: string): { start?: Uint8Array; end?: Uint8Array } {
  if (prefix === '') return {};
  const start = keyBytes(prefix);
  return { start, end: endOfPrefix(start) };
}

function revisionOf(stored: string | undefined): number {
  return stored === undefined ? 0 : Number(stored.slice(0, stored.indexOf(' ')));
}

function parseStored<T>(key: string, stored: string): Entry<T> {
  return { key, value: JSON.parse(stored.slice(stored.indexOf(' ') + 1)) as T, revision: revisionOf(stored) };
}

function freeBytesOf(directory: string): number {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
