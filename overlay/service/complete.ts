/**
 * Completes services that an earlier version stored: what specs have been given since is filled in with its default, once,
 * so that everything else reads whole specs. What was stored already is not judged again.
 */
import { DEFAULT_BALANCING } from '../model/balancing.js';
import type { ServiceObject } from '../model/object.js';
import type { ServiceSpec } from '../model/spec.js';
import { SERVICES, serviceKey } from '../store/keys.js';
import type { Store } from '../store/store.js';
import { transact } from '../store/transaction.js';

/** At first there was no `balancing`. */
type StoredService = Omit<ServiceObject, 'spec'> & { readonly spec: Omit<ServiceSpec, 'balancing'> & Partial<Pick<ServiceSpec, 'balancing'>> };

/** A service that is whole is not written. */
export async function completeServices(store: Store): Promise<void> {
  for (const { value } of (await store.list<StoredService>(SERVICES)).entries) {
    if (value.spec.balancing !== undefined) continue;
    await transact(store, async (transaction) => {
      const service = await transaction.get<StoredService>(serviceKey(value.id));
      if (service) transaction.put(serviceKey(value.id), { ...service, spec: { balancing: DEFAULT_BALANCING, ...service.spec } });
    });
  }
}
