/** What becomes of an etcd store when members of etcd die, come back, or have another past. Each test has an etcd of its own. */
import { connect, createServer, type AddressInfo } from 'node:net';
import test from 'ava';
import { openEtcdStore } from '../../overlay/store/etcd.js';
import { CompactedError, StoreError, type Store, type WatchEvent } from '../../overlay/store/store.js';
import { skipWithout } from '../support/capability.js';
import { startEtcd, type Etcd } from '../support/etcd.js';
import { pollUntil } from '../support/poll-until.js';

const NEEDS = ['command:etcd', 'command:etcdctl'] as const;

const open = (etcd: Etcd): Store => openEtcdStore({ members: etcd.members.map(({ client }) => client), cluster: 'test' });

/** Follows a store from now on; `seen` grows. */
async function follow(store: Store): Promise<{ seen: (readonly WatchEvent[])[]; end: AbortController; ended: Promise<unknown> }> {
  const seen: (readonly WatchEvent[])[] = [];
  const end = new AbortController();
  const { revision } = await store.list('');
  const ended = (async () => {
    for await (const events of store.watch('', revision, end.signal)) seen.push(events);
  })().then(
    () => undefined,
    (error: unknown) => error,
  );
  return { seen, end, ended };
}

const valueOf = ([event]: readonly WatchEvent[]): unknown => (event?.type === 'put' ? event.entry.value : undefined);

test.serial('each of three members is killed in turn: no commit is lost or done twice, and a watch sees each once', async (t) => {
  if (skipWithout(t, ...NEEDS)) return;
  const etcd = await startEtcd(3);
  const store = open(etcd);
  try {
    const { seen, end, ended } = await follow(store);
    let stopping = false;
    let count = 0;
    const committing = (async () => {
      for (let expected = 0; !stopping; count++) {
        const revision = await store.commit([{ key: 'n', revision: expected }], [{ put: 'n', value: count }]);
        if (revision === undefined) throw new Error(`commit ${count} was refused: it, or the one before, was done twice`);
        expected = revision;
      }
    })();
    for (const member of etcd.members) {
      const before = count;
      await pollUntil('commits go on', () => count > before + 20);
      await member.kill();
      const then = count;
      await pollUntil('and without a member', () => count > then + 20);
      member.start();
      await pollUntil('it is back', async () => (await etcd.ctl('endpoint', 'health').then(() => true, () => false)) || undefined);
    }
    stopping = true;
    await committing;
    await pollUntil('the watch has seen all', () => seen.length >= count);
    t.deepEqual(seen.map(valueOf), Array.from({ length: count }, (_, i) => i));
    end.abort();
    t.is(await ended, undefined);
  } finally {
    await store.close();
    await etcd.stop();
  }
});

test.serial('without any member questions fail with the cause and the remedy, a watch waits, and goes on when they are back', async (t) => {
  if (skipWithout(t, ...NEEDS)) return;
  const etcd = await startEtcd(1);
  const store = open(etcd);
  try {
    await store.commit([], [{ put: 'a', value: 1 }]);
    const { seen, end, ended } = await follow(store);
    await etcd.members[0]?.kill();
    const error = await t.throwsAsync(store.get('a'), { instanceOf: StoreError });
    t.regex(error?.message ?? '', /^etcd at 127\.0\.0\.1:\d+ does not answer: .+ Look whether it runs \(etcdctl endpoint health\) and whether --store names it/);
    await t.throwsAsync(store.commit([], [{ put: 'a', value: 2 }]), { instanceOf: StoreError });
    etcd.members[0]?.start();
    await pollUntil('it answers', async () => (await store.get('a'))?.value === 1);
    await store.commit([], [{ put: 'a', value: 3 }]);
    await pollUntil('the watch goes on', () => seen.length > 0);
    t.deepEqual(seen.map(valueOf), [3]);
    end.abort();
    await ended;
  } finally {
    await store.close();
    await etcd.stop();
  }
});

test.serial('a store that was restored from an older copy ends its watches: list again and compare', async (t) => {
  if (skipWithout(t, ...NEEDS)) return;
  const etcd = await startEtcd(1);
  const store = open(etcd);
  try {
    await store.commit([], [{ put: 'a', value: 1 }]);
    const copy = await etcd.save();
    for (let i = 2; i < 10; i++) await store.commit([], [{ put: 'a', value: i }]);
    const { ended } = await follow(store);
    await etcd.restore(copy);
    t.true((await ended) instanceof CompactedError);
    t.is((await store.get('a'))?.value, 1);
  } finally {
    await store.close();
    await etcd.stop();
  }
});

test.serial('a store with another past ends its watches, though its revisions have gone on: list again and compare', async (t) => {
  if (skipWithout(t, ...NEEDS)) return;
  const [etcd, other] = await Promise.all([startEtcd(1), startEtcd(1)]);
  const [store, elsewhere] = [open(etcd), open(other)];
  try {
    const { seen, ended } = await follow(store);
    await store.commit([], [{ put: 'a', value: 1 }]);
    await pollUntil('it was seen', () => seen.length > 0);
    for (let i = 0; i < 50; i++) await elsewhere.commit([], [{ put: 'b', value: i }]);
    await etcd.restore(await other.save());
    t.true((await ended) instanceof CompactedError);
    t.is(store.committed, 0);
  } finally {
    await Promise.all([store, elsewhere].map((each) => each.close()));
    await Promise.all([etcd, other].map((each) => each.stop()));
  }
});

test.serial('a watch, leases and questions share one connection, and it stays', async (t) => {
  if (skipWithout(t, ...NEEDS)) return;
  const etcd = await startEtcd(1);
  let connections = 0;
  const [, port = ''] = etcd.members[0]?.client.split(':') ?? [];
  const between = createServer((socket) => {
    connections++;
    const onward = connect(Number(port), '127.0.0.1');
    for (const [a, b] of [[socket, onward], [onward, socket]] as const) a.on('error', () => b.destroy()).on('close', () => b.destroy()).pipe(b);
  });
  await new Promise<void>((resolve) => between.listen(0, '127.0.0.1', resolve));
  const store = openEtcdStore({ members: [`127.0.0.1:${(between.address() as AddressInfo).port}`], cluster: 'test' });
  try {
    const { seen, end, ended } = await follow(store);
    const lease = await store.lease(2);
    const since = performance.now();
    await pollUntil('the lease is renewed three times', () => performance.now() - since > 2500, { interval: 100 });
    await store.commit([], [{ put: 'a', value: 1, lease }]);
    await pollUntil('it was seen', () => seen.length === 1);
    end.abort();
    await ended;
    await lease.release();
    t.is(connections, 1);
  } finally {
    await store.close();
    between.close();
    await etcd.stop();
  }
});

test.serial('who may not is told so: no user, a wrong password, a user without the right', async (t) => {
  if (skipWithout(t, ...NEEDS)) return;
  const etcd = await startEtcd(1);
  const members = etcd.members.map(({ client }) => client);
  const as = (user?: string, password = ''): Store => openEtcdStore({ members, cluster: 'test', ...(user !== undefined && { auth: { user, password } }) });
  const refused = async (store: Store, expected: RegExp): Promise<void> => {
    const error = await t.throwsAsync(store.get('a'), { instanceOf: StoreError });
    t.regex(error?.message ?? '', expected);
    await store.close();
  };
  try {
    for (const line of ['user add root:secret', 'role add mesh', 'role grant-permission mesh --prefix=true readwrite /vipmesh/', 'user add mesh:pass', 'user grant-role mesh mesh', 'user add other:pass', 'auth enable']) await etcd.ctl(...line.split(' '));
    await refused(as(), /refuses clients without a user: give --store-user/);
    await refused(as('mesh', 'wrong'), /does not accept user 'mesh' with this password/);
    await refused(as('other', 'pass'), /refuses user 'other': give --store-user a user that may read and write below \/vipmesh\//);
    const store = as('mesh', 'pass');
    await store.commit([], [{ put: 'a', value: 1 }]);
    t.is((await store.get('a'))?.value, 1);
    const watched = await store.watch('', 0, new AbortController().signal)[Symbol.asyncIterator]().next();
    t.is(valueOf(watched.value as readonly WatchEvent[]), 1);
    await store.close();
  } finally {
    await etcd.stop();
  }
});

test.serial('a lease outlives a member that dies, is lost when etcd ends it or is silent for its life, and ends by itself when nobody keeps it', async (t) => {
  if (skipWithout(t, ...NEEDS)) return;
  const etcd = await startEtcd(3);
  const [store, other] = [open(etcd), open(etcd)];
  try {
    const [kept, ended, left] = [await store.lease(2), await store.lease(2), await other.lease(1)];
    await store.commit([], [{ put: 'kept', value: 1, lease: kept }, { put: 'ended', value: 1, lease: ended }]);
    await other.commit([], [{ put: 'left', value: 1, lease: left }]);
    await etcd.ctl('lease', 'revoke', BigInt(ended.id).toString(16));
    await pollUntil('that it was ended is noticed', () => ended.lost.aborted);
    t.regex((ended.lost.reason as Error).message, /^etcd has ended lease \d+$/);
    // As if its process had been killed.
    await other.close();
    await pollUntil('what nobody keeps goes', async () => (await store.get('left')) === undefined);
    await etcd.members[0]?.kill();
    // Longer than any of them: it is kept with the others.
    const since = performance.now();
    await pollUntil('five seconds pass', async () => performance.now() - since > 5000 && (await store.get('kept')) !== undefined, { interval: 200 });
    t.false(kept.lost.aborted);
    for (const member of etcd.members) await member.kill();
    await pollUntil('that nobody answers is noticed', () => kept.lost.aborted);
    t.regex((kept.lost.reason as Error).message, /^etcd was not heard of for 2 s$/);
  } finally {
    await store.close();
    await etcd.stop();
  }
});
