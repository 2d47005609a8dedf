/**
 * Looking at a store that may be out of reach: what the mirror had then is better than nothing, as long as whoever asks is told how
 * old it is (`ageOf`). What is to be changed is refused by the store itself.
 */
import { ALIVE, APPLIED, ATTACHED, NETWORKS, NODES, SERVICES, TASKS } from '../../overlay/store/keys.js';
import type { Contact, Entry, Store } from '../../overlay/store/store.js';
import { StoreError } from '../../overlay/store/store.js';
import type { Clock } from '../../proxy/time/clock.js';
import type { StoreInfo } from '../control.js';
import type { Mirror } from '../reconcile/mirror.js';

type Reads = Pick<Store, 'list'>;
type Shown = Pick<Mirror, 'networks' | 'services' | 'tasks' | 'nodes' | 'alive' | 'applied' | 'attached' | 'revision'>;

/** The store as long as it answers, the mirror as long as it does not. Rejects as the store does where the mirror has nothing. */
export function readsOf(store: Pick<Store, 'list' | 'contact'>, mirror: Shown): Reads {
  return {
    async list<T>(prefix: string) {
      const known = mapOf(mirror, prefix);
      if (known === undefined || store.contact.reachable) {
        try {
          return await store.list<T>(prefix);
        } catch (error) {
          if (known === undefined || !(error instanceof StoreError) || store.contact.reachable) throw error;
        }
      }
      const { revision } = mirror;
      const entries = [...known].map(([id, value]): Entry<T> => ({ key: prefix + id, value: value as T, revision }));
      return { entries: entries.sort((a, b) => (a.key < b.key ? -1 : 1)), revision };
    },
  };
}

function mapOf(mirror: Shown, prefix: string): ReadonlyMap<string, unknown> | undefined {
  const maps: Readonly<Record<string, ReadonlyMap<string, unknown>>> = {
    [NETWORKS]: mirror.networks,
    [SERVICES]: mirror.services,
    [TASKS]: mirror.tasks,
    [NODES]: mirror.nodes,
    [ALIVE]: mirror.alive,
    [APPLIED]: mirror.applied,
    [ATTACHED]: mirror.attached,
  };
  return maps[prefix];
}

/** How old what is looked at is, in milliseconds; undefined: it is what the store has. */
export function ageOf({ reachable, since }: Contact): number | undefined {
  return reachable ? undefined : performance.now() - since;
}

/** What is known of the store, in times that can be shown. */
export function storeInfo(which: Pick<StoreInfo, 'kind' | 'cluster' | 'members'>, contact: Contact, clock: Pick<Clock, 'wall'>): StoreInfo {
  const age = ageOf(contact);
  return {
    ...which,
    reachable: contact.reachable,
    ...(contact.latency !== undefined && { latency: Math.round(contact.latency * 10) / 10 }),
    ...(age !== undefined && { unreachableSince: new Date(clock.wall() - age).toISOString() }),
    ...(contact.problem !== undefined && { problem: contact.problem }),
  };
}
