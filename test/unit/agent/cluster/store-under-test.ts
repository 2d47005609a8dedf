/** A store of the embedded kind whose leases can be lost, and which can be out of reach: for tests of what a node does then. */
import type { ExecutionContext } from 'ava';
import type { Lease, Store, Write } from '../../../../overlay/store/store.js';
import { StoreError } from '../../../../overlay/store/store.js';
import { emptyStore } from '../../overlay/fixtures.js';

export interface FragileStore extends Store {
  /** Every question and every commit fails while it is set. */
  outOfReach: boolean;
  /** Ends every lease as a store does that has not heard of us: their keys go, and whoever has them is told. */
  loseLeases(): Promise<void>;
  /** Of those that were had and neither released nor lost. */
  readonly leases: number;
}

export function fragileStore(t: ExecutionContext): FragileStore {
  const inner = emptyStore(t);
  const held = new Map<Lease, AbortController>();
  const assertInReach = (): void => {
    if (fragile.outOfReach) throw new StoreError('nobody answers');
  };
  const fragile: FragileStore = {
    outOfReach: false,
    get committed() {
      return inner.committed;
    },
    get contact() {
      return { reachable: !fragile.outOfReach, since: 0 };
    },
    get leases() {
      return held.size;
    },
    get: async (key) => (assertInReach(), inner.get(key)),
    list: async (prefix) => (assertInReach(), inner.list(prefix)),
    commit: async (compares, writes) => (assertInReach(), inner.commit(compares, writes.map((write): Write => write))),
    watch: (prefix, revision, signal) => inner.watch(prefix, revision, signal),
    async lease(seconds) {
      assertInReach();
      const lease = await inner.lease(seconds);
      const lost = new AbortController();
      const shown: Lease = {
        id: lease.id,
        lost: lost.signal,
        release: async () => {
          assertInReach();
          held.delete(shown);
          await lease.release();
        },
      };
      held.set(shown, lost);
      return shown;
    },
    async loseLeases() {
      for (const [lease, lost] of [...held]) {
        held.delete(lease);
        const keys = (await inner.list('')).entries.filter(({ key }) => /^(alive|applied)\/|^leader$/.test(key));
        await inner.commit([], keys.map(({ key }) => ({ delete: key })));
        lost.abort(new StoreError('the store has ended the lease'));
      }
    },
    close: () => inner.close(),
  };
  return fragile;
}
