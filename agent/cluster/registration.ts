/**
 * This node in the store: its record and its name, which stay until `node rm`, and what is there only while the agent runs and
 * reaches the store, under the node's lease. A lease that is lost is replaced by another, with all that was under it.
 *
 * A host name belongs to one node: tasks name their node by it. An id, and an address, belong to one node that is up (rivals.ts).
 */
import { timestamp, type Context } from '../../overlay/model/context.js';
import type { NodeRecord } from '../../overlay/model/object.js';
import { ALIVE, aliveKey, MIGRATION, nameKey, nodeKey, NODES, type Alive, type Owned } from '../../overlay/store/keys.js';
import type { Lease, Store } from '../../overlay/store/store.js';
import { transact } from '../../overlay/store/transaction.js';
import type { Logger } from '../log.js';
import { rivalProblem } from './rivals.js';

/** Seconds after which a node that is not heard of is gone. */
export const LEASE_SECONDS = 5;
/** Milliseconds until what failed is tried again: those who wait for us to come back do so for one lease. */
const RETRY_MS = 500;
/** The lease of an agent that was killed may go on for so long, milliseconds; with etcd's own delay in ending it. */
const LEFT_LEASE_MS = LEASE_SECONDS * 1000 + 2000;

/** What a node says of itself when it starts. */
export type OwnRecord = Omit<NodeRecord, 'availability' | 'labels' | 'createdAt'>;

/** This node cannot be one of the cluster. The message names the cause and the remedy. */
export class RegistrationError extends Error {
  override readonly name = 'RegistrationError';
  /** @param passes a node that is up is in the way: it is not when that was only what an agent left that was killed */
  constructor(
    message: string,
    readonly passes = false,
  ) {
    super(message);
  }
}

/** Registers a node that starts: waits for as long as a lease may go on of which nobody is left. Throws what register throws. */
export async function join(store: Store, own: OwnRecord, context: Pick<Context, 'clock'>, log: Pick<Logger, 'warn'>): Promise<NodeRecord> {
  const { clock } = context;
  const until = clock.now() + LEFT_LEASE_MS;
  for (let told = false; ; told = true) {
    try {
      return await register(store, own, context);
    } catch (error) {
      if (!(error instanceof RegistrationError && error.passes) || clock.now() >= until) throw error;
      if (!told) log.warn('waiting whether this is an agent that was killed', { problem: error.message });
      await new Promise<void>((resolve) => clock.after(RETRY_MS, resolve));
    }
  }
}

/**
 * Writes the node's record: a new one, or what has changed of the one that is there; what was decided about the node stays.
 * Throws RegistrationError when another node has the host name, or one that is up the id or the address, and what the store throws.
 */
export function register(store: Store, own: OwnRecord, context: Pick<Context, 'clock'>): Promise<NodeRecord> {
  return transact(store, async (transaction) => {
    if ((await transaction.get(MIGRATION)) !== undefined) throw new RegistrationError('a store is being copied into this cluster, or that was cut short: wait for it, or repeat `vipmesh store migrate`');
    const known = await transaction.get<NodeRecord>(nodeKey(own.id));
    const alive = new Set((await transaction.list(ALIVE)).map(({ key }) => key));
    const up = (await transaction.list<NodeRecord>(NODES)).map(({ value }) => value).filter(({ id }) => alive.has(aliveKey(id)));
    const problem = rivalProblem(own, up);
    if (problem !== undefined) throw new RegistrationError(problem, true);
    const holder = (await transaction.get<Owned>(nameKey('node', own.hostname)))?.owner;
    const other = holder === undefined || holder === nodeKey(own.id) ? undefined : await transaction.get<NodeRecord>(holder);
    if (other !== undefined) throw nameTaken(other, alive.has(aliveKey(other.id)));
    const record: NodeRecord = { ...own, availability: known?.availability ?? 'active', labels: known?.labels ?? {}, createdAt: known?.createdAt ?? timestamp(context) };
    if (known !== undefined && known.hostname !== own.hostname) transaction.delete(nameKey('node', known.hostname));
    if (holder !== nodeKey(own.id)) transaction.put(nameKey('node', own.hostname), { owner: nodeKey(own.id) } satisfies Owned);
    if (JSON.stringify(known) !== JSON.stringify(record)) transaction.put(nodeKey(own.id), record);
    return record;
  });
}

function nameTaken({ id, hostname, address }: NodeRecord, isAlive: boolean): RegistrationError {
  if (isAlive) return new RegistrationError(`another node of the cluster, ${id} at ${address}, is called '${hostname}' and is up: give this host another name (hostnamectl set-hostname NAME)`, true);
  return new RegistrationError(
    `another node of the cluster, ${id} at ${address}, is called '${hostname}' and is down. If it will not come back (its state directory was lost), forget it on another node: ` +
      `vipmesh node rm ${id}. If it will, give this host another name (hostnamectl set-hostname NAME)`,
  );
}

export interface PresenceOptions {
  readonly store: Store;
  /** Written again when it is gone from the store. */
  readonly own: OwnRecord;
  readonly context: Pick<Context, 'clock'>;
  readonly log: Pick<Logger, 'info' | 'warn' | 'error'>;
}

/** What is in the store while this node is up. */
export class Presence {
  /** Under the lease, by key. */
  readonly #values = new Map<string, unknown>();
  /** How often one was set. */
  #puts = 0;
  #lease: Lease | undefined;
  #renewing: Promise<void> | undefined;
  /** The revision at which all of them were written last. */
  #written = 0;
  #closed = false;
  #cancel: () => void = () => undefined;

  private constructor(private readonly options: PresenceOptions) {}

  /** This node is up from now on. Rejects with what the store rejects with. */
  static async begin(options: PresenceOptions): Promise<Presence> {
    const presence = new Presence(options);
    const alive: Alive = { since: timestamp(options.context) };
    presence.#values.set(aliveKey(options.own.id), alive);
    await presence.#renew();
    return presence;
  }

  /** Writes a key that is to be there while this node is up. Rejects with what the store rejects with; it is then written with the next lease. */
  async put(key: string, value: unknown): Promise<void> {
    if (this.#closed) return;
    this.#values.set(key, value);
    this.#puts++;
    const lease = this.#lease;
    if (lease !== undefined) await this.options.store.commit([], [{ put: key, value, lease }]);
  }

  /**
   * What a mirror of the store shows of this node: what is gone from there, though we are here, is written again.
   * @param isThere its record, and that it is up @param revision of the mirror
   */
  observe(isThere: boolean, revision: number): void {
    if (isThere || this.#closed || this.#renewing) return;
    // It may only be behind; not after the store was restored.
    if (revision < this.#written && this.options.store.committed >= this.#written) return;
    this.#again('this node is not in the store any more as one that is up');
  }

  /** The node is down from now on: at once if the store is in reach, otherwise with the lease. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel();
    await this.#renewing;
    await this.#lease?.release().catch(() => undefined);
  }

  #again(why: string): void {
    if (this.#closed || this.#renewing) return;
    this.options.log.warn(`${why}: saying so again`);
    const old = this.#lease;
    this.#lease = undefined;
    this.#renewing = (async () => {
      let removed = false;
      for (let told = ''; !this.#closed; ) {
        try {
          removed ||= (await this.options.store.get(nodeKey(this.options.own.id))) === undefined;
          await register(this.options.store, this.options.own, this.options.context);
          await this.#renew();
          this.options.log.info('this node is up again in the store');
          if (removed) this.options.log.warn('this node had been removed from the cluster (vipmesh node rm): it is active again, without the labels that it had, and tasks that it had are ended');
          // Nothing is under it any more.
          await old?.release().catch(() => undefined);
          return;
        } catch (error) {
          if (String(error) !== told) this.options.log[error instanceof RegistrationError ? 'error' : 'warn']('this node cannot be written to the store, trying again', { problem: error instanceof Error ? error.message : String(error) });
          told = String(error);
          await new Promise<void>((resolve) => {
            const cancel = this.options.context.clock.after(RETRY_MS, resolve);
            this.#cancel = () => {
              cancel();
              resolve();
            };
          });
        }
      }
    })().finally(() => (this.#renewing = undefined));
  }

  async #renew(): Promise<void> {
    const { store } = this.options;
    const lease = await store.lease(LEASE_SECONDS);
    let puts: number;
    try {
      // What is put meanwhile finds no lease to be written with.
      do {
        puts = this.#puts;
        this.#written = (await store.commit([], [...this.#values].map(([put, value]) => ({ put, value, lease })))) ?? 0;
      } while (puts !== this.#puts);
    } catch (error) {
      void lease.release().catch(() => undefined);
      throw error;
    }
    this.#lease = lease;
    lease.lost.addEventListener('abort', () => {
      if (this.#lease === lease) this.#again((lease.lost.reason as Error).message);
    });
  }
}
