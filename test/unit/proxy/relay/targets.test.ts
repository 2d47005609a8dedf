import test from 'ava';
import { DEFAULT_POLICY, type BalancingPolicy, type EndpointConfig } from '../../../../proxy/config/snapshot.js';
import { Targets } from '../../../../proxy/relay/targets.js';
import { AffinityTable } from '../../../../proxy/sched/affinity.js';
import { EndpointStats } from '../../../../proxy/sched/stats.js';
import { FakeClock } from '../../../../proxy/time/clock.js';
import { endpoint } from './harness.js';

const a = endpoint('10.0.0.1');
const b = endpoint('10.0.0.2');
const c = endpoint('10.0.0.3');

function targetsOf(endpoints: readonly EndpointConfig[], policy: Partial<BalancingPolicy> = {}, clock = new FakeClock()): Targets {
  const shared = { stats: new EndpointStats(EndpointStats.allocate(0)), affinity: new AffinityTable(AffinityTable.allocate(64)) };
  return new Targets(shared, { id: 'vote', scheduler: 'rr', policy: { ...DEFAULT_POLICY, ...policy } }, clock, 'secret', endpoints);
}

const fail = (targets: Targets, failed: EndpointConfig): boolean => [1, 2, 3, 4, 5].map(() => targets.failed(failed)).some(Boolean);

test('the scheduler chooses, and each endpoint has its turn', (t) => {
  const targets = targetsOf([a, b, c]);
  const picked = [1, 2, 3, 4, 5, 6].map((port) => targets.pick('192.0.2.1', port)?.id);
  t.is(new Set(picked.slice(0, 3)).size, 3);
  t.deepEqual(picked.slice(3), picked.slice(0, 3));
});

test('how endpoints are chosen can change while flows go on; what is not said stays', (t) => {
  const targets = targetsOf([a, b]);
  const first = targets.pick('192.0.2.1', 1)!;
  targets.opened(first);
  targets.update([a, b], { scheduler: 'lc' });
  const second = targets.pick('192.0.2.1', 2)!;
  t.not(second, first, 'the count of before is known');
  targets.opened(second);
  targets.update([a, b], { scheduler: 'lc', policy: { ...DEFAULT_POLICY, maxConnections: 1 } });
  t.is(targets.pick('192.0.2.1', 3), undefined);
  targets.update([a, b]);
  t.is(targets.pick('192.0.2.1', 3), undefined);
  targets.update([a, b], { scheduler: 'lc' });
  t.not(targets.pick('192.0.2.1', 3), undefined);
});

test('after a failure the others are tried in their order, each once', (t) => {
  const targets = targetsOf([a, b, c]);
  t.is(targets.next(b, new Set([b.id])), c);
  t.is(targets.next(c, new Set([b.id, c.id])), a);
  t.is(targets.next(a, new Set([a.id, b.id, c.id])), undefined);
});

test('a failure does not move the rotation', (t) => {
  const targets = targetsOf([a, b]);
  const first = targets.pick('192.0.2.1', 1) ?? a;
  targets.next(first, new Set([first.id]));
  t.not(targets.pick('192.0.2.1', 2), first);
});

test('failures in a row eject, for a while; an ejected endpoint is tried only when there is no other', (t) => {
  const clock = new FakeClock();
  const targets = targetsOf([a, b, c], {}, clock);
  t.true(fail(targets, b));
  t.deepEqual([1, 2, 3, 4].map((port) => targets.pick('192.0.2.1', port)), [a, c, a, c]);
  t.is(targets.next(a, new Set([a.id])), c);
  t.is(targets.next(c, new Set([a.id, c.id])), b);
  clock.advance(30_000);
  t.deepEqual([1, 2, 3].map((port) => targets.pick('192.0.2.1', port)), [a, b, c]);
});

test('a success between failures: nothing is ejected', (t) => {
  const targets = targetsOf([a, b]);
  for (let i = 0; i < 20; i++) {
    t.false(targets.failed(a));
    if (i % 4 === 3) targets.succeeded(a);
  }
});

test('maxConnections bounds the flows of an endpoint, also of one that is tried second', (t) => {
  const targets = targetsOf([a, b], { maxConnections: 1 });
  const row = targets.opened(a);
  t.deepEqual([1, 2].map((port) => targets.pick('192.0.2.1', port)), [b, b]);
  t.is(targets.next(b, new Set([b.id])), undefined);
  targets.opened(b);
  t.is(targets.pick('192.0.2.1', 3), undefined);
  targets.closed(row);
  t.is(targets.pick('192.0.2.1', 4), a);
});

test('affinity by the client’s address, whatever its port and its spelling', (t) => {
  const targets = targetsOf([a, b, c], { affinity: 60 });
  const clients = ['192.0.2.1', '192.0.2.2', '2001:db8::1', ''];
  const first = clients.map((client, i) => targets.pick(client, i));
  t.true(new Set(first).size > 1);
  for (let port = 10; port < 20; port++) t.deepEqual(clients.map((client) => targets.pick(client, port)), first);
  t.is(targets.pick('::ffff:192.0.2.1', 5), first[0]);
});

test('an endpoint lives by its id and its address', (t) => {
  const targets = targetsOf([a, b]);
  t.true(targets.lives(a));
  t.false(targets.lives({ ...a, address: b.address }));
  t.notThrows(() => targets.closed(targets.opened(a)));
  targets.update([b]);
  t.false(targets.lives(a));
  t.false(targets.failed(a));
  t.notThrows(() => targets.succeeded(a));
});
