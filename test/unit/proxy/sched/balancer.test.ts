import test from 'ava';
import { DEFAULT_POLICY, type BalancingPolicy, type EndpointConfig } from '../../../../proxy/config/snapshot.js';
import { AffinityTable } from '../../../../proxy/sched/affinity.js';
import { Balancer, type Balanced, type Shared } from '../../../../proxy/sched/balancer.js';
import { SCHEDULER_NAMES } from '../../../../proxy/sched/schedulers.js';
import { EndpointStats } from '../../../../proxy/sched/stats.js';
import { clientOf, endpoints } from '../../../contract/scheduler.js';
import { type Measured, runMeasured } from '../../../support/scavenges.js';

const shared = (): Shared => ({
  stats: new EndpointStats(EndpointStats.allocate(64)),
  affinity: new AffinityTable(AffinityTable.allocate(1024)),
});

const serviceOf = (list: readonly EndpointConfig[], policy: Partial<BalancingPolicy> = {}, scheduler: Balanced['scheduler'] = 'rr'): Balanced => ({
  id: 'service',
  scheduler,
  policy: { ...DEFAULT_POLICY, ...policy },
  endpoints: list,
});

/** Another worker's view of the same memory. */
const again = ({ stats, affinity }: Shared): Shared => ({ stats, affinity });

function balancerOf(service: Balanced, now = 1, on = shared()): Balancer {
  const balancer = new Balancer(on);
  balancer.configure(service, now);
  return balancer;
}

/** Choices of `count` clients in turn. */
const choices = (balancer: Balancer, count: number, now = 2): number[] =>
  Array.from({ length: count }, (_, i) => balancer.choose(clientOf(i), clientOf(i) ^ 0x1234567, 1024 + i, now));

const counts = (chosen: readonly number[], size: number): number[] => Array.from({ length: size }, (_, i) => chosen.filter((index) => index === i).length);

const fail = (balancer: Balancer, index: number, now: number, times = 5): boolean => {
  let ejected = false;
  for (let i = 0; i < times; i++) ejected = balancer.failed(index, now);
  return ejected;
};

for (const name of SCHEDULER_NAMES) {
  test(`${name}: ejected ones are passed over until their time is up`, (t) => {
    const balancer = balancerOf(serviceOf(endpoints(1, 1, 1), {}, name));
    t.true(fail(balancer, 1, 10));
    t.true(balancer.isEjected(1, 11));
    t.deepEqual(counts(choices(balancer, 300, 11), 3)[1], 0);
    t.false(balancer.isEjected(1, 310));
    if (name !== 'lc' && name !== 'wlc') t.true(counts(choices(balancer, 300, 310), 3)[1]! > 30);
  });

  test(`${name}: an endpoint at maxConnections is passed over; all at it: -1`, (t) => {
    const on = shared();
    const balancer = balancerOf(serviceOf(endpoints(1, 1, 0), { maxConnections: 2 }, name), 1, on);
    for (let n = 0; n < 2; n++) on.stats.opened(balancer.row(0), true);
    t.deepEqual(counts(choices(balancer, 20), 3), [0, 20, 0]);
    for (let n = 0; n < 2; n++) on.stats.opened(balancer.row(1), true);
    t.deepEqual(choices(balancer, 20), new Array<number>(20).fill(-1));
    on.stats.moved(balancer.row(1), false);
    t.deepEqual(counts(choices(balancer, 20), 3), [0, 20, 0], 'one is no longer active');
  });

  test(`${name}: local ones first, others when none of these takes a flow`, (t) => {
    const on = shared();
    const list = endpoints(1, 1, 1, 1).map((endpoint, i) => ({ ...endpoint, remote: i < 2 }));
    const balancer = balancerOf(serviceOf(list, { preferLocal: true, maxConnections: 1 }, name), 1, on);
    const before = counts(choices(balancer, 200), 4);
    t.deepEqual(before.slice(0, 2), [0, 0]);
    if (name !== 'lc' && name !== 'wlc') t.true(before[2]! > 40 && before[3]! > 40);
    on.stats.opened(balancer.row(2), true);
    t.deepEqual(counts(choices(balancer, 20), 4), [0, 0, 0, 20]);
    on.stats.opened(balancer.row(3), true);
    const after = counts(choices(balancer, 200), 4);
    t.deepEqual(after.slice(2), [0, 0]);
    t.is(after[0]! + after[1]!, 200);
  });

  test(`${name}: a client goes where it went before, unless that endpoint takes no flow`, (t) => {
    const on = shared();
    const policy = { affinity: 60, maxConnections: 3 };
    const balancer = balancerOf(serviceOf(endpoints(1, 1, 1, 1), policy, name), 1, on);
    const first = choices(balancer, 40, 10);
    for (let i = 0; i < 40; i++) on.stats.opened(balancer.row(i & 3), false);
    t.deepEqual(choices(balancer, 40, 600), first);
    const elsewhere = balancerOf(serviceOf(endpoints(1, 1, 1, 1), policy, name), 1, again(on));
    t.deepEqual(choices(elsewhere, 40, 1199), first, 'another worker, and 599 deciseconds after the last flow');

    for (let n = 0; n < 3; n++) on.stats.opened(balancer.row(0), true);
    const moved = choices(balancer, 40, 1200);
    first.forEach((was, i) => (was === 0 ? t.not(moved[i], 0) : t.is(moved[i], was)));
    for (let n = 0; n < 3; n++) on.stats.closed(balancer.row(0), true);
    t.deepEqual(choices(balancer, 40, 1201), moved, 'the new choice stays');
  });

  test(`${name}: a choice allocates nothing, with all of a policy`, async (t) => {
    const { scavenges } = await runMeasured<Measured>('steady-picks', name, 'balancer');
    t.is(scavenges, 0);
  });
}

test('affinity follows the endpoint, not its place, and ends with its weight', (t) => {
  const list = endpoints(1, 1, 1);
  const balancer = balancerOf(serviceOf(list, { affinity: 60 }));
  const first = choices(balancer, 12).map((index) => list[index]!.id);
  const turned = [...list].reverse();
  balancer.configure(serviceOf(turned, { affinity: 60 }), 3);
  t.deepEqual(choices(balancer, 12).map((index) => turned[index]!.id), first);
  const draining = turned.map((endpoint) => (endpoint.id === 'task1' ? { ...endpoint, weight: 0 } : endpoint));
  balancer.configure(serviceOf(draining, { affinity: 60 }), 4);
  choices(balancer, 12, 5).forEach((index, i) => {
    const id = draining[index]!.id;
    if (first[i] === 'task1') t.not(id, 'task1');
    else t.is(id, first[i]!);
  });
});

test('affinity is forgotten after its time-out', (t) => {
  const balancer = balancerOf(serviceOf(endpoints(1, 1), { affinity: 60 }));
  t.deepEqual([1, 600, 1200, 1801].map((now) => balancer.choose(1, 2, 3, now)), [0, 0, 0, 1]);
});

test('an endpoint that joins takes a growing part; those of the first configuration all of theirs at once', (t) => {
  const balancer = balancerOf(serviceOf(endpoints(1, 1), { slowStart: 10_000 }));
  t.deepEqual(counts(choices(balancer, 100), 2), [50, 50]);
  balancer.configure(serviceOf(endpoints(1, 1, 1), { slowStart: 10_000 }), 1000);
  const shareAt = (now: number): number => counts(choices(balancer, 300, now), 3)[2]!;
  const early = shareAt(1000);
  t.true(early > 0 && early <= 15, `${early} of 300 at once: a tenth of a third`);
  const half = shareAt(1050);
  t.true(half > 50 && half < 70, `${half} of 300 at half time: a half of its turns`);
  t.is(shareAt(1100), 100);
});

test('slow start begins when a new endpoint first has a weight, not when it is first heard of', (t) => {
  const policy = { slowStart: 10_000 };
  const balancer = balancerOf(serviceOf(endpoints(1, 1), policy));
  balancer.configure(serviceOf(endpoints(1, 1, 0), policy), 1000);
  balancer.configure(serviceOf(endpoints(1, 1, 1), policy), 5000);
  const early = counts(choices(balancer, 300, 5001), 3)[2]!;
  t.true(early > 0 && early < 30, `${early} of 300`);
  balancer.configure(serviceOf(endpoints(1, 1, 0), policy), 5200);
  balancer.configure(serviceOf(endpoints(1, 1, 1), policy), 5210);
  t.is(counts(choices(balancer, 300, 5211), 3)[2], 100, 'one that has warmed up takes its share at once');
});

test('slow start again after an ejection', (t) => {
  const balancer = balancerOf(serviceOf(endpoints(1, 1, 1), { slowStart: 10_000 }), 1);
  t.true(fail(balancer, 0, 100));
  const shareAt = (now: number): number => counts(choices(balancer, 300, now), 3)[0]!;
  t.deepEqual([shareAt(100), shareAt(399)], [0, 0]);
  const back = shareAt(400);
  t.true(back > 0 && back <= 15, `${back}`);
  t.is(shareAt(500), 100);
});

test('when all that could take a flow start slowly, they take it all the same', (t) => {
  const balancer = balancerOf(serviceOf([], { slowStart: 10_000 }));
  balancer.configure(serviceOf(endpoints(1, 1), { slowStart: 10_000 }), 5);
  const chosen = counts(choices(balancer, 100, 6), 2);
  t.is(chosen[0]! + chosen[1]!, 100);
  t.true(chosen[0]! > 30 && chosen[1]! > 30, `${chosen.join()}`);
});

test('no slow start for what hashes: its clients stay where the kernel would send them', (t) => {
  for (const name of ['sh', 'mh'] as const) {
    const list = endpoints(1, 1, 1);
    const plain = balancerOf(serviceOf(list, {}, name));
    const slow = balancerOf(serviceOf(list.slice(0, 2), { slowStart: 10_000 }, name));
    slow.configure(serviceOf(list, { slowStart: 10_000 }, name), 5);
    t.deepEqual(choices(slow, 200, 6), choices(plain, 200, 6));
  }
});

test('an ejected endpoint is better than none', (t) => {
  const on = shared();
  const balancer = balancerOf(serviceOf(endpoints(1, 1), { maxConnections: 1 }), 1, on);
  t.true(fail(balancer, 0, 10));
  t.deepEqual(choices(balancer, 3, 11), [1, 1, 1]);
  on.stats.opened(balancer.row(1), true);
  t.deepEqual(choices(balancer, 3, 11), [0, 0, 0]);
  on.stats.opened(balancer.row(0), true);
  t.deepEqual(choices(balancer, 3, 11), [-1, -1, -1]);
});

test('what an endpoint went through survives a new snapshot, and is the same for all workers', (t) => {
  const on = shared();
  const list = endpoints(1, 1, 1);
  const one = balancerOf(serviceOf(list), 1, on);
  const other = balancerOf(serviceOf(list), 1, again(on));
  t.false(fail(one, 2, 10, 3));
  t.false(fail(other, 2, 10, 1));
  one.configure(serviceOf([...list].reverse()), 11);
  t.true(one.failed(0, 12), 'the fifth failure of task2, which is the first now');
  t.true(other.isEjected(2, 13));
  other.succeeded(1, 12);
  other.configure(serviceOf([list[2]!, list[0]!]), 14);
  t.true(other.isEjected(0, 15));
});

test('endpoints without a row are counted in private ones, by their id', (t) => {
  const on = shared();
  const bare = endpoints(1, 1).map(({ id, address, weight }) => ({ id, address, weight }));
  const balancer = balancerOf(serviceOf(bare, {}, 'lc'), 1, on);
  on.stats.opened(balancer.row(0), true);
  t.deepEqual(choices(balancer, 2), [1, 1]);
  const rows = [balancer.row(0), balancer.row(1)];
  balancer.configure(serviceOf([...bare].reverse(), {}, 'lc'), 2);
  t.deepEqual([balancer.row(1), balancer.row(0)], rows);
  t.deepEqual(choices(balancer, 2), [0, 0]);
  balancer.configure(serviceOf([], {}, 'lc'), 3);
  balancer.configure(serviceOf([{ id: 'new', address: 9, weight: 1 }], {}, 'lc'), 4);
  t.is(balancer.row(0), rows[1]!, 'the row that has no flow is given again');
});

test('ejectAfter 0: nothing is ejected', (t) => {
  const balancer = balancerOf(serviceOf(endpoints(1, 1), { ejectAfter: 0 }));
  t.false(fail(balancer, 0, 10, 100));
  t.false(balancer.isEjected(0, 11));
  t.deepEqual(counts(choices(balancer, 10, 11), 2), [5, 5]);
});

test('another scheduler from one snapshot to the next', (t) => {
  const list = endpoints(3, 1);
  const balancer = balancerOf(serviceOf(list));
  t.deepEqual(counts(choices(balancer, 40), 2), [20, 20]);
  balancer.configure(serviceOf(list, {}, 'wrr'), 2);
  t.deepEqual(counts(choices(balancer, 40), 2), [30, 10]);
});

test('no endpoints: -1', (t) => {
  t.deepEqual(choices(balancerOf(serviceOf([], { affinity: 60, preferLocal: true, slowStart: 100 })), 3), [-1, -1, -1]);
});

test('turns that others gave are skipped by the schedulers that have turns', (t) => {
  const list = endpoints(3, 2, 1);
  for (const scheduler of SCHEDULER_NAMES) {
    const [one, two] = [balancerOf(serviceOf(list, {}, scheduler)), balancerOf(serviceOf(list, {}, scheduler))];
    choices(one, 5);
    two.skip(scheduler === 'rr' ? 5 + 3_000_000 : 5);
    t.deepEqual(choices(two, 6), choices(one, 6), scheduler);
  }
});

test('a connection that is not answered goes where one was since, unless its own endpoint did answer or is the client’s', (t) => {
  const balancer = balancerOf(serviceOf(endpoints(1, 1, 0, 1, 1)));
  t.is(balancer.instead(1, 10, 20), -1, 'nobody has answered');
  balancer.succeeded(2, 15);
  t.is(balancer.instead(1, 10, 20), -1, 'it takes no flows');
  balancer.succeeded(0, 15);
  balancer.succeeded(4, 15);
  t.is(balancer.instead(1, 10, 20), 4, 'the next in the list');
  t.is(balancer.instead(1, 15, 20), -1, 'since the SYN was sent');
  t.true(fail(balancer, 4, 16));
  t.is(balancer.instead(1, 10, 20), 0, 'not one that is ejected');
  balancer.succeeded(1, 12);
  t.is(balancer.instead(1, 10, 20), -1, 'its own has: a packet was lost');
  for (const sticky of [balancerOf(serviceOf(endpoints(1, 1), { affinity: 60 })), balancerOf(serviceOf(endpoints(1, 1), {}, 'sh')), balancerOf(serviceOf(endpoints(1, 1), {}, 'mh'))]) {
    sticky.succeeded(0, 15);
    t.is(sticky.instead(1, 10, 20), -1);
  }
});
