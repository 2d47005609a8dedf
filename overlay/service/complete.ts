/**
 * Completes services that an earlier version stored: what specs have been given since is filled in with its default, once,
 * so that everything else reads whole specs. What was stored already is not judged again.
 */
import { isDeepStrictEqual } from 'node:util';
import { DEFAULT_BALANCING } from '../model/balancing.js';
import type { ServiceObject } from '../model/object.js';
import type { ServiceSpec } from '../model/spec.js';
import { DEFAULT_DEPLOYMENT } from '../model/updates.js';
import { SERVICES, serviceKey } from '../store/keys.js';
import type { Store } from '../store/store.js';
import { transact } from '../store/transaction.js';

/** What was not there at first. */
const GIVEN_SINCE = { balancing: DEFAULT_BALANCING, ...DEFAULT_DEPLOYMENT };

type Since = keyof typeof GIVEN_SINCE;
type StoredService = Omit<ServiceObject, 'spec'> & { readonly spec: Omit<ServiceSpec, Since> & Partial<Pick<ServiceSpec, Since>> };

/** A service that is whole is not written. */
export async function completeServices(store: Store): Promise<void> {
  for (const { value } of (await store.list<StoredService>(SERVICES)).entries) {
    if (isDeepStrictEqual(completed(value), value)) continue;
    await transact(store, async (transaction) => {
      const service = await transaction.get<StoredService>(serviceKey(value.id));
      if (service) transaction.put(serviceKey(value.id), completed(service));
    });
  }
}

function completed(service: StoredService): ServiceObject {
  return { ...service, spec: { ...GIVEN_SINCE, ...service.spec } };
}
