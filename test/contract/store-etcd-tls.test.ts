/** An etcd that speaks TLS alone, to clients with a certificate: who has none, or does not trust it, is told what to do. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { openEtcdStore, type EtcdStoreOptions } from '../../overlay/store/etcd.js';
import { StoreError, type Store, type WatchEvent } from '../../overlay/store/store.js';
import { skipWithout } from '../support/capability.js';
import { makeCertificates } from '../support/certificates.js';
import { startEtcd } from '../support/etcd.js';
import { pollUntil } from '../support/poll-until.js';

test('TLS with certificates on both sides: all that a store does; without one, or with another authority, a refusal that says so', async (t) => {
  if (skipWithout(t, 'command:etcd', 'command:etcdctl', 'command:openssl')) return;
  const directory = mkdtempSync(join(tmpdir(), 'vipmesh-tls-'));
  const [ours, theirs] = await Promise.all(['ours', 'theirs'].map((name) => makeCertificates(mkdtempSync(join(directory, name)), 'mesh')));
  if (!ours || !theirs) return t.fail();
  const etcd = await startEtcd(1, ours);
  const open = (tls?: EtcdStoreOptions['tls']): Store => openEtcdStore({ members: etcd.members.map(({ client }) => client), cluster: 'test', ...(tls && { tls }) });
  const [ca, cert, key] = [readFileSync(ours.ca), readFileSync(ours.client.cert), readFileSync(ours.client.key)];
  try {
    const store = open({ ca, cert, key });
    const { revision } = await store.list('');
    const first = store.watch('', revision, new AbortController().signal)[Symbol.asyncIterator]().next();
    const lease = await store.lease(2);
    await store.commit([{ key: 'a', revision: 0 }], [{ put: 'a', value: 1, lease }]);
    t.like((await first).value as readonly WatchEvent[], [{ type: 'put', entry: { key: 'a', value: 1 } }]);
    await pollUntil('its latency is known', () => store.contact.latency);
    await lease.release();
    t.is(await store.get('a'), undefined);
    await store.close();

    const refused = async (refusedStore: Store, expected: RegExp): Promise<void> => {
      t.regex((await t.throwsAsync(refusedStore.get('a'), { instanceOf: StoreError }))?.message ?? '', expected);
      t.false(refusedStore.contact.reachable);
      await refusedStore.close();
    };
    await refused(open(), /does not answer: Failed to connect\. .+\(if it speaks TLS alone, give --store-ca\)/);
    await refused(open({ ca: readFileSync(theirs.ca), cert, key }), /is not who --store-ca vouches for: unable to verify the first certificate\. With --store-ca, give the certificate of the authority that etcd's own is from/);
    await refused(open({ ca }), /wants a certificate from us: .+--store-cert and --store-key/);
    await refused(open({ ca, cert: readFileSync(theirs.client.cert), key: readFileSync(theirs.client.key) }), /does not take our certificate \(.+\): give one that its --trusted-ca-file vouches for/);
  } finally {
    await etcd.stop();
    rmSync(directory, { recursive: true });
  }
});
