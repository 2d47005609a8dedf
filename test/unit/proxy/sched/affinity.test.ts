import test from 'ava';
import fc from 'fast-check';
import { AffinityTable, nameOf } from '../../../../proxy/sched/affinity.js';

const table = (capacity = 1024): AffinityTable => new AffinityTable(AffinityTable.allocate(capacity));

test('remembers by service and client, until the time-out since the last use', (t) => {
  const affinity = table();
  t.is(affinity.find(1, 2, 0, 600), 0);
  affinity.remember(1, 2, 77, 1000);
  t.is(affinity.find(1, 2, 1600, 600), 77);
  t.is(affinity.find(1, 2, 1601, 600), 0);
  t.is(affinity.find(1, 2, 1601, 700), 77, 'a service with a longer one');
  t.is(affinity.find(3, 2, 1000, 600), 0);
  t.is(affinity.find(1, 4, 1000, 600), 0);
  affinity.remember(1, 2, 78, 1500);
  t.is(affinity.find(1, 2, 2100, 600), 78, 'overwritten');
});

test('what one worker remembers another one finds', (t) => {
  const buffer = AffinityTable.allocate(64);
  new AffinityTable(buffer).remember(5, -6, 7, 1);
  t.is(new AffinityTable(buffer).find(5, -6, 1, 1), 7);
});

test('a client has one entry, however often it is remembered', (t) => {
  const affinity = table(8);
  for (let i = 1; i <= 7; i++) affinity.remember(1, i, 100 + i, i);
  for (let i = 0; i < 100; i++) affinity.remember(1, 3, 200 + i, 50);
  t.deepEqual([1, 2, 3, 4, 5, 6, 7].map((i) => affinity.find(1, i, 50, 1000)), [101, 102, 299, 104, 105, 106, 107]);
});

test('when its neighbours fill the group, the one that was used longest ago gives way', (t) => {
  const affinity = table(8);
  for (let i = 1; i <= 8; i++) affinity.remember(1, i, 100 + i, i);
  affinity.remember(1, 1, 101, 9);
  affinity.remember(1, 20, 120, 10);
  t.deepEqual([1, 2, 3, 8, 20].map((i) => affinity.find(1, i, 10, 1000)), [101, 0, 103, 108, 120]);
});

test('a table filled to a half by chance forgets next to no one', (t) => {
  const affinity = table(4096);
  for (let i = 0; i < 2048; i++) affinity.remember(9, Math.imul(i, 0x9e3779b1), i + 1, i);
  let found = 0;
  for (let i = 0; i < 2048; i++) if (affinity.find(9, Math.imul(i, 0x9e3779b1), 2048, 1e6) === i + 1) found++;
  t.true(found > 2048 * 0.95, `${found} of 2048`);
});

test('an entry of words from two writers counts as none', (t) => {
  const buffer = AffinityTable.allocate(8);
  const other = AffinityTable.allocate(8);
  new AffinityTable(buffer).remember(1, 2, 3, 10);
  new AffinityTable(other).remember(1, 2, 4, 10);
  const words = new Int32Array(buffer);
  // The endpoint of the one, the check of the other.
  words[1] = new Int32Array(other)[1]!;
  const mixed = new AffinityTable(buffer);
  t.is(mixed.find(1, 2, 10, 100), 0);
  mixed.remember(1, 2, 5, 11);
  t.is(mixed.find(1, 2, 11, 100), 5);
});

test('behaves as a map with room enough, for any clients and services', (t) => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer(), fc.integer({ min: 1, max: 2 ** 30 - 1 })), { maxLength: 8 }), (uses) => {
      const affinity = table(64);
      const model = new Map<string, number>();
      uses.forEach(([service, client, endpoint], i) => {
        affinity.remember(service, client, endpoint, i);
        model.set(`${service} ${client | 0}`, endpoint);
      });
      for (const [service, client] of uses) t.is(affinity.find(service, client, 10, 100), model.get(`${service} ${client | 0}`) ?? 0);
    }),
  );
});

test('names are 30 bits, never 0, and differ', (t) => {
  const names = Array.from({ length: 20_000 }, (_, i) => nameOf(`vote.${i}.k3j5`));
  t.true(names.every((name) => name > 0 && name < 2 ** 30));
  t.true(new Set(names).size > 19_995);
  t.is(nameOf('vote'), nameOf('vote'));
});

test('sizes that are none are refused', (t) => {
  for (const capacity of [0, 4, 100, 2 ** 25]) t.throws(() => AffinityTable.allocate(capacity), { instanceOf: RangeError });
});
