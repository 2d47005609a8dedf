/**
 * The nodes of the cluster as this agent sees them: keeps overlay/peer/membership current with what the mirror shows and how the store
 * answers, and tells when somebody counts as down without anything having changed.
 */
import { Membership } from '../../overlay/peer/membership.js';
import type { PlacementNode } from '../../overlay/service/placement.js';
import type { Store } from '../../overlay/store/store.js';
import type { Clock } from '../../proxy/time/clock.js';
import type { Mirror } from '../reconcile/mirror.js';
import { LEASE_SECONDS } from './registration.js';

/** Milliseconds between looks at a store that is out of reach. */
const LOOK_MS = 1000;

export interface MembersOptions {
  readonly own: string;
  readonly mirror: Pick<Mirror, 'nodes' | 'networks' | 'alive' | 'listings'>;
  readonly store: Pick<Store, 'contact'>;
  readonly clock: Clock;
  /** Somebody counts as up, or as down, who did not before. */
  readonly onChange: () => void;
}

export class Members {
  readonly #membership: Membership;
  #up = '';
  #cancel: () => void = () => undefined;
  #closed = false;

  constructor(private readonly options: MembersOptions) {
    this.#membership = new Membership(options.own, options.clock, LEASE_SECONDS * 1000);
  }

  /** To be called after every change of the mirror. */
  observe(): void {
    if (this.#closed) return;
    const { mirror, store, clock, onChange } = this.options;
    const { reachable, since } = store.contact;
    this.#membership.observe({ nodes: mirror.nodes, alive: mirror.alive, listings: mirror.listings, inReachFor: reachable ? (since === 0 ? Infinity : performance.now() - since) : undefined });
    const up = [...mirror.nodes.keys()].filter((id) => this.#membership.isUp(id)).join();
    const changed = up !== this.#up;
    this.#up = up;
    const next = this.#membership.nextChange();
    this.#cancel();
    const wait = Math.min(next === undefined ? Infinity : Math.max(0, next - clock.now()), reachable ? Infinity : LOOK_MS);
    if (wait !== Infinity) this.#cancel = clock.after(wait, () => this.observe());
    if (changed) onChange();
  }

  isUp(nodeId: string): boolean {
    return this.#membership.isUp(nodeId);
  }

  /** Milliseconds since the epoch. Undefined: it is up, or no node. */
  downSince(nodeId: string): number | undefined {
    return this.#membership.downSince(nodeId);
  }

  /** Host names of the nodes that are up: tasks name their node by that. */
  upNames(): ReadonlySet<string> {
    return new Set([...this.options.mirror.nodes.values()].filter(({ id }) => this.isUp(id)).map(({ hostname }) => hostname));
  }

  /** As tasks are placed on them. */
  placementNodes(): PlacementNode[] {
    const now = this.options.clock.wall();
    const { nodes, networks } = this.options.mirror;
    const encrypted = [...networks.values()].flatMap(({ id, spec }) => (spec.encrypted === true ? [id, spec.name] : []));
    return [...nodes.values()].map(({ id, hostname, labels, mode, availability, vxlan }) => {
      const downSince = this.downSince(id);
      // A clock that was set back must not lengthen the grace.
      return { id, hostname, labels, mode, availability, up: downSince === undefined, ...(vxlan === 'userspace' && encrypted.length > 0 && { without: encrypted }), ...(downSince !== undefined && { downSince: Math.min(downSince, now) }) };
    });
  }

  close(): void {
    this.#closed = true;
    this.#cancel();
  }
}
