import test from 'ava';
import { maglevTable } from '../../../../proxy/sched/maglev.js';
import { MaglevHashing } from '../../../../proxy/sched/mh.js';
import { OPEN_GATE } from '../../../../proxy/sched/scheduler.js';
import { hsiphash, sipState } from '../../../../proxy/sched/siphash.js';
import { clientOf, endpoints, refusing, schedulerContract } from '../../../contract/scheduler.js';
import { checkHashVector } from './hash-picks.js';
import { HASH_VECTORS } from './ipvs-vectors.js';

schedulerContract(test, 'mh', { weighted: true, tolerance: 150 });

for (const vector of HASH_VECTORS) {
  test(`picks what the kernel picks: ${vector.name}`, (t) => checkHashVector(t, vector, vector.mh, (flags) => new MaglevHashing(flags)));
}

test('hsiphash: the published vector of four bytes, of a 64-bit machine', (t) => {
  // lib/test_siphash.c: the bytes 0, 1, 2, 3 with the key 0, 1, … 15.
  t.is(hsiphash(0x03020100, sipState([0x0706050403020100n, 0x0f0e0d0c0b0a0908n])) >>> 0, 0x88d38328);
});

test("Maglev's example: M = 7, three backends; then without the second", (t) => {
  // Table 1 of the paper. The permutations: 3 0 4 1 5 2 6, 0 2 4 6 1 3 5, 3 4 5 6 0 1 2.
  const b0 = { offset: 3, skip: 4, turns: 1 };
  const b1 = { offset: 0, skip: 2, turns: 1 };
  const b2 = { offset: 3, skip: 1, turns: 1 };
  t.deepEqual([...maglevTable([b0, b1, b2], 7)], [1, 0, 1, 0, 2, 2, 0]);
  t.deepEqual([...maglevTable([b0, { ...b1, turns: 0 }, b2], 7)], [0, 0, 0, 0, 2, 2, 2]);
});

test('turns in a row: two for one', (t) => {
  const table = maglevTable([{ offset: 0, skip: 1, turns: 2 }, { offset: 0, skip: 1, turns: 1 }], 7);
  t.deepEqual([...table], [0, 0, 1, 0, 0, 1, 0]);
});

test('an endpoint that goes takes few of the others’ clients with it', (t) => {
  const list = endpoints(...new Array<number>(10).fill(1));
  const before = new MaglevHashing();
  const after = new MaglevHashing();
  before.update(list);
  after.update(list.filter((_, i) => i !== 4));
  let moved = 0;
  let stayed = 0;
  for (let i = 0; i < 5000; i++) {
    const was = before.pick(clientOf(i), 0, OPEN_GATE);
    if (was === 4) continue;
    const is = after.pick(clientOf(i), 0, OPEN_GATE);
    if ((is < 4 ? is : is + 1) === was) stayed++;
    else moved++;
  }
  t.true(moved < 0.1 * stayed, `${moved} moved, ${stayed} stayed`);
});

test('a draining endpoint keeps its positions: the clients of the others stay where they are', (t) => {
  const list = endpoints(1, 2, 3);
  const draining = list.map((endpoint, i) => (i === 1 ? { ...endpoint, weight: 0 } : endpoint));
  const scheduler = new MaglevHashing();
  scheduler.update(list);
  const before = Array.from({ length: 1000 }, (_, i) => scheduler.pick(clientOf(i), 0, OPEN_GATE));
  scheduler.update(draining);
  before.forEach((was, i) => {
    const is = scheduler.pick(clientOf(i), 0, OPEN_GATE);
    if (was === 1) t.true(is === 0 || is === 2);
    else t.is(is, was);
  });
  scheduler.update(list);
  t.deepEqual(Array.from({ length: 1000 }, (_, i) => scheduler.pick(clientOf(i), 0, OPEN_GATE)), before);
});

test('without the fall-back flag a client whose endpoint takes no flow is refused', (t) => {
  const scheduler = new MaglevHashing({ fallback: false });
  scheduler.update(endpoints(1, 1));
  const picked = Array.from({ length: 500 }, (_, i) => scheduler.pick(clientOf(i), 0, refusing(0)));
  t.deepEqual([...new Set(picked)].sort(), [-1, 1]);
});

test('a network without IPv6 has no endpoint for a flow of IPv6', (t) => {
  const scheduler = new MaglevHashing();
  scheduler.update(endpoints(1, 1));
  t.is(scheduler.pick(7, 0, OPEN_GATE, true), -1);
});
