/**
 * Who places tasks: the one node that has the key `leader`, created if absent under a lease of its own. When the leader ends in order
 * the key goes at once, otherwise with the lease; whoever is up then tries to have it.
 *
 * A leader that was cut off may not know yet that another was elected: what it writes through `store` compares the very key that it
 * was elected with, and is refused.
 */
import { timestamp, type Context } from '../../overlay/model/context.js';
import { FencedStore } from '../../overlay/store/fenced.js';
import { LEADER, type Leader } from '../../overlay/store/keys.js';
import type { Entry, Lease, Store } from '../../overlay/store/store.js';
import type { Logger } from '../log.js';
import { LEASE_SECONDS } from './registration.js';

/** Milliseconds until the next try to be elected, when the store was out of reach. */
const RETRY_MS = 1000;

export interface LeadershipOptions {
  readonly store: Store;
  readonly nodeId: string;
  readonly context: Pick<Context, 'clock'>;
  readonly log: Pick<Logger, 'info' | 'warn' | 'debug'>;
  /** This node was elected, or is no longer. */
  readonly onChange: () => void;
}

interface Term {
  /** The mirror has shown it. */
  shown: boolean;
  readonly lease: Lease;
  readonly revision: number;
  readonly store: Store;
}

export class Leadership {
  #term: Term | undefined;
  /** What the store showed last. */
  #seen: Entry<Leader> | undefined;
  #campaign: Promise<void> | undefined;
  #cancelRetry: () => void = () => undefined;
  #closed = false;

  constructor(private readonly options: LeadershipOptions) {}

  /** To write with, as long as this node is the leader; undefined: it is not. */
  get store(): Store | undefined {
    return this.#term?.store;
  }

  /** What the mirror shows of the key `leader`; called after every change. */
  observe(leader: Entry<Leader> | undefined): void {
    this.#seen = leader;
    if (this.#term === undefined) {
      if (leader === undefined) this.#run();
    } else if (leader?.revision === this.#term.revision) this.#term.shown = true;
    // Before that the mirror may only be behind.
    else if (this.#term.shown || (leader !== undefined && leader.revision > this.#term.revision)) this.#depose('the store says so');
  }

  /** Leads no more; another node is elected at once if the store is in reach, otherwise when the lease has ended. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelRetry();
    await this.#campaign;
    const term = this.#term;
    this.#term = undefined;
    await term?.lease.release().catch(() => undefined);
  }

  #run(): void {
    if (this.#closed || this.#campaign) return;
    this.#cancelRetry();
    this.#campaign = this.#stand()
      .catch((error: unknown) => error)
      .then((failure) => {
        this.#campaign = undefined;
        if (failure === undefined) return;
        this.options.log.debug('no election, trying again', { err: failure });
        this.#later();
      });
  }

  async #stand(): Promise<void> {
    const { store, nodeId, context, log, onChange } = this.options;
    const lease = await store.lease(LEASE_SECONDS);
    let revision: number | undefined;
    try {
      const value: Leader = { node: nodeId, since: timestamp(context) };
      revision = await store.commit([{ key: LEADER, revision: 0 }], [{ put: LEADER, value, lease }]);
    } finally {
      if (revision === undefined) void lease.release().catch(() => undefined);
    }
    if (revision === undefined) return;
    this.#term = { shown: false, lease, revision, store: new FencedStore(store, { key: LEADER, revision }) };
    lease.lost.addEventListener('abort', () => {
      if (this.#term?.lease === lease) this.#depose((lease.lost.reason as Error).message);
    });
    log.info('this node is the leader: it places tasks');
    onChange();
  }

  #depose(why: string): void {
    const term = this.#term;
    this.#term = undefined;
    void term?.lease.release().catch(() => undefined);
    this.options.log.warn('this node is not the leader any more', { why });
    this.options.onChange();
    // Otherwise it is the mirror's to say when nobody leads.
    if (this.#seen === undefined) this.#later();
  }

  #later(): void {
    this.#cancelRetry();
    this.#cancelRetry = this.options.context.clock.after(RETRY_MS, () => {
      if (this.#seen === undefined && this.#term === undefined) this.#run();
    });
  }
}
