/** A lease whose renewal hangs: it is lost in time all the same. */
import { once } from 'node:events';
import test from 'ava';
import { EtcdLease } from '../../../../overlay/store/etcd-lease.js';
import type { EtcdMembers } from '../../../../overlay/store/etcd-client.js';

test('a lease is lost when no member so much as opens a stream', async (t) => {
  const failures: string[] = [];
  const members = {
    ask: () => Promise.resolve({ ID: '7', TTL: '1' }),
    member: () => ({ member: { leaseClient: { leaseKeepAlive: () => new Promise(() => undefined) } }, index: 0 }),
    failed: (_: number, error: Error) => failures.push(error.message),
    answered: () => undefined,
  } as unknown as EtcdMembers;
  const lease = await EtcdLease.grant(members, 1);
  // The lease's own timers keep no process alive.
  const alive = setInterval(() => undefined, 1000);
  t.teardown(() => clearInterval(alive));
  await once(lease.lost, 'abort');
  t.regex((lease.lost.reason as Error).message, /etcd was not heard of for 1 s/);
  t.deepEqual(failures, ['no answer']);
});
