/** The store that a node was told to use. */
import { readFileSync } from 'node:fs';
import { openEmbeddedStore } from '../../overlay/store/embedded.js';
import { openEtcdStore } from '../../overlay/store/etcd.js';
import { StoreError, type Store } from '../../overlay/store/store.js';
import type { StoreSettings } from './settings.js';

/** @param directory of the embedded store, for a node that is alone. Throws StoreError; whether etcd answers is found out by the first question. */
export function openStore(directory: string, settings: StoreSettings | undefined): Store {
  if (settings === undefined) return openEmbeddedStore(directory);
  const { members, cluster, tls, auth } = settings;
  const files = tls && { ca: read(tls.ca), ...(tls.cert !== undefined && tls.key !== undefined && { cert: read(tls.cert), key: read(tls.key) }) };
  return openEtcdStore({ members, cluster, ...(files && { tls: files }), ...(auth && { auth }) });
}

function read(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new StoreError(`${path}, which is to show etcd who we are, cannot be read (${(error as NodeJS.ErrnoException).code ?? String(error)}): restore it, or name another with --store-ca, --store-cert, --store-key`);
  }
}
