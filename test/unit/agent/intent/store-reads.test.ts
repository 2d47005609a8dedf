/** What is looked at while the store is out of reach: what was known, and for how long. */
import test from 'ava';
import { ageOf, readsOf, storeInfo } from '../../../../agent/intent/store-reads.js';
import { Mirror } from '../../../../agent/reconcile/mirror.js';
import { StoreError } from '../../../../overlay/store/store.js';
import { FakeClock } from '../../../../proxy/time/clock.js';
import { EPOCH } from '../../overlay/fixtures.js';
import { fragileStore } from '../cluster/store-under-test.js';

test('the store is asked while it is in reach, the mirror answers when it is not, and what that lacks is an error', async (t) => {
  const store = fragileStore(t);
  await store.commit([], [{ put: 'tasks/b', value: { id: 'b' } }, { put: 'tasks/a', value: { id: 'a' } }, { put: 'pools/x', value: {} }]);
  const following = new AbortController();
  t.teardown(() => following.abort());
  const mirror = new Mirror(store, new FakeClock(), () => undefined, (error) => t.fail(String(error)));
  await mirror.start(following.signal);
  const reads = readsOf(store, mirror);
  const fromStore = await reads.list('tasks/');
  store.outOfReach = true;
  t.deepEqual(await reads.list('tasks/'), fromStore);
  t.deepEqual((await reads.list('networks/')).entries, []);
  await t.throwsAsync(reads.list('pools/'), { instanceOf: StoreError });
});

test('a store that fails though it is in reach is an error', async (t) => {
  const failing = { contact: { reachable: true, since: 0 }, list: () => Promise.reject(new StoreError('damaged')) };
  const mirror = new Mirror(fragileStore(t), new FakeClock(), () => undefined, () => undefined);
  await t.throwsAsync(readsOf(failing, mirror).list('tasks/'), { message: 'damaged' });
});

test('the store as status shows it', (t) => {
  const clock = new FakeClock(EPOCH);
  t.deepEqual(storeInfo({ kind: 'embedded' }, { reachable: true, since: 0 }, clock), { kind: 'embedded', reachable: true });
  t.deepEqual(storeInfo({ kind: 'etcd', cluster: 'c', members: ['a:1'] }, { reachable: true, since: 5, latency: 1.234 }, clock), { kind: 'etcd', cluster: 'c', members: ['a:1'], reachable: true, latency: 1.2 });
  const since = performance.now() - 10_000;
  const info = storeInfo({ kind: 'etcd' }, { reachable: false, since, problem: 'nobody answers' }, clock);
  t.like(info, { reachable: false, problem: 'nobody answers' });
  const away = EPOCH - Date.parse(info.unreachableSince ?? '');
  t.true(away >= 10_000 && away < 60_000, `${away}`);
  t.is(ageOf({ reachable: true, since: 0 }), undefined);
});
