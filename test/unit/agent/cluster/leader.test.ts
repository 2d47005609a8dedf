/** One leads, another does when that one goes, and what is written by one that was deposed is refused. */
import test, { type ExecutionContext } from 'ava';
import { Leadership } from '../../../../agent/cluster/leader.js';
import { Mirror } from '../../../../agent/reconcile/mirror.js';
import { FencedOffError } from '../../../../overlay/store/fenced.js';
import type { Leader } from '../../../../overlay/store/keys.js';
import type { Store } from '../../../../overlay/store/store.js';
import { transact } from '../../../../overlay/store/transaction.js';
import { FakeClock } from '../../../../proxy/time/clock.js';
import { pollUntil } from '../../../support/poll-until.js';
import { fragileStore, type FragileStore } from './store-under-test.js';

const quiet = { info: () => undefined, warn: () => undefined, debug: () => undefined };

interface Candidate {
  readonly leadership: Leadership;
  readonly clock: FakeClock;
  changes: number;
}

/** With a mirror of its own, as an agent has. */
async function candidate(t: ExecutionContext, store: FragileStore, nodeId: string): Promise<Candidate> {
  const clock = new FakeClock();
  const following = new AbortController();
  const made: Candidate = {
    clock,
    changes: 0,
    leadership: new Leadership({ store, nodeId, context: { clock }, log: quiet, onChange: () => made.changes++ }),
  };
  const mirror: Mirror = new Mirror(store, clock, () => made.leadership.observe(mirror.leader), (error) => t.fail(String(error)));
  await mirror.start(following.signal);
  t.teardown(() => following.abort());
  return made;
}

const leads = ({ leadership }: Candidate): boolean => leadership.store !== undefined;
const leaderOf = async (store: Store): Promise<string | undefined> => (await store.get<Leader>('leader'))?.value.node;

test('of several one is elected; when it ends another is, at once', async (t) => {
  const store = fragileStore(t);
  const all = await Promise.all(['a', 'b', 'c'].map((id) => candidate(t, store, id)));
  await pollUntil('somebody leads', () => all.some(leads));
  const [first] = all.filter(leads);
  t.is(all.filter(leads).length, 1);
  t.is(first?.changes, 1);
  await first?.leadership.close();
  t.is(all.filter(leads).includes(first as Candidate), false);
  await pollUntil('another leads', () => all.filter(leads).length === 1);
  t.not(await leaderOf(store), undefined);
  for (const { leadership } of all) await leadership.close();
  t.is(await leaderOf(store), undefined);
  await pollUntil('nobody keeps a lease', () => store.leases === 0);
});

test('a leader that has lost its lease leads no more, and what it still writes is refused', async (t) => {
  const store = fragileStore(t);
  const [a, b] = [await candidate(t, store, 'a'), await candidate(t, store, 'b')];
  await pollUntil('a leads', () => leads(a));
  const old = a.leadership.store as Store;
  t.not(await old.commit([], [{ put: 'x', value: 1 }]), undefined);
  t.is(await old.commit([{ key: 'x', revision: 0 }], [{ put: 'x', value: 2 }]), undefined);
  await store.loseLeases();
  await pollUntil('somebody leads', async () => (await leaderOf(store)) !== undefined && (leads(a) || leads(b)));
  await t.throwsAsync(old.commit([], [{ put: 'x', value: 3 }]), { instanceOf: FencedOffError });
  await t.throwsAsync(
    transact(old, (transaction) => Promise.resolve(transaction.put('x', 3))),
    { instanceOf: FencedOffError },
  );
  t.is((await store.get('x'))?.value, 1);
  for (const { leadership } of [a, b]) await leadership.close();
});

test('a store that is out of reach is tried again', async (t) => {
  const store = fragileStore(t);
  const a = await candidate(t, store, 'a');
  await pollUntil('a leads', () => leads(a));
  store.outOfReach = true;
  await store.loseLeases();
  await pollUntil('it leads no more', () => !leads(a));
  a.clock.advance(1000);
  await new Promise((resolve) => setImmediate(resolve));
  store.outOfReach = false;
  await pollUntil('it leads again', () => {
    a.clock.advance(1000);
    return leads(a);
  });
  t.is(a.changes, 3);
  await a.leadership.close();
});
