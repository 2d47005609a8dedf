/** Whether etcd is in reach, by what became of questions. */
import test from 'ava';
import { EtcdContact } from '../../../../overlay/store/etcd-contact.js';

const contact = (members: number): EtcdContact => new EtcdContact(members, (error) => `because ${String(error)}`);

test('it is in reach from the beginning, and its latency is that of the last answer', (t) => {
  const it = contact(1);
  t.deepEqual(it.state, { reachable: true, since: 0 });
  it.answered(100, 103);
  it.answered(200, 207);
  t.deepEqual(it.state, { reachable: true, since: 0, latency: 7 });
});

test('a member that fails is not all of them; when all have, it is out of reach since the first failure, for the last reason', (t) => {
  const it = contact(3);
  it.failed('a', 1000);
  it.failed('b', 1100);
  t.true(it.state.reachable);
  it.answered(1150, 1200);
  for (const [error, now] of [['c', 2000], ['d', 2500], ['e', 2999]] as const) it.failed(error, now);
  t.true(it.state.reachable);
  it.failed('e', 3000);
  t.deepEqual(it.state, { reachable: false, since: 2000, latency: 50, problem: 'because e' });
  it.failed('f', 9000);
  t.deepEqual(it.state, { reachable: false, since: 2000, latency: 50, problem: 'because f' });
});

test('it is in reach again with the first answer, since then', (t) => {
  const it = contact(1);
  it.failed('a', 1000);
  it.answered(1100, 1105);
  t.deepEqual(it.state, { reachable: true, since: 0, latency: 5 });
  it.failed('a', 2000);
  it.failed('a', 3000);
  t.false(it.state.reachable);
  it.answered(4000, 4005);
  t.deepEqual(it.state, { reachable: true, since: 4005, latency: 5 });
  it.answered(5000, 5001);
  t.deepEqual(it.state, { reachable: true, since: 4005, latency: 1 });
});
