/** A key-value pair as etcd has it, as the store shows it. */
import type { IKeyValue } from './etcd-client.js';
import type { Entry } from './store.js';
import { StoreError } from './store.js';

/** `rootLength`: how much of the key is not the store's. Throws StoreError: the value is not JSON. */
export function entryOf<T>({ key, value, mod_revision }: IKeyValue, rootLength: number): Entry<T> {
  const text = key.toString().slice(rootLength);
  try {
    return { key: text, value: JSON.parse(value.toString()) as T, revision: Number(mod_revision) };
  } catch {
    throw new StoreError(`the value of ${key.toString()} in etcd is not JSON: somebody else wrote there. Remove it (etcdctl del), or choose another --cluster`);
  }
}
