/**
 * Which nodes are up, from what the store shows of them (store/keys.ts: alive/<id> under each node's lease) and how well we hear of
 * the store ourselves. Pure: whoever keeps a mirror of the store tells what it shows.
 *
 * A node whose key goes while we look on is down at once. A key that went while we did not (the store was out of reach for us until
 * shortly before, was listed anew, or restored from a copy) may be of a node that lost the store as we did and has not come back
 * yet: it counts as up for as long as a lease lasts. As long as we do not hear of the store nobody goes down.
 */
import type { Clock } from '../../proxy/time/clock.js';

/** What a mirror of the store shows. */
export interface Observation {
  /** By id. */
  readonly nodes: ReadonlyMap<string, unknown>;
  readonly alive: ReadonlyMap<string, unknown>;
  /** How often everything was listed anew. */
  readonly listings: number;
  /** For how many milliseconds the store has been in reach without a break; Infinity: always; undefined: it is out of reach. */
  readonly inReachFor: number | undefined;
}

type Standing =
  | { readonly is: 'up' }
  /** Its key is gone, and may come back. `until` in milliseconds of the clock. */
  | { readonly is: 'held'; readonly until: number }
  /** Milliseconds since the epoch. */
  | { readonly is: 'down'; readonly since: number };

const UP: Standing = { is: 'up' };

export class Membership {
  #standings = new Map<string, Standing>();
  #listings = 0;

  /** @param own id of this node, which is up as far as it is concerned @param leaseMs for how long a lease lasts, milliseconds */
  constructor(
    private readonly own: string,
    private readonly clock: Clock,
    private readonly leaseMs: number,
  ) {}

  /** To be called after every change of what is observed, and at `nextChange`. */
  observe(now: Observation): void {
    const sawItGo = now.listings === this.#listings && now.inReachFor !== undefined && now.inReachFor >= this.leaseMs;
    this.#listings = now.listings;
    const standings = new Map<string, Standing>();
    for (const id of now.nodes.keys()) {
      const isThere = now.alive.has(id) || id === this.own;
      standings.set(id, isThere ? UP : this.#absent(this.#standings.get(id), sawItGo, now.inReachFor));
    }
    this.#standings = standings;
  }

  isUp(nodeId: string): boolean {
    const standing = this.#standings.get(nodeId);
    return standing !== undefined && standing.is !== 'down';
  }

  /** Milliseconds since the epoch, as far as this node knows. Undefined: it is up, or no node. */
  downSince(nodeId: string): number | undefined {
    const standing = this.#standings.get(nodeId);
    return standing?.is === 'down' ? standing.since : undefined;
  }

  /** When to observe again even if nothing changes, in milliseconds of the clock. */
  nextChange(): number | undefined {
    const times = [...this.#standings.values()].flatMap((standing) => (standing.is === 'held' && standing.until !== Infinity ? [standing.until] : []));
    return times.length === 0 ? undefined : Math.min(...times);
  }

  #absent(before: Standing | undefined, sawItGo: boolean, inReachFor: number | undefined): Standing {
    // Of a node that was never seen up nothing is lost.
    if (before === undefined) return { is: 'down', since: this.clock.wall() };
    if (before.is === 'down') return before;
    if (before.is === 'up' && sawItGo) return { is: 'down', since: this.clock.wall() };
    if (inReachFor === undefined) return { is: 'held', until: Infinity };
    const until = before.is === 'held' && before.until !== Infinity ? before.until : this.clock.now() + this.leaseMs;
    return until <= this.clock.now() ? { is: 'down', since: this.clock.wall() } : { is: 'held', until };
  }
}
