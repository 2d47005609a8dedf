/** A node in the store: its record and name, and what is there only while it is up. */
import test from 'ava';
import { join, Presence, register, RegistrationError, type OwnRecord } from '../../../../agent/cluster/registration.js';
import type { NodeRecord } from '../../../../overlay/model/object.js';
import { FakeClock } from '../../../../proxy/time/clock.js';
import { pollUntil } from '../../../support/poll-until.js';
import { dump, emptyStore, keys, testContext } from '../../overlay/fixtures.js';
import { fragileStore } from './store-under-test.js';

const own = (id: string, hostname: string, more: Partial<OwnRecord> = {}): OwnRecord => ({ id, hostname, mode: 'root', address: '10.0.0.1', mtu: 1450, version: '1.0.0', ...more });
const ID = 'aaaaaaaaaaaa';
const OTHER = 'bbbbbbbbbbbb';
const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };

test('a node is registered once, keeps what was decided about it, and its record follows it', async (t) => {
  const store = emptyStore(t);
  const context = testContext();
  const first = await register(store, own(ID, 'one'), context);
  t.deepEqual({ availability: first.availability, labels: first.labels, createdAt: first.createdAt }, { availability: 'active', labels: {}, createdAt: '2024-01-01T00:00:00.000Z' });
  await store.commit([], [{ put: `nodes/${ID}`, value: { ...first, availability: 'drain', labels: { zone: 'a' } } }]);
  context.clock.advance(1000);
  const again = await register(store, own(ID, 'one', { version: '2.0.0', address: '10.0.0.2' }), context);
  t.like(again, { availability: 'drain', labels: { zone: 'a' }, version: '2.0.0', address: '10.0.0.2', createdAt: first.createdAt });
  const before = await dump(store);
  const { revision } = await store.list('');
  await register(store, own(ID, 'one', { version: '2.0.0', address: '10.0.0.2' }), context);
  t.is(await dump(store), before);
  t.is((await store.list('')).revision, revision);
});

test('a host that was renamed gives its old name back', async (t) => {
  const store = emptyStore(t);
  await register(store, own(ID, 'one'), testContext());
  await register(store, own(ID, 'two'), testContext());
  t.deepEqual(await keys(store, 'names/node/'), ['two']);
  t.is((await store.get<NodeRecord>(`nodes/${ID}`))?.value.hostname, 'two');
});

test("another node's host name is refused, with what to do if it is up, and if it is not", async (t) => {
  const store = emptyStore(t);
  await register(store, own(ID, 'one'), testContext());
  const refused = async (): Promise<string> => (await t.throwsAsync(register(store, own(OTHER, 'one'), testContext()), { instanceOf: RegistrationError }))?.message ?? '';
  t.regex(await refused(), /^another node of the cluster, aaaaaaaaaaaa at 10\.0\.0\.1, is called 'one' and is down\. .+vipmesh node rm aaaaaaaaaaaa/);
  await store.commit([], [{ put: `alive/${ID}`, value: {} }]);
  t.regex(await refused(), /is called 'one' and is up: give this host another name/);
  // A name of which the node is gone is anybody's.
  await store.commit([], [{ delete: `nodes/${ID}` }]);
  await register(store, own(OTHER, 'one'), testContext());
  t.deepEqual((await store.get('names/node/one'))?.value, { owner: `nodes/${OTHER}` });
});

test('who is up keeps its id and its address; what an agent left that was killed is waited for', async (t) => {
  const store = emptyStore(t);
  const vxlan = { vxlanPort: 4789 };
  await register(store, own(ID, 'one', vxlan), testContext());
  const refused = async (record: OwnRecord): Promise<string> => (await t.throwsAsync(register(store, record, testContext()), { instanceOf: RegistrationError }))?.message ?? '';
  await store.commit([], [{ put: `alive/${ID}`, value: {} }]);
  const before = await dump(store);
  const clone = own(ID, 'two', { address: '10.0.0.2', ...vxlan });
  t.regex(await refused(clone), /^this node's id, aaaaaaaaaaaa, is that of the node 'one' at 10\.0\.0\.1, which is up: this state directory is a copy .+node\.json.+--state-dir/);
  t.regex(await refused(own(ID, 'one', { address: '10.0.0.2' })), /is a copy of that node's/);
  for (const vxlanPort of [4788, 4789, 4790]) t.regex(await refused(own(OTHER, 'two', { vxlanPort })), /^another node of the cluster, aaaaaaaaaaaa, called 'one', is up at 10\.0\.0\.1 .+4789: .+--advertise.+--vxlan-port/);
  t.is(await dump(store), before);
  await t.notThrowsAsync(register(store, own(ID, 'one', vxlan), testContext()), 'it is the same');
  await t.notThrowsAsync(register(store, own(OTHER, 'two', { vxlanPort: 4791 }), testContext()));
  await store.commit([], [`nodes/${OTHER}`, 'names/node/two'].map((key) => ({ delete: key })));

  const clock = new FakeClock();
  const warnings: string[] = [];
  const log = { warn: (text: string) => warnings.push(text) };
  let outcome: unknown;
  void join(store, clone, { clock }, log).catch((error: unknown) => (outcome = error));
  await pollUntil('it gives up', () => (clock.advance(500), outcome !== undefined));
  t.true(outcome instanceof RegistrationError);
  t.is(warnings.length, 1);
  t.true(clock.now() >= 5000);

  let joined: NodeRecord | undefined;
  void join(store, clone, { clock }, log).then((record) => (joined = record));
  await pollUntil('it waits', () => warnings.length === 2);
  await store.commit([], [{ delete: `alive/${ID}` }]);
  await pollUntil('it has joined', () => (clock.advance(500), joined !== undefined));
  t.like(joined, { id: ID, hostname: 'two', address: '10.0.0.2' });
});

test('what is under the lease is there while the node is up, and goes with it', async (t) => {
  const store = fragileStore(t);
  const presence = await Presence.begin({ store, own: own(ID, 'one'), context: testContext(), log: quiet });
  await presence.put(`applied/${ID}`, { revision: 7 });
  t.deepEqual(await keys(store, 'alive/'), [ID]);
  t.deepEqual((await store.get(`applied/${ID}`))?.value, { revision: 7 });
  await presence.close();
  await presence.close();
  t.deepEqual([...(await keys(store, 'alive/')), ...(await keys(store, 'applied/'))], []);
  await presence.put(`applied/${ID}`, { revision: 8 });
  t.deepEqual(await keys(store, 'applied/'), []);
  t.is(store.leases, 0);
});

test('a lease that is lost is replaced, with all that was under it and the record if that is gone, as soon as the store is back', async (t) => {
  const store = fragileStore(t);
  const clock = new FakeClock();
  const presence = await Presence.begin({ store, own: own(ID, 'one'), context: { clock }, log: quiet });
  await presence.put(`applied/${ID}`, { revision: 7 });
  await store.loseLeases();
  store.outOfReach = true;
  await pollUntil('it is tried again and again', () => {
    clock.advance(500);
    return true;
  });
  store.outOfReach = false;
  await pollUntil('it is there again', async () => {
    clock.advance(500);
    return (await keys(store, '')).join() === `alive/${ID},applied/${ID},names/node/one,nodes/${ID}`;
  });
  t.deepEqual((await store.get(`applied/${ID}`))?.value, { revision: 7 });
  await presence.close();
});

test('what is put while a lease is replaced is written with the new one', async (t) => {
  const store = fragileStore(t);
  const presence = await Presence.begin({ store, own: own(ID, 'one'), context: testContext(), log: quiet });
  await presence.put(`applied/${ID}`, { revision: 7 });
  const commit = store.commit.bind(store);
  store.commit = async (compares, writes) => {
    const revision = await commit(compares, writes);
    if (!writes.some((write) => 'put' in write && write.put === `alive/${ID}`)) return revision;
    // The new lease's keys are written, and it is not known here yet.
    store.commit = commit;
    await presence.put(`applied/${ID}`, { revision: 8 });
    return revision;
  };
  await store.loseLeases();
  await pollUntil('it is written', async () => (await store.get<{ revision: number }>(`applied/${ID}`))?.value.revision === 8);
  await presence.close();
  t.deepEqual(await keys(store, 'applied/'), []);
});

test('a node that was removed while it was cut off says what it has lost; one that only lost its lease has lost nothing', async (t) => {
  const store = fragileStore(t);
  const warnings: string[] = [];
  const presence = await Presence.begin({ store, own: own(ID, 'one'), context: testContext(), log: { ...quiet, warn: (text: string) => warnings.push(text) } });
  await register(store, own(ID, 'one'), testContext());
  await store.loseLeases();
  await pollUntil('it is there again', async () => (await keys(store, 'alive/')).length === 1);
  t.false(warnings.some((text) => text.includes('removed')));
  await store.commit([], ['alive/', 'nodes/', 'names/node/'].map((prefix) => ({ delete: prefix === 'names/node/' ? `${prefix}one` : prefix + ID })));
  await pollUntil('it says so', () => {
    // What comes while a lease is taken is passed over: the mirror says it with its next change.
    presence.observe(false, store.committed);
    return warnings.some((text) => /had been removed from the cluster.+without the labels/.test(text));
  });
  await presence.close();
});

test('a node that others have removed says that it is there; a mirror that is only behind is not believed', async (t) => {
  const store = fragileStore(t);
  const presence = await Presence.begin({ store, own: own(ID, 'one'), context: testContext(), log: quiet });
  presence.observe(false, store.committed - 1);
  await new Promise((resolve) => setImmediate(resolve));
  t.is(store.leases, 1);
  await store.commit([], [{ delete: `alive/${ID}` }]);
  presence.observe(false, store.committed);
  await pollUntil('it is there again', async () => (await keys(store, '')).join() === `alive/${ID},names/node/one,nodes/${ID}`);
  await pollUntil('under one lease', () => store.leases === 1);
  await presence.close();
  t.deepEqual(await keys(store, 'alive/'), []);
});
